//! Whose configuration a text is.

/// A product whose configuration can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `haproxy.cfg`
    Haproxy,
    /// The layer 4 and packet shield files of HAProxy ALOHA.
    Aloha,
    /// `squid.conf`, in accelerator mode.
    Squid,
}

impl Format {
    /// Every format by the word for it on the command line.
    pub const ALL: [(&'static str, Self); 3] =
        [("haproxy", Self::Haproxy), ("aloha", Self::Aloha), ("squid", Self::Squid)];

    /// Its word.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, own)| *own == self).map_or("", |(word, _)| word)
    }
}

/// Words that open a section of haproxy.cfg.
pub(crate) const SECTIONS: &[&str] = &[
    "global",
    "defaults",
    "frontend",
    "backend",
    "listen",
    "peers",
    "resolvers",
    "userlist",
    "mailers",
    "cache",
    "program",
    "http-errors",
    "ring",
    "log-forward",
    "fcgi-app",
    "crt-store",
    "traces",
    "acme",
    "log-profile",
];

/// Directives that only squid.conf has.
const SQUID: &[&str] = &[
    "http_port",
    "https_port",
    "cache_peer",
    "cache_peer_access",
    "http_access",
    "acl",
    "never_direct",
    "always_direct",
    "cache_mem",
    "visible_hostname",
    "extension_methods",
    "deny_info",
    "cache_dir",
    "coredump_dir",
    "refresh_pattern",
];

/// Recognises a configuration by what stands in it: the first line that belongs to one product only decides. An `acl`
/// at the start of a file is squid's, after a section of HAProxy it is HAProxy's.
pub fn recognise(text: &str) -> Option<Format> {
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(first) = words.next() else { continue };
        if first == "director" {
            return Some(Format::Aloha);
        }
        if SECTIONS.contains(&first) && words.clone().count() <= 4 && !line.trim_end().ends_with([';', '{']) {
            return if has_directors(text) { Some(Format::Aloha) } else { Some(Format::Haproxy) };
        }
        if SQUID.contains(&first) {
            return Some(Format::Squid);
        }
        if first
            .split_once('/')
            .is_some_and(|(instance, key)| !instance.is_empty() && crate::aloha::is_shield(key))
        {
            return Some(Format::Aloha);
        }
    }
    None
}

/// Whether a file of HAProxy's sections has ALOHA's directors as well.
fn has_directors(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("director ") || line.starts_with("director\t"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_recognised_by_what_stands_in_them() {
        for (text, format) in [
            ("# x\nglobal\n daemon\n", Some(Format::Haproxy)),
            ("frontend a\n bind :80\n", Some(Format::Haproxy)),
            ("######## Director ex\ndirector ex 10.0.1.9:443 TCP\n", Some(Format::Aloha)),
            ("inst/contexts 10.0.0.9\n", Some(Format::Aloha)),
            ("# Squid\nhttps_port 443 accel\n", Some(Format::Squid)),
            ("acl a src 10.0.0.0/8\n", Some(Format::Squid)),
            ("server {\n listen 80;\n}\n", None),
            ("", None),
        ] {
            assert_eq!(recognise(text), format, "{text}");
        }
    }
}
