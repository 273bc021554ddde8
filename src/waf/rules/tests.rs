use std::path::PathBuf;

use transom_config::{Options, load};
use transom_waf::{Connection, Inspection, Mode, Now, Policy, RequestLine, Store, Verdict, WhenBroken};

use super::*;
use crate::files::Remembered;

const SETUP: &str =
    "SecAction \"id:900000,phase:1,pass,nolog,setvar:tx.blocking_paranoia_level=4\"\nInclude 901/*.conf\n";
const FIRST: &str = "# The first line\n\
    SecRule &TX:blocking_paranoia_level \"@eq 0\" \"id:901001,phase:1,pass,nolog,setvar:tx.blocking_paranoia_level=1\"\n\
    SecRule TX:blocking_paranoia_level \"@eq 2\" \"id:5,phase:1,deny,status:403,msg:'two'\"\n\
    SecRule ARGS:q \"@contains attack\" \"id:6,phase:1,deny,status:403,msg:'attack'\"\n";

fn files(waf: &str, first: &str) -> Remembered {
    let text = format!(
        "[listener.door]\nbind = [\"127.0.0.1:0\"]\nmode = \"http\"\nwaf = \"w\"\npool = \"p\"\n\
         [pool.p]\nhealth-check = {{ tcp = true }}\nservers = [{{ name = \"a\", address = \"192.0.2.1:80\" }}]\n\
         [waf.w]\nrules = [\"/r/setup.conf\"]\n{waf}\n"
    );
    let one = PathBuf::from("/r/901/REQUEST-901-INITIALIZATION.conf");
    Remembered {
        files: vec![
            ("x.toml".into(), text.into()),
            ("/r/setup.conf".into(), SETUP.into()),
            (one.clone(), first.into()),
        ],
        patterns: vec![crate::files::Pattern { pattern: "/r/901/*".into(), paths: vec![one] }],
    }
}

fn compiled(waf: &str, first: &str) -> Result<Arc<Engine>, Vec<String>> {
    let files = files(waf, first);
    let loaded = load("x.toml".as_ref(), &files, &Options::default());
    let config = loaded.config.unwrap_or_else(|| panic!("{}", loaded.report.render(false)));
    compile(&config.wafs[0], &files)
}

fn refused(engine: Arc<Engine>, uri: &str) -> Option<u64> {
    let policy =
        Policy { engine, store: Arc::new(Store::new()), mode: Mode::Block, when_broken: WhenBroken::Closed };
    let end = "192.0.2.1:80".parse().unwrap();
    let mut one = Inspection::begin(&policy, Connection { client: end, server: end }, "1", Now::default());
    let line = RequestLine { method: b"GET", uri: uri.as_bytes(), protocol: b"HTTP/1.1" };
    match one.request_headers(line, [(&b"Host"[..], &b"a.test"[..])]) {
        Verdict::Refuse(interruption) => Some(interruption.rule_id),
        _ => None,
    }
}

#[test]
fn what_the_configuration_says_of_levels_stands_above_a_setup_file() {
    for (waf, expected) in [("", None), ("paranoia = 2", Some(5)), ("paranoia = 1", None)] {
        assert_eq!(refused(compiled(waf, FIRST).unwrap(), "/"), expected, "{waf}");
    }
}

#[test]
fn an_exclusion_holds_for_its_path_and_argument() {
    let waf = "exclude = [{ rule = 6, paths = [\"/search\"], argument = \"q\", why = \"titles\" }]";
    for (uri, expected) in [("/search?q=attack", None), ("/other?q=attack", Some(6)), ("/?q=peace", None)] {
        assert_eq!(refused(compiled(waf, FIRST).unwrap(), uri), expected, "{uri}");
    }
}

#[test]
fn faults_say_where_they_are() {
    let broken = FIRST.replace("@contains", "@unknown");
    for (waf, first, expected) in [
        ("", &*broken, "/r/901/REQUEST-901-INITIALIZATION.conf:4: "),
        ("paranoia = 2", &*broken, "/r/901/REQUEST-901-INITIALIZATION.conf:4: "),
        ("exclude = [{ rule = 77, why = \"x\" }]", FIRST, "no rule is 77"),
    ] {
        let errors = compiled(waf, first).err().unwrap();
        assert!(errors.len() == 1 && errors[0].contains(expected), "{errors:?}");
    }
}
