//! PDUs of RPC over HTTP (MS-RPCH 2.2.3.6) and as much of RPC itself (C706 12.6) as an echo needs.

/// Types of PDU.
const REQUEST: u8 = 0;
const RESPONSE: u8 = 2;
const BIND: u8 = 11;
const BIND_ACK: u8 = 12;
const RTS: u8 = 20;

/// Commands of an RTS PDU.
const RECEIVE_WINDOW: u32 = 0;
const CONNECTION_TIMEOUT: u32 = 2;
const VERSION: u32 = 6;

/// Commands in CONN/B1 (MS-RPCH 2.2.4.5).
const COMMANDS_OF_B1: u16 = 6;

/// Where the virtual connection's cookie stands in CONN/A1 and CONN/B1: behind the header, the version command and the
/// type of its own.
const COOKIE: std::ops::Range<usize> = 32..48;

/// A PDU as it came, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pdu(Vec<u8>);

impl Pdu {
    /// Takes the first PDU from what has come so far. `None`: there is more to come. An error: it is none.
    pub(super) fn take(received: &mut Vec<u8>) -> Result<Option<Self>, &'static str> {
        let Some(header) = received.get(..16) else { return Ok(None) };
        if header[0] != 5 {
            return Err("no PDU of RPC");
        }
        let len = usize::from(u16::from_le_bytes([header[8], header[9]]));
        if len < 16 {
            return Err("a PDU shorter than its header");
        }
        if received.len() < len {
            return Ok(None);
        }
        Ok(Some(Self(received.drain(..len).collect())))
    }

    /// The cookie of the virtual connection, in CONN/A1 and CONN/B1.
    pub(super) fn cookie(&self) -> Option<[u8; 16]> {
        self.0.get(COOKIE).filter(|_| self.0[2] == RTS)?.try_into().ok()
    }

    /// Whether it opens an IN channel.
    pub(super) fn is_b1(&self) -> bool {
        self.0[2] == RTS && self.u16_at(18) == COMMANDS_OF_B1
    }

    /// What a server of RPC answers: a bind is acknowledged, a request comes back as its own answer.
    pub(super) fn answer(&self) -> Option<Vec<u8>> {
        match self.0[2] {
            BIND => Some(self.bind_ack()),
            REQUEST => {
                let stub = self.0.get(24..)?;
                let hint = u32::try_from(stub.len()).ok()?.to_le_bytes();
                let context = self.0.get(20..22)?;
                Some(self.pdu(RESPONSE, &[&hint[..], context, &[0, 0], stub].concat()))
            }
            _ => None,
        }
    }

    /// Accepts each presentation context with its first transfer syntax.
    fn bind_ack(&self) -> Vec<u8> {
        let mut body = self.0.get(16..20).unwrap_or_default().to_vec(); // sizes of fragments, as asked for
        body.extend(1u32.to_le_bytes());
        body.extend([5, 0]);
        body.extend(b"6001\0");
        while !(body.len() + 16).is_multiple_of(4) {
            body.push(0);
        }
        let count = self.0.get(24).copied().unwrap_or(0);
        body.extend([count, 0, 0, 0]);
        let mut at = 28;
        for _ in 0..count {
            let syntaxes = usize::from(self.0.get(at + 2).copied().unwrap_or(0));
            body.extend([0; 4]);
            body.extend(self.0.get(at + 24..at + 44).unwrap_or(&[0; 20]));
            at += 24 + 20 * syntaxes;
        }
        self.pdu(BIND_ACK, &body)
    }

    fn pdu(&self, kind: u8, body: &[u8]) -> Vec<u8> {
        pdu(kind, self.0[12..16].try_into().unwrap_or_default(), body)
    }

    fn u16_at(&self, at: usize) -> u16 {
        self.0.get(at..at + 2).map_or(0, |two| u16::from_le_bytes([two[0], two[1]]))
    }
}

/// CONN/A3 (MS-RPCH 2.2.4.4): the OUT channel stands.
pub(super) fn conn_a3() -> Vec<u8> {
    rts(0, &[(CONNECTION_TIMEOUT, 120_000)])
}

/// CONN/C2 (MS-RPCH 2.2.4.9): so does the IN channel.
pub(super) fn conn_c2() -> Vec<u8> {
    rts(0, &[(VERSION, 1), (RECEIVE_WINDOW, 65_536), (CONNECTION_TIMEOUT, 120_000)])
}

/// The answer to an echo request (MS-RPCH 2.1.2.1.6).
pub(super) fn echo() -> Vec<u8> {
    rts(0x40, &[])
}

fn rts(flags: u16, commands: &[(u32, u32)]) -> Vec<u8> {
    let count = u16::try_from(commands.len()).expect("three at most");
    let mut body = flags.to_le_bytes().to_vec();
    body.extend(count.to_le_bytes());
    for (kind, value) in commands {
        body.extend(kind.to_le_bytes());
        body.extend(value.to_le_bytes());
    }
    pdu(RTS, [0; 4], &body)
}

/// A whole PDU in one fragment.
fn pdu(kind: u8, call: [u8; 4], body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(16 + body.len()).unwrap_or(u16::MAX);
    let mut bytes = vec![5, 0, kind, 3, 0x10, 0, 0, 0];
    bytes.extend(len.to_le_bytes());
    bytes.extend([0, 0]);
    bytes.extend(call);
    bytes.extend(body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::{Pdu, conn_a3, conn_c2, echo};

    #[test]
    fn pdus_have_the_lengths_of_the_document() {
        assert_eq!((conn_a3().len(), conn_c2().len(), echo().len()), (28, 44, 20));
        assert_eq!(echo()[..12], [5, 0, 20, 3, 16, 0, 0, 0, 20, 0, 0, 0]);
    }

    #[test]
    fn pdus_are_taken_whole() {
        let two = [echo(), conn_c2()].concat();
        let (mut received, mut taken) = (Vec::new(), Vec::new());
        for byte in two {
            received.push(byte);
            taken.extend(Pdu::take(&mut received).unwrap());
        }
        assert_eq!(taken, [Pdu(echo()), Pdu(conn_c2())]);
        assert!(Pdu::take(&mut b"GET / HTTP/1.1\r\n".to_vec()).is_err());
    }
}
