//! What keeper and worker tell each other.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};

use super::channel::{self, FROM_WORKER, Frame};
use crate::overrides::Override;
use crate::supply::{Header, Supply};

/// From the keeper to the worker.
#[derive(Debug)]
pub(crate) enum ToWorker {
    /// Serve this from now on. Answered by `Taken` or `NotTaken`.
    Serve(Box<Supply>),
    /// The reload that somebody wanted came to nothing; goes on with what there is.
    Refused {
        /// Why, for people.
        report: String,
    },
    /// The sockets that were asked for, for connections from clients' addresses; empty: there are none.
    Sources {
        /// Of which IP version.
        v6: bool,
        /// One batch.
        sockets: Vec<OwnedFd>,
    },
    /// Take no further connection, end when the ones there are have ended or the drain time is over.
    Stop,
    /// Wait for them no longer.
    Cut,
}

/// From the worker to the keeper: all it can say.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) enum ToKeeper {
    /// The supply is served.
    Taken {
        /// Counts configurations of this worker, from 1.
        generation: u64,
    },
    /// The supply is not served; the one before is, if there was one.
    NotTaken {
        /// Why, for people.
        report: String,
    },
    /// Somebody asked for a reload over the admin API.
    Reload,
    /// Sockets for connections from clients' addresses run short: one batch more.
    Sources {
        /// Of which IP version.
        v6: bool,
    },
    /// Every server that administrators made another of than its configuration says: for the next worker.
    Overrides(Vec<Override>),
}

/// `ToWorker` as it goes over the channel.
#[derive(Serialize, Deserialize)]
enum Wire {
    Serve(Box<Header>),
    Refused { report: String },
    Sources { v6: bool },
    Stop,
    Cut,
}

impl ToWorker {
    /// Sends it over the channel.
    pub(crate) fn send(&self, socket: &UnixStream) -> io::Result<()> {
        let plain = |wire: Wire| channel::send(socket, &serde_json::to_vec(&wire)?, &[], &[]);
        match self {
            Self::Serve(supply) => send_supply(supply, socket),
            Self::Refused { report } => plain(Wire::Refused { report: report.clone() }),
            Self::Sources { v6, sockets } => {
                let descriptors: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
                channel::send(socket, &serde_json::to_vec(&Wire::Sources { v6: *v6 })?, &[], &descriptors)
            }
            Self::Stop => plain(Wire::Stop),
            Self::Cut => plain(Wire::Cut),
        }
    }

    /// Reads what came over the channel.
    pub(crate) fn parse(frame: Frame) -> io::Result<Self> {
        Ok(match serde_json::from_slice(&frame.json)? {
            Wire::Serve(header) => {
                let supply = Supply::decode(*header, &frame.bytes, frame.descriptors);
                Self::Serve(Box::new(supply.ok_or(io::ErrorKind::InvalidData)?))
            }
            Wire::Refused { report } => Self::Refused { report },
            Wire::Sources { v6 } => Self::Sources { v6, sockets: frame.descriptors },
            Wire::Stop => Self::Stop,
            Wire::Cut => Self::Cut,
        })
    }
}

/// Sends a supply without taking it.
pub(crate) fn send_supply(supply: &Supply, socket: &UnixStream) -> io::Result<()> {
    let (header, contents, descriptors) = supply.encode();
    channel::send(socket, &serde_json::to_vec(&Wire::Serve(Box::new(header)))?, &contents, &descriptors)
}

impl ToKeeper {
    /// Sends it over the channel.
    pub(crate) fn send(&self, socket: &UnixStream) -> io::Result<()> {
        let json = serde_json::to_vec(self)?;
        if !FROM_WORKER.allow(json.len()) {
            return Err(io::Error::other("the message is longer than the keeper takes"));
        }
        channel::send(socket, &json, &[], &[])
    }

    /// Reads what came over the channel.
    pub(crate) fn parse(frame: &Frame) -> io::Result<Self> {
        Ok(serde_json::from_slice(&frame.json)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::channel::{FROM_KEEPER, Receiver};

    #[test]
    fn what_the_worker_says_arrives() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let all = [
            ToKeeper::Taken { generation: 7 },
            ToKeeper::NotTaken { report: "no\nway".into() },
            ToKeeper::Reload,
            ToKeeper::Sources { v6: true },
            ToKeeper::Overrides(Vec::new()),
        ];
        let mut receiver = Receiver::new(FROM_WORKER);
        for message in all {
            message.send(&ours).unwrap();
            let frame = receiver.wait(&theirs).unwrap().unwrap();
            assert_eq!(ToKeeper::parse(&frame).unwrap(), message);
        }
    }

    #[test]
    fn what_is_too_long_for_the_keeper_is_not_sent() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        assert!(ToKeeper::NotTaken { report: "x".repeat(300 << 10) }.send(&ours).is_err());
        drop(ours);
        assert!(Receiver::new(FROM_WORKER).wait(&theirs).unwrap().is_none());
    }

    #[test]
    fn what_the_keeper_says_arrives() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut receiver = Receiver::new(FROM_KEEPER);
        let mut way = |message: ToWorker| {
            message.send(&ours).unwrap();
            ToWorker::parse(receiver.wait(&theirs).unwrap().unwrap()).unwrap()
        };
        assert!(matches!(way(ToWorker::Stop), ToWorker::Stop));
        assert!(matches!(way(ToWorker::Cut), ToWorker::Cut));
        let sockets = vec![tempfile::tempfile().unwrap().into()];
        let sources = way(ToWorker::Sources { v6: true, sockets });
        assert!(matches!(sources, ToWorker::Sources { v6: true, sockets } if sockets.len() == 1));
        let refused = way(ToWorker::Refused { report: "line 3".into() });
        assert!(matches!(refused, ToWorker::Refused { report } if report == "line 3"));
    }
}
