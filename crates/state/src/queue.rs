//! The queue of a pool: clients that wait for a server with room, first come first served.

use std::sync::Arc;
use std::task::{Context, Poll};

use crate::line::{Turn, Wish};
use crate::pool::{Ask, Choice, Pool};

/// A place in the queue of a pool. Dropping it gives the place up.
#[derive(Debug)]
pub struct Ticket {
    pool: Arc<Pool>,
    /// Its number in the line; `None` once it was served.
    number: Option<u64>,
    /// The server it waited for at its last try.
    wish: Wish,
}

impl Ticket {
    pub(crate) fn new(pool: Arc<Pool>, number: u64) -> Self {
        Self { pool, number: Some(number), wish: None }
    }

    /// A server, as soon as one has room and nobody came earlier; `Empty`, once waiting is in vain; never `Full`. The
    /// task is woken when a place frees, from whichever thread. How long to wait is the caller's to say. Not to be
    /// polled again once it is ready.
    ///
    /// After a reload the server is one of the pool's latest generation: clients must not wait for servers that are
    /// full while new ones idle.
    pub fn poll(&mut self, cx: &mut Context<'_>, ask: &Ask<'_>) -> Poll<Choice> {
        let Some(number) = self.number else { return Poll::Pending };
        let latest = self.pool.latest();
        if Arc::ptr_eq(&latest, &self.pool) {
            return self.poll_in(&latest, number, cx, ask);
        }
        let tried = latest.translate(&self.pool, ask.tried);
        self.poll_in(&latest, number, cx, &Ask { tried: &tried, ..*ask })
    }

    fn poll_in(
        &mut self,
        pool: &Arc<Pool>,
        number: u64,
        cx: &mut Context<'_>,
        ask: &Ask<'_>,
    ) -> Poll<Choice> {
        let stuck_to = pool.stuck_to(ask);
        let wish = stuck_to.and_then(|index| pool.wish(index));
        let before = std::mem::replace(&mut self.wish, wish);
        let turn = pool.line().stand(number, wish, cx.waker());
        let answer = if turn == Turn::Wait { Choice::Full } else { pool.attempt(ask, stuck_to, true) };
        if !matches!(answer, Choice::Full) {
            self.give_up();
            return Poll::Ready(answer);
        }
        if turn == Turn::Called || before != wish {
            self.pass_on(pool, number, before);
        }
        Poll::Pending
    }

    /// It was called and somebody was faster, or it wants another server than before and no longer stands before those
    /// with its former wish: the next of them is called if there may be something for it.
    fn pass_on(&self, pool: &Pool, number: u64, before: Wish) {
        if pool.may_have_room() {
            pool.line().call_after(number);
        }
        if let Some(server) = before.filter(|_| before != self.wish) {
            pool.line().call_only(server);
        }
    }

    /// Steps out of the line. Those behind may have been kept from trying by this one, so the chance is handed on.
    fn give_up(&mut self) {
        let Some(number) = self.number.take() else { return };
        let pool = self.pool.latest();
        pool.line().leave(number);
        if pool.waiting() == 0 {
            return;
        }
        if pool.may_have_room() {
            pool.line().call_open();
        }
        if let Some(server) = self.wish {
            pool.line().call_only(server);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.give_up();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Waker;
    use std::time::Instant;

    use transom_config::{self as config, Balance, Queue};

    use super::*;
    use crate::fixture::{
        Bell, Flag, ask, check, config, failed, lease, live, pool, seconds, server, start, sticky, table,
        world,
    };
    use crate::{AdminState, Fault, Lease};

    /// Servers `a` and `b` with room for `limit` each and a queue of `size`.
    fn tight(limit: u32, size: u32) -> config::Pool {
        let limited = |name| config::Server { connections: Some(limit), ..server(name) };
        let mut pool = pool(Balance::RoundRobin, vec![limited("a"), limited("b")]);
        pool.health_check = Some(check());
        pool.queue = Queue { size, timeout: seconds(10) };
        pool
    }

    fn full(pool: &Arc<Pool>, now: Instant) -> Vec<Lease> {
        std::iter::from_fn(|| match pool.choose(&ask(0, now)) {
            Choice::Server(lease) => Some(lease),
            Choice::Full | Choice::Empty => None,
        })
        .collect()
    }

    fn served(ticket: &mut Ticket, bell: &Bell, ask: &Ask<'_>) -> Option<Lease> {
        match ticket.poll(&mut Context::from_waker(&bell.waker()), ask) {
            Poll::Ready(Choice::Server(lease)) => Some(lease),
            Poll::Ready(other) => panic!("{other:?}"),
            Poll::Pending => None,
        }
    }

    #[test]
    fn first_come_first_served() {
        let now = start();
        let pool = live(tight(1, 3), now);
        let mut leases = full(&pool, now);
        let bells: Vec<_> = (0..3).map(|_| Bell::new()).collect();
        let mut tickets: Vec<_> = bells.iter().map(|_| pool.enqueue().unwrap()).collect();
        assert!(pool.enqueue().is_none(), "three may wait");
        for (ticket, bell) in tickets.iter_mut().zip(&bells) {
            assert!(served(ticket, bell, &ask(9, now)).is_none());
        }
        leases.pop();
        assert_eq!(bells.iter().map(Bell::rings).collect::<Vec<_>>(), [1, 0, 0]);
        assert!(served(&mut tickets[2], &bells[2], &ask(9, now)).is_none(), "the last may not overtake");
        assert!(matches!(pool.choose(&ask(8, now)), Choice::Full), "nor may a new one");
        let first = served(&mut tickets[0], &bells[0], &ask(9, now)).unwrap();
        drop(tickets.remove(1));
        drop(first);
        assert_eq!(bells[2].rings(), 1, "who gave up does not hold up the others");
        assert!(served(&mut tickets[1], &bells[2], &ask(9, now)).is_some());
        drop(tickets);
        assert_eq!(pool.waiting(), 0);
        assert_eq!((pool.counters().queued.sum(), pool.counters().queue_full.sum()), (3, 1));
    }

    #[test]
    fn a_chance_dropped_is_handed_on() {
        let now = start();
        let pool = live(tight(1, 9), now);
        let mut leases = full(&pool, now);
        let (first, second) = (Bell::new(), Bell::new());
        let mut tickets = [pool.enqueue().unwrap(), pool.enqueue().unwrap()];
        assert!(served(&mut tickets[0], &first, &ask(1, now)).is_none());
        assert!(served(&mut tickets[1], &second, &ask(2, now)).is_none());
        leases.pop();
        assert_eq!((first.rings(), second.rings()), (1, 0));
        let [called, next] = tickets;
        drop(called);
        assert_eq!(second.rings(), 1);
        drop(next);
    }

    #[test]
    fn a_chance_on_one_server_goes_to_the_next_who_sticks_to_it() {
        let now = start();
        let world = world(config(vec![sticky(tight(1, 9))], vec![table(100, 60)]), now);
        let pool = &world.pools()[0];
        let own = lease(pool, &ask(1, now));
        own.connected(&ask(1, now));
        let (first, second) = (Bell::new(), Bell::new());
        let mut tickets = [pool.enqueue().unwrap(), pool.enqueue().unwrap()];
        assert!(served(&mut tickets[0], &first, &ask(1, now)).is_none());
        assert!(served(&mut tickets[1], &second, &ask(1, now)).is_none());
        drop(own);
        assert_eq!((first.rings(), second.rings()), (1, 0));
        let [called, mut next] = tickets;
        drop(called);
        assert_eq!(second.rings(), 1);
        assert!(served(&mut next, &second, &ask(1, now)).is_some());
    }

    #[test]
    fn what_was_tried_is_better_than_waiting() {
        let now = start();
        let pool = live(tight(1, 9), now);
        let mut leases = full(&pool, now);
        let bell = Bell::new();
        let mut ticket = pool.enqueue().unwrap();
        let tried = [leases[0].index()];
        let again = Ask { tried: &tried, ..ask(1, now) };
        assert!(served(&mut ticket, &bell, &again).is_none());
        drop(leases.remove(0));
        assert_eq!(served(&mut ticket, &bell, &again).map(|lease| lease.index()), Some(tried[0]));
    }

    #[test]
    fn who_turns_out_to_stick_no_longer_stands_before_others() {
        let now = start();
        let world = world(config(vec![sticky(tight(1, 9))], vec![table(100, 60)]), now);
        let pool = &world.pools()[0];
        let own = lease(pool, &ask(1, now));
        own.connected(&ask(1, now));
        let (faithful, any) = (Bell::new(), Bell::new());
        let (mut waits, mut open) = (pool.enqueue().unwrap(), pool.enqueue().unwrap());
        assert!(
            served(&mut open, &any, &ask(2, now)).is_none(),
            "it knows no better than to stand behind the first"
        );
        assert!(served(&mut waits, &faithful, &ask(1, now)).is_none());
        assert_eq!(any.rings(), 1);
        assert!(served(&mut open, &any, &ask(2, now)).is_some());
        drop(own);
        assert!(served(&mut waits, &faithful, &ask(1, now)).is_some());
    }

    #[test]
    fn who_sticks_waits_for_that_server_and_holds_up_nobody_else() {
        let now = start();
        let world = world(config(vec![sticky(tight(1, 9))], vec![table(100, 60)]), now);
        let pool = &world.pools()[0];
        let own = lease(pool, &ask(1, now));
        own.connected(&ask(1, now));
        let (faithful, any) = (Bell::new(), Bell::new());
        let mut waits = pool.enqueue().unwrap();
        assert!(served(&mut waits, &faithful, &ask(1, now)).is_none());
        let other = lease(pool, &ask(2, now));
        assert_ne!(other.index(), own.index());
        let mut open = pool.enqueue().unwrap();
        assert!(served(&mut open, &any, &ask(3, now)).is_none());
        drop(other);
        assert_eq!((faithful.rings(), any.rings()), (0, 1));
        drop(own);
        assert_eq!(faithful.rings(), 1);
        let got = served(&mut waits, &faithful, &ask(1, now)).unwrap();
        assert_eq!(served(&mut open, &any, &ask(3, now)).map(|lease| lease.index()), Some(1 - got.index()));
    }

    #[test]
    fn when_servers_come_back_those_who_wait_are_called_and_when_all_go_they_hear_of_it() {
        let now = start();
        let pool = live(tight(1, 9), now);
        pool.servers()[1].set_admin(AdminState::Maint, now);
        let _held = full(&pool, now);
        let bell = Bell::new();
        let mut tickets = [pool.enqueue().unwrap(), pool.enqueue().unwrap()];
        assert!(tickets.iter_mut().all(|ticket| served(ticket, &bell, &ask(1, now)).is_none()));
        pool.servers()[1].set_admin(AdminState::Ready, now);
        assert_eq!(bell.rings(), 2);
        let _second = served(&mut tickets[0], &bell, &ask(1, now)).unwrap();
        assert!(served(&mut tickets[1], &bell, &ask(1, now)).is_none());
        for server in pool.servers() {
            server.observe(failed(Fault::ServerRefused), now);
        }
        let empty = tickets[1].poll(&mut Context::from_waker(Waker::noop()), &ask(1, now));
        assert!(matches!(empty, Poll::Ready(Choice::Empty)));
    }

    /// Threads that take a place, wait for one where there is none, and leave; each gets a turn every time.
    #[test]
    fn nobody_is_forgotten_between_threads() {
        let now = start();
        let pool = live(tight(1, 64), now);
        let threads: Vec<_> = (0..6)
            .map(|number| {
                let pool = Arc::clone(&pool);
                std::thread::spawn(move || (0..500).for_each(|_| drop(take(&pool, &ask(number, now)))))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(pool.waiting(), 0);
        assert!(pool.servers().iter().all(|server| server.connections() == 0));
    }

    fn take(pool: &Arc<Pool>, ask: &Ask<'_>) -> Lease {
        if let Choice::Server(lease) = pool.choose(ask) {
            return lease;
        }
        let flag = Flag::new();
        let mut ticket = pool.enqueue().expect("fewer threads than places");
        loop {
            match ticket.poll(&mut Context::from_waker(&flag.waker()), ask) {
                Poll::Ready(Choice::Server(lease)) => return lease,
                Poll::Ready(other) => panic!("{other:?}"),
                Poll::Pending => flag.wait(),
            }
        }
    }
}
