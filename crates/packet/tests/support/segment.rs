//! TCP segments with options, made and read independently of the program under test.

use std::net::IpAddr;

use crate::frame::{ACK, CLIENT_MAC, DOOR_MAC, SYN, octets, sum};

/// A segment from a client, to be changed field by field.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) vlan: Option<u16>,
    pub(crate) source: IpAddr,
    pub(crate) port: u16,
    pub(crate) to: (IpAddr, u16),
    pub(crate) flags: u8,
    pub(crate) sequence: u32,
    pub(crate) acknowledgement: u32,
    pub(crate) options: Vec<u8>,
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) source: (IpAddr, u16),
    pub(crate) flags: u8,
    pub(crate) sequence: u32,
    pub(crate) acknowledgement: u32,
    /// Kind and contents.
    pub(crate) options: Vec<(u8, Vec<u8>)>,
    /// Whether the checksums hold.
    pub(crate) sound: bool,
}

impl Segment {
    /// A SYN.
    pub(crate) fn new(to: &str, to_port: u16, port: u16) -> Self {
        let to: IpAddr = to.parse().expect("an address");
        let source = if to.is_ipv4() { "198.18.1.7" } else { "2001:db8::7" };
        Self {
            vlan: None,
            source: source.parse().expect("an address"),
            port,
            to: (to, to_port),
            flags: SYN,
            sequence: 1000,
            acknowledgement: 0,
            options: Vec::new(),
        }
    }

    pub(crate) fn options(mut self, options: &[u8]) -> Self {
        self.options = options.to_vec();
        self
    }

    pub(crate) fn destination(&self) -> (IpAddr, u16) {
        self.to
    }

    /// The ACK that ends the handshake.
    pub(crate) fn answer(&self, answer: &Read) -> Self {
        let stamp = answer.options.iter().find(|(kind, _)| *kind == 8);
        let options =
            stamp.map_or_else(Vec::new, |(_, stamp)| [&[1, 1, 8, 10, 1, 2, 3, 9][..], &stamp[..4]].concat());
        Self {
            flags: ACK,
            sequence: 1001,
            acknowledgement: answer.sequence.wrapping_add(1),
            options,
            ..self.clone()
        }
    }

    pub(crate) fn frame(&self) -> Vec<u8> {
        let mut tcp = [self.port.to_be_bytes(), self.to.1.to_be_bytes()].concat();
        tcp.extend(self.sequence.to_be_bytes());
        tcp.extend(self.acknowledgement.to_be_bytes());
        tcp.extend([(5 + self.options.len() as u8 / 4) << 4, self.flags, 0xff, 0xff, 0, 0, 0, 0]);
        tcp.extend(&self.options);
        let checksum = !sum(&pseudo(self.source, self.to.0, &tcp));
        tcp[16..18].copy_from_slice(&checksum.to_be_bytes());
        let mut frame = [DOOR_MAC, CLIENT_MAC].concat();
        if let Some(tag) = self.vlan {
            frame.extend([0x81, 0]);
            frame.extend(tag.to_be_bytes());
        }
        let addresses = [octets(self.source), octets(self.to.0)].concat();
        let length = tcp.len() as u16;
        if self.source.is_ipv4() {
            let mut ip = vec![0x45, 0];
            ip.extend((20 + length).to_be_bytes());
            ip.extend([0, 1, 0x40, 0, 64, 6, 0, 0]);
            ip.extend(addresses);
            let checksum = !sum(&ip);
            ip[10..12].copy_from_slice(&checksum.to_be_bytes());
            frame.extend([8, 0]);
            frame.extend(ip);
        } else {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(length.to_be_bytes());
            frame.extend([6, 64]);
            frame.extend(addresses);
        }
        frame.extend(tcp);
        frame
    }
}

fn pseudo(source: IpAddr, destination: IpAddr, tcp: &[u8]) -> Vec<u8> {
    let mut all = [octets(source), octets(destination)].concat();
    all.extend((tcp.len() as u32).to_be_bytes());
    all.extend([0, 0, 0, 6]);
    all.extend(tcp);
    all
}

fn options(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut all = Vec::new();
    while let [kind, rest @ ..] = bytes {
        match (kind, rest) {
            (0, _) => break,
            (1, _) => bytes = rest,
            (_, [length, ..]) => {
                all.push((*kind, bytes[2..usize::from(*length)].to_vec()));
                bytes = &bytes[usize::from(*length)..];
            }
            _ => panic!("half an option"),
        }
    }
    all
}

/// Reads a frame that must be TCP.
pub(crate) fn read(frame: &[u8]) -> Read {
    let header = if frame[12..14] == [0x81, 0] { 18 } else { 14 };
    let ip = &frame[header..];
    let (source, destination, tcp, sound) = if ip[0] >> 4 == 4 {
        let length = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
        let four = |at: usize| IpAddr::from(<[u8; 4]>::try_from(&ip[at..at + 4]).expect("four bytes"));
        (four(12), four(16), &ip[20..length], sum(&ip[..20]) == 0xffff)
    } else {
        let length = usize::from(u16::from_be_bytes([ip[4], ip[5]]));
        let six = |at: usize| IpAddr::from(<[u8; 16]>::try_from(&ip[at..at + 16]).expect("sixteen bytes"));
        (six(8), six(24), &ip[40..40 + length], true)
    };
    let word = |at: usize| u32::from_be_bytes(tcp[at..at + 4].try_into().expect("four bytes"));
    Read {
        source: (source, u16::from_be_bytes([tcp[0], tcp[1]])),
        flags: tcp[13],
        sequence: word(4),
        acknowledgement: word(8),
        options: options(&tcp[20..usize::from(tcp[12] >> 4) * 4]),
        sound: sound && sum(&pseudo(source, destination, tcp)) == 0xffff,
    }
}
