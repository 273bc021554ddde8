//! Pairs of channels: what comes in on one goes out on the other.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Pieces that may wait between the two.
const PIECES_MAX: usize = 64;

/// A piece on its way out; an empty one is the end.
pub(super) type Piece = Vec<u8>;

/// The sides that nobody has taken yet.
type Pair = (Option<Sender<Piece>>, Option<Receiver<Piece>>);

/// Pairs by what both name.
#[derive(Default)]
pub(super) struct Tunnels {
    waiting: Mutex<HashMap<String, Pair>>,
}

impl Tunnels {
    /// The side that puts in. Whichever side comes first makes the pair.
    pub(super) fn entrance(&self, name: &str) -> Sender<Piece> {
        self.take(name, |pair| pair.0.take())
    }

    /// The side that takes out.
    pub(super) fn exit(&self, name: &str) -> Receiver<Piece> {
        self.take(name, |pair| pair.1.take())
    }

    fn take<T>(&self, name: &str, side: impl Fn(&mut Pair) -> Option<T>) -> T {
        let fresh = || {
            let (sender, receiver) = channel(PIECES_MAX);
            (Some(sender), Some(receiver))
        };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pair = waiting.remove(name).unwrap_or_else(fresh);
        let taken = side(&mut pair).unwrap_or_else(|| {
            // The same side again: the other one of before will wait in vain, as it would at a real server.
            pair = fresh();
            side(&mut pair).expect("a fresh pair has both sides")
        });
        if pair.0.is_some() || pair.1.is_some() {
            waiting.insert(name.to_owned(), pair);
        }
        taken
    }
}
