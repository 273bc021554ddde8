//! The logs of a firewall: lines for those who know ModSecurity's, written by a thread of their own.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use transom_config::WafAuditFormat;
use transom_state::Counter;
use transom_waf::{Decision, Inspection};

use super::Told;
use crate::log::{Sender, Writer};

/// How long the end of the program waits for a log that does not take its lines.
const SETTLE_TIME: Duration = Duration::from_secs(1);

/// Where the lines of a firewall go.
pub(crate) struct Logs {
    error: Option<Log>,
    audit: Option<(Log, WafAuditFormat)>,
}

/// One of them.
struct Log {
    /// `None` once the program ends.
    sender: RwLock<Option<Sender>>,
    writer: Writer,
}

impl Log {
    fn open(sink: OwnedFd, lost: &Arc<Counter>) -> io::Result<Self> {
        let (writer, sender) = Writer::start(sink, Arc::clone(lost))?;
        Ok(Self { sender: RwLock::new(Some(sender)), writer })
    }

    fn send(&self, lines: Vec<u8>) {
        if let Some(sender) = &*self.sender.read() {
            sender.send(lines);
        }
    }
}

impl Logs {
    /// Starts to write. Errors: no threads left. The threads end when the last request of this generation has.
    pub(super) fn open(
        error: Option<OwnedFd>,
        audit: Option<(OwnedFd, WafAuditFormat)>,
        lost: &Arc<Counter>,
    ) -> io::Result<Self> {
        let audit = match audit {
            Some((sink, format)) => Some((Log::open(sink, lost)?, format)),
            None => None,
        };
        Ok(Self { error: error.map(|sink| Log::open(sink, lost)).transpose()?, audit })
    }

    /// Writes what is to be written of a request that is over.
    pub(super) fn write(&self, inspection: &Inspection, decision: &Decision, told: &Told<'_>) {
        if let Some(error) = &self.error {
            let text = |bytes| String::from_utf8_lossy(bytes);
            let lines = decision.error_log(&told.client, &text(told.host), &text(told.uri));
            let mut batch = Vec::new();
            for line in lines {
                batch.extend_from_slice(line.trim_end().as_bytes());
                batch.push(b'\n');
            }
            if !batch.is_empty() {
                error.send(batch);
            }
        }
        if let Some((audit, format)) = self.audit.as_ref().filter(|_| decision.audit) {
            audit.send(match format {
                WafAuditFormat::Json => inspection.audit_json(decision),
                WafAuditFormat::Native => {
                    inspection.audit_native(decision, &format!("{:08x}", told.boundary))
                }
            });
        }
    }

    /// Waits a moment until all is written; nothing can be written afterwards.
    pub(super) fn close(&self) {
        for log in self.error.iter().chain(self.audit.as_ref().map(|(log, _)| log)) {
            *log.sender.write() = None;
            log.writer.settle(SETTLE_TIME);
        }
    }
}
