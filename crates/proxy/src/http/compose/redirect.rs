//! Where a client is sent.

use transom_config::Redirect;

use super::{Head, Told};

/// The value of Location; `None`: it would need a host, and the request names none that may stand there.
pub(crate) fn location(redirect: &Redirect, head: &Head<'_>, told: &Told<'_>) -> Option<Vec<u8>> {
    if let Some(to) = &redirect.to {
        return Some(to.as_bytes().to_vec());
    }
    let scheme = redirect.scheme.as_deref().unwrap_or(told.scheme());
    let mut out = format!("{scheme}://").into_bytes();
    match &redirect.host {
        Some(host) => out.extend_from_slice(host.as_bytes()),
        None => {
            let asked = head.host().filter(|host| is_plain(host))?;
            let other = redirect.scheme.as_deref().is_some_and(|scheme| scheme != told.scheme());
            out.extend_from_slice(if other { transom_state::route::host_name(asked) } else { asked });
        }
    }
    match &redirect.path {
        Some(path) => out.extend_from_slice(path.as_bytes()),
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
