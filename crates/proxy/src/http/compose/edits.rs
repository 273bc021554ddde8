//! What the configuration changes in a head: the listener first, then the route.

use transom_config::{FieldEdits, Template};

use super::template::fill;
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

    /// Appends the lines that are set and added.
    pub(super) fn write(&self, out: &mut Vec<u8>, head: &Head<'_>, told: &Told<'_>) {
        let overruled = |name: &str| self.route.is_some_and(|route| replaces(route, name.as_bytes()));
        let own = self.listener.set.iter().chain(&self.listener.add).filter(|(name, _)| !overruled(name));
        let route = self.route.into_iter().flat_map(|route| route.set.iter().chain(&route.add));
        for (name, value) in own.chain(route) {
            line(out, name, value, head, told);
        }
    }
}

fn replaces(edits: &FieldEdits, name: &[u8]) -> bool {
    let same = |own: &str| own.as_bytes().eq_ignore_ascii_case(name);
    edits.remove.iter().any(|own| same(own)) || edits.set.iter().any(|(own, _)| same(own))
}

fn line(out: &mut Vec<u8>, name: &str, value: &Template, head: &Head<'_>, told: &Told<'_>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    fill(out, value, head, told);
    out.extend_from_slice(b"\r\n");
}
