//! Clients of Exchange that are written in Python, installed where cargo builds.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Outcome;
use super::count::Counts;
use crate::shell::{self, cargo, describe, keep};

/// What is installed, every version pinned.
const REQUIREMENTS: &str = "tests/clients/requirements.txt";

/// A Python that has what [`REQUIREMENTS`] names, made anew when that has changed.
pub(crate) fn python_env() -> Result<PathBuf> {
    let folder = shell::target_folder()?.join("clients-env");
    let python = folder.join("bin/python");
    let wanted = fs::read_to_string(shell::root().join(REQUIREMENTS)).context(REQUIREMENTS)?;
    let stamp = folder.join("requirements.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    eprintln!("x: installing the clients of {REQUIREMENTS} from PyPI into {}", folder.display());
    let made = keep(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    if !made.success {
        bail!("no environment for Python (Debian package python3-venv):\n{}", made.output);
    }
    let mut pip = Command::new(&python);
    pip.current_dir(shell::root()).args(["-m", "pip", "install", "--quiet", "-r", REQUIREMENTS]);
    let installed = keep(&mut pip)?;
    if !installed.success {
        bail!("{}", installed.output);
    }
    fs::write(&stamp, wanted)?; // last: what broke off half way is begun again
    Ok(python)
}

/// The test area: they meet the pretend Exchange server.
pub(super) fn area() -> Result<Outcome> {
    let python = python_env()?;
    let mut command = cargo(&["test", "--package", "transom-testkit", "--test", "clients", "--locked"]);
    let ended = keep(command.env("TRANSOM_PYTHON", python))?;
    let counts = Counts::read(&ended.output, ended.success);
    Ok(Outcome { counts, ran: describe(&command), output: ended.output })
}
