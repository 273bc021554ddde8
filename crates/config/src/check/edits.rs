//! Edits of headers, on listeners and routes.

use super::Checker;
use crate::file::{Fields, Value};
use crate::report::Code;
use crate::{Edits, FieldEdits, FieldReplace, Pattern, Template};

impl Checker<'_> {
    /// The edits of a listener or a route.
    pub(super) fn edits(&mut self, fields: &Fields) -> Edits {
        let request = ["remove-request-headers", "set-request-headers", "add-request-headers"];
        let response = ["remove-response-headers", "set-response-headers", "add-response-headers"];
        let mut edits = Edits {
            request: self.field_edits(fields, request),
            response: self.field_edits(fields, response),
        };
        edits.request.replace = replaces(fields, "replace-request-headers");
        edits.response.replace = replaces(fields, "replace-response-headers");
        edits
    }

    fn field_edits(&mut self, fields: &Fields, [remove, set, add]: [&'static str; 3]) -> FieldEdits {
        // A request has one Host (RFC 9112 section 3.2): it may be another, but not none or two.
        let hosts = fields.headers(add).iter().filter(|header| header.name.eq_ignore_ascii_case("host"));
        let hosts = hosts.map(|header| header.item.span);
        let removed = fields
            .list(remove)
            .iter()
            .filter(|item| matches!(&item.value, Value::Text(name) if name.eq_ignore_ascii_case("host")));
        for span in hosts.chain(removed.map(|item| item.span)).collect::<Vec<_>>() {
            let message = "a request has one Host header, no more and no fewer (RFC 9112 section 3.2)";
            self.fault(
                Code::BadHeader,
                span,
                message,
                "`set-request-headers = { Host = \"…\" }` writes another",
            );
        }
        FieldEdits {
            replace: Vec::new(),
            remove: fields.texts(remove).map(Into::into).collect(),
            set: templates(fields, set),
            add: templates(fields, add),
        }
    }
}

fn replaces(fields: &Fields, key: &str) -> Vec<FieldReplace> {
    let entries = fields.tables(key).filter_map(|entry| {
        let Some(Value::Template(with)) = entry.given("with").map(|item| &item.value) else { return None };
        let regex = Pattern::new(entry.text("regex")?)?;
        Some(FieldReplace { name: entry.text("name")?.into(), regex, with: with.clone() })
    });
    entries.collect()
}

/// The template of a key.
pub(super) fn filled_in(fields: &Fields, key: &str) -> Option<Template> {
    match &fields.given(key)?.value {
        Value::Template(template) => Some(template.clone()),
        _ => None,
    }
}

pub(super) fn templates(fields: &Fields, key: &str) -> Vec<(Box<str>, Template)> {
    let headers = fields.headers(key).iter().filter_map(|header| match &header.item.value {
        Value::Template(template) => Some((header.name.clone(), template.clone())),
        _ => None,
    });
    headers.collect()
}
