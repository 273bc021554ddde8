//! The packet data plane: listeners of the modes `nat`, `dsr` and `tunnel`, in XDP.
//!
//! - [`plan`] turns what is wanted into what the program's maps should hold: pure, no I/O.
//! - [`load`] puts the program on interfaces and the maps' contents into the kernel.
//! - [`decap`] is the other end of a tunnel, for servers whose kernel has none.
//! - [`hop`] asks the kernel for the way to a server, [`needs`] says what a server must be set up with.
//! - [`abi`] is what the program (`bpf/*.bpf.c`) and user space share.
//!
//! The life of a packet: `parse` proves every length, the shield's place is next, the VIP is looked up, a ring
//! or the table of flows names the server, and the packet leaves rewritten. Every verdict has one [`abi::Reason`].

pub mod abi;
pub mod counters;
pub mod decap;
pub mod fault;
pub mod flows;
pub mod hash;
pub mod hop;
pub mod load;
pub mod needs;
pub mod object;
pub mod plan;
mod sys;

pub use fault::Fault;
