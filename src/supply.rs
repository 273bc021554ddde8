//! A supply: everything needed to serve one configuration. Text of every file, listening sockets, opened logs.
//!
//! Started as root, the keeper makes it and the worker uses it; otherwise one process does both. The configuration
//! goes as text, because parsing the same text again is simpler and safer than a second form of every type.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use transom_config::Config;

use crate::files::{Pattern, Remembered};
use crate::overrides::Override;
use crate::packet::door::Packets;

/// Everything needed to serve one configuration.
#[derive(Debug)]
pub(crate) struct Supply {
    /// The configuration file as it was named.
    pub(crate) path: PathBuf,
    /// `--zone`.
    pub(crate) zone: Option<String>,
    /// Worker threads.
    pub(crate) workers: usize,
    /// Every file the configuration is made of.
    pub(crate) files: Remembered,
    /// One entry an address.
    pub(crate) listeners: Vec<Listening>,
    /// The packet plane, where there are packet listeners.
    pub(crate) packets: Option<Packets>,
    /// The admin socket, where there is one.
    pub(crate) unix: Option<AdminUnix>,
    /// The admin address, where there is one.
    pub(crate) tcp: Option<AdminTcp>,
    /// The access log, opened; `None` is off.
    pub(crate) access: Option<OwnedFd>,
    /// The program log, opened; `None` is off.
    pub(crate) program: Option<OwnedFd>,
    /// What is worth saying about it.
    pub(crate) notes: Vec<Note>,
    /// How a worker that died left the servers; only in the first supply of the next one.
    pub(crate) overrides: Vec<Override>,
}

/// Something worth saying.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Note {
    /// Somebody should do something about it.
    Warning(String),
    /// Good to know.
    Remark(String),
}

impl Note {
    /// The sentence.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Warning(text) | Self::Remark(text) => text,
        }
    }

    /// Puts it into the program log.
    pub(crate) fn log(&self) {
        match self {
            Self::Warning(text) => log::warn!("{text}"),
            Self::Remark(text) => log::info!("{text}"),
        }
    }
}

/// The sockets of one address of a listener.
#[derive(Debug)]
pub(crate) struct Listening {
    /// The listener.
    pub(crate) listener: String,
    /// The address as it was written.
    pub(crate) asked: SocketAddr,
    /// The address it has: another port where 0 was written.
    pub(crate) address: SocketAddr,
    /// One socket a worker thread.
    pub(crate) sockets: Vec<OwnedFd>,
}

/// The admin socket, listening.
#[derive(Debug)]
pub(crate) struct AdminUnix {
    /// Its path.
    pub(crate) path: PathBuf,
    /// The socket.
    pub(crate) socket: OwnedFd,
}

/// The admin address, listening.
#[derive(Debug)]
pub(crate) struct AdminTcp {
    /// The address as it was written.
    pub(crate) asked: SocketAddr,
    /// The address it has.
    pub(crate) address: SocketAddr,
    /// The socket.
    pub(crate) socket: OwnedFd,
}

impl Listening {
    /// The same sockets under the name `listener`.
    pub(crate) fn shared(&self, listener: &str) -> io::Result<Self> {
        let sockets = self.sockets.iter().map(OwnedFd::try_clone).collect::<io::Result<_>>()?;
        Ok(Self { listener: listener.to_owned(), asked: self.asked, address: self.address, sockets })
    }
}

impl AdminUnix {
    /// The same socket.
    pub(crate) fn shared(&self) -> io::Result<Self> {
        Ok(Self { path: self.path.clone(), socket: self.socket.try_clone()? })
    }
}

impl AdminTcp {
    /// The same socket.
    pub(crate) fn shared(&self) -> io::Result<Self> {
        Ok(Self { asked: self.asked, address: self.address, socket: self.socket.try_clone()? })
    }
}

/// A supply without its descriptors and contents, as it goes over the channel.
///
/// The descriptors go in the order: sockets of the listeners, tables of the packet plane, admin socket, admin address, access log, program log.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    path: PathBuf,
    zone: Option<String>,
    workers: usize,
    /// Paths and lengths; the contents follow one another in the frame's bytes.
    files: Vec<(PathBuf, usize)>,
    patterns: Vec<Pattern>,
    listeners: Vec<ListenerHeader>,
    packets: Option<PacketsHeader>,
    unix: Option<PathBuf>,
    /// As asked and as it is.
    tcp: Option<(SocketAddr, SocketAddr)>,
    access: bool,
    program: bool,
    notes: Vec<Note>,
    overrides: Vec<Override>,
}

#[derive(Debug, Serialize, Deserialize)]
struct PacketsHeader {
    addresses: Vec<String>,
    /// Names of the tables.
    tables: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ListenerHeader {
    listener: String,
    asked: SocketAddr,
    address: SocketAddr,
    sockets: usize,
}

impl Supply {
    /// The same again, with descriptors of its own.
    pub(crate) fn shared(&self) -> io::Result<Self> {
        Ok(Self {
            path: self.path.clone(),
            zone: self.zone.clone(),
            workers: self.workers,
            files: self.files.clone(),
            listeners: self
                .listeners
                .iter()
                .map(|listening| listening.shared(&listening.listener))
                .collect::<io::Result<_>>()?,
            packets: self.packets.as_ref().map(Packets::shared).transpose()?,
            unix: self.unix.as_ref().map(AdminUnix::shared).transpose()?,
            tcp: self.tcp.as_ref().map(AdminTcp::shared).transpose()?,
            access: self.access.as_ref().map(OwnedFd::try_clone).transpose()?,
            program: self.program.as_ref().map(OwnedFd::try_clone).transpose()?,
            notes: self.notes.clone(),
            overrides: self.overrides.clone(),
        })
    }

    /// What goes over the channel: header, contents of the files, descriptors.
    pub(crate) fn encode(&self) -> (Header, Vec<u8>, Vec<BorrowedFd<'_>>) {
        let header = Header {
            path: self.path.clone(),
            zone: self.zone.clone(),
            workers: self.workers,
            files: self.files.files.iter().map(|(path, contents)| (path.clone(), contents.len())).collect(),
            patterns: self.files.patterns.clone(),
            listeners: self.listeners.iter().map(ListenerHeader::of).collect(),
            packets: self.packets.as_ref().map(PacketsHeader::of),
            unix: self.unix.as_ref().map(|unix| unix.path.clone()),
            tcp: self.tcp.as_ref().map(|tcp| (tcp.asked, tcp.address)),
            access: self.access.is_some(),
            program: self.program.is_some(),
            notes: self.notes.clone(),
            overrides: self.overrides.clone(),
        };
        let contents = self.files.files.iter().flat_map(|(_, contents)| contents).copied().collect();
        let sockets = self.listeners.iter().flat_map(|listening| &listening.sockets);
        let tables = self.packets.iter().flat_map(|packets| &packets.tables).map(|(_, table)| table);
        let descriptors = sockets
            .chain(tables)
            .chain(self.unix.as_ref().map(|unix| &unix.socket))
            .chain(self.tcp.as_ref().map(|tcp| &tcp.socket))
            .chain(&self.access)
            .chain(&self.program)
            .map(AsFd::as_fd)
            .collect();
        (header, contents, descriptors)
    }

    /// Puts together what came over the channel; `None` when the parts do not fit one another.
    pub(crate) fn decode(header: Header, contents: &[u8], descriptors: Vec<OwnedFd>) -> Option<Self> {
        let mut descriptors = descriptors.into_iter();
        let mut listeners = Vec::new();
        for ListenerHeader { listener, asked, address, sockets } in header.listeners {
            let sockets = (0..sockets).map(|_| descriptors.next()).collect::<Option<_>>()?;
            listeners.push(Listening { listener, asked, address, sockets });
        }
        let packets = match header.packets {
            Some(PacketsHeader { addresses, tables }) => {
                let tables = tables.into_iter().map(|name| Some((name, descriptors.next()?)));
                Some(Packets::handed_over(addresses, tables.collect::<Option<_>>()?))
            }
            None => None,
        };
        let unix = match header.unix {
            Some(path) => Some(AdminUnix { path, socket: descriptors.next()? }),
            None => None,
        };
        let tcp = match header.tcp {
            Some((asked, address)) => Some(AdminTcp { asked, address, socket: descriptors.next()? }),
            None => None,
        };
        let access = if header.access { Some(descriptors.next()?) } else { None };
        let program = if header.program { Some(descriptors.next()?) } else { None };
        let files = files(header.files, header.patterns, contents)?;
        let Header { path, zone, workers, notes, overrides, .. } = header;
        let whole = descriptors.next().is_none();
        whole.then_some(Self {
            path,
            zone,
            workers,
            files,
            listeners,
            packets,
            unix,
            tcp,
            access,
            program,
            notes,
            overrides,
        })
    }

    /// Puts the packet program on its interfaces, once its tables are filled.
    pub(crate) fn attach_packets(&self, config: &Config) -> Result<(), String> {
        self.packets.as_ref().map_or(Ok(()), |packets| packets.attach(config))
    }

    /// After a reload: interfaces follow the configuration; without packet listeners the program of before leaves. What
    /// does not work is logged, and packets go on where they went before.
    pub(crate) fn keep_packets(&self, config: &Config, before: Option<&Self>) {
        if let Err(sentence) = self.attach_packets(config) {
            log::error!("packets: {sentence}");
        }
        if let (None, Some(before)) = (&self.packets, before.and_then(|before| before.packets.as_ref())) {
            before.detach();
        }
    }

    /// At the end the packet program leaves its interfaces, unless it is to stay.
    pub(crate) fn retire_packets(&self, config: &Config) {
        if let Some(packets) = &self.packets {
            packets.retire(config);
        }
    }

    /// `NAME=ADDRESS:PORT` of each address, in the order of the file.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let listening = self.listeners.iter().map(|one| format!("{}={}", one.listener, one.address));
        let packets = self.packets.iter().flat_map(|packets| packets.addresses.clone());
        listening.chain(packets).collect()
    }
}

/// What a reload did to the addresses, in a few words.
pub(crate) fn changes(before: &[String], after: &[String]) -> String {
    let missing = |from: &[String], among: &[String]| -> Vec<String> {
        let among: HashSet<&String> = among.iter().collect();
        from.iter().filter(|address| !among.contains(address)).cloned().collect()
    };
    let (new, gone) = (missing(after, before), missing(before, after));
    match (new.is_empty(), gone.is_empty()) {
        (true, true) => "listeners as before".to_owned(),
        (false, true) => format!("now also listens on {}", new.join(",")),
        (true, false) => format!("no longer listens on {}", gone.join(",")),
        (false, false) => format!("listens on {} instead of {}", new.join(","), gone.join(",")),
    }
}

fn files(lengths: Vec<(PathBuf, usize)>, patterns: Vec<Pattern>, contents: &[u8]) -> Option<Remembered> {
    let mut rest = contents;
    let mut files = Vec::new();
    for (path, length) in lengths {
        let (own, after) = rest.split_at_checked(length)?;
        files.push((path, own.to_vec()));
        rest = after;
    }
    rest.is_empty().then_some(Remembered { files, patterns })
}

impl PacketsHeader {
    fn of(packets: &Packets) -> Self {
        let tables = packets.tables.iter().map(|(name, _)| name.clone()).collect();
        Self { addresses: packets.addresses.clone(), tables }
    }
}

impl ListenerHeader {
    fn of(listening: &Listening) -> Self {
        Self {
            listener: listening.listener.clone(),
            asked: listening.asked,
            address: listening.address,
            sockets: listening.sockets.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Supply {
        /// A supply of nothing, for tests.
        pub(crate) fn empty(path: &str) -> Self {
            Self {
                path: path.into(),
                zone: None,
                workers: 1,
                files: Remembered::default(),
                listeners: Vec::new(),
                packets: None,
                unix: None,
                tcp: None,
                access: None,
                program: None,
                notes: Vec::new(),
                overrides: Vec::new(),
            }
        }
    }

    fn descriptor() -> OwnedFd {
        tempfile::tempfile().unwrap().into()
    }

    fn supply() -> Supply {
        let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
        Supply {
            path: "a.toml".into(),
            zone: Some("b".into()),
            workers: 2,
            files: Remembered {
                files: vec![("a.toml".into(), b"one".to_vec()), ("b".into(), vec![0, 255])],
                patterns: vec![Pattern { pattern: "*.toml".into(), paths: vec!["a.toml".into()] }],
            },
            listeners: vec![Listening {
                listener: "https".into(),
                asked: address,
                address: "127.0.0.1:4433".parse().unwrap(),
                sockets: vec![descriptor(), descriptor()],
            }],
            packets: Some(Packets::handed_over(
                vec!["nat=192.0.2.1:443/tcp".into()],
                vec![("rings".into(), descriptor()), ("vips4".into(), descriptor())],
            )),
            unix: Some(AdminUnix { path: "/run/x".into(), socket: descriptor() }),
            tcp: Some(AdminTcp { asked: address, address, socket: descriptor() }),
            access: None,
            program: Some(descriptor()),
            notes: vec![Note::Warning("mind the gap".into())],
            overrides: Vec::new(),
        }
    }

    /// Header and contents after a way over the channel, with as many descriptors as asked.
    fn travelled(supply: &Supply, descriptors: usize) -> (Header, Vec<u8>, Vec<OwnedFd>) {
        let (header, contents, _) = supply.encode();
        let header = serde_json::from_slice(&serde_json::to_vec(&header).unwrap()).unwrap();
        (header, contents, (0..descriptors).map(|_| descriptor()).collect())
    }

    #[test]
    fn a_supply_arrives_as_it_was_sent() {
        let sent = supply();
        assert_eq!(sent.encode().2.len(), 7);
        let (header, contents, descriptors) = travelled(&sent, 7);
        let got = Supply::decode(header, &contents, descriptors).unwrap();
        assert_eq!(got.files, sent.files);
        assert_eq!(got.addresses(), ["https=127.0.0.1:4433", "nat=192.0.2.1:443/tcp"]);
        let tables = got.packets.unwrap().tables;
        assert_eq!(tables.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["rings", "vips4"]);
        assert_eq!((got.path, got.zone, got.workers), (sent.path, sent.zone, sent.workers));
        assert_eq!(got.notes, sent.notes);
        assert_eq!(got.listeners[0].sockets.len(), 2);
        assert_eq!((got.access.is_some(), got.program.is_some()), (false, true));
        assert_eq!((got.unix.is_some(), got.tcp.is_some()), (true, true));
    }

    #[test]
    fn a_reload_tells_what_it_changed() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let cases = [
            ("a b", "b a", "listeners as before"),
            ("a", "a b c", "now also listens on b,c"),
            ("a b", "b", "no longer listens on a"),
            ("a b", "b c", "listens on c instead of a"),
        ];
        for (before, after, expected) in cases {
            assert_eq!(changes(&words(before), &words(after)), expected);
        }
    }

    #[test]
    fn too_many_or_too_few_parts_are_refused() {
        for descriptors in [0, 6, 8] {
            let (header, contents, descriptors) = travelled(&supply(), descriptors);
            assert!(Supply::decode(header, &contents, descriptors).is_none());
        }
        let (header, contents, descriptors) = travelled(&supply(), 7);
        assert!(Supply::decode(header, &contents[1..], descriptors).is_none());
        let (header, mut contents, descriptors) = travelled(&supply(), 7);
        contents.push(0);
        assert!(Supply::decode(header, &contents, descriptors).is_none());
    }

    #[test]
    fn a_shared_supply_has_descriptors_of_its_own() {
        let first = supply();
        let second = first.shared().unwrap();
        drop(first);
        assert!(second.listeners[0].sockets.iter().all(|socket| socket.try_clone().is_ok()));
    }
}
