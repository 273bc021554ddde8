//! Channels: RPC over HTTP (MS-RPCH) and RD Gateway (MS-TSGU). What comes in on one goes out on the other.

use std::io;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender};

use super::conversation::{Conversation, Ends, Next};
use super::rts::{self, Pdu};
use super::tunnel::Piece;
use crate::pattern::hex;

/// What the OUT channel announces.
const CHANNEL_BYTES: u64 = 1 << 30;
/// The longest body of an echo request (MS-RPCH 2.1.2.1.5).
const ECHO_BYTES_MAX: u64 = 16;
/// Bytes of a request that opens an OUT channel: 76 or 120, or a test's own.
const OPENING_BYTES_MAX: usize = 4096;

/// Either channel, or an echo request.
pub(super) async fn rpc(it: &mut Conversation<'_>) -> io::Result<Next> {
    let len = it.head.field("content-length").and_then(|len| len.parse().ok()).unwrap_or(0);
    if len <= ECHO_BYTES_MAX {
        it.whole_body(OPENING_BYTES_MAX).await?;
        return it.reply(200, &[("Content-Type", "application/rpc")], &rts::echo()).await;
    }
    if it.head.method == "RPC_OUT_DATA" { rpc_out(it).await } else { rpc_in(it).await }
}

async fn rpc_out(it: &mut Conversation<'_>) -> io::Result<Next> {
    let mut opening = it.whole_body(OPENING_BYTES_MAX).await?;
    let cookie = Pdu::take(&mut opening).ok().flatten().and_then(|a1| a1.cookie());
    let exit = it.world.tunnels.exit(&channel(it, cookie));
    it.begin(200, &[("Content-Type", "application/rpc")], Ends::After(CHANNEL_BYTES)).await?;
    if cookie.is_some() {
        it.piece(&rts::conn_a3()).await?;
    }
    pour(it, exit).await
}

async fn rpc_in(it: &mut Conversation<'_>) -> io::Result<Next> {
    if let Some(name) = it.head.field("x-test-channel").map(ToOwned::to_owned) {
        let entrance = it.world.tunnels.entrance(&name);
        return raw_in(it, &entrance).await;
    }
    let (mut received, mut entrance) = (Vec::new(), None);
    while let Some(piece) = it.body().await? {
        received.extend(piece);
        while let Some(pdu) = Pdu::take(&mut received).map_err(io::Error::other)? {
            if pdu.is_b1() {
                let own = it.world.tunnels.entrance(&channel(it, pdu.cookie()));
                put(&own, rts::conn_c2()).await?;
                entrance = Some(own);
            } else if let (Some(entrance), Some(answer)) = (&entrance, pdu.answer()) {
                put(entrance, answer).await?;
            }
        }
    }
    if let Some(entrance) = entrance {
        put(&entrance, Vec::new()).await?;
    }
    it.reply(200, &[("Content-Type", "application/rpc")], b"").await
}

/// RD Gateway's OUT channel: an answer without a length.
pub(super) async fn gateway_out(it: &mut Conversation<'_>) -> io::Result<Next> {
    it.whole_body(OPENING_BYTES_MAX).await?;
    let exit = it.world.tunnels.exit(&channel(it, None));
    it.begin(200, &[], Ends::WithConnection).await?;
    pour(it, exit).await
}

/// RD Gateway's IN channel: its body may be chunked.
pub(super) async fn gateway_in(it: &mut Conversation<'_>) -> io::Result<Next> {
    let entrance = it.world.tunnels.entrance(&channel(it, None));
    raw_in(it, &entrance).await
}

/// The name both channels of a pair have.
fn channel(it: &Conversation<'_>, cookie: Option<[u8; 16]>) -> String {
    let named = it.head.field("x-test-channel").or_else(|| it.head.field("rdg-connection-id"));
    named.map_or_else(|| hex(&cookie.unwrap_or_default()), ToOwned::to_owned)
}

async fn raw_in(it: &mut Conversation<'_>, entrance: &Sender<Piece>) -> io::Result<Next> {
    while let Some(piece) = it.body().await? {
        put(entrance, piece).await?;
    }
    put(entrance, Vec::new()).await?;
    it.reply(200, &[], b"").await
}

async fn put(entrance: &Sender<Piece>, piece: Piece) -> io::Result<()> {
    entrance.send(piece).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
}

/// Sends what the other channel takes in, or ticks `?count=N` times each `?tick=MS`, until either side has enough.
async fn pour(it: &mut Conversation<'_>, mut exit: Receiver<Piece>) -> io::Result<Next> {
    let tick = it.head.number("tick").map(Duration::from_millis);
    let mut ticks = tick.map(|_| it.head.number("count").unwrap_or(3));
    loop {
        let due = async {
            match tick {
                Some(tick) => tokio::time::sleep(tick).await,
                None => std::future::pending().await,
            }
        };
        let piece = tokio::select! {
            piece = exit.recv() => piece.unwrap_or_default(),
            () = due => b"tick".to_vec(),
            () = it.input.gone() => return Ok(Next::Close),
        };
        if piece.is_empty() {
            return Ok(Next::Close);
        }
        it.piece(&piece).await?;
        if let Some(left) = &mut ticks {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return Ok(Next::Close);
            }
        }
    }
}
