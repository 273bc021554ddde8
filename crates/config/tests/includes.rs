//! Several files as one: `include`, its limits, and what is said of the wrong ones.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use transom_config::{FILES_MAX, Files, Loaded, Options, load};

/// Files in memory. A pattern matches as a shell's `*` does within one folder.
struct Memory(BTreeMap<PathBuf, String>);

impl Files for Memory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let plain: PathBuf = path.components().collect();
        match self.0.get(&plain) {
            Some(text) => Ok(text.clone().into_bytes()),
            None if path.ends_with("secret.toml") => Err(io::ErrorKind::PermissionDenied.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let pattern = pattern.to_string_lossy();
        let (before, after) = pattern.split_once('*').expect("only patterns come here");
        let fits = |path: &&PathBuf| {
            let text = path.to_string_lossy();
            let middle = text.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            middle.is_some_and(|middle| !middle.contains('/'))
        };
        // In the wrong order, as a folder may well be listed.
        Ok(self.0.keys().rev().filter(fits).cloned().collect())
    }
}

const LISTENER: &str = "[listener.web]\nbind = [\"[::]:443\"]\nmode = \"tcp\"\npool = \"web\"\n";
const POOL: &str = "[pool.web]\nservers = [{ name = \"web1\", address = \"192.0.2.10:443\" }]\n";

fn loaded(files: &[(&str, &str)]) -> Loaded {
    let files = files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
    load(Path::new("etc/main.toml"), &Memory(files), &Options::default())
}

fn report(files: &[(&str, &str)]) -> String {
    loaded(files).report.render(false)
}

#[test]
fn patterns_are_relative_to_the_file_and_read_by_name() {
    let main = format!("include = [\"conf.d/*.toml\", \"../pools.toml\"]\n{LISTENER}");
    let other = |n: u32| LISTENER.replace("web]", &format!("web{n}]")).replace(":443", &format!(":{n}"));
    let loaded = loaded(&[
        ("etc/main.toml", &main),
        ("etc/conf.d/b.toml", &other(2)),
        ("etc/conf.d/a.toml", &other(1)),
        ("etc/conf.d/deep/c.toml", "polo = 1"),
        ("pools.toml", POOL),
    ]);
    // The path of a file in `include` is joined to the folder of the file that includes it.
    assert_eq!(
        loaded.report.render(false).lines().next(),
        Some("error[file-unreadable]: cannot read etc/../pools.toml: entity not found",)
    );
    let names: Vec<String> = loaded.sources.iter().map(|source| source.path.display().to_string()).collect();
    assert_eq!(names, ["etc/main.toml", "etc/conf.d/a.toml", "etc/conf.d/b.toml"]);
}

#[test]
fn what_is_included_counts_as_written_here() {
    let main = format!("include = [\"log.toml\", \"pools/*.toml\", \"none-yet/*.toml\"]\n{LISTENER}");
    let loaded = loaded(&[
        ("etc/main.toml", &main),
        ("etc/log.toml", "[log]\nlevel = \"debug\"\n"),
        ("etc/pools/web.toml", &format!("# the pool\n\n{POOL}")),
    ]);
    assert_eq!(loaded.report.render(false), "");
    let config = loaded.config.expect("it is sound");
    assert_eq!(config.pools[0].place.to_string(), "etc/pools/web.toml:3");
    assert_eq!(config.log.level, transom_config::Level::Debug);
}

#[test]
fn each_fault_stands_in_its_own_file() {
    let main = format!("include = [\"pool.toml\"]\n{LISTENER}polo = 1\n");
    let report =
        report(&[("etc/main.toml", &main), ("etc/pool.toml", &format!("{POOL}ballance = \"first\"\n"))]);
    for place in ["etc/main.toml:6:1", "etc/pool.toml:3:1"] {
        assert!(report.contains(place), "{report}");
    }
}

#[test]
fn what_is_given_in_two_files_names_both_places() {
    let main = format!("include = [\"more.toml\"]\n[log]\nlevel = \"info\"\n{LISTENER}{POOL}");
    let report =
        report(&[("etc/main.toml", &main), ("etc/more.toml", &format!("[log]\nlevel = \"warn\"\n{POOL}"))]);
    assert!(report.contains("error[duplicate-key]: `log` is given in two files"), "{report}");
    assert!(report.contains("error[duplicate-name]: there are two of the name `web`"), "{report}");
    for place in ["etc/more.toml:1:2", "etc/main.toml:2:2", "etc/more.toml:3:7", "etc/main.toml:8:7"] {
        assert!(report.contains(place), "{place} in {report}");
    }
}

#[test]
fn a_cycle_is_reported_where_it_closes() {
    let main = format!("include = [\"a.toml\"]\n{LISTENER}{POOL}");
    let report = report(&[
        ("etc/main.toml", &main),
        ("etc/a.toml", "include = [\"./x/../b.toml\"]\n"),
        ("etc/b.toml", "\ninclude = [\"a.toml\"]\n"),
    ]);
    assert!(report.contains("error[file-unreadable]"), "{report}");
    let report = self::report(&[
        ("etc/main.toml", &main),
        ("etc/a.toml", "include = [\"./b.toml\"]\n"),
        ("etc/b.toml", "\ninclude = [\"a.toml\", \"main.toml\"]\n"),
    ]);
    assert!(report.contains("error[include-cycle]: etc/a.toml includes itself"), "{report}");
    assert!(report.contains("error[include-cycle]: etc/main.toml includes itself"), "{report}");
    assert!(report.contains("etc/b.toml:2:12") && report.contains("etc/main.toml:1:12"), "{report}");
}

#[test]
fn a_file_included_from_two_places_is_read_once() {
    let main = format!("include = [\"a.toml\", \"b.toml\"]\n{LISTENER}");
    let report =
        report(&[("etc/main.toml", &main), ("etc/a.toml", "include = [\"b.toml\"]\n"), ("etc/b.toml", POOL)]);
    assert!(report.contains("error[included-twice]: etc/b.toml is included twice"), "{report}");
    assert!(report.ends_with("\n1 error\n"), "{report}");
}

#[test]
fn a_file_that_cannot_be_read_is_named_where_it_was_asked_for() {
    let main = format!("include = [\"gone.toml\", \"secret.toml\"]\n{LISTENER}{POOL}");
    let report = report(&[("etc/main.toml", &main)]);
    assert!(
        report.contains("cannot read etc/gone.toml") && report.contains("etc/main.toml:1:12"),
        "{report}"
    );
    assert!(
        report.contains("cannot read etc/secret.toml") && report.contains("etc/main.toml:1:25"),
        "{report}"
    );
    // What a missing file may hold is not said to be missing.
    let main = format!("include = [\"gone.toml\"]\n{LISTENER}");
    assert!(!self::report(&[("etc/main.toml", &main)]).contains("dangling"));
}

#[test]
fn a_first_file_that_cannot_be_read_leaves_no_source() {
    let loaded = loaded(&[]);
    assert!(loaded.sources.is_empty() && loaded.config.is_none());
    let report = loaded.report.render(false);
    assert!(report.starts_with("error[file-unreadable]: cannot read etc/main.toml"), "{report}");
    assert!(report.contains("-c") && report.ends_with("\n1 error\n"), "{report}");
}

#[test]
fn too_many_files_are_refused() {
    let main = format!("include = [\"many/*.toml\"]\n{LISTENER}{POOL}");
    let names: Vec<String> = (0..FILES_MAX + 5).map(|n| format!("etc/many/{n:05}.toml")).collect();
    let mut files = vec![("etc/main.toml", main.as_str())];
    files.extend(names.iter().map(|name| (name.as_str(), "# nothing\n")));
    let loaded = loaded(&files);
    assert_eq!(loaded.sources.len(), FILES_MAX);
    let report = loaded.report.render(false);
    assert!(report.contains("error[too-many-files]"), "{report}");
}
