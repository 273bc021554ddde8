//! The codes of faults in a configuration: stable words that scripts may rely on.

/// Whether a configuration with this fault is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It is not.
    Error,
    /// It is, but somebody should look.
    Warning,
}

impl Severity {
    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// What kind of fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "each code's meaning stands once, in `meaning`, where the reference page takes it from"
)]
pub enum Code {
    FileUnreadable,
    FileTooLarge,
    NotText,
    TooManyFiles,
    IncludeCycle,
    IncludedTwice,
    Syntax,
    DuplicateKey,
    DuplicateName,
    UnknownKey,
    UnknownWord,
    NotInThisRelease,
    WrongType,
    MissingKey,
    OutOfRange,
    MissingUnit,
    BadDuration,
    BadAddress,
    MissingPort,
    BadNetwork,
    BadAllow,
    BadName,
    BadServerName,
    BadPath,
    BadText,
    BadHeader,
    BadPlaceholder,
    BadRegex,
    BadSize,
    BadRate,
    BadPasswordHash,
    PasswordInClear,
    EmptyList,
    NoListener,
    DanglingReference,
    UnreachableRoute,
    DuplicateBind,
    ContradictoryKeys,
    NoWeight,
    MissingZone,
    AdminExposed,
    KeyNotHonoured,
    RepeatedRoute,
    ShadowedRoute,
    UnusedCertificate,
    UnusedPool,
    UnusedStickTable,
    UnusedWaf,
    UnusedUsers,
    OnlyBackups,
    NoneInService,
    SameServerTwice,
    LimitAboveGlobal,
    ServerWithoutZone,
    NoServerInZone,
    SourceNeverAdmitted,
    EverybodyBelieved,
    UnverifiedServers,
    UsersLockedOut,
}

impl Code {
    /// Every code, errors first.
    pub const ALL: &[Self] = &[
        Self::FileUnreadable,
        Self::FileTooLarge,
        Self::NotText,
        Self::TooManyFiles,
        Self::IncludeCycle,
        Self::IncludedTwice,
        Self::Syntax,
        Self::DuplicateKey,
        Self::DuplicateName,
        Self::UnknownKey,
        Self::UnknownWord,
        Self::NotInThisRelease,
        Self::WrongType,
        Self::MissingKey,
        Self::OutOfRange,
        Self::MissingUnit,
        Self::BadDuration,
        Self::BadAddress,
        Self::MissingPort,
        Self::BadNetwork,
        Self::BadAllow,
        Self::BadName,
        Self::BadServerName,
        Self::BadPath,
        Self::BadText,
        Self::BadHeader,
        Self::BadPlaceholder,
        Self::BadRegex,
        Self::BadSize,
        Self::BadRate,
        Self::BadPasswordHash,
        Self::PasswordInClear,
        Self::EmptyList,
        Self::NoListener,
        Self::DanglingReference,
        Self::UnreachableRoute,
        Self::DuplicateBind,
        Self::ContradictoryKeys,
        Self::NoWeight,
        Self::MissingZone,
        Self::AdminExposed,
        Self::KeyNotHonoured,
        Self::RepeatedRoute,
        Self::ShadowedRoute,
        Self::UnusedCertificate,
        Self::UnusedPool,
        Self::UnusedStickTable,
        Self::UnusedWaf,
        Self::UnusedUsers,
        Self::OnlyBackups,
        Self::NoneInService,
        Self::SameServerTwice,
        Self::LimitAboveGlobal,
        Self::ServerWithoutZone,
        Self::NoServerInZone,
        Self::SourceNeverAdmitted,
        Self::EverybodyBelieved,
        Self::UnverifiedServers,
        Self::UsersLockedOut,
    ];

    /// Error or warning.
    pub fn severity(self) -> Severity {
        self.entry().1
    }

    /// The word in reports; it never changes.
    pub fn word(self) -> &'static str {
        self.entry().0
    }

    /// What it means, for the reference page.
    pub fn meaning(self) -> &'static str {
        self.entry().2
    }

    #[expect(clippy::too_many_lines, reason = "a table: a line or two a code")]
    fn entry(self) -> (&'static str, Severity, &'static str) {
        use Severity::{Error, Warning};
        match self {
            Self::FileUnreadable => {
                ("file-unreadable", Error, "the file, or one that it includes or names, cannot be read")
            }
            Self::FileTooLarge => ("file-too-large", Error, "a file is larger than 4 MiB"),
            Self::NotText => ("not-text", Error, "a file is not text in UTF-8"),
            Self::TooManyFiles => ("too-many-files", Error, "more than 1,000 files are included"),
            Self::IncludeCycle => {
                ("include-cycle", Error, "a file includes itself, by way of others perhaps")
            }
            Self::IncludedTwice => ("included-twice", Error, "a file is included from two places"),
            Self::Syntax => ("syntax", Error, "the text is not TOML"),
            Self::DuplicateKey => ("duplicate-key", Error, "a key is given twice"),
            Self::DuplicateName => ("duplicate-name", Error, "two things of one kind have the same name"),
            Self::UnknownKey => ("unknown-key", Error, "there is no such key here"),
            Self::UnknownWord => {
                ("unknown-word", Error, "the value is none of the words that may stand here")
            }
            Self::NotInThisRelease => {
                ("not-in-this-release", Error, "the key or value belongs to a later release")
            }
            Self::WrongType => ("wrong-type", Error, "the value is of another type than the key's"),
            Self::MissingKey => ("missing-key", Error, "a key that must be given is not"),
            Self::OutOfRange => {
                ("out-of-range", Error, "a number or duration is smaller or larger than may be")
            }
            Self::MissingUnit => ("missing-unit", Error, "a duration is a number without a unit"),
            Self::BadDuration => ("bad-duration", Error, "a duration is not a whole number and a unit"),
            Self::BadAddress => ("bad-address", Error, "a text is not an address"),
            Self::MissingPort => ("missing-port", Error, "an address has no port"),
            Self::BadNetwork => ("bad-network", Error, "a text is not a network such as `192.0.2.0/24`"),
            Self::BadAllow => ("bad-allow", Error, "a text does not say what is allowed, such as `tcp/443`"),
            Self::BadName => ("bad-name", Error, "a name has characters that names cannot have"),
            Self::BadServerName => ("bad-server-name", Error, "no TLS client can ask for this name"),
            Self::BadPath => ("bad-path", Error, "a path is not absolute, or not of the form it must have"),
            Self::BadRate => ("bad-rate", Error, "a rate is not a whole number and one of `/s`, `/m`, `/h`"),
            Self::BadSize => ("bad-size", Error, "a number of bytes is not a whole number and a unit"),
            Self::BadRegex => {
                ("bad-regex", Error, "a regular expression does not compile, or takes too much memory")
            }
            Self::BadPlaceholder => {
                ("bad-placeholder", Error, "a value has a place in it that nothing fills in")
            }
            Self::BadHeader => (
                "bad-header",
                Error,
                "a header has a name or value that it cannot have, or is not ours to edit",
            ),
            Self::BadText => ("bad-text", Error, "a text is empty, too long or has control characters"),
            Self::BadPasswordHash => {
                ("bad-password-hash", Error, "a password hash is not a whole argon2id hash")
            }
            Self::PasswordInClear => {
                ("password-in-clear", Error, "a password stands in the file; only hashes may")
            }
            Self::EmptyList => ("empty-list", Error, "a list that needs an entry has none"),
            Self::NoListener => ("no-listener", Error, "there is no listener, so nothing would be served"),
            Self::DanglingReference => {
                ("dangling-reference", Error, "a certificate, pool or table is named that does not exist")
            }
            Self::UnreachableRoute => {
                ("unreachable-route", Error, "an earlier route takes the name, and leads to another pool")
            }
            Self::DuplicateBind => {
                ("duplicate-bind", Error, "two listeners would accept on the same address and port")
            }
            Self::ContradictoryKeys => ("contradictory-keys", Error, "two keys cannot both hold"),
            Self::NoWeight => ("no-weight", Error, "every server of a pool has the weight 0"),
            Self::MissingZone => {
                ("missing-zone", Error, "`zones = \"strict\"`, but this node's zone was not said")
            }
            Self::AdminExposed => {
                ("admin-exposed", Error, "the admin address can be reached from outside without a user")
            }
            Self::KeyNotHonoured => ("key-not-honoured", Warning, "the mode does nothing with the key"),
            Self::ShadowedRoute => {
                ("shadowed-route", Warning, "an earlier route takes every request that this one could take")
            }
            Self::RepeatedRoute => ("repeated-route", Warning, "a name is listed again, for the same pool"),
            Self::UnusedCertificate => {
                ("unused-certificate", Warning, "neither a listener nor a pool uses the certificate")
            }
            Self::UnusedPool => ("unused-pool", Warning, "no listener leads to the pool"),
            Self::UnusedWaf => ("unused-waf", Warning, "no listener and no route uses the firewall"),
            Self::UnusedStickTable => ("unused-stick-table", Warning, "no pool sticks by the table"),
            Self::UnusedUsers => ("unused-users", Warning, "there are admin users but no admin address"),
            Self::OnlyBackups => ("only-backups", Warning, "every server of a pool is a backup"),
            Self::NoneInService => {
                ("none-in-service", Warning, "every server of a pool starts out of service")
            }
            Self::SameServerTwice => {
                ("same-server-twice", Warning, "two servers of a pool have the same address")
            }
            Self::LimitAboveGlobal => {
                ("limit-above-global", Warning, "a listener's limit is above the global one")
            }
            Self::ServerWithoutZone => {
                ("server-without-zone", Warning, "zones matter to a pool, but a server has none")
            }
            Self::NoServerInZone => {
                ("no-server-in-zone", Warning, "zones are strict, but no server is in this node's")
            }
            Self::SourceNeverAdmitted => {
                ("source-never-admitted", Warning, "`refuse` covers an entry of `allow`")
            }
            Self::EverybodyBelieved => {
                ("everybody-believed", Warning, "any client may claim any address by a PROXY protocol header")
            }
            Self::UsersLockedOut => {
                ("users-locked-out", Warning, "failing in a user's name bans that user, whoever does it")
            }
            Self::UnverifiedServers => (
                "unverified-servers",
                Warning,
                "servers may show any certificate: whoever stands in between is believed",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_has_its_own_word() {
        let words: HashSet<&str> = Code::ALL.iter().map(|code| code.word()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        for word in words {
            assert!(word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{word}");
        }
    }
}
