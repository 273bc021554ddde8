//! The variables a rule can look at, by name.

/// A variable. Which are collections says [`Var::is_collection`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each variant is the variable of that name in the SecLang reference")]
pub enum Var {
    // Collections: a name and a value for each member.
    Args,
    ArgsGet,
    ArgsPost,
    ArgsNames,
    ArgsGetNames,
    ArgsPostNames,
    Files,
    FilesNames,
    FilesSizes,
    FilesTmpNames,
    FilesTmpContent,
    MultipartFilename,
    MultipartName,
    MultipartPartHeaders,
    RequestHeaders,
    RequestHeadersNames,
    RequestCookies,
    RequestCookiesNames,
    ResponseHeaders,
    ResponseHeadersNames,
    MatchedVars,
    MatchedVarsNames,
    Tx,
    Ip,
    Global,
    Session,
    User,
    Resource,
    Geo,
    Env,
    Rule,
    Xml,
    // Single values.
    ArgsCombinedSize,
    AuthType,
    Duration,
    FilesCombinedSize,
    FullRequest,
    FullRequestLength,
    HighestSeverity,
    InboundDataError,
    MatchedVar,
    MatchedVarName,
    ModsecBuild,
    MscPcreError,
    MscPcreLimitsExceeded,
    MultipartBoundaryQuoted,
    MultipartBoundaryWhitespace,
    MultipartCrlfLfLines,
    MultipartDataAfter,
    MultipartDataBefore,
    MultipartFileLimitExceeded,
    MultipartHeaderFolding,
    MultipartInvalidHeaderFolding,
    MultipartInvalidPart,
    MultipartInvalidQuoting,
    MultipartLfLine,
    MultipartMissingSemicolon,
    MultipartStrictError,
    MultipartUnmatchedBoundary,
    OutboundDataError,
    PathInfo,
    QueryString,
    RemoteAddr,
    RemoteHost,
    RemotePort,
    RemoteUser,
    ReqbodyError,
    ReqbodyErrorMsg,
    ReqbodyProcessor,
    ReqbodyProcessorError,
    ReqbodyProcessorErrorMsg,
    RequestBasename,
    RequestBody,
    RequestBodyLength,
    RequestFilename,
    RequestLine,
    RequestMethod,
    RequestProtocol,
    RequestUri,
    RequestUriRaw,
    ResponseBody,
    ResponseContentLength,
    ResponseContentType,
    ResponseProtocol,
    ResponseStatus,
    ServerAddr,
    ServerName,
    ServerPort,
    SessionId,
    StatusLine,
    Time,
    TimeDay,
    TimeEpoch,
    TimeHour,
    TimeMin,
    TimeMon,
    TimeSec,
    TimeWday,
    TimeYear,
    UniqueId,
    UrlencodedError,
    UserId,
    WebAppId,
}

/// Every spelling and its variable; the first spelling of a variable is the one we write.
const NAMES: &[(&str, Var)] = &[
    ("ARGS", Var::Args),
    ("ARGS_GET", Var::ArgsGet),
    ("ARGS_POST", Var::ArgsPost),
    ("ARGS_NAMES", Var::ArgsNames),
    ("ARGS_GET_NAMES", Var::ArgsGetNames),
    ("ARGS_POST_NAMES", Var::ArgsPostNames),
    ("FILES", Var::Files),
    ("FILES_NAMES", Var::FilesNames),
    ("FILES_SIZES", Var::FilesSizes),
    ("FILES_TMPNAMES", Var::FilesTmpNames),
    ("FILES_TMP_CONTENT", Var::FilesTmpContent),
    ("MULTIPART_FILENAME", Var::MultipartFilename),
    ("MULTIPART_NAME", Var::MultipartName),
    ("MULTIPART_PART_HEADERS", Var::MultipartPartHeaders),
    ("REQUEST_HEADERS", Var::RequestHeaders),
    ("REQUEST_HEADERS_NAMES", Var::RequestHeadersNames),
    ("REQUEST_COOKIES", Var::RequestCookies),
    ("REQUEST_COOKIES_NAMES", Var::RequestCookiesNames),
    ("RESPONSE_HEADERS", Var::ResponseHeaders),
    ("RESPONSE_HEADERS_NAMES", Var::ResponseHeadersNames),
    ("MATCHED_VARS", Var::MatchedVars),
    ("MATCHED_VARS_NAMES", Var::MatchedVarsNames),
    ("TX", Var::Tx),
    ("IP", Var::Ip),
    ("GLOBAL", Var::Global),
    ("SESSION", Var::Session),
    ("USER", Var::User),
    ("RESOURCE", Var::Resource),
    ("GEO", Var::Geo),
    ("ENV", Var::Env),
    ("RULE", Var::Rule),
    ("XML", Var::Xml),
    ("ARGS_COMBINED_SIZE", Var::ArgsCombinedSize),
    ("AUTH_TYPE", Var::AuthType),
    ("DURATION", Var::Duration),
    ("FILES_COMBINED_SIZE", Var::FilesCombinedSize),
    ("FULL_REQUEST", Var::FullRequest),
    ("FULL_REQUEST_LENGTH", Var::FullRequestLength),
    ("HIGHEST_SEVERITY", Var::HighestSeverity),
    ("INBOUND_DATA_ERROR", Var::InboundDataError),
    ("MATCHED_VAR", Var::MatchedVar),
    ("MATCHED_VAR_NAME", Var::MatchedVarName),
    ("MODSEC_BUILD", Var::ModsecBuild),
    ("MSC_PCRE_ERROR", Var::MscPcreError),
    ("MSC_PCRE_LIMITS_EXCEEDED", Var::MscPcreLimitsExceeded),
    ("MULTIPART_BOUNDARY_QUOTED", Var::MultipartBoundaryQuoted),
    ("MULTIPART_BOUNDARY_WHITESPACE", Var::MultipartBoundaryWhitespace),
    ("MULTIPART_CRLF_LF_LINES", Var::MultipartCrlfLfLines),
    ("MULTIPART_DATA_AFTER", Var::MultipartDataAfter),
    ("MULTIPART_DATA_BEFORE", Var::MultipartDataBefore),
    ("MULTIPART_FILE_LIMIT_EXCEEDED", Var::MultipartFileLimitExceeded),
    ("MULTIPART_HEADER_FOLDING", Var::MultipartHeaderFolding),
    ("MULTIPART_INVALID_HEADER_FOLDING", Var::MultipartInvalidHeaderFolding),
    ("MULTIPART_INVALID_PART", Var::MultipartInvalidPart),
    ("MULTIPART_INVALID_QUOTING", Var::MultipartInvalidQuoting),
    ("MULTIPART_LF_LINE", Var::MultipartLfLine),
    ("MULTIPART_MISSING_SEMICOLON", Var::MultipartMissingSemicolon),
    ("MULTIPART_SEMICOLON_MISSING", Var::MultipartMissingSemicolon),
    ("MULTIPART_STRICT_ERROR", Var::MultipartStrictError),
    ("MULTIPART_UNMATCHED_BOUNDARY", Var::MultipartUnmatchedBoundary),
    ("OUTBOUND_DATA_ERROR", Var::OutboundDataError),
    ("PATH_INFO", Var::PathInfo),
    ("QUERY_STRING", Var::QueryString),
    ("REMOTE_ADDR", Var::RemoteAddr),
    ("REMOTE_HOST", Var::RemoteHost),
    ("REMOTE_PORT", Var::RemotePort),
    ("REMOTE_USER", Var::RemoteUser),
    ("REQBODY_ERROR", Var::ReqbodyError),
    ("REQBODY_ERROR_MSG", Var::ReqbodyErrorMsg),
    ("REQBODY_PROCESSOR", Var::ReqbodyProcessor),
    ("REQBODY_PROCESSOR_ERROR", Var::ReqbodyProcessorError),
    ("REQBODY_PROCESSOR_ERROR_MSG", Var::ReqbodyProcessorErrorMsg),
    ("REQUEST_BASENAME", Var::RequestBasename),
    ("REQUEST_BODY", Var::RequestBody),
    ("REQUEST_BODY_LENGTH", Var::RequestBodyLength),
    ("REQUEST_FILENAME", Var::RequestFilename),
    ("REQUEST_LINE", Var::RequestLine),
    ("REQUEST_METHOD", Var::RequestMethod),
    ("REQUEST_PROTOCOL", Var::RequestProtocol),
    ("REQUEST_URI", Var::RequestUri),
    ("REQUEST_URI_RAW", Var::RequestUriRaw),
    ("RESPONSE_BODY", Var::ResponseBody),
    ("RESPONSE_CONTENT_LENGTH", Var::ResponseContentLength),
    ("RESPONSE_CONTENT_TYPE", Var::ResponseContentType),
    ("RESPONSE_PROTOCOL", Var::ResponseProtocol),
    ("RESPONSE_STATUS", Var::ResponseStatus),
    ("STATUS", Var::ResponseStatus),
    ("SERVER_ADDR", Var::ServerAddr),
    ("SERVER_NAME", Var::ServerName),
    ("SERVER_PORT", Var::ServerPort),
    ("SESSIONID", Var::SessionId),
    ("STATUS_LINE", Var::StatusLine),
    ("TIME", Var::Time),
    ("TIME_DAY", Var::TimeDay),
    ("TIME_EPOCH", Var::TimeEpoch),
    ("TIME_HOUR", Var::TimeHour),
    ("TIME_MIN", Var::TimeMin),
    ("TIME_MON", Var::TimeMon),
    ("TIME_SEC", Var::TimeSec),
    ("TIME_WDAY", Var::TimeWday),
    ("TIME_YEAR", Var::TimeYear),
    ("UNIQUE_ID", Var::UniqueId),
    ("URLENCODED_ERROR", Var::UrlencodedError),
    ("USERID", Var::UserId),
    ("WEBAPPID", Var::WebAppId),
];

impl Var {
    /// How many there are; `var as usize` is below it.
    pub(crate) const COUNT: usize = Var::WebAppId as usize + 1;

    /// The variable of this name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, var)| *var)
    }

    /// The name as the reference writes it.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, var)| *var == self).map_or("", |(name, _)| name)
    }

    /// Has members, each with a name.
    pub fn is_collection(self) -> bool {
        self <= Var::Xml
    }

    /// May differ from one rule to the next of the same phase, so nothing derived from it is kept.
    pub(crate) fn is_volatile(self) -> bool {
        self.is_stored()
            || matches!(
                self,
                Var::Tx
                    | Var::MatchedVars
                    | Var::MatchedVarsNames
                    | Var::MatchedVar
                    | Var::MatchedVarName
                    | Var::Env
                    | Var::Rule
                    | Var::Geo
                    | Var::Duration
                    | Var::HighestSeverity
                    | Var::MscPcreError
                    | Var::MscPcreLimitsExceeded
                    | Var::ReqbodyProcessor
                    | Var::SessionId
                    | Var::UserId
            )
    }

    /// Outlives the transaction: a collection filled by `initcol` and its relatives.
    pub(crate) fn is_stored(self) -> bool {
        matches!(self, Var::Ip | Var::Global | Var::Session | Var::User | Var::Resource)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_has_a_name_that_finds_it() {
        for (index, (name, var)) in NAMES.iter().enumerate() {
            assert_eq!(Var::named(&name.to_lowercase()), Some(*var), "entry {index}");
        }
        let named: std::collections::BTreeSet<_> = NAMES.iter().map(|(_, var)| *var as usize).collect();
        assert_eq!(named.len(), Var::COUNT);
    }

    #[test]
    fn collections_come_first() {
        assert!(Var::Xml.is_collection() && !Var::ArgsCombinedSize.is_collection());
    }
}
