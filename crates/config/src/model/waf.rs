//! Web application firewalls and budgets against abuse.

use super::Kind::{Bytes, Choice, Duration, Integer, List, Network, Path, RoutePath, Sink, Text};
use super::{Key, Kind, Table, Word, seconds};

/// `[waf.NAME]`
pub(crate) static WAF: Table = Table {
    doc: "A web application firewall: rules in SecLang, such as the OWASP Core Rule Set, unmodified. Listeners and routes \
          of `mode = \"http\"` name it with `waf`.",
    keys: &[
        Key::optional(
            "packages",
            List(&Choice(PACKAGES)),
            "[\"exchange\"]",
            "none",
            "Rules that come with the program. They go before `rules`, which they make exceptions from.",
        ),
        Key::optional(
            "rules",
            List(&Path),
            "[\"/usr/share/modsecurity-crs/owasp-crs.load\"]",
            "`packages` alone; one of the two is needed",
            "Files of rules, in this order; `*` stands for any part of a file name. They may include others.",
        )
        .filled(),
        Key::default(
            "mode",
            Choice(MODES),
            "\"block\"",
            "What comes of a match. It stands above `SecRuleEngine` in the rules.",
        ),
        Key::default(
            "when-broken",
            Choice(WHEN_BROKEN),
            "\"closed\"",
            "What happens to requests that could not be looked at.",
        ),
        Key::optional(
            "paranoia",
            Integer { min: 1, max: 4 },
            "1",
            "as the rule files say",
            "The Core Rule Set's paranoia level: the higher, the more is found, and the more of it wrongly.",
        ),
        Key::optional(
            "thresholds",
            Kind::Table(&THRESHOLDS),
            "{ inbound = 5, outbound = 4 }",
            "as the rule files say",
            THRESHOLDS.doc,
        ),
        Key::optional(
            "limits",
            Kind::Table(&LIMITS),
            "{ request-body = \"128KiB\" }",
            "as the rule files say",
            LIMITS.doc,
        ),
        Key::optional(
            "exclude",
            Kind::Tables(&EXCLUDE),
            "[{ rule = 942100, paths = [\"/search\"], argument = \"q\", why = \"SQL words in book titles\" }]",
            "rules look at everything",
            EXCLUDE.doc,
        ),
        Key::default("error-log", Sink, "\"off\"", "A line for each match, as ModSecurity writes them."),
        Key::optional(
            "audit-log",
            Kind::Table(&AUDIT_LOG),
            "{ file = \"/var/log/transom/audit.log\" }",
            "none is written",
            AUDIT_LOG.doc,
        ),
    ],
};

/// An entry of `packages`
pub(crate) const PACKAGES: &[Word] = &[Word::new(
    "exchange",
    "Lets Exchange's clients through the Core Rule Set, and refuses attacks that Exchange itself could not.",
)];

/// `mode` of a firewall
pub(crate) const MODES: &[Word] = &[
    Word::new("block", "Attacks are refused (`waf-blocked`)."),
    Word::new("detect", "Everything passes; logs say what would have been refused."),
    Word::new("off", "Nothing is looked at."),
];

/// `when-broken`
pub(crate) const WHEN_BROKEN: &[Word] = &[
    Word::new("closed", "They are answered 503."),
    Word::new("open", "They are let through, and the log says so."),
];

/// `thresholds`
pub(crate) static THRESHOLDS: Table = Table {
    doc: "Scores from which on something is refused.",
    keys: &[
        Key::optional(
            "inbound",
            Integer { min: 1, max: 1_000_000 },
            "5",
            "as the rule files say",
            "Of requests.",
        ),
        Key::optional(
            "outbound",
            Integer { min: 1, max: 1_000_000 },
            "4",
            "as the rule files say",
            "Of responses.",
        ),
    ],
};

/// `limits` of a firewall
pub(crate) static LIMITS: Table = Table {
    doc: "How much of bodies is looked at.",
    keys: &[
        Key::optional(
            "request-body",
            Bytes { min: 0, max: 1 << 30 },
            "\"128KiB\"",
            "as the rule files say",
            "Of a request's.",
        ),
        Key::optional(
            "response-body",
            Bytes { min: 0, max: 1 << 30 },
            "\"512KiB\"",
            "as the rule files say",
            "Of a response's.",
        ),
    ],
};

/// An entry of `exclude`
pub(crate) static EXCLUDE: Table = Table {
    doc: "What rules are not to look at: one rule (`rule`) or all with a tag (`tag`), everywhere or below some paths.",
    keys: &[
        Key::optional(
            "rule",
            Integer { min: 1, max: 1 << 53 },
            "942100",
            "`tag` names them",
            "The number of a rule.",
        ),
        Key::optional("tag", Text, "\"attack-sqli\"", "`rule` names it", "A tag of rules."),
        Key::optional(
            "paths",
            List(&RoutePath),
            "[\"/search\"]",
            "every path",
            "Paths it holds for, and all below them, compared as those of routes.",
        )
        .filled(),
        Key::optional(
            "argument",
            Text,
            "\"q\"",
            "the rules do not run at all there",
            "The argument, of the query or of a form, that they are not to look at.",
        ),
        Key::required(
            "why",
            Text,
            "\"SQL words in book titles, ticket 118\"",
            "The reason, for whoever reads it next.",
        ),
    ],
};

/// `audit-log`
pub(crate) static AUDIT_LOG: Table = Table {
    doc: "A record of each request that rules want recorded, with secrets masked.",
    keys: &[
        Key::required(
            "file",
            Path,
            "\"/var/log/transom/audit.log\"",
            "The file it is appended to; opened again at each reload.",
        ),
        Key::default("format", Choice(AUDIT_FORMATS), "\"json\"", "How a record looks."),
    ],
};

/// `format` of an audit log
pub(crate) const AUDIT_FORMATS: &[Word] = &[
    Word::new("json", "One JSON object a line, as libmodsecurity writes it."),
    Word::new("native", "ModSecurity's parts between boundaries."),
];

/// `[abuse]`
pub(crate) static ABUSE: Table = Table {
    doc: "Budgets of requests and of failed logins, for each source and each user, over all listeners together. What is \
          over a budget is refused (`shield-limited`), and may bring a ban; `transom ctl bans` shows those. IPv6 sources \
          count by their /64. Failed logins are those of forms, Basic, NTLM, SMTP and IMAP.",
    keys: &[
        Key::default(
            "size",
            Integer { min: 1000, max: 10_000_000 },
            "100_000",
            "Sources and users watched at a time; the one unseen for longest makes room.",
        ),
        Key::optional(
            "exempt",
            List(&Network),
            "[\"10.0.0.0/8\"]",
            "everybody is counted",
            "Sources that are never counted nor banned: monitoring, proxies with many users behind them.",
        ),
        Key::optional(
            "requests-per-source",
            Kind::Table(&ABUSE_RULE),
            "{ count = 3000, per = \"1m\", ban = \"5m\" }",
            "not counted",
            "Requests of one source. Requests of long-lived channels count once.",
        ),
        Key::optional(
            "requests-per-user",
            Kind::Table(&ABUSE_RULE),
            "{ count = 3000, per = \"1m\" }",
            "not counted",
            "Requests of one user, where the login tells who it is.",
        ),
        Key::optional(
            "failures-per-source",
            Kind::Table(&ABUSE_RULE),
            "{ count = 30, per = \"10m\", ban = \"15m\" }",
            "not counted",
            "Failed logins of one source.",
        ),
        Key::optional(
            "failures-per-user",
            Kind::Table(&ABUSE_RULE),
            "{ count = 10, per = \"10m\" }",
            "not counted",
            "Failed logins in one user's name, from anywhere. A `ban` here lets whoever knows a name lock its owner out: a \
             warning.",
        ),
    ],
};

/// A budget of `[abuse]`
pub(crate) static ABUSE_RULE: Table = Table {
    doc: "A budget: so many may come at once, and the whole is earned again in the time of `per`.",
    keys: &[
        Key::required("count", Integer { min: 1, max: 100_000_000 }, "30", "How many."),
        Key::required("per", Duration { min: seconds(1), max: seconds(86_400) }, "\"10m\"", "In which time."),
        Key::optional(
            "ban",
            Duration { min: seconds(1), max: seconds(2_592_000) },
            "\"15m\"",
            "what is over the budget is refused, and nothing else happens",
            "How long whoever overdraws it is refused everything.",
        ),
    ],
};

/// `per-source` of a listener's `limits`
pub(crate) static PER_SOURCE: Table = Table {
    doc: "Limits for each source, over which connections are refused (`shield-limited`). IPv6 sources count by their /64.",
    keys: &[
        Key::optional(
            "connections",
            Integer { min: 1, max: super::root::CONNECTIONS_MAX },
            "200",
            "no limit",
            "Connections at a time. Outlook alone holds a dozen, and an office behind one address has many.",
        ),
        Key::optional(
            "connections-rate",
            Kind::Rate,
            "\"50/s\"",
            "no limit",
            "New connections: a number and one of `/s`, `/m`, `/h`. As many may come at once.",
        ),
    ],
};
