//! Requests: read, matched with routes, answered here or forwarded.
//!
//! | where | what |
//! |---|---|
//! | `client` | one client connection between requests |
//! | `request`, `refused` | a head that is sound; one that is not |
//! | `serve`, `act`, `entry` | one request, from its head to its log line |
//! | `forward`, `exchange`, `body` | a request to a server, its response back, both at once |
//! | `stream`, `http1` | the client's side of that, whatever the client speaks |
//! | `compose` | heads on their way through, answers of our own |
//! | `upgrade` | what becomes of a connection that goes on in another protocol |

mod act;
mod body;
mod client;
mod compose;
mod entry;
mod exchange;
mod fields;
mod forward;
mod http1;
mod refused;
mod request;
mod serve;
mod stream;
mod upgrade;

use crate::end::End;
use crate::front::{Arrived, Life};
use crate::l4;
use crate::log::Record;
use crate::worker::Worker;
use client::Client;
use serve::Next;

/// The life of a client connection whose requests are read.
pub(crate) fn life<C: End + Unpin + 'static>(
    worker: &'static Worker,
    record: Box<Record>,
    arrived: Arrived<C>,
) -> Life {
    Box::pin(live(Box::new(Client::new(worker, record, arrived))))
}

/// Request after request. Between two of them this is a small parked future without a buffer.
async fn live<C: End + Unpin + 'static>(mut client: Box<Client<C>>) {
    loop {
        if client.input.is_none()
            && let Err(fault) = client.wait().await
        {
            if client.requests == 0 {
                l4::finish(client.worker, &client.record, &l4::Relayed::nothing(fault));
            }
            break;
        }
        match Box::pin(serve::request(&mut client)).await {
            Next::Request => {}
            Next::Close => break,
            Next::Upgraded(upgraded) => return Box::pin(upgraded.run(*client)).await,
        }
    }
    Box::pin(client.close()).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front;
    use crate::socket::Socket;

    fn size_of_serve<A, B, C, D, F>(_: impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    fn size_of_life<A, F>(_: impl Fn(A) -> F) -> usize {
        size_of::<F>()
    }

    /// What a connection costs between two requests, beside its task and its readiness slot.
    #[test]
    fn an_idle_connection_is_a_small_parked_future() {
        let bytes = size_of_serve(front::serve)
            + size_of_life(live::<Socket>)
            + size_of::<Client<Socket>>()
            + size_of::<Record>();
        assert!(bytes <= 480, "a connection between two requests takes {bytes} bytes");
    }
}
