//! Conditions: what rules and ACLs ask of a connection or a request, as alternatives of tests that must all hold.

/// What a test looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    Host,
    Path,
    PathExact,
    PathSuffix,
    PathRegex,
    Method,
    Source,
    Sni,
    /// The header of that name (lower case).
    Header(String, Match),
    Cookie(String, Match),
    Query(String, Match),
    /// The connection is TLS.
    Tls,
    /// Port and address that the client connected to.
    Port,
    Destination,
    /// Which `bind` of the frontend.
    BindId,
    /// A client certificate was shown.
    ClientCertificate,
    /// Servers of a pool that are up, fewer than this.
    ServersBelow(String, u64),
    /// A rate or count of a client: which, and the most that is allowed.
    Rate(Rate, u64),
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    Value,
    Prefix,
    Suffix,
    Contains,
    Regex,
    Present,
}

impl Match {
    /// The key of an entry of `headers`.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Prefix => "prefix",
            Self::Suffix => "suffix",
            Self::Contains => "contains",
            Self::Regex => "regex",
            Self::Present => "present",
        }
    }
}

/// What is counted of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rate {
    Requests,
    Connections,
    NewConnections,
    Errors,
}

/// One test: the subject has one of the values, or none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) subject: Subject,
    pub(crate) values: Vec<String>,
    pub(crate) not: bool,
}

impl Test {
    /// A test for one of these values.
    pub(crate) fn new(subject: Subject, values: Vec<String>) -> Self {
        Self { subject, values, not: false }
    }
}

/// Tests that must all hold.
pub(crate) type All = Vec<Test>;

/// Alternatives: any of them is enough. None is never, an empty one is always.
pub(crate) type Condition = Vec<All>;

/// Alternatives of one condition at most.
const ALTERNATIVES_MAX: usize = 128;

/// Why a condition cannot be written here.
pub(crate) const TOO_MANY: &str = "the condition has too many alternatives";

/// The condition that always holds.
pub(crate) fn always() -> Condition {
    vec![Vec::new()]
}

/// Both must hold.
pub(crate) fn and(a: &Condition, b: &Condition) -> Result<Condition, String> {
    if a.len().saturating_mul(b.len()) > ALTERNATIVES_MAX {
        return Err(TOO_MANY.to_owned());
    }
    let join =
        |left: &All| b.iter().map(|right| left.iter().chain(right).cloned().collect()).collect::<Vec<All>>();
    Ok(a.iter().flat_map(join).collect())
}

/// One of them must hold; tests of the same subject become one.
pub(crate) fn or(mut a: Condition, b: Condition) -> Result<Condition, String> {
    for all in b {
        let joined = match all.as_slice() {
            [one] if !one.not => a.iter_mut().any(|own| match own.as_mut_slice() {
                [test] if !test.not && test.subject == one.subject && !test.values.is_empty() => {
                    for value in &one.values {
                        if !test.values.contains(value) {
                            test.values.push(value.clone());
                        }
                    }
                    true
                }
                _ => false,
            }),
            _ => false,
        };
        if !joined {
            a.push(all);
        }
    }
    if a.len() > ALTERNATIVES_MAX { Err(TOO_MANY.to_owned()) } else { Ok(a) }
}

/// It must not hold.
pub(crate) fn not(condition: &Condition) -> Result<Condition, String> {
    let mut result = always();
    for all in condition {
        let turned: Condition = all
            .iter()
            .map(|test| {
                let turned = Test { not: !test.not, ..test.clone() };
                vec![turned]
            })
            .collect();
        result = and(&result, &turned)?;
    }
    Ok(result)
}

/// What is known of the listener that a condition is asked on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub(crate) tls: Option<bool>,
    pub(crate) port: Option<u16>,
    pub(crate) address: Option<String>,
    pub(crate) id: Option<String>,
}

/// The condition on a listener: what is known of it is decided, the rest stays.
pub(crate) fn on(condition: &Condition, known: &Known) -> Condition {
    let mut result = Condition::new();
    for all in condition {
        let mut rest = All::new();
        let mut possible = true;
        for test in all {
            match decide(test, known) {
                Some(holds) => possible &= holds != test.not,
                None => rest.push(test.clone()),
            }
        }
        if possible {
            result.push(rest);
        }
    }
    result
}

/// Whether the test's subject fits, where that is known already.
fn decide(test: &Test, known: &Known) -> Option<bool> {
    let among = |value: &str| test.values.iter().any(|own| own == value);
    match test.subject {
        Subject::Tls => known.tls,
        Subject::Port => known.port.map(|port| test.values.iter().any(|range| in_range(range, port))),
        Subject::Destination => known.address.as_deref().map(among),
        Subject::BindId => known.id.as_deref().map(among),
        _ => None,
    }
}

/// `443`, `8000:8080`, `gt 1024`.
fn in_range(range: &str, port: u16) -> bool {
    match range.split_once([':', '-']) {
        Some((low, high)) => {
            low.parse().is_ok_and(|low: u16| low <= port) && high.parse().is_ok_and(|high: u16| port <= high)
        }
        None => range.parse() == Ok(port),
    }
}

/// Whether a condition looks at a subject.
pub(crate) fn looks_at(condition: &Condition, subject: &Subject) -> bool {
    condition.iter().flatten().any(|test| test.subject == *subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(subject: Subject, value: &str) -> Condition {
        vec![vec![Test::new(subject, vec![value.to_owned()])]]
    }

    #[test]
    fn alternatives_of_one_subject_become_one_test() {
        let both = or(test(Subject::Host, "a"), test(Subject::Host, "b")).unwrap();
        assert_eq!(both, vec![vec![Test::new(Subject::Host, vec!["a".into(), "b".into()])]]);
        assert_eq!(or(both, test(Subject::Path, "/x")).unwrap().len(), 2);
    }

    #[test]
    fn not_turns_and_into_or() {
        let both = and(&test(Subject::Host, "a"), &test(Subject::Path, "/x")).unwrap();
        let neither = not(&both).unwrap();
        assert_eq!(neither.len(), 2);
        assert!(neither.iter().flatten().all(|test| test.not));
        assert_eq!(not(&always()).unwrap(), Condition::new());
        assert_eq!(not(&Condition::new()).unwrap(), always());
    }

    #[test]
    fn what_is_known_of_a_listener_is_decided() {
        let known = Known { tls: Some(true), port: Some(443), ..Known::default() };
        assert_eq!(on(&test(Subject::Port, "400:500"), &known), always());
        assert_eq!(on(&test(Subject::Port, "80"), &known), Condition::new());
        let not_tls = not(&vec![vec![Test::new(Subject::Tls, Vec::new())]]).unwrap();
        assert_eq!(on(&not_tls, &known), Condition::new());
        assert_eq!(on(&test(Subject::Host, "a"), &known), test(Subject::Host, "a"));
    }

    #[test]
    fn too_many_alternatives_are_refused() {
        let many: Condition = (0..100).map(|n| vec![Test::new(Subject::Path, vec![n.to_string()])]).collect();
        assert_eq!(and(&many, &many), Err(TOO_MANY.to_owned()));
    }
}
