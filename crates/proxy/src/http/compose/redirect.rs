//! Where a client is sent.

use transom_config::{Redirect, ReplaceHost};
use transom_state::Route;

use super::template::fill_target;
use super::{Head, Told};

/// The value of Location; `None`: it would need a host, and the request names none that may stand there.
pub(crate) fn location(
    redirect: &Redirect,
    head: &Head<'_>,
    told: &Told<'_>,
    route: &Route,
) -> Option<Vec<u8>> {
    if let Some(to) = &redirect.to {
        let mut out = Vec::new();
        fill_target(&mut out, to, head, told, route);
        return Some(out);
    }
    let scheme = redirect.scheme.as_deref().unwrap_or(told.scheme());
    let mut out = format!("{scheme}://").into_bytes();
    match &redirect.host {
        Some(host) => out.extend_from_slice(host.as_bytes()),
        None => {
            let asked = head.host().filter(|host| is_plain(host))?;
            let other = redirect.scheme.as_deref().is_some_and(|scheme| scheme != told.scheme());
            let asked = if other { transom_state::route::host_name(asked) } else { asked };
            match &redirect.replace_host {
                None => out.extend_from_slice(asked),
                Some(ReplaceHost { regex, with }) => {
                    let host = regex.regex().replace(asked, with.as_bytes());
                    out.extend_from_slice(Some(&*host).filter(|host| is_plain(host))?);
                }
            }
        }
    }
    match &redirect.path {
        Some(path) => fill_target(&mut out, path, head, told, route),
        // `OPTIONS *` has no path to keep.
        None if head.target.path == b"*" => out.push(b'/'),
        None => head.push_path_and_query(&mut out),
    }
    Some(out)
}

/// Whether it is a host, with a port or not, and nothing else that a browser could read as one.
fn is_plain(host: &[u8]) -> bool {
    let fine =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    !host.is_empty() && host.iter().all(fine)
}
