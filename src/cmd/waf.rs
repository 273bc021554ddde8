//! `transom waf`: what a firewall found in a request, and tests of rules without a socket.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use transom_config::{Config, Options};
use transom_control::Client;
use transom_waf::{Store, ftw};

use crate::files::Disk;
use crate::{admin_socket, exit, terminal, waf};

/// Firewalls on the command line.
#[derive(Args)]
pub(crate) struct Waf {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Why a running transom refused a request, or what its rules found in it
    Explain {
        /// `Transom-Request` of the answer, `id` in the access log
        #[arg(value_name = "REQUEST-ID")]
        id: String,
        /// The admin socket [default: this user's own, then /run/transom/admin.sock]
        #[arg(long, value_name = "PATH")]
        socket: Option<PathBuf>,
    },
    /// Run regression tests in go-ftw's form against a configured firewall, without a socket
    ///
    /// Exit code 0: all passed; 1: one did not; 2: they could not be run.
    Test {
        /// Files of tests (YAML)
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The configuration file
        #[arg(short = 'c', long = "config", value_name = "FILE")]
        config: PathBuf,
        /// Which firewall; needed where there are several
        #[arg(long, value_name = "NAME")]
        waf: Option<String>,
    },
}

impl Waf {
    /// Does what was asked.
    pub(crate) fn run(self) -> ExitCode {
        match self.what {
            What::Explain { id, socket } => explain(&id, socket),
            What::Test { files, config, waf } => match test(&files, &config, waf.as_deref()) {
                Ok(true) => ExitCode::SUCCESS,
                Ok(false) => exit::found_something(),
                Err(sentence) => {
                    terminal::err(&format!("error: {sentence}"));
                    exit::could_not_run()
                }
            },
        }
    }
}

fn explain(id: &str, socket: Option<PathBuf>) -> ExitCode {
    let known = admin_socket::candidates();
    let Some(socket) = socket.or_else(|| known.into_iter().find(|path| path.exists())) else {
        terminal::err("error: there is no admin socket: is transom running?\nhelp: `--socket PATH` names it");
        return exit::could_not_run();
    };
    let client = Client::unix(socket);
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        terminal::err("error: a request's id is made of hexadecimal digits");
        return exit::could_not_run();
    }
    match client.get(&format!("/api/v1/waf/requests/{id}")) {
        Err(error) => {
            terminal::err(&format!("error: {error}"));
            exit::could_not_run()
        }
        Ok(reply) => {
            let answer: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
            match answer["text"].as_str().filter(|_| reply.status == 200) {
                Some(text) => {
                    terminal::out(text.trim_end());
                    ExitCode::SUCCESS
                }
                None => {
                    terminal::err(
                        "error: no firewall found anything in that request, or it was too long ago",
                    );
                    exit::found_something()
                }
            }
        }
    }
}

/// Runs the tests, prints those that fail; whether all passed.
fn test(files: &[PathBuf], config: &Path, waf: Option<&str>) -> Result<bool, String> {
    let disk = Disk::default();
    let loaded = transom_config::load(config, &disk, &Options::default());
    let Some(config) = loaded.config else { return Err(loaded.report.render(terminal::colour())) };
    let waf = chosen(&config, waf)?;
    let engine = waf::compile(waf, &disk).map_err(|errors| errors.join("\n"))?;
    let site = ftw::Site { engine, store: Arc::new(Store::new()), mode: Some(waf::mode(waf)), traced: false };
    let (mut all, mut failed) = (0, 0);
    for file in files {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let tests = ftw::read(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        for test in &tests {
            let faults = site.check(test);
            all += 1;
            failed += usize::from(!faults.is_empty());
            for fault in faults {
                terminal::out(&format!("{}: {}: {fault}", file.display(), test.name));
            }
        }
    }
    terminal::out(&format!("waf {}: {} of {all} tests passed", waf.name, all - failed));
    Ok(failed == 0)
}

fn chosen<'c>(config: &'c Config, name: Option<&str>) -> Result<&'c transom_config::Waf, String> {
    match (name, &*config.wafs) {
        (Some(name), _) => {
            config.waf(name).map(AsRef::as_ref).ok_or_else(|| format!("there is no waf `{name}`"))
        }
        (None, [one]) => Ok(one),
        (None, []) => Err("the configuration has no waf".to_owned()),
        (None, _) => Err("there are several: say which with --waf".to_owned()),
    }
}
