//! `servers-up` of a route.

use super::Checker;
use crate::file::Fields;
use crate::report::{Code, Fault};
use crate::{Name, ServersUp, UpBound};

impl Checker<'_> {
    /// The conditions of a route on servers.
    pub(super) fn servers_up(&mut self, route: &Fields) -> Vec<ServersUp> {
        let all: Vec<Fields> = route.tables("servers-up").cloned().collect();
        all.iter().filter_map(|fields| self.one_up(fields)).collect()
    }

    fn one_up(&mut self, fields: &Fields) -> Option<ServersUp> {
        let pool = self.pool_named(fields, "pool")?;
        let number = |key: &str| fields.integer(key).and_then(|number| u32::try_from(number).ok());
        let bound = match (fields.written("below"), fields.written("at-least")) {
            (Some(_), None) => UpBound::Below(number("below")?),
            (None, Some(_)) => UpBound::AtLeast(number("at-least")?),
            (None, None) => {
                let message = "nothing says how many servers must be up";
                self.fault(Code::MissingKey, fields.span, message, "write `below = 1`, or `at-least = 1`");
                return None;
            }
            (Some(below), Some(least)) => {
                let message = "`below` and `at-least` are both given";
                let fault = Fault::new(Code::ContradictoryKeys, least.span, message);
                self.report.push(fault.also(below.span, "the other one").remedy("write two entries"));
                return None;
            }
        };
        Some(ServersUp { pool, server: fields.text("server").map(Name::from), bound })
    }
}
