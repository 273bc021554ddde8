//! Server numbers: who has which, and when a number is free again.
//!
//! Rings and table entries name servers by number, and outlive the configuration that named them. So a server
//! that was taken out keeps its number, and its packets, until no older flow can be left; the next owner of the
//! number has another epoch, and entries of the earlier one are void.

use std::collections::{BTreeSet, HashMap};

use crate::Fault;
use crate::abi::{self, NO_SERVER};

/// A server number's owner.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) identity: u64,
    pub(super) server: abi::Server,
    /// On the plan's clock, if no VIP names it any more.
    pub(super) left: Option<u32>,
}

/// All server numbers.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    seats: Vec<Option<Seat>>,
    /// Of the last owner of each number.
    epochs: Vec<u16>,
    by_identity: HashMap<u64, u16>,
}

impl Numbers {
    pub(super) fn new() -> Self {
        let numbers = usize::from(NO_SERVER);
        Self { seats: vec![None; numbers], epochs: vec![0; numbers], by_identity: HashMap::new() }
    }

    /// Takes over a number an earlier process gave, or gave and freed (identity 0): its epoch is used up.
    pub(super) fn adopt(&mut self, number: u16, identity: u64, server: abi::Server, now: u32) {
        let Some(seat) = self.seats.get_mut(usize::from(number)) else { return };
        self.epochs[usize::from(number)] = server.epoch;
        if identity != 0 {
            *seat = Some(Seat { identity, server, left: Some(now) });
            self.by_identity.insert(identity, number);
        }
    }

    /// Would all of these have a number?
    pub(super) fn check_room(&self, wanted: &BTreeSet<u64>) -> Result<(), Fault> {
        let new = wanted.iter().filter(|identity| !self.by_identity.contains_key(identity)).count();
        if self.by_identity.len() + new > self.seats.len() {
            return Err(self.too_many());
        }
        Ok(())
    }

    fn too_many(&self) -> Fault {
        Fault::TooMany { what: "servers behind packet listeners", limit: self.seats.len() }
    }

    /// The number of a server, a free one if it has none yet; tells whether it is new.
    pub(super) fn number(&mut self, identity: u64) -> Result<(u16, bool), Fault> {
        if let Some(&number) = self.by_identity.get(&identity) {
            return Ok((number, false));
        }
        let Some(free) = self.seats.iter().position(Option::is_none) else {
            return Err(self.too_many());
        };
        let epoch = self.epochs[free].wrapping_add(1);
        self.epochs[free] = epoch;
        self.seats[free] =
            Some(Seat { identity, server: abi::Server { epoch, ..abi::Server::default() }, left: None });
        self.by_identity.insert(identity, free as u16);
        Ok((free as u16, true))
    }

    pub(super) fn seat(&self, number: u16) -> Option<&Seat> {
        self.seats.get(usize::from(number))?.as_ref()
    }

    /// Writes a server's record; tells whether it changed. The epoch is the number's, not the caller's.
    pub(super) fn set(&mut self, number: u16, mut server: abi::Server) -> bool {
        let Some(seat) = self.seats.get_mut(usize::from(number)).and_then(Option::as_mut) else {
            return false;
        };
        server.epoch = seat.server.epoch;
        seat.left = None;
        let changed = seat.server != server;
        seat.server = server;
        changed
    }

    pub(super) fn record(&self, number: u16) -> abi::Server {
        self.seat(number).map(|seat| seat.server).unwrap_or_default()
    }

    /// A server's number, if it has one.
    pub(super) fn find(&self, identity: u64) -> Option<u16> {
        self.by_identity.get(&identity).copied()
    }

    /// From now on the number takes no packet. Gives its owner and record.
    pub(super) fn kill(&mut self, number: u16) -> (u64, abi::Server) {
        let Some(seat) = self.seats.get_mut(usize::from(number)).and_then(Option::as_mut) else {
            return (0, abi::Server::default());
        };
        seat.server.live = 0;
        (seat.identity, seat.server)
    }

    pub(super) fn lives(&self, number: u16) -> bool {
        self.seat(number).is_some_and(|seat| seat.server.live != 0)
    }

    /// Marks as gone whoever is not in use, from now on.
    pub(super) fn leave_unless(&mut self, in_use: &[bool], now: u32) {
        for (seat, &used) in self.seats.iter_mut().zip(in_use) {
            if let Some(seat) = seat.as_mut().filter(|seat| !used && seat.left.is_none()) {
                seat.left = Some(now);
            }
        }
    }

    /// Numbers whose owners left before `oldest`.
    pub(super) fn left_before(&self, oldest: u32) -> Vec<u16> {
        let left =
            |seat: &Option<Seat>| seat.as_ref().and_then(|seat| seat.left).is_some_and(|at| at < oldest);
        (0..NO_SERVER).filter(|&number| left(&self.seats[usize::from(number)])).collect()
    }

    /// Frees a number. The record that stays behind is dead and keeps its epoch.
    pub(super) fn free(&mut self, number: u16) -> abi::Server {
        if let Some(seat) = self.seats.get_mut(usize::from(number)).and_then(Option::take) {
            self.by_identity.remove(&seat.identity);
        }
        abi::Server { epoch: self.epochs[usize::from(number)], ..abi::Server::default() }
    }
}
