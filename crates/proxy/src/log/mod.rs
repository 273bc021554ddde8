//! The access log: one line a connection that is relayed or a request, gathered by worker, written by a thread of its own.

mod haproxy;
mod json;
mod record;
mod request;
mod stamp;
mod writer;

use std::cell::RefCell;
use std::time::{Instant, SystemTime};

use transom_config::AccessFormat;

use crate::runtime::runtime;
use stamp::Stamp;

pub(crate) use record::{Ending, Load, Record, Secured, Span, Way};
pub(crate) use request::{Asked, RequestLine};
pub(crate) use writer::{Sender, Writer};

/// Bytes of lines gathered before they are handed to the writing thread, at the latest an eighth of a second later.
pub(crate) const BATCH_BYTES: usize = 16 * 1024;

/// A worker's end of the access log.
pub(crate) struct AccessLog {
    sender: RefCell<Option<(Sender, AccessFormat)>>,
    lines: RefCell<Vec<u8>>,
    stamp: RefCell<Stamp>,
}

impl AccessLog {
    /// A log that is off.
    pub(crate) fn off() -> Self {
        Self { sender: RefCell::new(None), lines: RefCell::default(), stamp: RefCell::default() }
    }

    /// Changes the sink; lines gathered so far go to the former one.
    pub(crate) fn set(&self, sink: Option<(Sender, AccessFormat)>) {
        self.flush();
        *self.sender.borrow_mut() = sink;
    }

    /// Adds the line of a connection.
    pub(crate) fn write(&self, record: &Record, ending: &Ending) {
        self.add(record.started, |lines, format, stamp, wall| match format {
            AccessFormat::Json => json::write(lines, record, ending, stamp.rfc3339(wall)),
            AccessFormat::Haproxy => haproxy::write(lines, record, ending, stamp.haproxy(wall)),
        });
    }

    /// Adds the line of a request.
    pub(crate) fn write_request(&self, line: &RequestLine<'_>) {
        self.add(line.begun, |lines, format, stamp, wall| match format {
            AccessFormat::Json => json::write_request(lines, line, stamp.rfc3339(wall)),
            AccessFormat::Haproxy => haproxy::write_request(lines, line, stamp.haproxy(wall)),
        });
    }

    fn add(&self, moment: Instant, write: impl FnOnce(&mut Vec<u8>, AccessFormat, &mut Stamp, SystemTime)) {
        let sender = self.sender.borrow();
        let Some((_, format)) = *sender else { return };
        let mut lines = self.lines.borrow_mut();
        write(&mut lines, format, &mut self.stamp.borrow_mut(), runtime().clock().wall(moment));
        let full = lines.len() >= BATCH_BYTES;
        drop((lines, sender));
        if full {
            self.flush();
        }
    }

    /// Hands what was gathered to the writing thread.
    pub(crate) fn flush(&self) {
        let lines = std::mem::take(&mut *self.lines.borrow_mut());
        if !lines.is_empty()
            && let Some((sender, _)) = &*self.sender.borrow()
        {
            sender.send(lines);
        }
    }
}
