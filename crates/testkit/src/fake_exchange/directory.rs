//! The virtual directories of an Exchange server, each with a health of its own.

use std::str::FromStr;

/// A virtual directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Directory {
    /// `/owa`: Outlook on the web.
    Owa,
    /// `/ecp`: the control panel.
    Ecp,
    /// `/ews`: web services.
    Ews,
    /// `/oab`: the offline address book.
    Oab,
    /// `/mapi`: MAPI over HTTP.
    Mapi,
    /// `/rpc`: RPC over HTTP.
    Rpc,
    /// `/autodiscover`.
    Autodiscover,
    /// `/Microsoft-Server-ActiveSync`.
    ActiveSync,
    /// `/PowerShell`.
    PowerShell,
}

impl Directory {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Owa,
        Self::Ecp,
        Self::Ews,
        Self::Oab,
        Self::Mapi,
        Self::Rpc,
        Self::Autodiscover,
        Self::ActiveSync,
        Self::PowerShell,
    ];

    /// As it stands in a URL, without slashes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Owa => "owa",
            Self::Ecp => "ecp",
            Self::Ews => "ews",
            Self::Oab => "oab",
            Self::Mapi => "mapi",
            Self::Rpc => "rpc",
            Self::Autodiscover => "autodiscover",
            Self::ActiveSync => "Microsoft-Server-ActiveSync",
            Self::PowerShell => "PowerShell",
        }
    }

    /// The directory a path lies in, as [`super::head`] made it plain: small letters, dots resolved.
    pub(super) fn of(path: &str) -> Option<Self> {
        path.split('/').nth(1)?.parse().ok()
    }
}

impl FromStr for Directory {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|directory| directory.name().eq_ignore_ascii_case(name));
        let short = || name.eq_ignore_ascii_case("activesync").then_some(Self::ActiveSync);
        known.or_else(short).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|directory| directory.name()).collect();
            format!("there is no directory {name:?}, there are: {}", names.join(", "))
        })
    }
}

/// What a directory does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Condition {
    /// It serves.
    #[default]
    Up,
    /// It serves, but its health page is 503: what managed availability does to one that is about to go.
    PageOut,
    /// Everything in it is 503.
    Out,
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "up" => Ok(Self::Up),
            "page-out" => Ok(Self::PageOut),
            "out" => Ok(Self::Out),
            _ => Err(format!("there is no condition {word:?}, there are: up, page-out, out")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Directory;

    #[test]
    fn a_path_belongs_to_its_first_segment() {
        let table = [
            ("/owa", Some(Directory::Owa)),
            ("/owa/", Some(Directory::Owa)),
            ("/microsoft-server-activesync", Some(Directory::ActiveSync)),
            ("/owax/", None),
            ("/", None),
            ("*", None),
        ];
        for (path, directory) in table {
            assert_eq!(Directory::of(path), directory, "{path}");
        }
    }
}
