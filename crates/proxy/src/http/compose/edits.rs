//! What the configuration changes in a head: the listener first, then the route.

use transom_config::{FieldEdits, Template};
use transom_state::Route;

use super::answer::Asked;
use super::template::{fill, fill_groups};
use super::{Head, Told};

/// The edits of a listener and of a route.
#[derive(Debug, Clone, Copy)]
pub(super) struct Both<'a> {
    listener: &'a FieldEdits,
    route: Option<&'a FieldEdits>,
}

impl<'a> Both<'a> {
    pub(super) fn new(listener: &'a FieldEdits, route: Option<&'a FieldEdits>) -> Self {
        Self { listener, route: route.filter(|edits| !edits.is_empty()) }
    }

    /// Whether a field of this name that came is left out.
    pub(super) fn drops(&self, name: &[u8]) -> bool {
        replaces(self.listener, name) || self.route.is_some_and(|route| replaces(route, name))
    }

    /// Appends a line whose value is changed; `false`: nothing in it is, and it goes on as it came.
    pub(super) fn replace(&self, out: &mut Vec<u8>, name: &[u8], value: &[u8], asked: Asked<'_>) -> bool {
        let all = self.listener.replace.iter().chain(self.route.into_iter().flat_map(|route| &route.replace));
        let mut changed: Option<Vec<u8>> = None;
        for one in all.filter(|one| one.name.as_bytes().eq_ignore_ascii_case(name)) {
            let now = changed.as_deref().unwrap_or(value);
            let Some(groups) = one.regex.regex().captures(now) else { continue };
            let Some(found) = groups.get(0) else { continue };
            let mut next = now.get(..found.start()).unwrap_or_default().to_vec();
            fill_groups(&mut next, &one.with, &groups, asked);
            next.extend_from_slice(now.get(found.end()..).unwrap_or_default());
            changed = Some(next);
        }
        let Some(changed) = changed else { return false };
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(changed.trim_ascii());
        out.extend_from_slice(b"\r\n");
        true
    }

    /// Whether a value of any field may be changed.
    pub(super) fn replaces(&self) -> bool {
        !self.listener.replace.is_empty() || self.route.is_some_and(|route| !route.replace.is_empty())
    }

    /// Appends the lines that are set and added.
    pub(super) fn write(&self, out: &mut Vec<u8>, head: &Head<'_>, told: &Told<'_>, on: &Route) {
        let overruled = |name: &str| self.route.is_some_and(|route| replaces(route, name.as_bytes()));
        let own = self.listener.set.iter().chain(&self.listener.add).filter(|(name, _)| !overruled(name));
        let route = self.route.into_iter().flat_map(|route| route.set.iter().chain(&route.add));
        for (name, value) in own.chain(route) {
            line(out, name, value, head, told, on);
        }
    }
}

fn replaces(edits: &FieldEdits, name: &[u8]) -> bool {
    let same = |own: &str| own.as_bytes().eq_ignore_ascii_case(name);
    edits.remove.iter().any(|own| same(own)) || edits.set.iter().any(|(own, _)| same(own))
}

/// Appends a line with a value that is filled in.
pub(super) fn line(
    out: &mut Vec<u8>,
    name: &str,
    value: &Template,
    head: &Head<'_>,
    told: &Told<'_>,
    route: &Route,
) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    fill(out, value, head, told, route);
    out.extend_from_slice(b"\r\n");
}
