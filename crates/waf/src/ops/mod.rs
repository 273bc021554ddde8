//! Operators: how a rule tests a value.

mod identity;
pub(crate) mod injection;
mod ip;
mod number;
pub(crate) mod pcre;
mod pm;
mod rx;
mod text;
mod validate;

use crate::byteset::ByteSet;
use crate::lang::operator::OperatorText;
use crate::lang::template::Template;
use crate::lang::{Files, Place, Warning, beside};
use crate::prefilter::Needs;
pub(crate) use number::{Comparison, parse_number};
pub(crate) use pm::Phrases;
pub(crate) use rx::{Pattern, PatternError};
use text::Text;

/// A numbered piece of a match: what `capture` puts into TX:0 to TX:9.
pub(crate) type Captures = Vec<(usize, Vec<u8>)>;

/// How many captures a rule keeps.
pub(crate) const CAPTURES_MAX: usize = 10;

/// A compiled operator.
pub(crate) enum Operator {
    /// `unconditionalMatch`, and the test of a `SecAction`.
    Always,
    /// `noMatch`, and what has nothing to ask here: `rbl`, `geoLookup`.
    Never,
    /// `rx`
    Rx(Pattern),
    /// `rx` with a variable in its pattern
    RxTemplate(rx::Patterns),
    /// `pm`, `pmFromFile`
    Pm(Phrases),
    /// `eq`, `ge`, `gt`, `le`, `lt`
    Number(Comparison),
    /// `contains`, `streq`, `within` and their like
    Text(Text),
    /// `ipMatch`, `ipMatchFromFile`
    Ip(ip::Networks),
    /// `validateByteRange`: the bytes that are allowed
    ByteRange(ByteSet),
    /// `validateUrlEncoding`
    UrlEncoding,
    /// `validateUtf8Encoding`
    Utf8,
    /// `detectSQLi`
    Sqli,
    /// `detectXSS`
    Xss,
    /// `verifyCC`, `verifyCPF`, `verifySSN`, `verifySVNR`
    Identity(identity::Kind, Pattern),
}

/// An operator with the argument that is filled in when its rule runs.
pub(crate) struct Test {
    pub(crate) negated: bool,
    pub(crate) operator: Operator,
    pub(crate) argument: Template,
    /// What a value must hold to pass; `Nothing` when the operator is negated or cannot tell.
    pub(crate) needs: Needs,
    /// The operator as the reference writes it, for messages.
    pub(crate) name: &'static str,
}

/// What compiling an operator needs beside its text.
pub(crate) struct Context<'c> {
    pub(crate) files: &'c dyn Files,
    pub(crate) place: &'c Place,
    pub(crate) captures: bool,
    pub(crate) match_limit: usize,
    pub(crate) warnings: &'c mut Vec<Warning>,
}

const NAMES: &[&str] = &[
    "BeginsWith",
    "Contains",
    "ContainsWord",
    "DetectSQLi",
    "DetectXSS",
    "EndsWith",
    "Eq",
    "Ge",
    "GeoLookup",
    "Gt",
    "IpMatch",
    "IpMatchF",
    "IpMatchFromFile",
    "Le",
    "Lt",
    "NoMatch",
    "Pm",
    "PmF",
    "PmFromFile",
    "Rbl",
    "Rx",
    "StrEq",
    "StrMatch",
    "UnconditionalMatch",
    "ValidateByteRange",
    "ValidateUrlEncoding",
    "ValidateUtf8Encoding",
    "VerifyCC",
    "VerifyCPF",
    "VerifySSN",
    "VerifySVNR",
    "Within",
];

impl Test {
    /// The test of a rule that has none.
    pub(crate) fn always() -> Self {
        Self {
            negated: false,
            operator: Operator::Always,
            argument: Template::default(),
            needs: Needs::Nothing,
            name: "UnconditionalMatch",
        }
    }

    /// The test that nothing passes.
    pub(crate) fn never() -> Self {
        Self { operator: Operator::Never, name: "NoMatch", ..Self::always() }
    }

    /// Compiles an operator.
    pub(crate) fn compile(text: &OperatorText, context: &mut Context<'_>) -> Result<Self, String> {
        let name = NAMES
            .iter()
            .find(|name| name.eq_ignore_ascii_case(&text.name))
            .ok_or_else(|| format!("@{} is no operator we know", text.name))?;
        let operator = operator(text, context)?;
        let argument = match operator {
            Operator::Number(_) | Operator::Text(_) | Operator::RxTemplate(_) => {
                Template::parse(&text.argument)?
            }
            _ => Template {
                parts: vec![crate::lang::template::Part::Text(text.argument.clone().into_bytes())],
            },
        };
        let needs = match &operator {
            _ if text.negated => Needs::Nothing,
            Operator::Rx(pattern) => pattern.needs().clone(),
            Operator::Pm(phrases) => phrases.needs().clone(),
            // Markup needs a tag or an attribute with a value; the tests try what has neither.
            Operator::Xss => Needs::Any(vec![b'<', b'=']),
            Operator::UrlEncoding => Needs::Any(vec![b'%']),
            _ => Needs::Nothing,
        };
        Ok(Self { negated: text.negated, operator, argument, needs, name })
    }
}

fn operator(text: &OperatorText, context: &mut Context<'_>) -> Result<Operator, String> {
    let argument = text.argument.as_str();
    Ok(match text.name.as_str() {
        "unconditionalmatch" => Operator::Always,
        "nomatch" => Operator::Never,
        "rbl" | "geolookup" => {
            let (code, what) = match text.name.as_str() {
                "rbl" => ("waf-rbl-never-matches", "@rbl asks the DNS, which this engine never does"),
                _ => ("waf-geolookup-never-matches", "@geoLookup has no database here"),
            };
            let message = format!("{what}: the rule never matches");
            context.warnings.push(Warning { code, place: context.place.clone(), message });
            Operator::Never
        }
        "rx" if argument.contains("%{") && Template::parse(argument).is_ok_and(|t| t.literal().is_none()) => {
            Operator::RxTemplate(rx::Patterns::new(context.match_limit))
        }
        "rx" => Operator::Rx(Pattern::compile(argument, context.captures, context.match_limit)?),
        "pm" => Operator::Pm(Phrases::from_words(argument)?),
        "pmf" | "pmfromfile" => Operator::Pm(Phrases::from_lines(&data(argument, context)?)?),
        "eq" => Operator::Number(Comparison::Eq),
        "ge" => Operator::Number(Comparison::Ge),
        "gt" => Operator::Number(Comparison::Gt),
        "le" => Operator::Number(Comparison::Le),
        "lt" => Operator::Number(Comparison::Lt),
        "beginswith" => Operator::Text(Text::BeginsWith),
        "contains" | "strmatch" => Operator::Text(Text::Contains),
        "containsword" => Operator::Text(Text::ContainsWord),
        "endswith" => Operator::Text(Text::EndsWith),
        "streq" => Operator::Text(Text::Equals),
        "within" => Operator::Text(Text::Within),
        "ipmatch" => Operator::Ip(ip::Networks::parse(argument)?),
        "ipmatchf" | "ipmatchfromfile" => Operator::Ip(ip::Networks::parse(&data(argument, context)?)?),
        "validatebyterange" => Operator::ByteRange(validate::byte_range(argument)?),
        "validateurlencoding" => Operator::UrlEncoding,
        "validateutf8encoding" => Operator::Utf8,
        "detectsqli" => Operator::Sqli,
        "detectxss" => Operator::Xss,
        "verifycc" => identity(identity::Kind::CreditCard, argument, context)?,
        "verifycpf" => identity(identity::Kind::Cpf, argument, context)?,
        "verifyssn" => identity(identity::Kind::Ssn, argument, context)?,
        "verifysvnr" => identity(identity::Kind::Svnr, argument, context)?,
        other => return Err(format!("@{other} is not supported")),
    })
}

fn identity(kind: identity::Kind, pattern: &str, context: &Context<'_>) -> Result<Operator, String> {
    Ok(Operator::Identity(kind, Pattern::compile(pattern, false, context.match_limit)?))
}

/// The text of the files an argument names, one below the other.
fn data(argument: &str, context: &Context<'_>) -> Result<String, String> {
    let mut text = String::new();
    for name in argument.split_whitespace() {
        let bytes = context.files.read(&beside(&context.place.file, name))?;
        text.push_str(&String::from_utf8_lossy(&bytes));
        text.push('\n');
    }
    Ok(text)
}

impl Test {
    /// Whether `value` passes, the negation left aside. `argument` is the filled-in argument.
    pub(crate) fn matches(&self, value: &[u8], argument: &[u8]) -> Result<bool, PatternError> {
        Ok(match &self.operator {
            Operator::Always => true,
            Operator::Never => false,
            Operator::Rx(pattern) => pattern.is_match(value)?,
            Operator::RxTemplate(patterns) => patterns.get(argument)?.is_match(value)?,
            Operator::Pm(phrases) => phrases.is_match(value),
            Operator::Number(comparison) => comparison.holds(parse_number(value), parse_number(argument)),
            Operator::Text(text) => text.holds(value, argument),
            Operator::Ip(networks) => networks.contain(value),
            Operator::ByteRange(allowed) => !ByteSet::of(value).is_subset(*allowed),
            Operator::UrlEncoding => !validate::url_encoding(value),
            Operator::Utf8 => !validate::utf8(value),
            Operator::Sqli => injection::sqli(value).is_some(),
            Operator::Xss => injection::xss(value),
            Operator::Identity(kind, pattern) => kind.find(pattern, value)?.is_some(),
        })
    }

    /// What a matching value leaves in TX:0 to TX:9.
    pub(crate) fn captures(&self, value: &[u8], argument: &[u8]) -> Result<Captures, PatternError> {
        let whole = |bytes: &[u8]| vec![(0, bytes.to_vec())];
        Ok(match &self.operator {
            Operator::Rx(pattern) => pattern.captures(value)?,
            Operator::RxTemplate(patterns) => patterns.get(argument)?.captures(value)?,
            Operator::Pm(phrases) => phrases.first(value).map_or_else(Vec::new, whole),
            Operator::Text(Text::Contains | Text::ContainsWord) => whole(argument),
            Operator::Text(Text::Within) => whole(value),
            Operator::Sqli => injection::sqli(value).map_or_else(Vec::new, |fingerprint| whole(&fingerprint)),
            Operator::Xss => whole(value),
            Operator::Identity(kind, pattern) => {
                kind.find(pattern, value)?.map_or_else(Vec::new, |range| whole(&value[range]))
            }
            _ => Vec::new(),
        })
    }
}
