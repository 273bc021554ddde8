//! An echo of WebSocket frames (RFC 6455): each goes back as it came, without its mask.

use std::io;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::conversation::{Conversation, Next};
use super::head::Head;
use super::line::Input;

/// RFC 6455 1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// The longest frame that is echoed.
const FRAME_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Whether a request asks to go on as a WebSocket.
pub(super) fn asked(head: &Head) -> bool {
    head.lists("upgrade", "websocket") && head.lists("connection", "upgrade")
}

/// Switches, and echoes until the client closes.
pub(super) async fn echo(it: &mut Conversation<'_>) -> io::Result<Next> {
    let key = it.head.field("sec-websocket-key").unwrap_or_default();
    let accept = BASE64.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes()));
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\
         X-FEServer: {}\r\nX-Authenticated-User: {}\r\nX-Connection-Id: {}\r\n",
        it.world.options.name,
        it.user(),
        it.entry.id
    );
    for (name, value) in &it.fields {
        answer.push_str(&format!("{name}: {value}\r\n"));
    }
    answer.push_str("\r\n");
    it.output.send(answer.as_bytes()).await?;
    while let Some((first, payload)) = frame(it.input).await? {
        let kind = first & 0x0f;
        let first = if kind == PING { first & 0xf0 | PONG } else { first };
        if kind != PONG {
            it.output.send(&unmasked(first, &payload)).await?;
        }
        if kind == CLOSE {
            break;
        }
    }
    Ok(Next::Close)
}

/// The next frame: its first byte and what it carries.
async fn frame(input: &mut Input) -> io::Result<Option<(u8, Vec<u8>)>> {
    let Some(start) = bytes(input, 2).await? else { return Ok(None) };
    let len = match start[1] & 0x7f {
        126 => number(input, 2).await?,
        127 => number(input, 8).await?,
        len => u64::from(len),
    };
    let mask = if start[1] & 0x80 == 0 { vec![0; 4] } else { bytes(input, 4).await?.unwrap_or_default() };
    if len > FRAME_BYTES_MAX || mask.len() < 4 {
        return Ok(None);
    }
    let len = usize::try_from(len).unwrap_or_default();
    let Some(mut payload) = bytes(input, len).await? else { return Ok(None) };
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    Ok(Some((start[0], payload)))
}

async fn number(input: &mut Input, count: usize) -> io::Result<u64> {
    let bytes = bytes(input, count).await?.unwrap_or_default();
    Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

async fn bytes(input: &mut Input, count: usize) -> io::Result<Option<Vec<u8>>> {
    while input.waiting().len() < count {
        if !input.fill().await? {
            return Ok(None);
        }
    }
    Ok(Some(input.take(count)))
}

fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len @ 0..126), _) => frame.push(len),
        (_, Ok(len)) => {
            frame.push(126);
            frame.extend(len.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}
