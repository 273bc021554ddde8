//! Frames to put in and to compare with: written independently of the program under test.

use std::net::IpAddr;

pub(crate) const CLIENT_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
pub(crate) const DOOR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const ACK: u8 = 16;

/// The transport part.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Body {
    Tcp { flags: u8 },
    Udp { checksum: bool },
}

/// A TCP or UDP packet in an Ethernet frame.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) to: [u8; 6],
    pub(crate) from: [u8; 6],
    pub(crate) vlan: Option<u16>,
    pub(crate) source: (IpAddr, u16),
    pub(crate) destination: (IpAddr, u16),
    pub(crate) ttl: u8,
    pub(crate) tos: u8,
    pub(crate) body: Body,
    pub(crate) payload: usize,
}

impl Frame {
    pub(crate) fn tcp(source: (&str, u16), destination: (&str, u16), flags: u8) -> Self {
        Self::new(source, destination, Body::Tcp { flags })
    }

    pub(crate) fn udp(source: (&str, u16), destination: (&str, u16)) -> Self {
        Self::new(source, destination, Body::Udp { checksum: true })
    }

    fn new(source: (&str, u16), destination: (&str, u16), body: Body) -> Self {
        let address = |text: &str| text.parse().expect("an address");
        Self {
            to: DOOR_MAC,
            from: CLIENT_MAC,
            vlan: None,
            source: (address(source.0), source.1),
            destination: (address(destination.0), destination.1),
            ttl: 64,
            tos: 0,
            body,
            payload: 26,
        }
    }

    pub(crate) fn payload(mut self, bytes: usize) -> Self {
        self.payload = bytes;
        self
    }

    pub(crate) fn vlan(mut self, tag: u16) -> Self {
        self.vlan = Some(tag);
        self
    }

    pub(crate) fn ttl(mut self, ttl: u8) -> Self {
        self.ttl = ttl;
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let transport = self.transport();
        let packet = self.ip(&transport);
        let mut frame = [self.to, self.from].concat();
        if let Some(tag) = self.vlan {
            frame.extend([0x81, 0]);
            frame.extend(tag.to_be_bytes());
        }
        frame.extend(if self.source.0.is_ipv4() { [8, 0] } else { [0x86, 0xdd] });
        frame.extend(packet);
        frame
    }

    fn transport(&self) -> Vec<u8> {
        let mut bytes = [self.source.1.to_be_bytes(), self.destination.1.to_be_bytes()].concat();
        let payload: Vec<u8> = (0..self.payload).map(|n| n as u8).collect();
        match self.body {
            Body::Tcp { flags } => {
                bytes.extend(1000_u32.to_be_bytes());
                bytes.extend(2000_u32.to_be_bytes());
                bytes.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
                bytes.extend(payload);
                let sum = self.checksum(6, &bytes);
                bytes[16..18].copy_from_slice(&sum.to_be_bytes());
            }
            Body::Udp { checksum } => {
                bytes.extend((8 + self.payload as u16).to_be_bytes());
                bytes.extend([0, 0]);
                bytes.extend(payload);
                let sum = self.checksum(17, &bytes);
                let sum = if sum == 0 { 0xffff } else { sum };
                bytes[6..8].copy_from_slice(&if checksum { sum } else { 0 }.to_be_bytes());
            }
        }
        bytes
    }

    fn checksum(&self, protocol: u8, transport: &[u8]) -> u16 {
        let mut pseudo = octets(self.source.0);
        pseudo.extend(octets(self.destination.0));
        pseudo.extend((transport.len() as u32).to_be_bytes());
        pseudo.extend([0, 0, 0, protocol]);
        pseudo.extend(transport);
        !sum(&pseudo)
    }

    fn ip(&self, transport: &[u8]) -> Vec<u8> {
        let protocol = if matches!(self.body, Body::Tcp { .. }) { 6 } else { 17 };
        let (source, destination) = (octets(self.source.0), octets(self.destination.0));
        if self.source.0.is_ipv4() {
            let mut ip = vec![0x45, self.tos];
            ip.extend((20 + transport.len() as u16).to_be_bytes());
            ip.extend([0, 1, 0x40, 0, self.ttl, protocol, 0, 0]);
            ip.extend([source, destination].concat());
            let sum = !sum(&ip);
            ip[10..12].copy_from_slice(&sum.to_be_bytes());
            ip.extend(transport);
            return ip;
        }
        let mut ip = vec![0x60 | self.tos >> 4, self.tos << 4, 0, 0];
        ip.extend((transport.len() as u16).to_be_bytes());
        ip.extend([protocol, self.ttl]);
        ip.extend([source, destination].concat());
        ip.extend(transport);
        ip
    }
}

pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The ones' complement sum of 16-bit words.
pub(crate) fn sum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    }
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
