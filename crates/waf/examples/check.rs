//! Loads rule files and says what is wrong with them: `cargo run --example check -- FILE…`.

#![expect(clippy::print_stdout, reason = "an example's results are its output")]

use transom_waf::lang::Files;
use transom_waf::{Engine, RuleSource};

struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        std::fs::read(path).map_err(|error| format!("{path}: {error}"))
    }
    fn list(&self, directory: &str) -> Result<Vec<String>, String> {
        let entries = std::fs::read_dir(directory).map_err(|error| format!("{directory}: {error}"))?;
        Ok(entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect())
    }
}

fn main() {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let sources: Vec<RuleSource<'_>> = names.iter().map(|name| RuleSource::File(name)).collect();
    match Engine::load(&sources, &Disk) {
        Ok(engine) => {
            engine.warnings().iter().for_each(|warning| println!("{warning}"));
            println!("{} rules", engine.rule_count());
        }
        Err(errors) => errors.iter().for_each(|error| println!("{error}")),
    }
}
