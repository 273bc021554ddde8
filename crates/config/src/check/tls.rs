//! How TLS is spoken: `tls` of a listener and of a pool's `connect`.

use std::sync::Arc;

use super::Checker;
use crate::certificate::SYSTEM_AUTHORITIES;
use crate::file::{Fields, Value};
use crate::model::certificate::{CLIENT_CERTIFICATES, LISTENER_TLS, SERVER_TLS};
use crate::model::pool::CONNECT;
use crate::report::{Code, Fault};
use crate::words::{self, Verified};
use crate::{
    Address, ClientCertificates, Listener, ListenerMode, ListenerTls, Name, Pool, Server, ServerTls,
    ServerVerify, TlsVersion,
};

/// What an `http` listener speaks where `alpn` does not say.
pub(crate) const HTTP_ALPN: &[&str] = &["h2", "http/1.1"];

/// Bytes of the name of a protocol at most (RFC 7301 section 3.1).
const ALPN_BYTES_MAX: usize = 255;

impl Checker<'_> {
    /// `tls` of a listener.
    pub(super) fn listener_tls(&mut self, listener: &Fields) -> Option<ListenerTls> {
        let fields = listener.table("tls", &LISTENER_TLS);
        let certificates = fields.list("certificates").iter().filter_map(|item| match &item.value {
            Value::Text(name) => Some((Name::from(&**name), item.span)),
            _ => None,
        });
        let certificates: Vec<_> = certificates.collect();
        for (name, span) in &certificates {
            self.certificate_named(name, *span);
        }
        let alpn = self.alpn(&fields);
        let clients = self.client_certificates(&fields);
        listener.given("tls")?;
        Some(ListenerTls {
            certificates: certificates.into_iter().map(|(name, _)| name).collect(),
            strict_sni: fields.bool("strict-sni"),
            min: version(&fields),
            alpn,
            tickets: fields.bool("tickets"),
            clients,
        })
    }

    fn alpn(&mut self, fields: &Fields) -> Vec<Box<str>> {
        let mut protocols: Vec<Box<str>> = Vec::new();
        for item in fields.list("alpn") {
            let Value::Text(protocol) = &item.value else { continue };
            if protocol.len() > ALPN_BYTES_MAX {
                let message = "the name of a protocol is longer than 255 bytes (RFC 7301)";
                let remedy = "write a registered name, such as \"http/1.1\"";
                self.fault(Code::BadText, item.span, message, remedy);
            }
            protocols.push(protocol.clone());
        }
        protocols
    }

    fn client_certificates(&mut self, tls: &Fields) -> Option<ClientCertificates> {
        tls.given("client-certificates")?;
        let fields = tls.table("client-certificates", &CLIENT_CERTIFICATES);
        let crl = self.named_file(&fields, "crl");
        Some(ClientCertificates {
            required: fields.bool("required"),
            ca: self.named_file(&fields, "ca")?,
            crl,
        })
    }

    /// `tls` of a pool's `connect`.
    pub(super) fn server_tls(&mut self, connect: &Fields, servers: &[Server]) -> Option<ServerTls> {
        connect.given("tls")?;
        let fields = connect.table("tls", &SERVER_TLS);
        let certificate = fields.text("certificate").map(Name::from);
        if let Some(certificate) = &certificate {
            self.certificate_named(certificate, fields.place("certificate"));
        }
        let name = fields.text("name").map(Into::into);
        let verified = fields.word("verify", words::SERVER_VERIFY)?;
        let verify = if verified == Verified::Full {
            self.name_is_known(&fields, servers);
            ServerVerify::Full { ca: self.file_or(&fields, "ca", SYSTEM_AUTHORITIES)? }
        } else if verified == Verified::Chain {
            ServerVerify::Chain { ca: self.file_or(&fields, "ca", SYSTEM_AUTHORITIES)? }
        } else {
            self.unverified(&fields);
            ServerVerify::None
        };
        Some(ServerTls { verify, name, certificate, min: version(&fields) })
    }

    /// A certificate is verified for a name: one for all servers, or the host name that each is given by.
    fn name_is_known(&mut self, fields: &Fields, servers: &[Server]) {
        let nameless = servers.iter().find(|server| matches!(server.address, Address::Ip(_)));
        if let (None, Some(server)) = (fields.written("name"), nameless) {
            let message = format!(
                "`{}` is given by its IP address {}, so that nothing says what name its certificate must be for",
                server.name, server.address
            );
            let remedy = "add `name = \"…\"` with the name that is in the servers' certificates";
            self.fault(Code::MissingKey, fields.span, message, remedy);
        }
    }

    /// What a client has encrypted is relayed as it came under `passthrough`: encrypting it again is TLS within TLS,
    /// which no server expects.
    pub(super) fn encrypted_twice(
        &mut self,
        root: &Fields,
        listeners: &[Arc<Listener>],
        pools: &[Arc<Pool>],
    ) {
        let encrypting = |name: &Name| pools.iter().any(|pool| pool.name == *name && pool.tls.is_some());
        for listener in listeners {
            let ListenerMode::Passthrough(passthrough) = &listener.mode else { continue };
            let mut led = passthrough.routes.iter().map(|route| &route.pool).chain(&passthrough.pool);
            let Some(pool) = led.find(|name| encrypting(name)) else { continue };
            let named = |key: &str, name: &Name| root.named(key).iter().find(|one| one.name == *name);
            let (Some(from), Some(to)) = (named("listener", &listener.name), named("pool", pool)) else {
                continue;
            };
            let message = format!(
                "`listener.{}` relays TLS as it comes, and the pool `{pool}` would encrypt it once more",
                listener.name
            );
            let place = to.fields.table("connect", &CONNECT).place("tls");
            let fault = Fault::new(Code::ContradictoryKeys, from.fields.place("mode"), message)
                .also(place, "encrypted here");
            let remedy =
                "take `tls` out of the pool's `connect`, or write `mode = \"tls\"` with a certificate";
            self.report.push(fault.remedy(remedy));
        }
    }

    fn unverified(&mut self, fields: &Fields) {
        let message = "nothing verifies the servers: whoever stands between can pass for one of them, and read and \
                       change everything, passwords too";
        let remedy = "take `verify` out, and name in `ca` the authority that signs the servers' certificates, or their \
                      own certificate";
        self.fault(Code::UnverifiedServers, fields.place("verify"), message, remedy);
        if let Some(entry) = fields.written("ca") {
            let message = "`ca` is for `verify = \"full\"`, but the certificates are not verified";
            self.fault(Code::ContradictoryKeys, entry.span, message, "take `verify = \"none\"` out, or `ca`");
        }
    }
}

fn version(fields: &Fields) -> TlsVersion {
    fields.word("min", words::VERSIONS).unwrap_or(TlsVersion::V12)
}
