//! What the compiler has to take on trust: which of our types are plain bytes.

#![expect(unsafe_code, reason = "aya asks for a promise that a type is plain bytes")]

use crate::abi;

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
unsafe impl aya::Pod for abi::Ring {}
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
unsafe impl aya::Pod for abi::Prefix {}
