//! The queue of a pool: clients that wait for a server with room, first come first served.

use std::sync::Arc;
use std::task::{Context, Poll};

use crate::pool::{Ask, Choice, Pool};

/// A place in the queue of a pool. Dropping it gives the place up.
#[derive(Debug)]
pub struct Ticket {
    pool: Arc<Pool>,
    /// Its number in the line; `None` once it was served.
    number: Option<u64>,
}

impl Ticket {
    pub(crate) fn new(pool: Arc<Pool>, number: u64) -> Self {
        Self { pool, number: Some(number) }
    }

    /// A server, as soon as one has room and nobody came earlier; `Empty`, once waiting is in vain; never `Full`. The
    /// task is woken when a place frees, from whichever thread. How long to wait is the caller's to say.
    pub fn poll(&mut self, cx: &mut Context<'_>, ask: &Ask<'_>) -> Poll<Choice> {
        let stuck_to = self.pool.stuck_to(ask);
        let Some(number) = self.number else {
            return Poll::Ready(self.pool.choose(ask));
        };
        let wish = stuck_to.and_then(|index| self.pool.wish(index));
        let turn = self.pool.line().stand(number, wish, cx.waker());
        if !turn.may_try() {
            return Poll::Pending;
        }
        match self.pool.attempt(ask, stuck_to) {
            Choice::Full => {
                // Its chance may be another's: this client sticks to another server, say, or has tried this one.
                if turn.was_called() {
                    self.pool.line().call_after(number);
                }
                Poll::Pending
            }
            done => {
                self.give_up();
                Poll::Ready(done)
            }
        }
    }

    /// Steps out of the line. Those behind may have been kept from trying by this one, so the chance is handed on.
    fn give_up(&mut self) {
        if let Some(number) = self.number.take() {
            self.pool.line().leave(number);
            self.pool.hand_on();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.give_up();
    }
}
