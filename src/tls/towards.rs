//! The two sides: TLS towards the clients of a listener, and towards the servers of a pool.

use std::sync::Arc;
use std::time::SystemTime;

use transom_config::{Address, Listener, ListenerTls, Pool, Server, ServerTls, ServerVerify, TlsVersion};
use transom_proxy::{PoolTls, ServerTls as Towards};
use transom_tls::rustls::pki_types::ServerName;
use transom_tls::{
    Acceptor, ClientCertificates, Connector, ListenerPlan, Oldest, RevocationList, ServerSidePlan, Trust,
    server_name,
};

use super::{Certificates, authorities};
use crate::supply::Note;

/// TLS towards the clients of `listener`. `None`: one of its certificates is missing.
pub(super) fn clients(
    listener: &Listener,
    tls: &ListenerTls,
    all: &Certificates,
    before: Option<&Acceptor>,
    now: SystemTime,
) -> Result<Option<(Acceptor, Vec<Note>)>, String> {
    let certificates: Option<Vec<_>> =
        tls.certificates.iter().map(|name| all.get(name).map(Arc::clone)).collect();
    let mut notes = Vec::new();
    let clients = match &tls.clients {
        Some(asked) => Some(client_certificates(listener, asked, now, &mut notes)?),
        None => None,
    };
    let Some(certificates) = certificates else { return Ok(None) };
    let plan = ListenerPlan {
        certificates,
        strict_sni: tls.strict_sni,
        oldest: oldest(tls.min),
        alpn: tls.alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect(),
        tickets: tls.tickets,
        clients,
    };
    let acceptor = Acceptor::new(&plan, before).map_err(|why| {
        let (place, name) = (&listener.place, &listener.name);
        format!("{place}: the listener `{name}` cannot speak TLS: {why}\nhelp: look at the files that its `tls` names")
    })?;
    Ok(Some((acceptor, notes)))
}

fn client_certificates(
    listener: &Listener,
    asked: &transom_config::ClientCertificates,
    now: SystemTime,
    notes: &mut Vec<Note>,
) -> Result<ClientCertificates, String> {
    let (place, name) = (&listener.place, &listener.name);
    let authorities = authorities(&asked.ca).map_err(|why| {
        format!(
            "{place}: the listener `{name}` believes clients by the authorities in {}, but {why}\n\
             help: name a PEM file of certificates in `ca`",
            asked.ca.path.display()
        )
    })?;
    let mut revoked = Vec::new();
    if let Some(file) = &asked.crl {
        let path = file.path.display();
        revoked = RevocationList::read(&file.contents).map_err(|why| {
            format!(
                "{place}: the listener `{name}` refuses clients by the revocation lists in {path}, but {why}\n\
                 help: name a file of lists as the authority publishes them, in PEM or DER"
            )
        })?;
        let over = |list: &&RevocationList| list.next_update().is_some_and(|next| next < now);
        notes.extend(revoked.iter().filter(over).map(|list| {
            let issuer = list.issuer();
            Note::Warning(format!(
                "{place}: the revocation list of {issuer} in {path} is past its time: the listener `{name}` refuses \
                 every certificate of that authority\nhelp: fetch the new list, and reload"
            ))
        }));
    }
    Ok(ClientCertificates { authorities, revoked, required: asked.required })
}

/// TLS towards the servers of `pool`. `None`: our own certificate is missing.
pub(super) fn servers(pool: &Pool, tls: &ServerTls, all: &Certificates) -> Result<Option<PoolTls>, String> {
    let (place, name) = (&pool.place, &pool.name);
    let believed = match &tls.verify {
        ServerVerify::None => None,
        ServerVerify::Full { ca } | ServerVerify::Chain { ca } => Some(authorities(ca).map_err(|why| {
            format!(
                "{place}: the pool `{name}` believes its servers by the authorities in {}, but {why}\n\
                 help: name a PEM file of certificates in `ca`",
                ca.path.display()
            )
        })?),
    };
    let certificate = match &tls.certificate {
        None => None,
        Some(own) => match all.get(own) {
            Some(certificate) => Some(certificate.as_ref()),
            None => return Ok(None),
        },
    };
    let trust = match (&believed, &tls.verify) {
        (None, _) => Trust::AnyCertificate,
        (Some(authorities), ServerVerify::Chain { .. }) => Trust::SignedForAnyName(authorities),
        (Some(authorities), _) => Trust::SignedBy(authorities),
    };
    let plan = ServerSidePlan { trust, certificate, alpn: Vec::new(), oldest: oldest(tls.min) };
    let connector = Connector::new(&plan).map_err(|why| {
        format!("{place}: the pool `{name}` cannot speak TLS: {why}\nhelp: look at `tls` of its `connect`")
    })?;
    let towards = pool.servers.iter().map(|server| {
        let asked = asked(tls, server).ok_or_else(|| {
            format!(
                "{}: `{}` of the pool `{name}` has no name that TLS can ask for\nhelp: add `name = \"…\"` to `tls` of \
                 the pool's `connect`",
                server.place, server.name
            )
        })?;
        Ok((server.name.clone(), Towards { connector: connector.for_one_server(), name: asked }))
    });
    Ok(Some(PoolTls { servers: towards.collect::<Result<_, String>>()? }))
}

/// What a server is asked for: the name for all, or the host of its address.
fn asked(tls: &ServerTls, server: &Server) -> Option<ServerName<'static>> {
    match (&tls.name, &server.address) {
        (Some(name), _) => server_name(name),
        (None, Address::Name { host, .. }) => server_name(host),
        (None, Address::Ip(address)) => Some(address.ip().into()),
    }
}

fn oldest(version: TlsVersion) -> Oldest {
    match version {
        TlsVersion::V12 => Oldest::V1_2,
        TlsVersion::V13 => Oldest::V1_3,
    }
}
