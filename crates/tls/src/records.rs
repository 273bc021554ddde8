//! Records in and out of rustls, which keeps no buffers itself (its `unbuffered` interface).

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus};
use rustls::{CommonState, Error, SideData};

/// Plain bytes in one record (RFC 8446 section 5.1).
pub const RECORD_PLAIN_BYTES_MAX: usize = 16 * 1024;
/// Bytes that a record has more than it carries, in TLS 1.2 and 1.3: header, nonce, tag, type.
pub const RECORD_OVERHEAD_BYTES_MAX: usize = 32;
/// What was seen in passing.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The other side has said goodbye.
    pub(crate) goodbye: bool,
    /// The other side has asked for another handshake and was refused.
    pub(crate) renegotiation: bool,
}

/// What became of plain bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// How many were taken.
    pub taken: usize,
    /// How many bytes for the network were written.
    pub written: usize,
}

/// What the two sides of rustls have in common but do not share.
pub(crate) trait Steps {
    type Data: SideData;
    fn step<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
    fn common(&self) -> &CommonState;
}

impl Steps for UnbufferedServerConnection {
    type Data = rustls::server::ServerConnectionData;
    fn step<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }
    fn common(&self) -> &CommonState {
        self
    }
}

impl Steps for UnbufferedClientConnection {
    type Data = rustls::client::ClientConnectionData;
    fn step<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }
    fn common(&self) -> &CommonState {
        self
    }
}

/// Takes what it can of `incoming`; how much that was. After an error the alert for it is in `out`.
pub(crate) fn step_all<S: Steps>(
    connection: &mut S,
    incoming: &mut [u8],
    plain: &mut Vec<u8>,
    out: &mut Vec<u8>,
    seen: &mut Seen,
) -> Result<usize, Error> {
    let mut taken = 0;
    loop {
        let settled = !connection.common().is_handshaking();
        let UnbufferedStatus { mut discard, state } = connection.step(&mut incoming[taken..]);
        let mut done = false;
        let mut failed = None;
        match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(record) = traffic.next_record() {
                    let record = record?;
                    discard += record.discard;
                    plain.extend_from_slice(record.payload);
                }
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                let start = out.len();
                encode(&mut data, out)?;
                // After the handshake of TLS 1.2 rustls itself sends one alert only: `no_renegotiation`.
                seen.renegotiation |= settled && out.get(start) == Some(&ALERT);
            }
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            Ok(ConnectionState::PeerClosed) => seen.goodbye = true,
            Ok(
                ConnectionState::Closed
                | ConnectionState::WriteTraffic(_)
                | ConnectionState::BlockedHandshake,
            ) => {
                done = true;
            }
            Ok(_) => return Err(Error::General("early data though none is allowed".into())),
            Err(error) => failed = Some(error),
        }
        taken += discard;
        if let Some(error) = failed {
            take_alerts(connection, &mut incoming[taken..], out);
            return Err(error);
        }
        if done {
            return Ok(if seen.goodbye { incoming.len() } else { taken });
        }
    }
}

/// The content type of alerts (RFC 8446 section 5.1); in TLS 1.3 records carry another outside.
pub(crate) const ALERT: u8 = 21;

/// What is still to be sent after an error. As long as there is something rustls looks at nothing that came in.
fn take_alerts<S: Steps>(connection: &mut S, incoming: &mut [u8], out: &mut Vec<u8>) {
    while connection.common().wants_write() {
        match connection.step(incoming).state {
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                if encode(&mut data, out).is_err() {
                    return;
                }
            }
            Ok(ConnectionState::ReadTraffic(mut traffic)) => while traffic.next_record().is_some() {},
            _ => return,
        }
    }
}

fn encode<Data>(data: &mut EncodeTlsData<'_, Data>, out: &mut Vec<u8>) -> Result<(), Error> {
    let start = out.len();
    let mut result = data.encode(&mut []);
    if let Err(EncodeError::InsufficientSize(size)) = &result {
        out.resize(start + size.required_size, 0);
        result = data.encode(&mut out[start..]);
    }
    result.map(|_| ()).map_err(|error| Error::General(error.to_string()))
}

pub(crate) fn encipher<S: Steps>(
    connection: &mut S,
    held: &mut [u8],
    owed: &mut Vec<u8>,
    plain: &[u8],
    out: &mut [u8],
) -> Result<Sent, Error> {
    let mut sent = Sent { taken: 0, written: 0 };
    loop {
        sent.written += pay(owed, &mut out[sent.written..]);
        if !owed.is_empty() {
            return Ok(sent);
        }
        match connection.step(held).state {
            Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, owed)?,
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                let room = &mut out[sent.written..];
                let fits = plain.len().min(plain_bytes_for(room.len()));
                match traffic.encrypt(&plain[..fits], room) {
                    Ok(written) => {
                        sent.taken = fits;
                        sent.written += written;
                    }
                    Err(EncryptError::InsufficientSize(_)) => {}
                    Err(exhausted) => return Err(Error::General(exhausted.to_string())),
                }
                return Ok(sent);
            }
            Ok(ConnectionState::PeerClosed | ConnectionState::ReadTraffic(_)) => {
                return Err(Error::General("bytes came that were not received".into()));
            }
            Ok(_) => return Ok(sent),
            Err(error) => return Err(error),
        }
    }
}

/// Moves what is owed to `out`, as much as there is room for.
fn pay(owed: &mut Vec<u8>, out: &mut [u8]) -> usize {
    let paid = owed.len().min(out.len());
    out[..paid].copy_from_slice(&owed[..paid]);
    owed.drain(..paid);
    paid
}

/// How many plain bytes fit, as records, into `room` bytes.
fn plain_bytes_for(room: usize) -> usize {
    let whole = RECORD_PLAIN_BYTES_MAX + RECORD_OVERHEAD_BYTES_MAX;
    room / whole * RECORD_PLAIN_BYTES_MAX + (room % whole).saturating_sub(RECORD_OVERHEAD_BYTES_MAX)
}

pub(crate) fn goodbye<S: Steps>(connection: &mut S, held: &mut [u8], out: &mut Vec<u8>) {
    loop {
        match connection.step(held).state {
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                if encode(&mut data, out).is_err() {
                    return;
                }
            }
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                let start = out.len();
                out.resize(start + GOODBYE_BYTES_MAX, 0);
                let written = traffic.queue_close_notify(&mut out[start..]).unwrap_or(0);
                out.truncate(start + written);
                return;
            }
            _ => return,
        }
    }
}

/// Bytes of a goodbye, with whatever rustls wants to be sent before it.
const GOODBYE_BYTES_MAX: usize = 1024;
