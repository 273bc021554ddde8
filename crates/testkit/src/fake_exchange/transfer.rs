//! Large bodies both ways, with sums.

use std::io;

use super::conversation::{Conversation, Ends, Next};
use crate::pattern::{Pattern, Sum};

/// Bytes sent at once.
const PIECE_BYTES: usize = 64 * 1024;
/// The longest answer whose sum is in its head.
const SUMMED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// So many bytes of the pattern.
pub(super) async fn down(it: &mut Conversation<'_>, count: u64) -> io::Result<Next> {
    it.whole_body(0).await?;
    let ends = match it.head.query("framing").as_deref() {
        Some("chunked") => Ends::Chunked,
        Some("close") => Ends::WithConnection,
        _ => Ends::After(count),
    };
    let pattern = Pattern::new();
    if count <= SUMMED_BYTES_MAX {
        it.fields.push(("X-Sha256".to_owned(), pattern.sha256(count)));
    }
    it.begin(200, &[("Content-Type", "application/octet-stream")], ends).await?;
    let (mut sent, mut buffer) = (0, vec![0; PIECE_BYTES]);
    let drip = it.time("drip", 0);
    while sent < count && it.has_body(200) {
        let size = usize::try_from(count - sent).unwrap_or(usize::MAX).min(PIECE_BYTES);
        let size = if drip.is_zero() { size } else { 1 };
        pattern.fill(sent, &mut buffer[..size]);
        it.piece(&buffer[..size]).await?;
        sent += size as u64;
        if !drip.is_zero() {
            it.pause(drip).await?;
        }
    }
    it.end().await
}

/// Reads and tells.
pub(super) async fn up(it: &mut Conversation<'_>) -> io::Result<Next> {
    let (pattern, mut sum, mut count, mut fault) = (Pattern::new(), Sum::default(), 0, None);
    let pause = it.time("slow", 0);
    while let Some(piece) = it.body().await? {
        sum.add(&piece);
        fault = fault.or_else(|| pattern.fault(count, &piece));
        count += piece.len() as u64;
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
    let fault = fault.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let text = format!("bytes={count} sha256={} fault={fault}\n", sum.hex());
    it.reply(200, &[("Content-Type", "text/plain")], text.as_bytes()).await
}

/// Sends back what comes, while it comes.
pub(super) async fn echo(it: &mut Conversation<'_>) -> io::Result<Next> {
    it.begin(200, &[("Content-Type", "application/octet-stream")], Ends::Chunked).await?;
    while let Some(piece) = it.body().await? {
        it.piece(&piece).await?;
    }
    it.end().await
}
