//! Addresses: to accept on, of servers, of sources.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

use super::{Problem, name};
use crate::report::Code;
use crate::{Address, Transport};

/// Reads an address to accept on: `"[::]:443"`, `"0.0.0.0:443"`, `"192.0.2.1:443"`; port 0 takes a free one.
pub(crate) fn bind(text: &str) -> Result<SocketAddr, Problem> {
    let bad = |message: String, remedy: String| Err(Problem::new(Code::BadAddress, message, remedy));
    let port = text.strip_prefix("*:").or_else(|| text.strip_prefix(':')).unwrap_or(text);
    if is_number(port) {
        return bad(
            format!("`{text}` names a port but no address"),
            format!("write \"[::]:{port}\" (all addresses, IPv4 too) or \"0.0.0.0:{port}\" (IPv4 only)"),
        );
    }
    match split(text)? {
        (Host::Ip(address, zone), port) => socket(address, zone, port),
        (Host::Name(host), port) => bad(
            format!("`{host}` is a name; what to accept on is an address of this machine"),
            format!("write \"[::]:{port}\" for all addresses, \"127.0.0.1:{port}\" for this machine only"),
        ),
    }
}

/// Reads the address of a listener: as [`bind`], perhaps with `/tcp` or `/udp` behind it.
pub(crate) fn listen(text: &str) -> Result<(SocketAddr, Transport), Problem> {
    match text.rsplit_once('/') {
        None => Ok((bind(text)?, Transport::Tcp)),
        Some((address, "tcp")) => Ok((bind(address)?, Transport::Tcp)),
        Some((address, "udp")) => Ok((bind(address)?, Transport::Udp)),
        Some((address, _)) if address.contains(':') && !text.contains("://") => Err(Problem::new(
            Code::BadAddress,
            format!("`{text}` ends in no protocol that can be listened for"),
            format!("write \"{address}\", or with `/tcp` or `/udp` behind it"),
        )),
        Some(_) => Ok((bind(text)?, Transport::Tcp)),
    }
}

/// Reads the address of a server: `"192.0.2.1:443"`, `"[2001:db8::1]:443"` or `"mail.internal:443"`.
pub(crate) fn server(text: &str) -> Result<Address, Problem> {
    let (host, port) = split(text)?;
    if port == 0 {
        return Err(Problem::new(
            Code::BadAddress,
            format!("port 0 in `{text}` cannot be connected to"),
            "write the port the server listens on",
        ));
    }
    match host {
        Host::Ip(address, _) if address.is_unspecified() => Err(Problem::new(
            Code::BadAddress,
            format!("`{text}` stands for all addresses of a machine and cannot be connected to"),
            format!("write the server's own address; this machine is \"127.0.0.1:{port}\""),
        )),
        Host::Ip(address, zone) => socket(address, zone, port).map(Address::Ip),
        Host::Name(host) => {
            Ok(Address::Name { host: host.strip_suffix('.').unwrap_or(host).to_lowercase().into(), port })
        }
    }
}

/// Reads a bare address, without a port.
pub(crate) fn ip(text: &str) -> Result<IpAddr, Problem> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    match bare.parse::<IpAddr>() {
        Ok(address) if address.is_unspecified() => Err(Problem::new(
            Code::BadAddress,
            format!("`{text}` is no address of a machine"),
            "write an address of this machine: `ip address` lists those it has",
        )),
        Ok(address) if bare.len() == text.len() && address.to_canonical() == address => Ok(address),
        Ok(address) => Err(Problem::new(
            Code::BadAddress,
            format!("`{text}` is not how an address stands alone"),
            format!("write \"{}\"", address.to_canonical()),
        )),
        Err(_) => Err(Problem::new(
            Code::BadAddress,
            match text.parse::<SocketAddr>() {
                Ok(_) => format!("`{text}` has a port, but an address alone is meant"),
                Err(_) => format!("`{text}` is not an IP address"),
            },
            match text.parse::<SocketAddr>() {
                Ok(address) => format!("write \"{}\"", address.ip()),
                Err(_) => "write an address such as \"192.0.2.1\" or \"2001:db8::1\"".to_owned(),
            },
        )),
    }
}

/// Reads a network, `"192.0.2.0/24"` or `"2001:db8::/32"`, or a single address.
pub(crate) fn network(text: &str) -> Result<IpNet, Problem> {
    let bad = |message: String, remedy: String| Err(Problem::new(Code::BadNetwork, message, remedy));
    let Ok(network) = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) else {
        return match text.split_once('/') {
            Some((address, mask)) if address.parse::<IpAddr>().is_ok() => bad(
                format!("`/{mask}` is not the length of a prefix"),
                "write how many bits are fixed: 0 to 32 for IPv4, 0 to 128 for IPv6".to_owned(),
            ),
            _ => bad(
                format!("`{text}` is neither a network nor an address"),
                "write \"192.0.2.0/24\", \"2001:db8::/32\" or a single address".to_owned(),
            ),
        };
    };
    if let IpNet::V6(v6) = network
        && let Some(v4) = v6.addr().to_ipv4_mapped()
    {
        let length = v6.prefix_len().saturating_sub(96);
        return bad(
            format!("`{text}` is IPv4 written inside IPv6; clients are compared by their IPv4 address"),
            format!("write \"{v4}/{length}\""),
        );
    }
    if network.trunc() != network {
        return bad(
            format!("`{text}` is an address in a network, not a network"),
            format!(
                "write \"{}\" for the network or \"{}\" for the address",
                network.trunc(),
                network.addr()
            ),
        );
    }
    Ok(network)
}

/// The part of an address before its port.
enum Host<'a> {
    /// An address, with the number of its interface (RFC 4007 section 11).
    Ip(IpAddr, u32),
    /// A name.
    Name(&'a str),
}

/// Takes host and port apart.
fn split(text: &str) -> Result<(Host<'_>, u16), Problem> {
    let bad = |message: String, remedy: String| Err(Problem::new(Code::BadAddress, message, remedy));
    if text.contains("://") {
        return bad(
            format!("`{text}` is a URL"),
            "write address and port alone, such as \"192.0.2.1:443\"".to_owned(),
        );
    }
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Err(Problem::new(
            Code::MissingPort,
            format!("`{text}` has no port, and IPv6 addresses stand in brackets before one"),
            format!("write \"[{address}]:443\""),
        ));
    }
    let Some((host, port)) = text.rsplit_once(':').filter(|_| !text.ends_with(']')) else {
        let remedy = format!("add it: \"{text}:443\"");
        return Err(Problem::new(Code::MissingPort, format!("`{text}` has no port"), remedy));
    };
    let Ok(number) = port.parse::<u16>().map_err(drop).and_then(|n| is_number(port).then_some(n).ok_or(()))
    else {
        return bad(
            format!("`{port}` is not a port"),
            format!("ports are numbers from 1 to 65535: \"{host}:443\""),
        );
    };
    if let Some(inside) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return v6(inside).map(|(address, zone)| (Host::Ip(address.into(), zone), number));
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return match address {
            IpAddr::V4(_) => Ok((Host::Ip(address, 0), number)),
            IpAddr::V6(_) => {
                bad("IPv6 addresses stand in brackets".to_owned(), format!("write \"[{host}]:{number}\""))
            }
        };
    }
    if host.contains(':') {
        return bad(
            format!("`{text}` is not an address and a port"),
            "write \"192.0.2.1:443\" or, with brackets, \"[2001:db8::1]:443\"".to_owned(),
        );
    }
    name::host(host.strip_suffix('.').unwrap_or(host)).map(|_| (Host::Name(host), number))
}

/// Reads what stands in brackets, with an interface number such as `fe80::1%2`.
fn v6(text: &str) -> Result<(Ipv6Addr, u32), Problem> {
    let (address, zone) = text.split_once('%').unwrap_or((text, "0"));
    let bad = |message: String, remedy: &str| Err(Problem::new(Code::BadAddress, message, remedy));
    let Ok(address) = address.parse::<Ipv6Addr>() else {
        return bad(
            format!("`{address}` is not an IPv6 address, and only those stand in brackets"),
            "write \"[2001:db8::1]:443\", \"192.0.2.1:443\" or \"name:443\"",
        );
    };
    let Ok(zone) = zone.parse::<u32>() else {
        return bad(
            format!("`%{zone}` is not the number of an interface"),
            "write its number, which `ip link` prints first in each line",
        );
    };
    Ok((address, zone))
}

/// Address and port as one value; IPv4 inside IPv6 is refused, so that each address is written in one way.
fn socket(address: IpAddr, zone: u32, port: u16) -> Result<SocketAddr, Problem> {
    match address {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => Err(Problem::new(
            Code::BadAddress,
            format!("`{v6}` is IPv4 written inside IPv6"),
            format!("write \"{}:{port}\"", address.to_canonical()),
        )),
        IpAddr::V6(v6) => Ok(std::net::SocketAddrV6::new(v6, port, 0, zone).into()),
        IpAddr::V4(_) => Ok(SocketAddr::new(address, port)),
    }
}

/// Whether there are digits and nothing else.
fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds_are_an_address_and_a_port() {
        for text in ["[::]:443", "0.0.0.0:80", "127.0.0.1:0", "[2001:db8::1]:65535", "[fe80::1%2]:25"] {
            assert_eq!(bind(text).map(|address| address.to_string()), Ok(text.to_owned()));
        }
        for (text, remedy) in [
            (":443", "\"[::]:443\""),
            ("443", "\"[::]:443\""),
            ("*:443", "\"[::]:443\""),
            ("localhost:443", "\"127.0.0.1:443\""),
            ("192.0.2.1", "\"192.0.2.1:443\""),
            ("[::1]", "\"[::1]:443\""),
            ("::1", "\"[::1]:443\""),
            ("2001:db8::1:443", "\"[2001:db8::1:443]:443\""),
            ("2001:db8:1:2:3:4:5:6:443", "[2001:db8:1:2:3:4:5:6]:443"),
            ("1:2:3:4:5:6:7:8:443", "[1:2:3:4:5:6:7:8]:443"),
            ("[::ffff:192.0.2.1]:443", "\"192.0.2.1:443\""),
            ("192.0.2.1:99999", "65535"),
            ("192.0.2.1:", "65535"),
            ("192.0.2.1:+80", "65535"),
            ("192.0.2.300:443", "0 to 255"),
            ("[192.0.2.1]:443", "\"192.0.2.1:443\""),
            ("[fe80::1%eth0]:443", "ip link"),
            ("10.0.1.9:443/tcp", "\"10.0.1.9:443\""),
            ("https://10.0.1.9:443", "alone"),
            ("", "add it"),
            ("[]:1", "[2001:db8::1]:443"),
        ] {
            let problem = bind(text).expect_err(text);
            assert!(problem.remedy.contains(remedy), "{text}: {}", problem.remedy);
        }
    }

    #[test]
    fn servers_are_addresses_or_names_with_a_port() {
        for text in ["192.0.2.1:443", "[2001:db8::1]:25", "mail.internal:443", "exchange01:587"] {
            assert_eq!(server(text).map(|address| address.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(
            server("Mail.Internal.:443").map(|address| address.to_string()),
            Ok("mail.internal:443".into())
        );
        for text in
            ["mail.internal", "192.0.2.1", "192.0.2.1:0", "0.0.0.0:443", "[::]:443", ":443", "a b:443"]
        {
            assert!(server(text).is_err(), "{text}");
        }
    }

    #[test]
    fn networks_have_no_bits_below_their_prefix() {
        for (text, reads) in [
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("::/0", "::/0"),
            ("::1", "::1/128"),
        ] {
            assert_eq!(network(text).map(|network| network.to_string()), Ok(reads.to_owned()));
        }
        for (text, remedy) in [
            ("192.0.2.7/24", "\"192.0.2.0/24\""),
            ("192.0.2.0/33", "0 to 32"),
            ("::ffff:192.0.2.0/120", "\"192.0.2.0/24\""),
            ("example.com", "single address"),
            ("", "single address"),
        ] {
            let problem = network(text).expect_err(text);
            assert!(problem.remedy.contains(remedy), "{text}: {}", problem.remedy);
        }
    }

    #[test]
    fn a_bare_address_has_no_port_and_no_brackets() {
        assert_eq!(ip("192.0.2.1"), Ok([192, 0, 2, 1].into()));
        for (text, remedy) in [
            ("[2001:db8::1]", "\"2001:db8::1\""),
            ("::ffff:192.0.2.1", "\"192.0.2.1\""),
            ("192.0.2.1:80", "\"192.0.2.1\""),
            ("eth0", "192.0.2.1"),
            ("0.0.0.0", "ip address"),
        ] {
            assert!(ip(text).expect_err(text).remedy.contains(remedy), "{text}");
        }
    }
}
