//! Files that the configuration names beside itself: read and looked into before anything is served, so that a checked
//! file starts, and so that they are part of a supply.

use std::path::Path;

use transom_config::{Config, Files, HealthCheck, Pool, Probe, Verify};
use transom_tls::Authorities;

/// Reads every file that `config` names. What is wrong with them, a sentence each.
pub(crate) fn look_into(config: &Config, files: &dyn Files) -> Vec<String> {
    config.pools.iter().filter_map(|pool| look_into_authorities(pool, files).err()).collect()
}

fn look_into_authorities(pool: &Pool, files: &dyn Files) -> Result<(), String> {
    let Some(path) = pool.health_check.as_ref().and_then(authorities) else { return Ok(()) };
    let read = files.read(path).map_err(|error| error.to_string());
    let usable = read.and_then(|pem| Authorities::from_pem(&pem).map_err(|unusable| unusable.to_string()));
    usable.map(drop).map_err(|why| {
        format!(
            "{}: the health check of pool `{}` believes the authorities in {}, but {why}\nhelp: name a PEM file of \
             certificates, or write `verify = \"none\"`",
            pool.place,
            pool.name,
            path.display()
        )
    })
}

fn authorities(check: &HealthCheck) -> Option<&Path> {
    match &check.probe {
        Probe::Tls { verify: Verify::Full { ca, .. } }
        | Probe::Http { tls: Some(Verify::Full { ca, .. }), .. } => Some(ca),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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

    fn sentences(contents: Option<&str>) -> Vec<String> {
        let config = transom_config::load_text("x.toml", CONFIG).config.unwrap();
        let files = contents.map(|text| ("/ca.pem".into(), text.into())).into_iter().collect();
        look_into(&config, &Remembered { files, patterns: Vec::new() })
    }

    #[test]
    fn a_file_of_authorities_must_be_there_and_hold_some() {
        let authority = transom_testkit::ca::Authority::new("Lab").unwrap();
        assert_eq!(sentences(Some(authority.pem())), Vec::<String>::new());
        let cases = [
            (None, "entity not found"),
            (Some(""), "it holds no certificate"),
            (Some("x"), "it holds no certificate"),
        ];
        for (contents, expected) in cases {
            let found = sentences(contents);
            assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
            assert!(found[0].starts_with("x.toml:6: the health check of pool `mail`"), "{found:?}");
        }
    }
}
