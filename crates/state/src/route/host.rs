//! The Host field as routes compare it: lower case, without port and final dot.

/// A name has at most 253 characters (RFC 1035 section 2.3.4), an address in brackets fewer.
const NAME_BYTES_MAX: usize = 255;

/// Room for a name in lower case, on the stack.
pub(super) struct HostBuffer([u8; NAME_BYTES_MAX]);

impl HostBuffer {
    pub(super) fn new() -> Self {
        Self([0; NAME_BYTES_MAX])
    }

    /// The name in a Host field; `None`: longer than any name, or not ASCII: no route lists it.
    pub(super) fn name(&mut self, host: &[u8]) -> Option<&str> {
        let name = host_name(host);
        let room = self.0.get_mut(..name.len())?;
        room.copy_from_slice(name);
        room.make_ascii_lowercase();
        std::str::from_utf8(room).ok().filter(|name| name.is_ascii() && !name.is_empty())
    }
}

/// A Host field without its port and final dot (RFC 9110 section 7.2); letter case stays. An IPv6 address keeps its
/// brackets.
pub fn host_name(host: &[u8]) -> &[u8] {
    let end = match host {
        [b'[', ..] => host.iter().position(|byte| *byte == b']').map_or(host.len(), |at| at + 1),
        _ => host.iter().position(|byte| *byte == b':').unwrap_or(host.len()),
    };
    let name = host.get(..end).unwrap_or(host);
    name.strip_suffix(b".").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_lose_port_case_and_final_dot() {
        for (host, name) in [
            ("mail.example.com", Some("mail.example.com")),
            ("MAIL.Example.COM:443", Some("mail.example.com")),
            ("mail.example.com.:443", Some("mail.example.com")),
            ("[2001:DB8::1]:443", Some("[2001:db8::1]")),
            ("[2001:db8::1]", Some("[2001:db8::1]")),
            ("", None),
            (":443", None),
            ("m\u{e4}il.test", None),
        ] {
            assert_eq!(HostBuffer::new().name(host.as_bytes()), name, "{host}");
        }
        assert_eq!(HostBuffer::new().name(&[b'a'; 256]), None);
    }
}
