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
//!
//! Whoever starts it fills the maps before any interface has the program, and goes on from what an earlier process
//! left there:
//!
//! ```no_run
//! use std::time::Instant;
//! use transom_packet::{Fault, load, plan};
//!
//! fn start(wanted: &[plan::Vip], interfaces: Vec<String>) -> Result<(load::Door, plan::Plan), Fault> {
//!     let mut door = load::Door::load(&load::Options { interfaces, ..load::Options::default() })?;
//!     let limits = plan::Limits { vips_max: door.tables.vips_max()?, ..plan::Limits::default() };
//!     let mut plan = plan::Plan::adopt(limits, &door.tables.contents()?, Instant::now());
//!     door.tables.apply(&plan.update(wanted, Instant::now())?)?;
//!     door.attach()?;
//!     Ok((door, plan))
//! }
//! ```
//!
//! Afterwards every change of servers, and a tick now and then, is one more `plan.update` and `apply`.

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
pub mod shield;
mod sys;

pub use fault::Fault;
