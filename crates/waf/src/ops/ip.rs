//! Networks: `ipMatch 10.0.0.0/8,2001:db8::/32`.

use std::net::IpAddr;

/// A list of networks.
pub(crate) struct Networks(Vec<(u128, u128)>);

impl Networks {
    /// Reads addresses and prefixes between commas, blanks or lines; `#` begins a comment.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let words = text
            .lines()
            .map(|line| line.split('#').next().unwrap_or(""))
            .flat_map(|line| line.split([',', ' ', '\t', '\r']))
            .filter(|word| !word.is_empty());
        words.map(network).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn contain(&self, value: &[u8]) -> bool {
        let Some(address) = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok()) else {
            return false;
        };
        let bits = wide(address);
        self.0.iter().any(|(network, mask)| bits & mask == *network)
    }
}

/// An address as 128 bits; those of IPv4 as RFC 4291 section 2.5.5.2 maps them.
fn wide(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The network and its mask.
fn network(word: &str) -> Result<(u128, u128), String> {
    let (address, prefix) =
        word.split_once('/').map_or((word, None), |(address, prefix)| (address, Some(prefix)));
    let address: IpAddr = address.parse().map_err(|_| format!("`{word}` is no address"))?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => width,
        Some(text) => {
            text.parse().ok().filter(|p| *p <= width).ok_or_else(|| format!("`{word}` is no network"))?
        }
    };
    let host = width - prefix;
    let mask = u128::MAX.checked_shl(host).unwrap_or(0);
    Ok((wide(address) & mask, mask))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_of_both_families() {
        let networks = Networks::parse("127.0.0.1, 10.0.0.0/8 # inside\n2001:db8::/32\n::1").unwrap();
        for (address, inside) in [
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("10.200.1.1", true),
            ("2001:db8:1::", true),
            ("2001:db9::", false),
            ("nonsense", false),
        ] {
            assert_eq!(networks.contain(address.as_bytes()), inside, "{address}");
        }
        assert!(Networks::parse("10.0.0.0/33").is_err());
        assert!(Networks::parse("0.0.0.0/0,::/0").unwrap().contain(b"1.2.3.4"));
    }
}
