//! Whole handshakes in memory: what each kind of trust accepts and what it calls the rest.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use transom_tls::rustls::{ClientConfig, ClientConnection, Error, ServerConfig, ServerConnection};
use transom_tls::{Authorities, Refusal, Trust, client_config, provider, server_name};

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn authorities(&self) -> Authorities {
        Authorities::from_pem(self.0.pem().as_bytes()).unwrap()
    }

    fn server(&self, name: &str, last_year: i32) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Arc::new(
            ServerConfig::builder_with_provider(provider())
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![CertificateDer::from(certificate.der().to_vec())], key)
                .unwrap(),
        )
    }
}

fn shake(client: Arc<ClientConfig>, name: &str, server: Arc<ServerConfig>) -> Result<(), Error> {
    let mut client = ClientConnection::new(client, server_name(name).unwrap()).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    for _ in 0..10 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        server.read_tls(&mut wire.as_slice()).unwrap();
        drop(server.process_new_packets());
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
        if !client.is_handshaking() {
            return Ok(());
        }
    }
    panic!("the handshake did not end");
}

#[test]
fn accepts_what_trust_says_and_names_the_rest() {
    let (ours, other) = (Authority::new(), Authority::new());
    let authorities = ours.authorities();
    let full = client_config(Trust::SignedBy(&authorities)).unwrap();
    let chain = client_config(Trust::SignedForAnyName(&authorities)).unwrap();
    let none = client_config(Trust::AnyCertificate).unwrap();
    let table = [
        ("good", &full, ours.server("a.test", 2500), None),
        ("another name", &full, ours.server("b.test", 2500), Some(Refusal::Name)),
        ("over", &full, ours.server("a.test", 2001), Some(Refusal::Expired)),
        ("signed by a stranger", &full, other.server("a.test", 2500), Some(Refusal::Untrusted)),
        ("another name, by the chain", &chain, ours.server("b.test", 2500), None),
        ("over, by the chain", &chain, ours.server("a.test", 2001), Some(Refusal::Expired)),
        ("stranger, by the chain", &chain, other.server("a.test", 2500), Some(Refusal::Untrusted)),
        ("another name, unverified", &none, ours.server("b.test", 2500), None),
        ("over, unverified", &none, ours.server("a.test", 2001), None),
        ("stranger, unverified", &none, other.server("a.test", 2500), None),
    ];
    for (case, client, server, want) in table {
        let got = shake(Arc::clone(client), "a.test", server).err().map(|error| Refusal::of(&error));
        assert_eq!(got, want, "{case}");
    }
}

#[test]
fn plain_text_is_recognised() {
    for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n", "220 mail.example.com ESMTP\r\n", "SSH-2.0-x\r\n"] {
        let config = client_config(Trust::AnyCertificate).unwrap();
        let mut client = ClientConnection::new(config, server_name("a.test").unwrap()).unwrap();
        client.read_tls(&mut answer.as_bytes()).unwrap();
        let error = client.process_new_packets().unwrap_err();
        assert_eq!(Refusal::of(&error), Refusal::NotTls, "{answer:?}: {error:?}");
    }
}
