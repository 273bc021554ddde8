//! What a rule does: `"id:942100,phase:2,block,capture,t:none,setvar:'tx.score=+5'"`.

use super::target::{Target, parse_target};
use super::template::Template;
use crate::Var;
use crate::xform::Xform;

/// When in the life of a request a rule runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the five phases of the language, each named after its moment")]
pub enum Phase {
    RequestHeaders = 1,
    RequestBody = 2,
    ResponseHeaders = 3,
    ResponseBody = 4,
    Logging = 5,
}

/// How far an `allow` reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllowScope {
    /// Every phase but logging.
    Everything,
    /// The rest of this phase.
    Phase,
    /// The request phases.
    Request,
}

/// On, off, or looking without acting: `SecRuleEngine` and `ctl:ruleEngine`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineMode {
    /// Rules run and may refuse.
    On,
    /// Rules run and are only reported.
    DetectionOnly,
    /// Rules do not run.
    Off,
}

/// How a body becomes variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// `application/x-www-form-urlencoded`
    Urlencoded,
    /// `multipart/form-data`
    Multipart,
    /// JSON, flattened into arguments
    Json,
    /// XML
    Xml,
}

impl BodyKind {
    /// The value of REQBODY_PROCESSOR.
    pub fn name(self) -> &'static str {
        match self {
            Self::Urlencoded => "URLENCODED",
            Self::Multipart => "MULTIPART",
            Self::Json => "JSON",
            Self::Xml => "XML",
        }
    }

    fn named(name: &str) -> Result<Self, String> {
        [Self::Urlencoded, Self::Multipart, Self::Json, Self::Xml]
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| format!("`{name}` is no body processor we know"))
    }
}

/// Which rules an exclusion means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleSet {
    /// First to last id, both included.
    Ids(u64, u64),
    /// Rules with this tag.
    Tag(String),
    /// Rules with this message.
    Msg(String),
}

/// What `ctl` changes for this transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ctl {
    /// `ruleEngine`
    Engine(EngineMode),
    /// `requestBodyAccess`
    RequestBodyAccess(bool),
    /// `responseBodyAccess`
    ResponseBodyAccess(bool),
    /// `forceRequestBodyVariable`
    ForceRequestBody(bool),
    /// `requestBodyProcessor`
    BodyProcessor(BodyKind),
    /// `requestBodyLimit`
    RequestBodyLimit(usize),
    /// `responseBodyLimit`
    ResponseBodyLimit(usize),
    /// `ruleRemoveById`, `…ByTag`, `…ByMsg`
    RemoveRules(RuleSet),
    /// `ruleRemoveTargetById`, `…ByTag`, `…ByMsg`
    RemoveTarget(RuleSet, Target),
    /// `auditEngine`: `None` is relevant only
    AuditEngine(Option<bool>),
    /// `auditLogParts`, as written
    AuditLogParts(String),
    /// `parseXmlIntoArgs`: off, as well, or instead
    XmlIntoArgs(XmlArgs),
}

/// Whether XML leaves become arguments (`SecParseXmlIntoArgs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XmlArgs {
    /// They do not.
    Off,
    /// They do, and XML is there as well.
    On,
    /// They do, and nothing else is.
    Only,
}

/// What happens to a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It becomes this.
    Set(Template),
    /// This is added to its number.
    Add(Template),
    /// This is taken from its number.
    Subtract(Template),
    /// It goes away.
    Unset,
}

/// One action.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the action of that name in the SecLang reference")]
pub enum Action {
    Id(u64),
    Phase(Phase),
    Msg(Template),
    LogData(Template),
    Severity(u8),
    Tag(Template),
    Rev(String),
    Ver(String),
    Maturity(u8),
    Accuracy(u8),
    Allow(AllowScope),
    Block,
    Deny,
    Drop,
    Pass,
    Redirect(Template),
    Status(u16),
    Log(bool),
    AuditLog(bool),
    Capture,
    Chain,
    MultiMatch,
    Skip(u32),
    SkipAfter(String),
    TransformNone,
    Transform(Xform),
    SetVar { var: Var, name: Template, change: Change },
    ExpireVar { var: Var, name: Template, seconds: Template },
    InitCol { var: Var, key: Template },
    SetEnv { name: Template, value: Template },
    Ctl(Ctl),
    Xmlns { prefix: String, uri: String },
}

/// Reads a whole action list.
pub fn parse_actions(text: &str) -> Result<Vec<Action>, String> {
    split(text)?.into_iter().map(|(name, value)| action(&name, value.as_deref())).collect()
}

/// `name` and `name:value`, cut at commas outside single quotes, quotes taken off.
fn split(text: &str) -> Result<Vec<(String, Option<String>)>, String> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.find([':', ',']).unwrap_or(rest.len());
        let name = rest[..end].trim().to_owned();
        if name.is_empty() {
            return Err(format!("expected an action before `{rest}`"));
        }
        if rest.as_bytes().get(end) == Some(&b':') {
            let (value, after) = value(rest[end + 1..].trim_start())?;
            found.push((name, Some(value)));
            rest = after;
        } else {
            found.push((name, None));
            rest = rest.get(end..).unwrap_or("");
        }
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(',') {
            rest = after.trim_start();
        } else if !rest.is_empty() {
            return Err(format!("expected a comma before `{rest}`"));
        }
    }
    Ok(found)
}

/// A value up to its comma, or up to its closing quote; and what follows.
fn value(text: &str) -> Result<(String, &str), String> {
    if !text.starts_with('\'') {
        let mut quoted = false;
        let end = text
            .char_indices()
            .find(|(_, c)| {
                quoted ^= *c == '\'';
                *c == ',' && !quoted
            })
            .map_or(text.len(), |(at, _)| at);
        let value = text[..end].trim();
        if quoted {
            return Err(format!("the quote in `{value}` is never closed"));
        }
        return Ok((value.to_owned(), &text[end..]));
    }
    let mut value = String::new();
    let mut chars = text[1..].char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' => return Ok((value, &text[at + 2..])),
            '\\' => match chars.next() {
                Some((_, '\'')) => value.push('\''),
                Some((_, other)) => value.extend(['\\', other]),
                None => value.push('\\'),
            },
            _ => value.push(c),
        }
    }
    Err(format!("the quote that opens {text} is never closed"))
}

fn action(name: &str, value: Option<&str>) -> Result<Action, String> {
    let lower = name.to_lowercase();
    let wanted = || value.ok_or_else(|| format!("{name} needs a value"));
    let template = || wanted().and_then(Template::parse);
    Ok(match lower.as_str() {
        "id" => Action::Id(rule_id(wanted()?)?),
        "phase" => Action::Phase(phase(wanted()?)?),
        "msg" => Action::Msg(template()?),
        "logdata" => Action::LogData(template()?),
        "severity" => Action::Severity(severity(wanted()?)?),
        "tag" => Action::Tag(template()?),
        "rev" => Action::Rev(wanted()?.to_owned()),
        "ver" => Action::Ver(wanted()?.to_owned()),
        "maturity" => Action::Maturity(number(name, wanted()?)?),
        "accuracy" => Action::Accuracy(number(name, wanted()?)?),
        "allow" => Action::Allow(allow(value)?),
        "block" => Action::Block,
        "deny" => Action::Deny,
        "drop" => Action::Drop,
        "pass" => Action::Pass,
        "redirect" => Action::Redirect(template()?),
        "status" => Action::Status(number(name, wanted()?)?),
        "log" => Action::Log(true),
        "nolog" => Action::Log(false),
        "auditlog" => Action::AuditLog(true),
        "noauditlog" => Action::AuditLog(false),
        "capture" => Action::Capture,
        "chain" => Action::Chain,
        "multimatch" => Action::MultiMatch,
        "skip" => Action::Skip(number(name, wanted()?)?),
        "skipafter" => Action::SkipAfter(wanted()?.to_owned()),
        "t" => transformation(wanted()?)?,
        "setvar" => set_var(wanted()?)?,
        "expirevar" => expire_var(wanted()?)?,
        "initcol" => init_col(wanted()?)?,
        "setsid" => Action::InitCol { var: Var::Session, key: template()? },
        "setuid" => Action::InitCol { var: Var::User, key: template()? },
        "setrsc" => Action::InitCol { var: Var::Resource, key: template()? },
        "setenv" => set_env(wanted()?)?,
        "ctl" => Action::Ctl(ctl(wanted()?)?),
        "xmlns" => xmlns(wanted()?)?,
        "exec"
        | "proxy"
        | "pause"
        | "append"
        | "prepend"
        | "deprecatevar"
        | "sanitisearg"
        | "sanitizearg"
        | "sanitisematched"
        | "sanitizematched"
        | "sanitiserequestheader"
        | "sanitizerequestheader"
        | "sanitiseresponseheader"
        | "sanitizeresponseheader" => {
            return Err(format!("the action {name} is not supported"));
        }
        _ => return Err(format!("`{name}` is no action we know")),
    })
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("{name} needs a number, not `{text}`"))
}

fn rule_id(text: &str) -> Result<u64, String> {
    match text.trim().parse() {
        Ok(id) if id > 0 => Ok(id),
        _ => Err(format!("`{text}` is no rule id")),
    }
}

fn phase(text: &str) -> Result<Phase, String> {
    Ok(match text.to_lowercase().as_str() {
        "1" => Phase::RequestHeaders,
        "2" | "request" => Phase::RequestBody,
        "3" => Phase::ResponseHeaders,
        "4" | "response" => Phase::ResponseBody,
        "5" | "logging" => Phase::Logging,
        _ => return Err(format!("`{text}` is no phase")),
    })
}

/// RFC 5424's severities by name, as the language knows them.
const SEVERITIES: [&str; 8] =
    ["EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"];

/// The name of a severity.
pub fn severity_name(severity: u8) -> &'static str {
    SEVERITIES.get(usize::from(severity)).copied().unwrap_or("")
}

fn severity(text: &str) -> Result<u8, String> {
    if let Some(at) = SEVERITIES.iter().position(|name| name.eq_ignore_ascii_case(text)) {
        return Ok(u8::try_from(at).unwrap_or(0));
    }
    number("severity", text)
}

fn allow(value: Option<&str>) -> Result<AllowScope, String> {
    match value.map(str::to_lowercase).as_deref() {
        None => Ok(AllowScope::Everything),
        Some("phase") => Ok(AllowScope::Phase),
        Some("request") => Ok(AllowScope::Request),
        Some(other) => Err(format!("allow:{other} is neither allow:phase nor allow:request")),
    }
}

fn transformation(name: &str) -> Result<Action, String> {
    if name.eq_ignore_ascii_case("none") {
        return Ok(Action::TransformNone);
    }
    Xform::named(name).map(Action::Transform).ok_or_else(|| format!("`{name}` is no transformation we know"))
}

/// `tx.name` or `tx:name`, and the variable must be one that rules may write.
fn writable(text: &str) -> Result<(Var, Template), String> {
    let at = text.find(['.', ':']).ok_or_else(|| format!("`{text}` names no member of a collection"))?;
    let var = Var::named(text[..at].trim()).ok_or_else(|| format!("`{}` is no collection", &text[..at]))?;
    if var != Var::Tx && !var.is_stored() {
        return Err(format!("{} cannot be written", var.name()));
    }
    Ok((var, Template::parse(text[at + 1..].trim())?))
}

fn set_var(text: &str) -> Result<Action, String> {
    let text = text.trim();
    if let Some(name) = text.strip_prefix('!') {
        let (var, name) = writable(name)?;
        return Ok(Action::SetVar { var, name, change: Change::Unset });
    }
    let Some((name, value)) = text.split_once('=') else {
        let (var, name) = writable(text)?;
        return Ok(Action::SetVar { var, name, change: Change::Set(Template::parse("1")?) });
    };
    let (var, name) = writable(name)?;
    let change = match value.as_bytes().first() {
        Some(b'+') => Change::Add(Template::parse(&value[1..])?),
        Some(b'-') => Change::Subtract(Template::parse(&value[1..])?),
        _ => Change::Set(Template::parse(value)?),
    };
    Ok(Action::SetVar { var, name, change })
}

fn expire_var(text: &str) -> Result<Action, String> {
    let (name, seconds) = text.split_once('=').ok_or_else(|| format!("expirevar:{text} says not when"))?;
    let (var, name) = writable(name)?;
    Ok(Action::ExpireVar { var, name, seconds: Template::parse(seconds)? })
}

fn init_col(text: &str) -> Result<Action, String> {
    let (name, key) = text.split_once('=').ok_or_else(|| format!("initcol:{text} has no key"))?;
    match Var::named(name.trim()) {
        Some(var) if var.is_stored() => Ok(Action::InitCol { var, key: Template::parse(key)? }),
        _ => Err(format!("`{name}` is no collection that can be kept")),
    }
}

fn set_env(text: &str) -> Result<Action, String> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    Ok(Action::SetEnv { name: Template::parse(name)?, value: Template::parse(value)? })
}

fn xmlns(text: &str) -> Result<Action, String> {
    let (prefix, uri) = text.split_once('=').ok_or("xmlns: bad format, missing equals sign")?;
    let uri = uri.trim().trim_matches('\'');
    if prefix.trim().is_empty() || uri.trim().is_empty() {
        return Err("xmlns is invalid, expecting name=value".to_owned());
    }
    if !uri.starts_with("http://") && !uri.starts_with("https://") && !uri.starts_with("urn:") {
        return Err(format!("xmlns: `{uri}` is no namespace URI for prefix {prefix}"));
    }
    Ok(Action::Xmlns { prefix: prefix.trim().to_owned(), uri: uri.trim().to_owned() })
}

pub(crate) fn on_off(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("`{text}` is neither On nor Off")),
    }
}

pub(crate) fn engine_mode(text: &str) -> Result<EngineMode, String> {
    match text.to_lowercase().as_str() {
        "on" => Ok(EngineMode::On),
        "off" => Ok(EngineMode::Off),
        "detectiononly" => Ok(EngineMode::DetectionOnly),
        _ => Err(format!("`{text}` is neither On, DetectionOnly nor Off")),
    }
}

pub(crate) fn audit_engine(text: &str) -> Result<Option<bool>, String> {
    if text.eq_ignore_ascii_case("relevantonly") { Ok(None) } else { on_off(text).map(Some) }
}

pub(crate) fn xml_args(text: &str) -> Result<XmlArgs, String> {
    match text.to_lowercase().as_str() {
        "on" => Ok(XmlArgs::On),
        "off" => Ok(XmlArgs::Off),
        "onlyargs" => Ok(XmlArgs::Only),
        _ => Err(format!("`{text}` is neither On, OnlyArgs nor Off")),
    }
}

/// `942100` or `942000-942999`.
pub(crate) fn id_range(text: &str) -> Result<RuleSet, String> {
    let text = text.trim().trim_matches('\'');
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (rule_id(first)?, rule_id(last)?);
    if first > last { Err(format!("the range {text} runs backwards")) } else { Ok(RuleSet::Ids(first, last)) }
}

fn ctl(text: &str) -> Result<Ctl, String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("ctl:{text} has no value"))?;
    let (name, value) = (name.trim(), value.trim().trim_matches('\''));
    Ok(match name.to_lowercase().as_str() {
        "ruleengine" => Ctl::Engine(engine_mode(value)?),
        "requestbodyaccess" => Ctl::RequestBodyAccess(on_off(value)?),
        "responsebodyaccess" => Ctl::ResponseBodyAccess(on_off(value)?),
        "forcerequestbodyvariable" => Ctl::ForceRequestBody(on_off(value)?),
        "requestbodyprocessor" => Ctl::BodyProcessor(BodyKind::named(value)?),
        "requestbodylimit" => Ctl::RequestBodyLimit(number(name, value)?),
        "responsebodylimit" => Ctl::ResponseBodyLimit(number(name, value)?),
        "auditengine" => Ctl::AuditEngine(audit_engine(value)?),
        "auditlogparts" => Ctl::AuditLogParts(value.to_owned()),
        "parsexmlintoargs" => Ctl::XmlIntoArgs(xml_args(value)?),
        "ruleremovebyid" => Ctl::RemoveRules(id_range(value)?),
        "ruleremovebytag" => Ctl::RemoveRules(RuleSet::Tag(value.to_owned())),
        "ruleremovebymsg" => Ctl::RemoveRules(RuleSet::Msg(value.to_owned())),
        "ruleremovetargetbyid" => removed_target(value, id_range)?,
        "ruleremovetargetbytag" => removed_target(value, |tag| Ok(RuleSet::Tag(tag.to_owned())))?,
        "ruleremovetargetbymsg" => removed_target(value, |msg| Ok(RuleSet::Msg(msg.to_owned())))?,
        _ => return Err(format!("`{name}` is nothing ctl can change")),
    })
}

fn removed_target(text: &str, rules: impl Fn(&str) -> Result<RuleSet, String>) -> Result<Ctl, String> {
    let (which, target) = text.split_once(';').ok_or_else(|| format!("`{text}` names no target"))?;
    Ok(Ctl::RemoveTarget(rules(which)?, parse_target(target.trim())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_quoted_and_bare_values() {
        let actions =
            parse_actions("id:'12',phase:2, msg:'a, \\'b\\'',t:none,setvar:tx.a=+%{tx.b},pass").unwrap();
        assert_eq!(actions.len(), 6);
        assert_eq!(actions[0], Action::Id(12));
        assert_eq!(actions[2], Action::Msg(Template::parse("a, 'b'").unwrap()));
        let Action::SetVar { var: Var::Tx, change: Change::Add(_), .. } = &actions[4] else {
            panic!("{actions:?}")
        };
    }

    #[test]
    fn says_no_to_what_it_does_not_know() {
        for wrong in [
            "id:0",
            "id:x",
            "phase:6",
            "t:nope",
            "nope",
            "ctl:nope=1",
            "setvar:args.a=1",
            "msg:'open",
            "deny log",
            "exec:/bin/true",
            ",id:1",
        ] {
            assert!(parse_actions(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_exclusion_by_id_may_be_a_range() {
        assert_eq!(id_range("5-9"), Ok(RuleSet::Ids(5, 9)));
        assert!(id_range("9-5").is_err());
    }
}
