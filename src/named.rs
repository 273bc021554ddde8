//! What the configuration alone cannot be told by: files it names beside itself, and what this program does not do.
//! Looked into before anything is served, so that a checked file starts.

use transom_config::{Config, HealthCheck, NamedFile, Pool, Probe, Verify};

use crate::tls::authorities;

/// What is wrong with the contents of files that `config` names, and with what it asks of this program, a sentence each.
pub(crate) fn look_into(config: &Config) -> Vec<String> {
    let authorities = config.pools.iter().filter_map(|pool| look_into_authorities(pool).err());
    authorities.chain(unshielded(config)).collect()
}

/// Somebody who believes in a shield that is not there is worse off than somebody who knows.
fn unshielded(config: &Config) -> Option<String> {
    config.shield.as_ref().map(|shield| {
        format!(
            "{}: this program does not load the packet shield yet\nhelp: take `[shield]` out; SYN cookies of the kernel, \
             and `allow`, `refuse` and `limits` of listeners, do their part",
            shield.place
        )
    })
}

fn look_into_authorities(pool: &Pool) -> Result<(), String> {
    let Some(file) = pool.health_check.as_ref().and_then(believed) else { return Ok(()) };
    authorities(file).map(drop).map_err(|why| {
        format!(
            "{}: the health check of pool `{}` believes the authorities in {}, but {why}\nhelp: name a PEM file of \
             certificates, or write `verify = \"none\"`",
            pool.place,
            pool.name,
            file.path.display()
        )
    })
}

fn believed(check: &HealthCheck) -> Option<&NamedFile> {
    match &check.probe {
        Probe::Tls { verify: Verify::Full { ca, .. } }
        | Probe::Sequence { tls: Some(Verify::Full { ca, .. }), .. }
        | Probe::Http { tls: Some(Verify::Full { ca, .. }), .. } => Some(ca),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_config::{Options, load};

    use crate::files::Remembered;

    const CONFIG: &str = r#"
        [listener.door]
        bind = ["127.0.0.1:0"]
        mode = "tcp"
        pool = "mail"
        [pool.mail]
        health-check = { https = "/", verify = "full", ca = "/ca.pem", name = "mail.test" }
        servers = [{ name = "ex1", address = "192.0.2.1:443" }]
    "#;

    fn sentences(authorities: &str) -> Vec<String> {
        let files = vec![("x.toml".into(), CONFIG.into()), ("/ca.pem".into(), authorities.into())];
        let files = Remembered { files, patterns: Vec::new() };
        let loaded = load("x.toml".as_ref(), &files, &Options::default());
        look_into(&loaded.config.unwrap())
    }

    #[test]
    fn a_shield_that_would_not_stand_is_not_promised() {
        let text = format!(
            "{}[shield]\ninterfaces = [\"eth0\"]\n",
            CONFIG.replace(
                ", verify = \"full\", ca = \"/ca.pem\", name = \"mail.test\"",
                ", verify = \"none\""
            )
        );
        let config = transom_config::load_text("x.toml", &text).config.unwrap();
        let found = look_into(&config);
        assert!(found.len() == 1 && found[0].contains("does not load the packet shield"), "{found:?}");
    }

    #[test]
    fn a_file_of_authorities_must_hold_some() {
        let authority = transom_testkit::ca::Authority::new("Lab").unwrap();
        assert_eq!(sentences(authority.pem()), Vec::<String>::new());
        for (contents, expected) in [("", "it holds no certificate"), ("x", "it holds no certificate")] {
            let found = sentences(contents);
            assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
            assert!(found[0].starts_with("x.toml:6: the health check of pool `mail`"), "{found:?}");
        }
    }
}
