//! Where a client connected to: looked up only where a value asks for it, because the kernel must be asked.

use std::net::SocketAddr;

use transom_config::{FieldEdits, Http, Redirect, Rewrite, Template, TemplatePart};
use transom_state::Route;
use transom_wire::proxy_protocol::Addresses;

/// The address that the client connected to, as a PROXY header says or the kernel; `None` where nobody asks for it.
pub(crate) fn destination(
    http: &Http,
    route: &Route,
    received: Option<&Addresses>,
    local: impl FnOnce() -> Option<SocketAddr>,
) -> Option<SocketAddr> {
    if !asked_for(http, route) {
        return None;
    }
    received.map(|addresses| addresses.destination).or_else(local)
}

fn asked_for(http: &Http, route: &Route) -> bool {
    let config = route.config.as_ref();
    let edits = [Some(&http.edits), config.map(|route| &route.edits)].into_iter().flatten();
    let edited = edits.flat_map(|edits| [&edits.request, &edits.response]).any(in_edits);
    edited
        || config.and_then(|route| route.rewrite.as_ref()).is_some_and(in_rewrite)
        || match route.action() {
            Some(transom_config::Action::Redirect(Redirect { path, to, .. })) => {
                path.iter().chain(to).any(is_meant)
            }
            Some(transom_config::Action::Fixed(fixed)) => {
                fixed.headers.iter().any(|(_, value)| is_meant(value))
            }
            _ => false,
        }
}

fn in_edits(edits: &FieldEdits) -> bool {
    let written = edits.set.iter().chain(&edits.add).map(|(_, value)| value);
    written.chain(edits.replace.iter().map(|replace| &replace.with)).any(is_meant)
}

fn in_rewrite(rewrite: &Rewrite) -> bool {
    match rewrite {
        Rewrite::Set(value) | Rewrite::SetUri(value) | Rewrite::SetQuery(value) => is_meant(value),
        _ => false,
    }
}

fn is_meant(value: &Template) -> bool {
    value.0.iter().any(|part| matches!(part, TemplatePart::Port | TemplatePart::Destination))
}
