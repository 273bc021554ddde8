//! Rates (`"20k/s"`) and what a context allows (`"tcp/443 from 192.0.2.0/24"`).

use super::{Problem, address};
use crate::report::Code;
use crate::{Allow, AllowWhat, PacketRate, Per};

/// A billion a second: more than any line carries.
const COUNT_MAX: u64 = 1_000_000_000;

/// Reads `"100/s"`, `"20k/s"`, `"1M/s"`, `"30/m"`, `"5/h"`.
pub(crate) fn rate(text: &str) -> Result<PacketRate, Problem> {
    let bad = |message: String, remedy: String| Err(Problem::new(Code::BadRate, message, remedy));
    let Some((count, unit)) = text.split_once('/') else {
        return bad(
            format!("`{text}` has no time"),
            format!("write \"{text}/s\", or another time: /s, /m, /h"),
        );
    };
    let per = match unit {
        "s" => Per::Second,
        "m" => Per::Minute,
        "h" => Per::Hour,
        _ => {
            return bad(format!("`/{unit}` is not a time"), format!("write \"{count}/s\", \"/m\" or \"/h\""));
        }
    };
    let (digits, times) = match count.as_bytes().last() {
        Some(b'k') => (&count[..count.len() - 1], 1_000),
        Some(b'M') => (&count[..count.len() - 1], 1_000_000),
        _ => (count, 1),
    };
    let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse::<u64>().ok().filter(|_| whole).and_then(|number| number.checked_mul(times));
    match number {
        Some(count) if count <= COUNT_MAX => Ok(PacketRate { count, per }),
        Some(_) => {
            bad(format!("`{text}` is more than can be counted"), "write at most \"1000M/s\"".to_owned())
        }
        None => bad(
            format!("`{count}` is not a whole number"),
            "write a whole number, perhaps with k or M, such as \"20k/s\"".to_owned(),
        ),
    }
}

/// Reads `"tcp/443"`, `"udp/5000-5010"`, `"icmp/echo"`, `"ip/47"`, each perhaps with `" from 192.0.2.0/24"`.
pub(crate) fn allow(text: &str) -> Result<Allow, Problem> {
    let (what, from) = match text.split_once(" from ") {
        Some((what, from)) => (what, Some(address::network(from.trim())?)),
        None => (text, None),
    };
    let allow = Allow { what: allowed(what.trim())?, from };
    match (allow.what, from) {
        (AllowWhat::Tcp(first, last) | AllowWhat::Udp(first, last), Some(_)) if first != last => {
            Err(Problem::new(
                Code::BadAllow,
                format!("`{text}` has a range of ports and a source"),
                "write one entry for each port that has a source",
            ))
        }
        _ => Ok(allow),
    }
}

fn allowed(text: &str) -> Result<AllowWhat, Problem> {
    let bad = |message: String| {
        let remedy = "write \"tcp/443\", \"udp/5000-5010\", \"icmp/echo\" or \"ip/47\"";
        Err(Problem::new(Code::BadAllow, message, remedy))
    };
    let Some((protocol, rest)) = text.split_once('/') else {
        return bad(format!("`{text}` is not a protocol and a port"));
    };
    match protocol {
        "tcp" | "udp" => {
            let (first, last) = rest.split_once('-').unwrap_or((rest, rest));
            let port = |text: &str| {
                let digits = text.bytes().all(|byte| byte.is_ascii_digit());
                text.parse::<u16>().ok().filter(|port| *port > 0 && digits)
            };
            match (port(first), port(last)) {
                (Some(first), Some(last)) if first <= last && protocol == "tcp" => {
                    Ok(AllowWhat::Tcp(first, last))
                }
                (Some(first), Some(last)) if first <= last => Ok(AllowWhat::Udp(first, last)),
                _ => bad(format!("`{rest}` is neither a port nor a range of ports")),
            }
        }
        "icmp" if rest == "echo" => Ok(AllowWhat::Echo),
        "icmp" => bad(format!("`icmp/{rest}` is not known; errors always go on")),
        "ip" => match rest.parse::<u8>() {
            Ok(1 | 6 | 17 | 58) => bad(format!("`{text}` has a name of its own")),
            Ok(number) => Ok(AllowWhat::Protocol(number)),
            Err(_) => bad(format!("`{rest}` is not the number of a protocol")),
        },
        _ => bad(format!("`{protocol}` is not a protocol")),
    }
}

/// Whether this can be the name of an interface (`dev_valid_name` of Linux).
pub(crate) fn interface(text: &str) -> Result<&str, Problem> {
    let wrong = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    if text.is_empty() || text.len() > 15 || text == "." || text == ".." || text.contains(wrong) {
        return Err(Problem::new(
            Code::BadName,
            format!("`{text}` is not the name of an interface"),
            "write a name such as \"eth0\": `ip link` lists them",
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_a_number_and_a_time() {
        for (text, count, seconds) in [
            ("100/s", 100, 1),
            ("20k/s", 20_000, 1),
            ("1M/s", 1_000_000, 1),
            ("30/m", 30, 60),
            ("0/h", 0, 3600),
        ] {
            let rate = rate(text).expect(text);
            assert_eq!((rate.count, rate.per.seconds(), rate.to_string()), (count, seconds, text.to_owned()));
        }
        for text in
            ["100", "", "/s", "k/s", "1.5k/s", "+1/s", "1/d", "99999999999999999999/s", "2000M/s", "-1/s"]
        {
            assert_eq!(rate(text).map_err(|problem| problem.code), Err(Code::BadRate), "{text}");
        }
    }

    #[test]
    fn what_is_allowed_is_a_protocol_a_port_and_perhaps_a_source() {
        for text in [
            "tcp/443",
            "udp/5000-5010",
            "icmp/echo",
            "ip/47",
            "tcp/25 from 192.0.2.0/24",
            "ip/50 from 2001:db8::/32",
        ] {
            assert_eq!(allow(text).expect(text).to_string(), text);
        }
        for text in [
            "",
            "443",
            "tcp",
            "tcp/",
            "tcp/0",
            "tcp/65536",
            "tcp/9-5",
            "tcp/+1",
            "sctp/1",
            "icmp/any",
            "ip/6",
            "ip/256",
            "tcp/1-2 from 192.0.2.1",
        ] {
            assert_eq!(allow(text).map_err(|problem| problem.code), Err(Code::BadAllow), "{text}");
        }
        assert_eq!(allow("tcp/1 from x").map_err(|problem| problem.code), Err(Code::BadNetwork));
    }

    #[test]
    fn interfaces_have_the_names_linux_lets_them_have() {
        assert_eq!(interface("eth0.100"), Ok("eth0.100"));
        for text in ["", "a/b", "..", "sixteen-letters-", "a b"] {
            assert!(interface(text).is_err(), "{text}");
        }
    }
}
