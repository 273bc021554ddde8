//! Input that nobody wrote by hand: it gets a report, never a panic, and never takes long.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests read the broken files and measure how long loading takes"
)]

use std::time::{Duration, Instant};

use transom_config::{FAULTS_MAX, FILE_BYTES_MAX, Loaded, expanded, load_bytes, load_text};

/// What one input may take, in a build without optimization on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// Loads, and draws the report in every form.
fn whole(bytes: &[u8]) -> Loaded {
    let loaded = load_bytes("hostile.toml", bytes);
    let (rendered, json) = (loaded.report.render(false), loaded.report.to_json());
    assert_eq!(loaded.config.is_none(), loaded.report.errors() > 0);
    assert!(rendered.len() < 1 << 20, "a report nobody could read: {} bytes", rendered.len());
    assert!(json["faults"].as_array().is_some_and(|faults| faults.len() <= 2 * FAULTS_MAX));
    loaded
}

/// Half a megabyte of `unit`.
fn much(unit: &str) -> String {
    unit.repeat((1 << 19) / unit.len())
}

/// Lines made of their number.
fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

#[test]
fn large_and_strange_files_are_reported_in_good_time() {
    let inputs = [
        ("one long line", format!("zone = \"{}\"\n", "a".repeat(3 << 20))),
        ("one long key", format!("{} = 1\n", "a".repeat(3 << 20))),
        ("one long comment", format!("# {}\npolo = 1 # {}", much("ä"), much("z"))),
        ("brackets", much("[")),
        ("lists in lists", format!("x = {}", much("["))),
        ("tables in tables", format!("x = {}", much("{a="))),
        ("dots", format!("a{} = 1", much(".a"))),
        ("equals signs", much("=\n")),
        ("quotation marks", much("\"\n")),
        ("carriage returns", much("a = 1\r")),
        ("the same key", much("a = 1\n")),
        ("the same table", much("[pool.web]\n")),
        ("the same list of tables", much("[[pool.web.servers]]\n")),
        ("unquoted", lines(60_000, |n| format!("a{n} = b{n}\n"))),
        ("unknown keys", lines(60_000, |n| format!("key{n} = 1\n"))),
        ("unknown tables", lines(60_000, |n| format!("[table{n}]\n"))),
        ("digits", format!("workers = {}", much("9"))),
        ("a password on every line", much("password = \"secret\"\n")),
        ("a password key a thousand times in one line", format!("x = \"{}", much("password = "))),
    ];
    for (what, text) in inputs {
        let start = Instant::now();
        let loaded = whole(text.as_bytes());
        assert!(loaded.report.errors() > 0, "{what}");
        assert!(start.elapsed() < DEADLINE, "{what} took {:?}", start.elapsed());
    }
}

#[test]
fn many_sound_things_load_in_good_time() {
    let pool = |n: usize| {
        format!("[pool.p{n}]\nservers = [{{ name = \"s\", address = \"10.0.0.1:{}\" }}]\n", n % 60_000 + 1)
    };
    let route =
        |n: usize| format!("  {{ sni = [\"*.h{n}.example\", \"www.h{n}.test\"], pool = \"p{n}\" }},\n");
    let count = 10_000;
    let listener = "[listener.a]\nbind = [\"[::]:443\"]\nmode = \"passthrough\"\nroutes = [\n";
    let text = format!("{listener}{}]\n{}", lines(count, route), lines(count, pool));
    let start = Instant::now();
    let loaded = whole(text.as_bytes());
    assert_eq!(loaded.report.render(false), "");
    assert_eq!(loaded.config.map(|config| config.pools.len()), Some(count));
    assert!(start.elapsed() < DEADLINE, "took {:?}", start.elapsed());
    // The same with every reference misspelled.
    let start = Instant::now();
    assert_eq!(whole(text.replace("pool = \"p", "pool = \"q").as_bytes()).report.errors(), count);
    assert!(start.elapsed() < DEADLINE, "took {:?}", start.elapsed());
}

#[test]
fn a_file_that_is_too_large_is_not_read_on() {
    let report = whole(&vec![b'a'; FILE_BYTES_MAX + 1]).report;
    assert_eq!(report.errors(), 1);
    assert!(report.render(false).contains("error[file-too-large]"));
}

#[test]
fn what_is_left_out_of_the_report_is_counted() {
    let report = whole(lines(500, |n| format!("key{n} = 1\n")).as_bytes()).report;
    assert_eq!((report.errors(), report.faults().count()), (501, FAULTS_MAX));
    assert!(report.render(false).ends_with("and 401 more\n501 errors\n"));
    assert_eq!(report.to_json()["left-out"], 401);
}

#[test]
fn byte_order_marks_and_both_line_ends_are_taken() {
    let text = "[listener.a]\nbind = [\"[::]:443\"]\nmode = \"tcp\"\npool = \"p\"\n\
        [pool.p]\nservers = [{ name = \"s\", address = \"10.0.0.1:443\" }]\n";
    let plain = load_text("x", text).config;
    assert!(plain.is_some());
    assert_eq!(load_text("x", &format!("\u{feff}{}", text.replace('\n', "\r\n"))).config, plain);
}

/// A generator that gives the same numbers each time (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    }
}

/// Broken files, then examples, as bytes.
fn seeds() -> Vec<Vec<u8>> {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seeds = Vec::new();
    for folder in [here.join("tests/broken"), here.join("../../examples")] {
        let files = std::fs::read_dir(folder).expect("the folder is there");
        let mut files: Vec<_> = files.map(|file| file.expect("it can be listed").path()).collect();
        files.retain(|path| path.extension().is_some_and(|ext| ext == "toml"));
        files.sort();
        seeds.extend(files.iter().map(|path| std::fs::read(path).expect("it can be read")));
    }
    seeds
}

#[test]
fn damaged_files_never_panic_and_what_loads_is_written_out_the_same() {
    let seed: u64 = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let seeds = seeds();
    let mut loads = 0;
    for round in 0..600 {
        let mut numbers = Numbers((seed + round).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        // The examples come last, and damage leaves those sound more often.
        let first = if round % 2 == 0 { 0 } else { seeds.len() - 5 };
        let mut bytes = seeds[first + numbers.below(seeds.len() - first)].clone();
        for _ in 0..=numbers.below(4) {
            damage(&mut bytes, &seeds, &mut numbers);
        }
        let loaded = whole(&bytes);
        let Some(config) = loaded.config else { continue };
        loads += 1;
        let again = load_text("again", &expanded(&config));
        assert_eq!(again.config.as_ref(), Some(&config), "round {round}: {}", again.report.render(false));
    }
    assert!(loads > 5, "only {loads} damaged files were still sound");
}

/// Changes, removes, repeats or brings in some bytes.
fn damage(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], numbers: &mut Numbers) {
    let at = numbers.below(bytes.len() + 1);
    let end = (at + numbers.below(40)).min(bytes.len());
    match numbers.below(6) {
        0 => drop(bytes.drain(at..end)),
        1 => {
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        2 => bytes.insert(at, numbers.below(256) as u8),
        3 => bytes.insert(at, b"\"'[]{}=,.#\n\\ -_0"[numbers.below(16)]),
        4 => {
            let other = &seeds[numbers.below(seeds.len())];
            let from = numbers.below(other.len() + 1);
            let to = (from + numbers.below(80)).min(other.len());
            bytes.splice(at..at, other[from..to].iter().copied());
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = byte.wrapping_add(1);
            }
        }
    }
}
