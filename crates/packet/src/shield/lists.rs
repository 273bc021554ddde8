//! The lists of sources: what the configuration says, what was said while running, and until when.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use ipnet::IpNet;

/// What a list says of a source.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It gets nothing.
    Block = 1,
    /// It is asked for nothing.
    Allow = 2,
}

impl Verdict {
    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Allow => "allow",
        }
    }
}

/// Something said while running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// What.
    pub verdict: Verdict,
    /// Until when; `None`: until it is taken back.
    pub until: Option<SystemTime>,
}

/// A change of what holds for a prefix.
pub type Change = (IpNet, Option<Verdict>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Entry {
    configured: Option<Verdict>,
    ban: Option<Ban>,
}

impl Entry {
    fn holds(self) -> Option<Verdict> {
        self.ban.map(|ban| ban.verdict).or(self.configured)
    }
}

/// All prefixes of which something is said.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    entries: BTreeMap<IpNet, Entry>,
}

/// The first line of a snapshot.
const HEADER: &str = "transom shield 1";

impl Lists {
    /// What the configuration says now; gives what changes.
    pub fn configure(&mut self, block: &[IpNet], allow: &[IpNet]) -> Vec<Change> {
        let mut wanted: BTreeMap<IpNet, Verdict> = BTreeMap::new();
        wanted.extend(block.iter().map(|prefix| (prefix.trunc(), Verdict::Block)));
        wanted.extend(allow.iter().map(|prefix| (prefix.trunc(), Verdict::Allow)));
        let gone: Vec<IpNet> = self.entries.keys().filter(|key| !wanted.contains_key(key)).copied().collect();
        let gone = gone.into_iter().map(|prefix| (prefix, None));
        let all: Vec<_> =
            gone.chain(wanted.into_iter().map(|(prefix, verdict)| (prefix, Some(verdict)))).collect();
        all.into_iter()
            .filter_map(|(prefix, verdict)| self.change(prefix, |entry| entry.configured = verdict))
            .collect()
    }

    /// Says something of a prefix; gives the change, if it is one.
    pub fn ban(&mut self, prefix: IpNet, ban: Ban) -> Option<Change> {
        self.change(prefix.trunc(), |entry| entry.ban = Some(ban))
    }

    /// Takes back what was said while running.
    pub fn unban(&mut self, prefix: IpNet) -> Option<Change> {
        self.change(prefix.trunc(), |entry| entry.ban = None)
    }

    /// Takes back what has expired.
    pub fn expire(&mut self, now: SystemTime) -> Vec<Change> {
        let over = |ban: &Ban| ban.until.is_some_and(|until| until <= now);
        let expired = self.entries.iter().filter(|(_, entry)| entry.ban.as_ref().is_some_and(over));
        let expired: Vec<IpNet> = expired.map(|(prefix, _)| *prefix).collect();
        expired.into_iter().filter_map(|prefix| self.unban(prefix)).collect()
    }

    fn change(&mut self, prefix: IpNet, change: impl FnOnce(&mut Entry)) -> Option<Change> {
        let mut entry = self.entries.get(&prefix).copied().unwrap_or_default();
        let before = entry.holds();
        change(&mut entry);
        if entry == Entry::default() {
            self.entries.remove(&prefix);
        } else {
            self.entries.insert(prefix, entry);
        }
        (entry.holds() != before).then_some((prefix, entry.holds()))
    }

    /// What holds.
    pub fn holding(&self) -> impl Iterator<Item = (&IpNet, Verdict)> {
        self.entries.iter().filter_map(|(prefix, entry)| Some((prefix, entry.holds()?)))
    }

    /// What holds for a prefix, as it is written and no wider.
    #[must_use]
    pub fn of(&self, prefix: &IpNet) -> Option<Verdict> {
        self.entries.get(&prefix.trunc())?.holds()
    }

    /// What was said while running.
    pub fn bans(&self) -> impl Iterator<Item = (&IpNet, Ban)> {
        self.entries.iter().filter_map(|(prefix, entry)| Some((prefix, entry.ban?)))
    }

    /// What was said while running, as text for the next start.
    #[must_use]
    pub fn snapshot(&self) -> String {
        let mut text = format!("{HEADER}\n");
        for (prefix, ban) in self.bans() {
            let until =
                ban.until.map(|until| until.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default());
            let until = until.map(|until| format!(" until {}", until.as_secs())).unwrap_or_default();
            text += &format!("{} {prefix}{until}\n", ban.verdict.word());
        }
        text
    }
}

/// What a snapshot says, and how many of its lines say nothing; none of it is believed without its first line.
#[must_use]
pub fn parse(text: &str) -> (Vec<(IpNet, Ban)>, usize) {
    let mut lines = text.lines();
    if lines.next() != Some(HEADER) {
        return (Vec::new(), text.lines().count());
    }
    let read: Vec<Option<(IpNet, Ban)>> = lines.map(line).collect();
    let refused = read.iter().filter(|one| one.is_none()).count();
    (read.into_iter().flatten().collect(), refused)
}

fn line(line: &str) -> Option<(IpNet, Ban)> {
    let mut words = line.split(' ');
    let verdict = match words.next()? {
        "block" => Verdict::Block,
        "allow" => Verdict::Allow,
        _ => return None,
    };
    let prefix: IpNet = words.next()?.parse().ok()?;
    let until = match (words.next(), words.next(), words.next()) {
        (None, ..) => None,
        (Some("until"), Some(seconds), None) => {
            let since = Duration::from_secs(seconds.parse().ok()?);
            Some(SystemTime::UNIX_EPOCH.checked_add(since)?)
        }
        _ => return None,
    };
    (prefix.trunc() == prefix).then_some((prefix, Ban { verdict, until }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().expect(text)
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn block(until: Option<SystemTime>) -> Ban {
        Ban { verdict: Verdict::Block, until }
    }

    #[test]
    fn what_is_said_while_running_goes_before_the_file_and_ends_in_time() {
        let mut lists = Lists::default();
        assert_eq!(lists.configure(&[net("192.0.2.0/24")], &[net("192.0.2.7/32")]).len(), 2);
        assert_eq!(lists.configure(&[net("192.0.2.0/24")], &[net("192.0.2.7/32")]), []);
        let banned = Some((net("192.0.2.7/32"), Some(Verdict::Block)));
        assert_eq!(lists.ban(net("192.0.2.7/32"), block(Some(at(10)))), banned);
        assert_eq!(lists.ban(net("192.0.2.7/32"), block(Some(at(20)))), None, "only its end changes");
        assert_eq!(lists.expire(at(19)), []);
        assert_eq!(
            lists.expire(at(20)),
            [(net("192.0.2.7/32"), Some(Verdict::Allow))],
            "the file holds again"
        );
        assert_eq!(lists.configure(&[], &[]).len(), 2);
        assert_eq!(lists.holding().count(), 0);
    }

    #[test]
    fn a_snapshot_brings_the_same_bans_back() {
        let mut lists = Lists::default();
        lists.configure(&[net("203.0.113.0/24")], &[]);
        lists.ban(net("192.0.2.0/24"), block(Some(at(1_764_000_000))));
        lists.ban(net("2001:db8::/32"), Ban { verdict: Verdict::Allow, until: None });
        let text = lists.snapshot();
        assert_eq!(text, "transom shield 1\nblock 192.0.2.0/24 until 1764000000\nallow 2001:db8::/32\n");
        let mut again = Lists::default();
        let (bans, refused) = parse(&text);
        for (prefix, ban) in bans {
            again.ban(prefix, ban);
        }
        assert_eq!((again.snapshot(), refused), (text, 0));
    }

    #[test]
    fn lines_that_say_nothing_are_counted() {
        for (text, good, bad) in [
            ("", 0, 0),
            ("block 192.0.2.0/24\n", 0, 1),
            (
                "transom shield 1\nblock 192.0.2.1/24\nblock x\nban 192.0.2.0/24\nblock 192.0.2.0/24 until\n",
                0,
                4,
            ),
            ("transom shield 1\nblock 192.0.2.0/24 until 99999999999999999999\nblock ::/0 until 1 2\n", 0, 2),
            ("transom shield 1\nblock ::/0\n", 1, 0),
        ] {
            let (bans, refused) = parse(text);
            assert_eq!((bans.len(), refused), (good, bad), "{text}");
        }
    }
}
