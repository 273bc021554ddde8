//! Quantities as other products write them.

/// A duration of HAProxy in milliseconds: a number, by itself of `default` milliseconds each, or with a unit
/// (configuration manual, 2.5).
pub(crate) fn time(text: &str, default: u64) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor = match unit {
        "" => default,
        "us" => return Some(number / 1000),
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(factor).filter(|time| *time < 100 * 365 * 86_400_000)
}

/// A count, perhaps with `k`, `m` or `g` (configuration manual, 2.6).
pub(crate) fn count(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1024,
        "m" => 1024 * 1024,
        "g" => 1024 * 1024 * 1024,
        _ => return None,
    };
    number.checked_mul(factor).filter(|count| *count < 1 << 50)
}

/// The number at the start, and what follows.
fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    number.parse().ok().map(|number| (number, unit))
}

/// A network or an address, as ours are written; IPv4 in short forms too (`10.0.0.0/255.0.0.0`).
pub(crate) fn network(text: &str) -> Option<String> {
    let text = text.trim();
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        return Some(address.to_string());
    }
    let (address, mask) = text.split_once('/')?;
    let address: std::net::IpAddr = address.parse().ok()?;
    let prefix = match mask.parse::<u8>() {
        Ok(prefix) => prefix,
        Err(_) => match mask.parse::<std::net::IpAddr>().ok()? {
            mask if mask.is_unspecified() => 0,
            mask => ipnet::ip_mask_to_prefix(mask).ok()?,
        },
    };
    let net = ipnet::IpNet::new(address, prefix).ok()?;
    Some(net.trunc().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_units_of_their_product() {
        for (text, milliseconds) in [
            ("5s", Some(5000)),
            ("300", Some(300)),
            ("1h", Some(3_600_000)),
            ("50us", Some(0)),
            ("x", None),
            ("5w", None),
        ] {
            assert_eq!(time(text, 1), milliseconds, "{text}");
        }
        assert_eq!(time("10", 1000), Some(10_000));
        assert_eq!(time("99999999999999999999", 1), None);
    }

    #[test]
    fn sizes_count_in_powers_of_two() {
        assert_eq!(count("50k"), Some(51_200));
        assert_eq!(count("1m"), Some(1_048_576));
        assert_eq!(count("200000"), Some(200_000));
        assert_eq!(count("k"), None);
    }

    #[test]
    fn networks_are_written_one_way() {
        for (text, net) in [
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            ("10.1.2.3/255.0.0.0", Some("10.0.0.0/8")),
            ("0.0.0.0/0.0.0.0", Some("0.0.0.0/0")),
            ("192.0.2.1", Some("192.0.2.1")),
            ("2001:db8::/32", Some("2001:db8::/32")),
            ("example.com", None),
            ("10.0.0.0/99", None),
        ] {
            assert_eq!(network(text).as_deref(), net, "{text}");
        }
    }
}
