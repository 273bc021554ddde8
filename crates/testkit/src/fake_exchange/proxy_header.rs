//! The PROXY protocol's header, versions 1 and 2, as a server behind a proxy reads it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpStream;

const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Reads the header and nothing behind it. `None`: it names no client (`UNKNOWN`, `LOCAL`).
pub(super) async fn read(stream: &TcpStream) -> io::Result<Option<SocketAddr>> {
    let mut head = exactly(stream, 6).await?;
    if head == b"PROXY " {
        while !head.ends_with(b"\r\n") {
            if head.len() > 107 {
                return Err(bad());
            }
            head.extend(exactly(stream, 1).await?);
        }
        return version_1(&head);
    }
    head.extend(exactly(stream, 10).await?);
    if !head.starts_with(V2_SIGNATURE) {
        return Err(bad());
    }
    let rest = exactly(stream, usize::from(u16::from_be_bytes([head[14], head[15]]))).await?;
    version_2(head[12], head[13], &rest)
}

fn version_1(line: &[u8]) -> io::Result<Option<SocketAddr>> {
    let line = std::str::from_utf8(line).map_err(|_| bad())?;
    let words: Vec<&str> = line.trim_end().split(' ').collect();
    match words.as_slice() {
        ["PROXY", "UNKNOWN", ..] => Ok(None),
        ["PROXY", "TCP4" | "TCP6", client, _, port, _] => {
            let client: IpAddr = client.parse().map_err(|_| bad())?;
            Ok(Some(SocketAddr::new(client, port.parse().map_err(|_| bad())?)))
        }
        _ => Err(bad()),
    }
}

fn version_2(command: u8, family: u8, rest: &[u8]) -> io::Result<Option<SocketAddr>> {
    let port = |at: usize| rest.get(at..at + 2).map(|two| u16::from_be_bytes([two[0], two[1]]));
    match (command, family) {
        (0x20, _) => Ok(None),
        (0x21, 0x11) => {
            let client = rest.first_chunk::<4>().ok_or_else(bad)?;
            Ok(Some(SocketAddr::new(Ipv4Addr::from(*client).into(), port(8).ok_or_else(bad)?)))
        }
        (0x21, 0x21) => {
            let client = rest.first_chunk::<16>().ok_or_else(bad)?;
            Ok(Some(SocketAddr::new(Ipv6Addr::from(*client).into(), port(32).ok_or_else(bad)?)))
        }
        _ => Err(bad()),
    }
}

async fn exactly(stream: &TcpStream, count: usize) -> io::Result<Vec<u8>> {
    let (mut bytes, mut filled) = (vec![0; count], 0);
    while filled < count {
        stream.readable().await?;
        match stream.try_read(&mut bytes[filled..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(some) => filled += some,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

fn bad() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no PROXY header")
}
