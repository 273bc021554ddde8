//! What the compiler has to take on trust: which of our types are plain bytes, and how a map's row is read and
//! written where it lies (a ring is a quarter of a megabyte: too much for the stack, where aya would put it).

#![expect(unsafe_code, reason = "aya asks for a promise that a type is plain bytes; bpf(2) takes addresses")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc;

use crate::abi::{self, RING_SLOTS};
use crate::shield::abi as shield;

/// The part of `union bpf_attr` that reads and writes of a map use.
#[repr(C)]
struct Access {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

const MAP_LOOKUP: libc::c_int = 1;
const MAP_UPDATE: libc::c_int = 2;

/// Reads a ring from an array map of rings.
pub(crate) fn read_ring(map: BorrowedFd<'_>, row: u32, into: &mut [u32; RING_SLOTS]) -> io::Result<()> {
    access(MAP_LOOKUP, map, row, std::ptr::from_mut(into) as u64)
}

/// Writes a ring into an array map of rings.
pub(crate) fn write_ring(map: BorrowedFd<'_>, row: u32, from: &[u32; RING_SLOTS]) -> io::Result<()> {
    access(MAP_UPDATE, map, row, std::ptr::from_ref(from) as u64)
}

/// `value` is the address of a ring, valid for as long as this runs, and writable if the command reads a row.
fn access(command: libc::c_int, map: BorrowedFd<'_>, row: u32, value: u64) -> io::Result<()> {
    let key = std::ptr::from_ref(&row) as u64;
    let access = Access { map: map.as_raw_fd() as u32, padding: 0, key, value, flags: 0 };
    // SAFETY: the kernel copies 4 bytes of key and one row of value, whose size `Tables` compared with that of a
    // ring when it took the map; both addresses are of values that outlive the call.
    let outcome = unsafe { libc::syscall(libc::SYS_bpf, command, &raw const access, size_of::<Access>()) };
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

// SAFETY: repr(C), integers only, and no padding: tests/layout.rs compares size and offsets with the C side,
// where every gap is a named field.
unsafe impl aya::Pod for abi::Vip4Key {}
// SAFETY: as above.
unsafe impl aya::Pod for abi::Vip6Key {}
// SAFETY: as above.
unsafe impl aya::Pod for abi::Vip {}
// SAFETY: as above.
unsafe impl aya::Pod for abi::Server {}
// SAFETY: as above.
unsafe impl aya::Pod for abi::Flow4 {}
// SAFETY: as above.
unsafe impl aya::Pod for abi::Flow6 {}
// SAFETY: as above.
unsafe impl aya::Pod for abi::Held {}
// SAFETY: as above.
unsafe impl aya::Pod for abi::Nat4 {}
// SAFETY: as above.
unsafe impl aya::Pod for abi::Nat6 {}
// SAFETY: as above.
unsafe impl aya::Pod for abi::Traffic {}
// SAFETY: as above.
unsafe impl aya::Pod for abi::Settings {}
// SAFETY: as above.
unsafe impl aya::Pod for shield::Pace {}
// SAFETY: as above.
unsafe impl aya::Pod for shield::Context {}
// SAFETY: as above.
unsafe impl aya::Pod for shield::GateKey {}
// SAFETY: as above.
unsafe impl aya::Pod for shield::Line {}
// SAFETY: as above.
unsafe impl aya::Pod for shield::Source {}
// SAFETY: as above.
unsafe impl aya::Pod for shield::SourceKey {}
// SAFETY: as above.
unsafe impl aya::Pod for shield::Pressure {}
// SAFETY: as above.
unsafe impl aya::Pod for shield::Spending {}
// SAFETY: as above.
unsafe impl aya::Pod for shield::Tally {}
// SAFETY: as above.
unsafe impl aya::Pod for shield::ShieldSettings {}
// SAFETY: as above.
unsafe impl aya::Pod for shield::Event {}
