//! Whom a budget or a ban is for.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// What stands before a user's name where a subject is written.
const USER_PREFIX: &str = "user:";

/// Bytes of a user's name that are kept. Names that differ behind them are one subject.
pub(super) const USER_BYTES_MAX: usize = 96;

/// A source or a user. Written as `203.0.113.7`, `2001:db8:1:2::/64` or `user:lab\alice`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// One IPv4 address, or the /64 that one IPv6 subscriber has at least (RFC 6177).
    Source(Source),
    /// A user as the client wrote it, in lower case: `lab\alice`, `alice@lab.test` and `alice` are three.
    User(Box<str>),
}

/// An address, without what lies behind the /64 of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(IpAddr);

impl Subject {
    /// The source that an address belongs to. IPv4 written inside IPv6 is IPv4.
    pub fn source(address: IpAddr) -> Self {
        Self::Source(Source(match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) >> 64 << 64)),
            v4 => v4,
        }))
    }

    /// A user, in any letter case. Control characters are not kept: the name may go into a log.
    pub fn user(name: &str) -> Self {
        let mut kept = String::new();
        for character in name.chars().flat_map(char::to_lowercase) {
            if kept.len() + character.len_utf8() > USER_BYTES_MAX {
                break;
            }
            kept.push(if character.is_control() { char::REPLACEMENT_CHARACTER } else { character });
        }
        // A replacement is three bytes where one was.
        while kept.len() > USER_BYTES_MAX {
            kept.pop();
        }
        Self::User(kept.into())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(Source(IpAddr::V4(v4))) => write!(f, "{v4}"),
            Self::Source(Source(IpAddr::V6(v6))) => write!(f, "{v6}/64"),
            Self::User(name) => write!(f, "{USER_PREFIX}{name}"),
        }
    }
}

/// What was written is not a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotASubject;

impl fmt::Display for NotASubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write an address (203.0.113.7, 2001:db8::1), an IPv6 /64, or user:NAME")
    }
}

impl std::error::Error for NotASubject {}

impl FromStr for Subject {
    type Err = NotASubject;

    fn from_str(text: &str) -> Result<Self, NotASubject> {
        if let Some(name) = text.strip_prefix(USER_PREFIX) {
            return if name.is_empty() { Err(NotASubject) } else { Ok(Self::user(name)) };
        }
        let bare = text.strip_suffix("/32").or(text.strip_suffix("/64")).unwrap_or(text);
        let address: IpAddr = bare.parse().map_err(|_| NotASubject)?;
        let length = text.len() - bare.len();
        let fits = length == 0 || text.ends_with("/32") == address.is_ipv4();
        fits.then(|| Self::source(address)).ok_or(NotASubject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_written_and_read() {
        for (written, shown) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7/32", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::/64", "2001:db8:1:2::/64"),
            ("user:LAB\\Alice", "user:lab\\alice"),
            ("user:a\nb", "user:a\u{fffd}b"),
        ] {
            let subject: Subject = written.parse().unwrap();
            assert_eq!(subject.to_string(), shown);
            assert_eq!(shown.parse(), Ok(subject), "{shown}");
        }
        for written in
            ["", "user:", "alice", "203.0.113.0/24", "203.0.113.7/64", "2001:db8::/32", "2001:db8::/48"]
        {
            assert_eq!(written.parse::<Subject>(), Err(NotASubject), "{written:?}");
        }
    }

    #[test]
    fn long_names_are_cut_at_a_character() {
        for name in ["n".repeat(1000), "é".repeat(1000), "\u{1}".repeat(1000), "x\u{1}é".repeat(50)] {
            let Subject::User(kept) = Subject::user(&name) else { panic!("a user") };
            assert!(kept.len() <= USER_BYTES_MAX && kept.len() > USER_BYTES_MAX - 4, "{}", kept.len());
        }
    }
}
