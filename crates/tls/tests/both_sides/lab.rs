//! Authorities, certificates and whole handshakes in memory, for the tests of both sides.

use std::sync::{Arc, Mutex};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
    date_time_ymd,
};
use transom_tls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use transom_tls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use transom_tls::rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use transom_tls::{
    Acceptor, Authorities, Certificate, Connection, Connector, Failure, ListenerPlan, Oldest, RevocationList,
    ServerSidePlan, Trust, client_config, server_name,
};

pub(crate) struct Lab(CertifiedIssuer<'static, KeyPair>);

/// What becomes of a certificate: its names or its subject, its last year, its number.
pub(crate) struct Wish<'a> {
    pub(crate) names: &'a [&'a str],
    pub(crate) subject: &'a str,
    pub(crate) last_year: i32,
    pub(crate) serial: u64,
}

impl Default for Wish<'_> {
    fn default() -> Self {
        Self { names: &[], subject: "somebody", last_year: 2500, serial: 1 }
    }
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::named("Lab")
    }

    pub(crate) fn named(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn authorities(&self) -> Authorities {
        Authorities::from_pem(self.0.pem().as_bytes()).unwrap()
    }

    /// An ECDSA certificate.
    pub(crate) fn issue(&self, wish: &Wish<'_>) -> Arc<Certificate> {
        self.issue_for(&KeyPair::generate().unwrap(), wish)
    }

    /// An RSA certificate; the key is that of the fixtures.
    pub(crate) fn issue_rsa(&self, names: &[&str]) -> Arc<Certificate> {
        let key = KeyPair::from_pem(include_str!("../fixtures/rsa-pkcs8.key")).unwrap();
        self.issue_for(&key, &Wish { names, ..Wish::default() })
    }

    fn issue_for(&self, key: &KeyPair, wish: &Wish<'_>) -> Arc<Certificate> {
        let mut params =
            CertificateParams::new(wish.names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
                .unwrap();
        params.distinguished_name.push(DnType::CommonName, wish.subject);
        params.not_after = date_time_ymd(wish.last_year, 1, 1);
        params.serial_number = Some(SerialNumber::from(wish.serial));
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(key, &self.0).unwrap();
        let pem = certificate.pem() + &key.serialize_pem();
        Arc::new(Certificate::from_pem(pem.as_bytes(), None).unwrap())
    }

    pub(crate) fn revoke(&self, serial: u64, next_year: i32) -> Vec<RevocationList> {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(next_year, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        RevocationList::read(list.signed_by(&self.0).unwrap().pem().unwrap().as_bytes()).unwrap()
    }

    /// A listener that shows `certificates`.
    pub(crate) fn plan(certificates: &[&Arc<Certificate>]) -> ListenerPlan {
        ListenerPlan {
            certificates: certificates.iter().map(|&one| Arc::clone(one)).collect(),
            ..ListenerPlan::default()
        }
    }
}

pub(crate) fn acceptor(plan: &ListenerPlan) -> Acceptor {
    Acceptor::new(plan, None).unwrap()
}

/// A client that believes anybody.
pub(crate) fn trusting() -> ServerSidePlan<'static> {
    ServerSidePlan { trust: Trust::AnyCertificate, certificate: None, alpn: Vec::new(), oldest: Oldest::V1_2 }
}

pub(crate) fn connector(plan: &ServerSidePlan<'_>) -> Connector {
    Connector::new(plan).unwrap()
}

/// Both ends after a handshake, with what went wrong at each.
pub(crate) struct Ends {
    pub(crate) client: Connection,
    pub(crate) server: Connection,
    pub(crate) client_failed: Option<Failure>,
    pub(crate) server_failed: Option<Failure>,
    /// What the server sent last.
    pub(crate) last: Vec<u8>,
}

pub(crate) fn shake(connector: &Connector, name: &str, acceptor: &Acceptor) -> Ends {
    let mut to_server = Vec::new();
    let client = connector.connect(server_name(name).unwrap(), &mut to_server).unwrap();
    let server = acceptor.accept().unwrap();
    let mut ends = Ends { client, server, client_failed: None, server_failed: None, last: Vec::new() };
    ends.run(to_server);
    ends
}

impl Ends {
    /// Carries everything to and fro until there is nothing more.
    pub(crate) fn run(&mut self, mut to_server: Vec<u8>) {
        let mut plain = Vec::new();
        while !to_server.is_empty() {
            let mut to_client = Vec::new();
            let got = self.server.receive(&mut to_server, &mut plain, &mut to_client);
            self.server_failed = self.server_failed.take().or(got.err());
            to_server.clear();
            if !to_client.is_empty() {
                self.last.clone_from(&to_client);
            }
            let got = self.client.receive(&mut to_client, &mut plain, &mut to_server);
            self.client_failed = self.client_failed.take().or(got.err());
        }
        assert!(plain.is_empty());
    }

    pub(crate) fn is_done(&self) -> bool {
        !self.client.is_handshaking() && !self.server.is_handshaking() && self.codes() == (None, None)
    }

    /// The fault codes at the client and at the server.
    pub(crate) fn codes(&self) -> (Option<&'static str>, Option<&'static str>) {
        let code = |failed: &Option<Failure>| failed.as_ref().map(|failure| failure.fault.code());
        (code(&self.client_failed), code(&self.server_failed))
    }
}

/// One message from one to the other.
pub(crate) fn carry(from: &mut Connection, to: &mut Connection, message: &[u8]) -> Vec<u8> {
    let mut wire = vec![0; message.len() + 64 * 1024];
    let (mut plain, mut out, mut taken) = (Vec::new(), Vec::new(), 0);
    while taken < message.len() {
        let sent = from.send(&message[taken..], &mut wire).unwrap();
        taken += sent.taken;
        to.receive(&mut wire[..sent.written], &mut plain, &mut out).unwrap();
    }
    plain
}

/// Believes everything, can verify `schemes` only, and remembers the OCSP response it was given.
#[derive(Debug)]
pub(crate) struct Noting {
    schemes: Vec<SignatureScheme>,
    response: Mutex<Vec<u8>>,
}

impl Noting {
    pub(crate) fn new(schemes: Vec<SignatureScheme>) -> Arc<Self> {
        Arc::new(Self { schemes, response: Mutex::default() })
    }

    pub(crate) fn client(self: &Arc<Self>) -> Arc<ClientConfig> {
        let mut config = ClientConfig::clone(&client_config(Trust::AnyCertificate).unwrap());
        config.dangerous().set_certificate_verifier(Arc::clone(self) as _);
        Arc::new(config)
    }

    pub(crate) fn response(&self) -> Vec<u8> {
        self.response.lock().unwrap().clone()
    }
}

impl ServerCertVerifier for Noting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        response: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.response.lock().unwrap() = response.to_vec();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}
