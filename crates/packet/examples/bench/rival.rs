//! An object with a program `front` and the maps below, filled with the same VIPs: the proof of concept that this
//! crate's program must not be slower than.

use aya::maps::{Array, HashMap, MapData};
use aya::programs::ProgramFd;
use aya::{Ebpf, EbpfLoader};

use super::{
    DSR, DSR_QUARTER, DSR_TABLE, FOUR_IN_SIX, LOCAL, NAT, TUNNEL, TUNNEL_QUARTER, TUNNEL_TABLE, program,
};

pub(crate) struct Rival {
    ebpf: Ebpf,
}

const SLOTS: u32 = 65_537;
const PLAIN: u16 = 1;
const MARKED: u16 = 32;

/// Number, mode, flags.
const VIPS4: [(u8, u8, u16); 11] = [
    (super::shield::COOKIE, 0, 2),
    (super::shield::CHALLENGE, 1, PLAIN | 4),
    (DSR, 1, PLAIN),
    (DSR_TABLE, 1, 0),
    (NAT, 2, 0),
    (TUNNEL, 3, PLAIN),
    (TUNNEL_TABLE, 3, 0),
    (FOUR_IN_SIX, 3, PLAIN),
    (LOCAL, 0, 0),
    (DSR_QUARTER, 1, MARKED),
    (TUNNEL_QUARTER, 3, MARKED),
];
const VIPS6: [(u8, u8, u16); 4] =
    [(DSR, 1, PLAIN), (DSR_TABLE, 1, 0), (TUNNEL, 3, PLAIN), (TUNNEL_TABLE, 3, 0)];

impl Rival {
    pub(crate) fn load(path: &str, budget: u32) -> Self {
        let mut ebpf = EbpfLoader::new()
            .override_global("acl_on", &0_u32, true)
            .override_global("new_per_s", &budget, true)
            .load_file(path)
            .unwrap();
        fill(&mut ebpf);
        program(&mut ebpf, "front").load().unwrap();
        Self { ebpf }
    }

    pub(crate) fn program(&mut self) -> ProgramFd {
        program(&mut self.ebpf, "front").fd().unwrap().try_clone().unwrap()
    }
}

fn fill(ebpf: &mut Ebpf) {
    let mut vips4: HashMap<&mut MapData, [u8; 8], [u8; 8]> =
        ebpf.map_mut("vips4").unwrap().try_into().unwrap();
    for (number, mode, flags) in VIPS4 {
        vips4.insert(key(&[192, 0, 2, number]), entry(number, mode, flags), 0).unwrap();
    }
    let mut vips6: HashMap<&mut MapData, [u8; 20], [u8; 8]> =
        ebpf.map_mut("vips6").unwrap().try_into().unwrap();
    for (number, mode, flags) in VIPS6 {
        let address = format!("fd00::1:{number}").parse::<std::net::Ipv6Addr>().unwrap().octets();
        vips6.insert(key(&address), entry(20 + number, mode, flags), 0).unwrap();
    }
    let name = ebpf.maps().map(|(name, _)| name).find(|name| name.starts_with("back")).unwrap().to_owned();
    let mut servers: Array<&mut MapData, [u8; 52]> = ebpf.map_mut(&name).unwrap().try_into().unwrap();
    for n in 0..8_u8 {
        servers.set(u32::from(n), server(n), 0).unwrap();
    }
    let mut ring: Array<&mut MapData, u32> = ebpf.map_mut("ring").unwrap().try_into().unwrap();
    for (id, marked, six) in VIPS4
        .iter()
        .map(|vip| (vip.0, vip.2 == MARKED, vip.0 == FOUR_IN_SIX))
        .chain(VIPS6.iter().map(|vip| (20 + vip.0, false, true)))
    {
        for slot in 0..SLOTS {
            let number = slot % 4 + if six { 4 } else { 0 };
            let word = if marked && slot % 4 == 3 { 1 << 31 | 2 << 12 | number } else { number };
            ring.set(u32::from(id) * SLOTS + slot, word, 0).unwrap();
        }
    }
}

fn key<const N: usize>(address: &[u8]) -> [u8; N] {
    let mut key = [0; N];
    key[..address.len()].copy_from_slice(address);
    key[address.len()..address.len() + 2].copy_from_slice(&80_u16.to_be_bytes());
    key[address.len() + 2..].copy_from_slice(&6_u16.to_ne_bytes());
    key
}

fn entry(id: u8, mode: u8, flags: u16) -> [u8; 8] {
    let [low, high] = flags.to_ne_bytes();
    [id, 0, 0, 0, low, high, mode, 0]
}

fn server(n: u8) -> [u8; 52] {
    let mut server = [0; 52];
    let six = |text: &str| text.parse::<std::net::Ipv6Addr>().unwrap().octets();
    if n < 4 {
        server[..4].copy_from_slice(&[10, 0, 0, 10 + n]);
        server[36..40].copy_from_slice(&[10, 0, 0, 1]);
    } else {
        server[..16].copy_from_slice(&six(&format!("fd00::1:{n}")));
        server[36..52].copy_from_slice(&six("fd00::1:200"));
    }
    server[16..28].copy_from_slice(&[2, 0, 0, 0, 1, n, 2, 0, 0, 0, 0, 2]);
    server[32..34].copy_from_slice(&8080_u16.to_be_bytes());
    server[34] = u8::from(n >= 4);
    server[35] = 1;
    server
}
