//! Writes access lines to their sink on a thread of its own: a slow disk or a stuck reader must never hold up clients.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use transom_state::Counter;

/// Batches that may wait to be written (each up to [`super::BATCH_BYTES`] or an eighth of a second of lines); further
/// ones are lost and counted.
const WAITING_MAX: usize = 256;

/// Hands batches of lines to the writing thread. Cheap to clone, one for each worker.
#[derive(Clone)]
pub(crate) struct Sender {
    batches: SyncSender<Vec<u8>>,
    lost: Arc<Counter>,
}

impl Sender {
    /// Hands over one batch, or counts its lines as lost when the sink is too slow.
    pub(crate) fn send(&self, batch: Vec<u8>) {
        let Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) = self.batches.try_send(batch)
        else {
            return;
        };
        let lines = batch.iter().filter(|byte| **byte == b'\n').count() as u64;
        let first = self.lost.sum() == 0;
        self.lost.add_shared(lines);
        if first {
            log::warn!(
                "the access log's sink is too slow: lines are being lost (transom_log_lines_lost_total)"
            );
        }
    }
}

/// The writing thread. Ends when every [`Sender`] is gone and all they sent is written.
pub(crate) struct Writer {
    thread: JoinHandle<()>,
}

impl Writer {
    /// Starts to write to `sink`; lost lines are added to `lost`.
    pub(crate) fn start(sink: OwnedFd, lost: Arc<Counter>) -> io::Result<(Self, Sender)> {
        let (batches, receiver) = sync_channel(WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name("access-log".into())
            .spawn(move || write_all(File::from(sink), &receiver))?;
        Ok((Self { thread }, Sender { batches, lost }))
    }

    /// Waits until all is written, for `time` at most. Every sender should be gone.
    pub(crate) fn settle(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until all is written. Every sender must be gone, or this waits for ever.
    pub(crate) fn join(self) {
        // A panic there has been printed; there is nothing left to save.
        let _ = self.thread.join();
    }
}

fn write_all(mut sink: File, batches: &Receiver<Vec<u8>>) {
    let mut failing = false;
    for batch in batches {
        let outcome = sink.write_all(&batch);
        if let Err(error) = &outcome
            && !failing
        {
            log::error!("the access log cannot be written: {error}");
        }
        failing = outcome.is_err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_find_no_room_are_counted() {
        let (batches, receiver) = sync_channel(1);
        let lost = Arc::new(Counter::new(0));
        let sender = Sender { batches, lost: Arc::clone(&lost) };
        sender.send(b"one\n".to_vec());
        assert_eq!(lost.sum(), 0, "the first waits");
        sender.send(b"two\nthree\n".to_vec());
        assert_eq!(lost.sum(), 2);
        drop(receiver);
        sender.send(b"four\n".to_vec());
        assert_eq!(lost.sum(), 3, "nobody writes any more");
    }
}
