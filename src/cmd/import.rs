//! `transom import`: another product's configuration, written as ours, with an account of every line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::json;
use transom_import::{Format, Imported, Outside, import_bytes};

use crate::{exit, terminal};

/// Exit code 0: every line has its counterpart; 1: some have none, and stand as comments; 2: it cannot be read.
#[derive(Args)]
pub(crate) struct Import {
    /// haproxy.cfg, an ALOHA's file, or squid.conf
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Whose file it is [default: by what stands in it]
    #[arg(long, value_name = "PRODUCT")]
    from: Option<Product>,
    /// Write the configuration here instead of the standard output
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print one JSON object: the configuration and the account
    #[arg(long)]
    json: bool,
}

/// A product whose files are read.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Product {
    /// haproxy.cfg
    Haproxy,
    /// Directors and packet shield of an ALOHA
    Aloha,
    /// squid.conf in accelerator mode
    Squid,
}

impl Product {
    fn format(self) -> Format {
        match self {
            Self::Haproxy => Format::Haproxy,
            Self::Aloha => Format::Aloha,
            Self::Squid => Format::Squid,
        }
    }
}

impl Import {
    /// Imports and prints: the configuration to the standard output or a file, the account to the standard error output.
    pub(crate) fn run(self) -> ExitCode {
        let bytes = match fs::read(&self.file) {
            Ok(bytes) => bytes,
            Err(error) => return refuse(&self.file, &error.to_string()),
        };
        let imported = match import_bytes(&bytes, self.from.map(Product::format), &Machine) {
            Ok(imported) => imported,
            Err(failure) => return refuse(&self.file, &failure.to_string()),
        };
        if let Some(path) = &self.output
            && let Err(error) = fs::write(path, &imported.toml)
        {
            return refuse(path, &error.to_string());
        }
        self.print(&imported);
        if imported.account.is_whole() { ExitCode::SUCCESS } else { exit::found_something() }
    }

    fn print(&self, imported: &Imported) {
        if self.json {
            let value = json!({
                "file": self.file.display().to_string(),
                "format": imported.format.word(),
                "toml": imported.toml,
                "account": imported.account.to_json(),
            });
            terminal::out(&format!("{value:#}"));
            return;
        }
        terminal::err(imported.account.render().trim_end());
        if self.output.is_none() {
            terminal::out(imported.toml.trim_end());
        }
    }
}

fn refuse(path: &Path, why: &str) -> ExitCode {
    terminal::err(&format!("error: {}: {why}", path.display()));
    exit::could_not_run()
}

/// What a file names on this machine.
struct Machine;

/// Files that a source names are read up to this size.
const FILE_BYTES_MAX: u64 = 4 << 20;

impl Outside for Machine {
    fn read(&self, path: &str) -> Option<String> {
        let about = fs::metadata(path).ok()?;
        (about.is_file() && about.len() <= FILE_BYTES_MAX).then(|| fs::read_to_string(path).ok())?
    }

    fn folder(&self, path: &str) -> Option<Vec<String>> {
        let files = fs::read_dir(path).ok()?.filter_map(Result::ok).map(|file| file.path());
        Some(files.filter(|file| file.is_file()).map(|file| file.display().to_string()).collect())
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    /// Users are told to choose another password: one that stood in a file in clear is no secret any more.
    fn hash(&self, _password: &str) -> Option<String> {
        None
    }
}
