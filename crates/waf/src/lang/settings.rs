//! The engine's settings: every directive that is not a rule.

use super::action::{EngineMode, XmlArgs, audit_engine, engine_mode, on_off, xml_args};

/// What to do with a body longer than its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitAction {
    /// Refuse the request (413), or the response (500).
    Reject,
    /// Look at the part that fits.
    ProcessPartial,
}

/// When a transaction is written to the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditSettings {
    /// `None` is "where a rule matched, or the status is a relevant one".
    pub engine: Option<bool>,
    /// Pattern of relevant response statuses.
    pub relevant_status: Option<String>,
    /// The letters of `SecAuditLogParts`.
    pub parts: String,
}

/// The settings, with the defaults of the language where a file says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the directive of that name")]
pub struct Settings {
    pub engine: EngineMode,
    pub request_body_access: bool,
    pub request_body_limit: usize,
    pub request_body_no_files_limit: usize,
    pub request_body_limit_action: LimitAction,
    pub json_depth_limit: usize,
    pub response_body_access: bool,
    pub response_body_limit: usize,
    pub response_body_limit_action: LimitAction,
    pub response_mime_types: Vec<String>,
    /// The types are those of a directive, to which further ones add.
    pub response_mime_types_given: bool,
    pub arguments_limit: usize,
    pub upload_file_limit: usize,
    pub argument_separator: u8,
    pub cookie_format_v1: bool,
    pub xml_into_args: XmlArgs,
    pub audit: AuditSettings,
    pub collection_timeout_seconds: u64,
    pub pcre_match_limit: usize,
    pub web_app_id: String,
    pub component_signatures: Vec<String>,
    pub server_signature: String,
    pub unicode_map: Option<(String, u32)>,
}

/// Bodies beyond this are never held, whatever a file asks for.
pub const BODY_BYTES_MAX: usize = 1 << 30;

impl Default for Settings {
    fn default() -> Self {
        Self {
            engine: EngineMode::Off,
            request_body_access: false,
            request_body_limit: 134_217_728,
            request_body_no_files_limit: 1_048_576,
            request_body_limit_action: LimitAction::Reject,
            json_depth_limit: 512,
            response_body_access: false,
            response_body_limit: 524_288,
            response_body_limit_action: LimitAction::ProcessPartial,
            response_mime_types: ["text/plain", "text/html"].map(str::to_owned).to_vec(),
            response_mime_types_given: false,
            arguments_limit: 1000,
            upload_file_limit: 100,
            argument_separator: b'&',
            cookie_format_v1: false,
            xml_into_args: XmlArgs::Off,
            audit: AuditSettings {
                engine: Some(false),
                relevant_status: None,
                parts: "ABIJDEFHZ".to_owned(),
            },
            collection_timeout_seconds: 3600,
            pcre_match_limit: 100_000,
            web_app_id: String::new(),
            component_signatures: Vec::new(),
            server_signature: String::new(),
            unicode_map: None,
        }
    }
}

/// Directives about things this engine has no use for (it writes no files and keeps bodies in memory);
/// they are understood and change nothing.
const WITHOUT_EFFECT: &[&str] = &[
    "secrequestbodyinmemorylimit",
    "sectmpdir",
    "secdatadir",
    "secuploaddir",
    "secuploadkeepfiles",
    "secuploadfilemode",
    "sectmpsaveuploadedfiles",
    "secdebuglog",
    "secdebugloglevel",
    "secauditlogtype",
    "secauditlog",
    "secauditlog2",
    "secauditlogstoragedir",
    "secauditlogformat",
    "secauditlogdirmode",
    "secauditlogfilemode",
    "secstatusengine",
    "secsensorid",
    "secpcrematchlimitrecursion",
    "secgeolookupdb",
    "sechttpblkey",
    "secruleperftime",
    "secinterceptonerror",
    "seccookiev0separator",
    "secdisablebackendcompression",
];

impl Settings {
    /// Takes a directive's arguments in. `None` when its name is not a setting's.
    pub(crate) fn apply(&mut self, name: &str, arguments: &[String]) -> Option<Result<(), String>> {
        let lower = name.to_lowercase();
        if WITHOUT_EFFECT.contains(&lower.as_str()) {
            return Some(Ok(()));
        }
        let first = arguments.first().map_or("", String::as_str);
        let result = match lower.as_str() {
            "secruleengine" => set(&mut self.engine, engine_mode(first)),
            "secrequestbodyaccess" => set(&mut self.request_body_access, on_off(first)),
            "secrequestbodylimit" => set(&mut self.request_body_limit, body_limit(first)),
            "secrequestbodynofileslimit" => set(&mut self.request_body_no_files_limit, body_limit(first)),
            "secrequestbodylimitaction" => set(&mut self.request_body_limit_action, limit_action(first)),
            "secrequestbodyjsondepthlimit" => set(&mut self.json_depth_limit, number(first)),
            "secresponsebodyaccess" => set(&mut self.response_body_access, on_off(first)),
            "secresponsebodylimit" => set(&mut self.response_body_limit, body_limit(first)),
            "secresponsebodylimitaction" => set(&mut self.response_body_limit_action, limit_action(first)),
            "secresponsebodymimetype" => {
                if !std::mem::replace(&mut self.response_mime_types_given, true) {
                    self.response_mime_types.clear();
                }
                self.response_mime_types.extend(arguments.iter().map(|name| name.to_lowercase()));
                Ok(())
            }
            "secresponsebodymimetypesclear" => {
                self.response_mime_types.clear();
                self.response_mime_types_given = true;
                Ok(())
            }
            "secargumentslimit" => set(&mut self.arguments_limit, number(first)),
            "secuploadfilelimit" => set(&mut self.upload_file_limit, number(first)),
            "secargumentseparator" => set(&mut self.argument_separator, separator(first)),
            "seccookieformat" => {
                set(&mut self.cookie_format_v1, number::<u8>(first).map(|format| format == 1))
            }
            "secparsexmlintoargs" => set(&mut self.xml_into_args, xml_args(first)),
            "secxmlexternalentity" => never_on(first, "external entities are never read"),
            "sechashengine" => never_on(first, "the hash engine is not supported"),
            "secauditengine" => set(&mut self.audit.engine, audit_engine(first)),
            "secauditlogrelevantstatus" => set(&mut self.audit.relevant_status, Ok(Some(first.to_owned()))),
            "secauditlogparts" => set(&mut self.audit.parts, Ok(first.to_owned())),
            "seccollectiontimeout" => set(&mut self.collection_timeout_seconds, number(first)),
            "secpcrematchlimit" => set(&mut self.pcre_match_limit, number(first)),
            "secwebappid" => set(&mut self.web_app_id, Ok(first.to_owned())),
            "seccomponentsignature" => {
                self.component_signatures.push(first.to_owned());
                Ok(())
            }
            "secserversignature" => set(&mut self.server_signature, Ok(first.to_owned())),
            "secunicodemapfile" => set(&mut self.unicode_map, unicode_map(arguments).map(Some)),
            _ => return None,
        };
        Some(result.map_err(|message| format!("{name}: {message}")))
    }
}

fn set<T>(place: &mut T, value: Result<T, String>) -> Result<(), String> {
    *place = value?;
    Ok(())
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

fn body_limit(text: &str) -> Result<usize, String> {
    number::<usize>(text).map(|limit| limit.min(BODY_BYTES_MAX))
}

fn limit_action(text: &str) -> Result<LimitAction, String> {
    match text.to_lowercase().as_str() {
        "reject" => Ok(LimitAction::Reject),
        "processpartial" => Ok(LimitAction::ProcessPartial),
        _ => Err(format!("`{text}` is neither Reject nor ProcessPartial")),
    }
}

fn separator(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] => Ok(*byte),
        _ => Err("the separator is one character".to_owned()),
    }
}

fn never_on(text: &str, why: &str) -> Result<(), String> {
    if on_off(text)? { Err(why.to_owned()) } else { Ok(()) }
}

fn unicode_map(arguments: &[String]) -> Result<(String, u32), String> {
    let words: Vec<&str> = arguments.iter().flat_map(|argument| argument.split_whitespace()).collect();
    match words.as_slice() {
        [file, page] => Ok(((*file).to_owned(), number(page)?)),
        _ => Err("wants a file and a code page".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(settings: &mut Settings, name: &str, argument: &str) -> Option<Result<(), String>> {
        settings.apply(name, &[argument.to_owned()])
    }

    #[test]
    fn takes_known_directives_and_refuses_wrong_values() {
        let mut settings = Settings::default();
        assert_eq!(apply(&mut settings, "secRuleEngine", "DetectionOnly"), Some(Ok(())));
        assert_eq!(settings.engine, EngineMode::DetectionOnly);
        assert_eq!(apply(&mut settings, "SecDebugLog", "/dev/null"), Some(Ok(())));
        assert!(apply(&mut settings, "SecRuleEngine", "Maybe").unwrap().is_err());
        assert!(apply(&mut settings, "SecXmlExternalEntity", "On").unwrap().is_err());
        assert_eq!(apply(&mut settings, "SecNope", "On"), None);
    }

    #[test]
    fn no_file_can_ask_for_more_than_we_hold() {
        let mut settings = Settings::default();
        apply(&mut settings, "SecRequestBodyLimit", "99999999999").unwrap().unwrap();
        assert_eq!(settings.request_body_limit, BODY_BYTES_MAX);
    }
}
