//! What is true now: the place where the planes meet.
//!
//! The control plane writes conditions, admin states and weights; the data planes read them, take connections on
//! servers and move counters. One generation of all that is a [`World`]; a reload makes the [`next`](World::next) one,
//! which shares with the one before whatever both of them name. No I/O, no clock: time and chance are arguments.
//!
//! The way of a connection: [`Listener::gate`], [`Listener::route`], [`Pool::choose`], a [`Lease`] on a [`Server`],
//! [`Lease::connected`] or [`Lease::failed`], and the lease's drop.

mod balance;
pub mod bans;
mod by_name;
mod counter;
mod down;
pub mod fault;
#[cfg(test)]
mod fixture;
mod gate;
pub mod health;
mod life;
mod line;
mod listener;
mod packet;
pub mod pair;
mod pool;
mod probe;
mod queue;
mod requests;
mod roster;
pub mod route;
mod said;
mod server;
#[cfg(test)]
mod simulation;
pub mod stick;
mod world;

pub use counter::{Counter, FaultCounters, Gauge};
pub use down::DownWatch;
pub use fault::{Blame, Fault};
pub use gate::{Enter, Gate, Pass};
pub use health::{AdminState, Condition};
pub use life::ServerCounters;
pub use listener::{Listener, ListenerCounters};
pub use packet::{
    Changes, PacketCounts, PacketFlow, PacketServerCounts, PacketTraffic, ReasonCount, Share, VipCounts,
};
pub use pool::{Ask, Choice, Lease, Pool, PoolCounters};
pub use probe::{LastProbe, ProbeResult, Transition};
pub use queue::Ticket;
pub use requests::{Class, Histogram, Requests, RouteCounters, STATUS_CLASSES};
pub use route::{Facts, HttpListener, Route};
pub use said::Said;
pub use server::Server;
pub use stick::{StickCursor, StickEntry, StickKey, StickTable};
pub use world::{Current, Totals, World};
