//! How a configuration speaks TLS: built from the files it names, off the workers, before anything is served by it.

mod certificate;
mod towards;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use transom_config::{Config, Name, NamedFile, SYSTEM_AUTHORITIES};
use transom_proxy::TlsWorld;
use transom_tls::{Acceptor, Authorities, Certificate, Unusable};

use crate::supply::Note;

pub(crate) use certificate::{Expiry, expiry};

/// The TLS of the listeners of one generation.
pub(crate) type Acceptors = HashMap<Name, Arc<Acceptor>>;

/// What a configuration comes to.
pub(crate) struct Built {
    /// For the workers.
    pub(crate) world: TlsWorld,
    /// What is worth saying about it.
    pub(crate) notes: Vec<Note>,
    certificates: Certificates,
}

type Certificates = HashMap<Name, Arc<Certificate>>;

/// Builds everything. Clients of `before`, the listeners of the last generation, may go on resuming where nothing that
/// concerns them has changed. The error is all that is wrong, a sentence and a remedy each.
pub(crate) fn build(config: &Config, before: &Acceptors, now: SystemTime) -> Result<Built, Vec<String>> {
    let (mut faults, mut notes) = (Vec::new(), Vec::new());
    let mut certificates = Certificates::new();
    for one in &config.certificates {
        match certificate::read(one) {
            Ok(certificate) => {
                notes.extend(certificate::notes(one, &certificate, now));
                certificates.insert(Name::clone(&one.name), Arc::new(certificate));
            }
            Err(sentence) => faults.push(sentence),
        }
    }
    let mut world = TlsWorld::default();
    for listener in &config.listeners {
        let Some(tls) = listener.mode.tls() else { continue };
        let before = before.get(&listener.name).map(AsRef::as_ref);
        match towards::clients(listener, tls, &certificates, before, now) {
            Ok(Some((acceptor, said))) => {
                notes.extend(said);
                world.acceptors.insert(Name::clone(&listener.name), Arc::new(acceptor));
            }
            // One of its certificates is faulty, and that has been said.
            Ok(None) => {}
            Err(sentence) => faults.push(sentence),
        }
    }
    for pool in &config.pools {
        let Some(tls) = &pool.tls else { continue };
        match towards::servers(pool, tls, &certificates) {
            Ok(Some(connecting)) => {
                world.pools.insert(Name::clone(&pool.name), connecting);
            }
            Ok(None) => {}
            Err(sentence) => faults.push(sentence),
        }
    }
    if faults.is_empty() { Ok(Built { world, notes, certificates }) } else { Err(faults) }
}

impl Built {
    /// The certificate of that name.
    pub(crate) fn certificate(&self, name: &Name) -> Option<&Arc<Certificate>> {
        self.certificates.get(name)
    }
}

/// The authorities of a file. In the system's own there may be some that nobody can use.
pub(crate) fn authorities(file: &NamedFile) -> Result<Authorities, Unusable> {
    if file.path.as_os_str() == SYSTEM_AUTHORITIES {
        return Authorities::from_system_bundle(&file.contents).map(|(authorities, _)| authorities);
    }
    Authorities::from_pem(&file.contents)
}

#[cfg(test)]
mod tests;
