//! What the configuration alone cannot be told by: files it names beside itself, and what this program does not do.
//! Looked into before anything is served, so that a checked file starts.

use transom_config::{Config, HealthCheck, NamedFile, Pool, Probe, Verify};

use crate::tls::authorities;

/// What is wrong with the contents of files that `config` names, and with what it asks of this program, a sentence each.
pub(crate) fn look_into(config: &Config) -> Vec<String> {
    let authorities = config.pools.iter().filter_map(|pool| look_into_authorities(pool).err());
    authorities.chain(unshielded(config)).chain(unbudgeted(config)).chain(uncounted(config)).collect()
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

/// The same of budgets.
fn unbudgeted(config: &Config) -> Option<String> {
    config.abuse.as_ref().map(|_| {
        "`[abuse]`: this program does not keep budgets of requests and failed logins yet\nhelp: take it out; Exchange's own \
         lockout policy, `limits` and `timeouts` of listeners, do their part"
            .to_owned()
    })
}

/// And of limits a source.
fn uncounted(config: &Config) -> impl Iterator<Item = String> {
    let listeners = config
        .listeners
        .iter()
        .filter(|listener| listener.limits.per_source != transom_config::PerSource::default());
    listeners.map(|listener| {
        format!(
            "{}: this program does not count connections by source yet\nhelp: take `per-source` out of the `limits` of \
             listener `{}`; `connections` limits all of them together",
            listener.place, listener.name
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
    fn limits_that_would_not_hold_are_not_promised() {
        let plain = CONFIG
            .replace(", verify = \"full\", ca = \"/ca.pem\", name = \"mail.test\"", ", verify = \"none\"");
        let budgets = "[abuse]\nfailures-per-source = { count = 30, per = \"10m\", ban = \"15m\" }\n";
        let limit = plain.replace(
            "mode = \"tcp\"",
            "mode = \"tcp\"\n        limits = { per-source = { connections = 9 } }",
        );
        for (text, expected) in [(format!("{plain}{budgets}"), "budgets"), (limit, "connections by source")] {
            let found = look_into(&transom_config::load_text("x.toml", &text).config.unwrap());
            assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
        }
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
