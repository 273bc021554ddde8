//! The compiled programs, carried inside ours.

/// The balancer, or nothing when built without the feature `bpf`.
#[cfg(feature = "bpf")]
pub static DOOR: Option<&[u8]> = Some(aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/door.bpf.o")));
/// The unwrapping program of tunnel servers, or nothing when built without the feature `bpf`.
#[cfg(feature = "bpf")]
pub static DECAP: Option<&[u8]> = Some(aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/decap.bpf.o")));

/// The balancer, or nothing when built without the feature `bpf`.
#[cfg(not(feature = "bpf"))]
pub static DOOR: Option<&[u8]> = None;
/// The unwrapping program of tunnel servers, or nothing when built without the feature `bpf`.
#[cfg(not(feature = "bpf"))]
pub static DECAP: Option<&[u8]> = None;
