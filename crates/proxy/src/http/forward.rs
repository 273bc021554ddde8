//! A request's way to a server and the response's way back: which connection, what is tried again, what becomes of the
//! connection afterwards.

use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;

use transom_config::{OnDown, Source};
use transom_state::{Fault, Lease, Listener, Pool, Said};
use transom_wire::auth::AfterLoss;

use super::client::Own;
use super::exchange::{Exchange, Terms, Told};
use super::stream::ClientStream;
use crate::buffer::Buffer;
use crate::link::{Caller, Counted, Link, Wish, reach};
use crate::log::Way;
use crate::runtime::runtime;
use crate::worker::Worker;

/// Bytes of an exchange after which the counters are brought up to date while it lasts, so that graphs of long ones are
/// smooth.
const COUNT_BYTES: u64 = 1 << 20;

/// A request that is to be forwarded.
pub(super) struct Job<'r> {
    pub(super) worker: &'static Worker,
    pub(super) listener: &'r Listener,
    pub(super) pool: &'r Arc<Pool>,
    /// The client's address.
    pub(super) source: IpAddr,
    /// What the request says to the pool.
    pub(super) said: Said,
    /// Its head for the server, and what has come of its body.
    pub(super) message: &'r [u8],
    /// Whether that is all of it.
    pub(super) whole: bool,
    /// The PROXY header of a new connection; empty: none.
    pub(super) header: &'r [u8],
    /// The server connection is this client's alone from now on.
    pub(super) pins: bool,
    /// Asking twice does no more than asking once.
    pub(super) idempotent: bool,
    pub(super) terms: Terms,
}

/// What becomes of the server connection.
pub(super) enum After {
    /// It is idle, or closed.
    Released,
    /// It stays the client's own.
    Own(Box<Own>),
    /// It goes on in another protocol, in which the server has said this already.
    Upgraded(Box<Own>, Option<Buffer>),
}

impl Job<'_> {
    /// Sends the request and passes the response on. `own` is the client's own server connection of this pool, if it has
    /// one. What came of it is told in any case.
    pub(super) async fn forward(
        &self,
        stream: &mut impl ClientStream,
        mut own: Option<Box<Own>>,
        way: &mut Way,
        told: &mut Told,
    ) -> Result<After, Fault> {
        let mut wish = self.wish();
        loop {
            let mut own = own.take();
            let lost = own.take_if(|own| !own.link.is_quiet() || !own.link.comes_from(self.from())).is_some();
            if lost && stream.server_lost() == AfterLoss::Close {
                return Err(Fault::PinnedServerGone);
            }
            let was_own = own.is_some();
            let (lease, mut link) = match own.map(|own| *own) {
                Some(Own { lease, mut link, .. }) => {
                    link.reused = true;
                    way.server = u32::try_from(lease.index()).ok();
                    (lease, link)
                }
                None => {
                    let caller = Caller {
                        worker: self.worker,
                        client: stream.socket(),
                        source: self.source,
                        said: self.said,
                    };
                    reach(&caller, way, self.pool, self.header, wish).await?
                }
            };
            stream.chosen(&lease);
            lease.server().counters().requests.add(self.worker.index, 1);
            if !link.early.is_empty() {
                // A server that speaks before it is asked does not speak HTTP.
                return Err(self.failed(&lease, Fault::ServerBadResponse));
            }
            runtime().deadline_in(self.terms.response);
            let watch =
                (self.pool.config.on_down == OnDown::Close).then(|| Box::new(lease.server().down_watch()));
            let mut exchange = Exchange::new(self.terms, self.message, watch);
            let mut counted = (0, 0);
            let outcome = poll_fn(|context| {
                let polled = exchange.poll(context, stream, &mut link.end);
                self.count(&lease, &exchange.told, &mut counted, polled.is_ready());
                polled
            })
            .await;
            *told = exchange.told;
            let Err(fault) = outcome else {
                return Ok(self.settle(exchange, was_own, lease, link));
            };
            // It closed, most likely for want of work, while the request was on its way.
            let stale = link.reused
                && told.answered.is_none()
                && matches!(fault, Fault::ServerClosedBeforeResponse | Fault::ServerReset);
            if !stale {
                return Err(self.failed(&lease, fault));
            }
            if was_own && stream.server_lost() == AfterLoss::Close {
                return Err(Fault::PinnedServerGone);
            }
            if !exchange.may_be_repeated(self.idempotent) {
                return Err(if was_own { Fault::PinnedServerGone } else { self.failed(&lease, fault) });
            }
            wish = Wish::Fresh;
            way.retries += 1;
        }
    }

    /// The address that a connection to the server comes from, where that is the client's.
    fn from(&self) -> Option<IpAddr> {
        (self.pool.config.source == Source::Client).then_some(self.source)
    }

    /// Whether the connection says who the client is, and so is its own.
    fn is_owned(&self) -> bool {
        self.pins || !self.header.is_empty() || self.from().is_some()
    }

    /// Which connections will do. A request that must not be asked twice gets none that may just be closing.
    fn wish(&self) -> Wish {
        if self.is_owned() {
            Wish::Fresh
        } else if self.idempotent && self.whole {
            Wish::Any
        } else {
            Wish::Proven
        }
    }

    /// Kept as the client's own, put back, or closed: never guessed.
    fn settle(&self, exchange: Exchange<'_>, was_own: bool, lease: Lease, link: Link) -> After {
        let told = exchange.told;
        let index = self.worker.index;
        let own = |lease: Lease, link| {
            let _pinned = self.pins.then(|| Counted::pinned(lease.pool(), index));
            Box::new(Own { lease, link, _pinned })
        };
        if told.upgraded {
            return After::Upgraded(own(lease, link), exchange.into_rest());
        }
        if !told.server_stays || !told.complete {
            return After::Released;
        }
        if was_own || self.is_owned() {
            return After::Own(own(lease, link));
        }
        self.worker.idle().put(link, lease.pool(), index);
        After::Released
    }

    fn failed(&self, lease: &Lease, fault: Fault) -> Fault {
        if let Some(transition) = lease.failed(fault, self.worker.index, runtime().now()) {
            log::warn!("{transition}");
        }
        fault
    }

    /// Brings the counters up to date, now and then while a long exchange lasts and when it is `over`.
    fn count(&self, lease: &Lease, told: &Told, counted: &mut (u64, u64), over: bool) {
        let (up, down) = (told.up - counted.0, told.down - counted.1);
        if up + down < COUNT_BYTES && !over {
            return;
        }
        *counted = (told.up, told.down);
        let (server, listener, index) =
            (lease.server().counters(), self.listener.counters(), self.worker.index);
        server.bytes_in.add(index, up);
        server.bytes_out.add(index, down);
        listener.bytes_in.add(index, up);
        listener.bytes_out.add(index, down);
    }
}
