//! `transom check` on every configuration in examples/.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use transom_testkit::ca::Authority;

use super::Outcome;
use super::count::Counts;
use crate::shell::{self, cargo, keep};

/// Where the examples keep certificates. They are another machine's, so here they are made up.
const CERTIFICATES: &str = "/etc/transom/tls/";

/// Builds the program and lets it check each of them.
pub(super) fn area() -> Result<Outcome> {
    let built = keep(&mut cargo(&["build", "--package", "transom", "--locked"]))?;
    if !built.success {
        return Ok(Outcome {
            counts: Counts::one(false),
            ran: "cargo build".to_owned(),
            output: built.output,
        });
    }
    let program = shell::target_folder()?.join("debug/transom");
    let is_example =
        |file: &Path| file.starts_with("examples") && file.extension().is_some_and(|it| it == "toml");
    let files: Vec<_> = shell::files()?.into_iter().filter(|file| is_example(file)).collect();
    let folder = made_up_certificates()?;
    let (mut output, mut failed) = (String::new(), 0);
    for file in &files {
        let here = with_certificates(file, &folder)?;
        let ended = keep(Command::new(&program).args(["check", "-c"]).arg(here))?;
        output.push_str(&ended.output);
        failed += usize::from(!ended.success);
    }
    let counts = if files.is_empty() { Counts::one(false) } else { Counts::of(files.len(), failed) };
    if files.is_empty() {
        output.push_str("there is no configuration in examples/\n");
    }
    Ok(Outcome { counts, ran: format!("transom check on {} files", files.len()), output })
}

/// A folder with every file that examples name below [`CERTIFICATES`].
fn made_up_certificates() -> Result<PathBuf> {
    let folder = shell::target_folder()?.join("xtask/examples");
    fs::create_dir_all(&folder)?;
    let authority = Authority::new("Authority of the examples")?;
    authority.write(folder.join("internal-ca.pem"))?;
    for name in ["mail", "contoso", "san", "other-san", "site"] {
        authority.leaf(&["mail.example.com"])?.write(&folder, name)?;
    }
    Ok(folder)
}

/// The example with its certificates looked for in `folder`.
fn with_certificates(example: &Path, folder: &Path) -> Result<PathBuf> {
    let text = fs::read_to_string(shell::root().join(example))?;
    let here = folder.join(example.file_name().unwrap_or_default());
    fs::write(&here, text.replace(CERTIFICATES, &format!("{}/", folder.display())))?;
    Ok(here)
}
