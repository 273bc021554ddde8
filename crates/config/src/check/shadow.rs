//! Routes of an `http` listener that never see a request, because one before them takes all they could.

use super::Checker;
use crate::file::Fields;
use crate::report::{Code, Fault};
use crate::{FieldMatch, HttpRoute, Matches, PathMatch, ServerName};

/// Routes from which on only those that take everything are compared with: comparing each with each costs their
/// square.
const COMPARED_MAX: usize = 500;

impl Checker<'_> {
    /// Warns of routes that an earlier one leaves nothing for.
    pub(super) fn shadowed(&mut self, listener: &Fields, routes: &[HttpRoute]) {
        let spans: Vec<_> = listener.tables("routes").map(|fields| fields.span).collect();
        // Some were left out for faults of their own: their places would not fit.
        if spans.len() != routes.len() {
            return;
        }
        let whole = routes.iter().position(|route| route.matches == Matches::default());
        for (at, route) in routes.iter().enumerate().skip(1) {
            let near = &routes[..at.min(COMPARED_MAX)];
            let taker = near.iter().position(|earlier| covers(&earlier.matches, &route.matches));
            let Some(taker) = taker.or(whole.filter(|whole| *whole < at)) else { continue };
            let message = format!(
                "no request comes to the route `{}`: `{}` stands before it and takes all it could",
                route.name, routes[taker].name
            );
            let fault = Fault::new(Code::ShadowedRoute, spans[at], message).also(spans[taker], "taken here");
            self.report.push(fault.remedy("put this route before the other, or take one of the two out"));
        }
    }
}

/// Whether every request that `later` takes is taken by `earlier`.
fn covers(earlier: &Matches, later: &Matches) -> bool {
    all(&earlier.hosts, &later.hosts, host)
        && all(&earlier.paths, &later.paths, path)
        && all(&earlier.uri, &later.uri, |a, b| a == b)
        && all(&earlier.methods, &later.methods, |a, b| a == b)
        && all(&earlier.sources, &later.sources, |a, b| a.contains(b))
        && earlier.not_sources.iter().all(|net| later.not_sources.iter().any(|other| other.contains(net)))
        && fields(&earlier.headers, &later.headers)
        && fields(&earlier.query, &later.query)
        && fields(&earlier.cookies, &later.cookies)
}

/// Whether a list of which one entry is enough takes all that another takes. An empty one takes everything.
fn all<T>(earlier: &[T], later: &[T], covers: impl Fn(&T, &T) -> bool) -> bool {
    earlier.is_empty()
        || !later.is_empty() && later.iter().all(|one| earlier.iter().any(|other| covers(other, one)))
}

/// Whether what must hold of fields must hold of the later ones as well.
fn fields(earlier: &[FieldMatch], later: &[FieldMatch]) -> bool {
    earlier.iter().all(|one| later.contains(one))
}

fn host(earlier: &ServerName, later: &ServerName) -> bool {
    match (earlier, later) {
        (earlier, ServerName::Exact(name)) => earlier.matches(name),
        (ServerName::Below(wide), ServerName::Below(narrow)) => narrow.ends_with(&**wide),
        (ServerName::Exact(_), ServerName::Below(_)) => false,
    }
}

fn path(earlier: &PathMatch, later: &PathMatch) -> bool {
    match (earlier, later) {
        (PathMatch::Below(wide), _) if **wide == *"/" => true,
        (PathMatch::Below(wide), PathMatch::Below(narrow) | PathMatch::Exact(narrow)) => {
            narrow.strip_prefix(&**wide).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        (PathMatch::Suffix(wide), PathMatch::Suffix(narrow) | PathMatch::Exact(narrow)) => {
            narrow.ends_with(&**wide)
        }
        (earlier, later) => earlier == later,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_takes_itself_and_those_below_it() {
        let below = |path: &str| PathMatch::Below(path.into());
        let exact = |path: &str| PathMatch::Exact(path.into());
        let suffix = |path: &str| PathMatch::Suffix(path.into());
        for (earlier, later, covers) in [
            (below("/"), suffix(".asmx"), true),
            (below("/owa"), below("/owa"), true),
            (below("/owa"), below("/owa/x"), true),
            (below("/owa"), exact("/owa/x"), true),
            (below("/owa"), below("/owa2"), false),
            (below("/owa/x"), below("/owa"), false),
            (exact("/owa"), below("/owa"), false),
            (suffix(".asmx"), exact("/ews/exchange.asmx"), true),
            (suffix(".asmx"), below("/ews"), false),
        ] {
            assert_eq!(path(&earlier, &later), covers, "{earlier:?} {later:?}");
        }
    }

    #[test]
    fn what_is_not_asked_for_takes_everything() {
        let host = |name: &str| Matches { hosts: vec![ServerName::Exact(name.into())], ..Matches::default() };
        let method = Matches { methods: vec!["GET".into()], ..Matches::default() };
        let both = Matches { methods: vec!["GET".into()], ..host("a") };
        for (earlier, later, expected) in [
            (Matches::default(), both.clone(), true),
            (host("a"), both.clone(), true),
            (method.clone(), both.clone(), true),
            (both.clone(), host("a"), false),
            (host("b"), both.clone(), false),
            (both, Matches::default(), false),
        ] {
            assert_eq!(covers(&earlier, &later), expected, "{earlier:?} {later:?}");
        }
    }
}
