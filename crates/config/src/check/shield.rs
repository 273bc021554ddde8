//! `[shield]` and its contexts

use std::collections::HashMap;

use ipnet::IpNet;

use super::Checker;
use crate::file::{Fields, Value};
use crate::model::shield::{PER_SOURCE, SHIELD, SYN_COOKIES, TOTAL};
use crate::report::{Code, Fault};
use crate::source::Span;
use crate::{PacketBudgets, PacketPolicy, PacketRate, Shield, ShieldContext, TotalRates, Tracking, words};

/// Contexts there may be: their numbers have 16 bits, and tables are made for so many.
const CONTEXTS_MAX: usize = 1024;

impl Checker<'_> {
    /// `[shield]`, if there is one.
    pub(super) fn shield(&mut self, root: &Fields) -> Option<Shield> {
        root.given("shield")?;
        let fields = root.table("shield", &SHIELD);
        let tracking = fields.word("tracking", words::TRACKING).unwrap_or(Tracking::Stateless);
        let interfaces = fields.list("interfaces").iter().filter_map(|item| match &item.value {
            Value::Text(name) => Some(name.to_string()),
            _ => None,
        });
        let interfaces = interfaces.collect();
        let policy = |key| fields.word(key, words::POLICIES).unwrap_or(PacketPolicy::Pass);
        let shield = Shield {
            interfaces,
            tracking,
            block: networks(&fields, "block"),
            allow: networks(&fields, "allow"),
            fragments: policy("fragments"),
            options: policy("options"),
            contexts: fields.tables("contexts").map(|context| self.context(context, tracking)).collect(),
            place: self.place(fields.span),
        };
        self.listed_twice(&fields);
        self.destinations(&fields);
        Some(shield)
    }

    fn context(&mut self, fields: &Fields, tracking: Tracking) -> ShieldContext {
        let allow = fields.list("allow").iter().filter_map(|item| match &item.value {
            Value::Allow(allow) => Some(*allow),
            _ => None,
        });
        let allow = allow.collect();
        let proof = fields.given("syn-cookies").is_some();
        let above = fields.table("syn-cookies", &SYN_COOKIES).packet_rate("above");
        ShieldContext {
            destination: networks(fields, "destination"),
            tracking: fields.word("tracking", words::TRACKING).unwrap_or(tracking),
            allow,
            syn_cookies_above: above.filter(|_| proof),
            per_source: self.per_source(fields),
            total: self.total(fields),
            strays: fields
                .packet_rate("strays")
                .unwrap_or(PacketRate { count: 1000, per: crate::Per::Second }),
            place: self.place(fields.span),
        }
    }

    fn per_source(&mut self, fields: &Fields) -> PacketBudgets {
        let own = fields.table("per-source", &PER_SOURCE);
        PacketBudgets {
            syn: self.limit(&own, "syn"),
            packets: self.limit(&own, "packets"),
            udp: self.limit(&own, "udp"),
            icmp: self.limit(&own, "icmp"),
            connections: own.integer("connections").and_then(|n| u32::try_from(n).ok()),
        }
    }

    fn total(&mut self, fields: &Fields) -> TotalRates {
        let own = fields.table("total", &TOTAL);
        TotalRates { udp: self.limit(&own, "udp"), icmp: self.limit(&own, "icmp") }
    }

    /// A limit of nothing at all would be a strange way to say it.
    fn limit(&mut self, fields: &Fields, key: &str) -> Option<PacketRate> {
        let rate = fields.packet_rate(key)?;
        if rate.count == 0 {
            let remedy = "write at least \"1/h\"; what must not come at all is left out of `allow`";
            self.fault(Code::OutOfRange, fields.place(key), format!("`{key}` lets nothing through"), remedy);
        }
        Some(rate)
    }

    fn listed_twice(&mut self, fields: &Fields) {
        let blocked: HashMap<IpNet, Span> = spans(fields, "block").collect();
        for (network, span) in spans(fields, "allow") {
            if let Some(other) = blocked.get(&network) {
                let message = format!("{network} is in `allow` and in `block`");
                let fault = Fault::new(Code::ContradictoryKeys, span, message).also(*other, "the other one");
                self.report.push(fault.remedy("take it out of one of them"));
            }
        }
    }

    /// Every destination has one context.
    fn destinations(&mut self, fields: &Fields) {
        let mut taken: HashMap<IpNet, Span> = HashMap::new();
        for context in fields.tables("contexts") {
            for (network, span) in spans(context, "destination") {
                if let Some(other) = taken.insert(network, span) {
                    let message = format!("{network} has two contexts");
                    let fault =
                        Fault::new(Code::ContradictoryKeys, span, message).also(other, "the other one");
                    self.report.push(fault.remedy("take it out of one of them"));
                }
            }
        }
        if fields.tables("contexts").count() > CONTEXTS_MAX {
            let message = format!("there are more than {CONTEXTS_MAX} contexts");
            let remedy = "put destinations that are treated alike into one context";
            self.fault(Code::OutOfRange, fields.place("contexts"), message, remedy);
        }
    }
}

fn networks(fields: &Fields, key: &str) -> Vec<IpNet> {
    spans(fields, key).map(|(network, _)| network).collect()
}

fn spans<'a>(fields: &'a Fields, key: &str) -> impl Iterator<Item = (IpNet, Span)> + use<'a> {
    fields.list(key).iter().filter_map(|item| match &item.value {
        Value::Network(network) => Some((*network, item.span)),
        _ => None,
    })
}
