//! `transom import`: another product's configuration, written as ours, with an account of every line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::json;
use transom_import::{Format, Imported};

use crate::{exit, foreign, terminal};

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
        let imported = match foreign::read(&self.file, self.from.map(Product::format)) {
            Ok(imported) => imported,
            Err(why) => return refuse(&self.file, &why),
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
