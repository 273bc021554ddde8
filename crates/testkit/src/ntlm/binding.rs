//! Channel bindings: what ties a login to the certificate the client saw.

use aws_lc_rs::digest::{SHA256, digest};
use md5::{Digest, Md5};

/// MD5 of the `gss_channel_bindings_struct` (RFC 2744 3.11, [MS-NLMP] 3.1.5.1.2) for `tls-server-end-point` (RFC 5929 4)
/// with this certificate (DER). Good for certificates signed with SHA-256, as all of this kit's are.
pub fn tls_server_end_point(certificate: &[u8]) -> [u8; 16] {
    let mut data = b"tls-server-end-point:".to_vec();
    data.extend(digest(&SHA256, certificate).as_ref());
    let len = u32::try_from(data.len()).expect("a prefix and a hash are short");
    let mut structure = vec![0; 16]; // no addresses: two types and two lengths
    structure.extend(len.to_le_bytes());
    structure.extend(data);
    Md5::digest(&structure).into()
}
