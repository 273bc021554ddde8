//! Rule sets as sites use them.

use crate::data::{Disk, directory};
use transom_waf::ftw::Site;
use transom_waf::{Engine, Exclude, Package, RuleSource};

/// The engine's part of a configuration: what ModSecurity recommends, in short.
pub(crate) const ENGINE: &str = r#"
SecRuleEngine On
SecRequestBodyAccess On
SecRequestBodyLimit 13107200
SecRequestBodyNoFilesLimit 131072
SecRequestBodyLimitAction Reject
SecRequestBodyJsonDepthLimit 512
SecArgumentsLimit 1000
SecResponseBodyAccess On
SecResponseBodyMimeType text/plain text/html text/xml application/json
SecResponseBodyLimit 524288
SecResponseBodyLimitAction ProcessPartial
SecAuditEngine RelevantOnly
SecAuditLogRelevantStatus "^(?:5|4(?!04))"
SecRule REQUEST_HEADERS:Content-Type "^(?:application(?:/soap\+|/)|text/)xml" "id:200000,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "^application/(?:[a-z0-9.-]+\+)?json" "id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
SecRule REQBODY_ERROR "!@eq 0" "id:200002,phase:2,t:none,log,deny,status:400,msg:'Failed to parse request body.',logdata:'%{reqbody_error_msg}',severity:2"
SecRule MULTIPART_STRICT_ERROR "!@eq 0" "id:200003,phase:2,t:none,log,deny,status:400,msg:'Multipart request body failed strict validation'"
SecRule MULTIPART_UNMATCHED_BOUNDARY "@eq 1" "id:200004,phase:2,t:none,log,deny,msg:'Multipart parser detected a possible unmatched boundary.'"
"#;

/// The settings that the rule set's own tests are made for, and looking without acting.
pub(crate) const REGRESSION: &str = "
SecAction \"id:900005,phase:1,nolog,pass,ctl:ruleEngine=DetectionOnly,ctl:ruleRemoveById=910000,\
setvar:tx.blocking_paranoia_level=4,setvar:tx.paranoia_level=4,setvar:tx.crs_validate_utf8_encoding=1,\
setvar:tx.arg_name_length=100,setvar:tx.arg_length=400,setvar:tx.total_arg_length=64000,\
setvar:tx.max_num_args=255,setvar:tx.max_file_size=64100,setvar:tx.combined_file_sizes=65535\"";

/// The rule set of `setup` and `rules`, with `extra` between them.
pub(crate) fn site(setup: &str, rules: &str, extra: &str) -> Site {
    load(&[
        RuleSource::Text { name: "engine.conf", text: ENGINE },
        RuleSource::File(setup),
        RuleSource::Text { name: "extra.conf", text: extra },
        RuleSource::File(rules),
    ])
}

fn load(sources: &[RuleSource<'_>]) -> Site {
    load_excluding(sources, &[])
}

fn load_excluding(sources: &[RuleSource<'_>], exclude: &[Exclude]) -> Site {
    let engine = Engine::load_excluding(sources, exclude, &Disk).unwrap_or_else(|errors| {
        panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    });
    Site::new(engine)
}

/// Where the rule set of version 4 lies: the folder of its setup file, and of its rules.
fn folder_4() -> String {
    directory("TRANSOM_CRS", "shared/crs/v4.28.0").join("rules").to_string_lossy().into_owned()
}

/// What a site of programs as well as people sets: methods of an API, and the paranoia level.
fn settings(level: u8) -> String {
    format!(
        "SecAction \"id:900200,phase:1,nolog,pass,t:none,\
        setvar:tx.blocking_paranoia_level={level},setvar:tx.detection_paranoia_level={level},setvar:tx.paranoia_level={level},\
        setvar:'tx.allowed_methods=GET HEAD POST OPTIONS PUT PATCH DELETE'\""
    )
}

/// Version 4 in blocking mode.
pub(crate) fn crs_4(level: u8) -> Site {
    let rules = folder_4();
    site(&format!("{rules}/crs-setup.conf.example"), &format!("{rules}/*.conf"), &settings(level))
}

/// Version 4 in blocking mode at the first level, with a site's exclusions.
pub(crate) fn crs_4_excluding(exclude: &[Exclude]) -> Site {
    let (rules, settings) = (folder_4(), settings(1));
    let (setup, rules) = (format!("{rules}/crs-setup.conf.example"), format!("{rules}/*.conf"));
    let sources = [
        RuleSource::Text { name: "engine.conf", text: ENGINE },
        RuleSource::File(&setup),
        RuleSource::Text { name: "settings.conf", text: &settings },
        RuleSource::File(&rules),
    ];
    load_excluding(&sources, exclude)
}

/// Version 3.3 as Debian installs it, if it is installed.
pub(crate) fn crs_3() -> Option<Site> {
    let [setup, rules] = installed_3()?;
    Some(site(&setup, &rules, &settings(1)))
}

fn installed_3() -> Option<[String; 2]> {
    let setup = "/etc/modsecurity/crs/crs-setup.conf";
    let rules = "/usr/share/modsecurity-crs/rules";
    let there = [setup, rules].iter().all(|path| std::path::Path::new(path).exists());
    there.then(|| [setup.to_owned(), format!("{rules}/*.conf")])
}

/// Exchange's package before every rule set there is, at paranoia level 1.
pub(crate) fn exchange() -> Vec<Site> {
    let rules = folder_4();
    let mut sets = vec![[format!("{rules}/crs-setup.conf.example"), format!("{rules}/*.conf")]];
    sets.extend(installed_3());
    let load_with = |[setup, rules]: &[String; 2]| {
        load(&[
            RuleSource::Text { name: "engine.conf", text: ENGINE },
            RuleSource::Package(Package::Exchange),
            RuleSource::File(setup),
            RuleSource::File(rules),
        ])
    };
    sets.iter().map(load_with).collect()
}

/// Exchange's package without any other rule.
pub(crate) fn package_only() -> Site {
    load(&[RuleSource::Text { name: "engine.conf", text: ENGINE }, RuleSource::Package(Package::Exchange)])
}
