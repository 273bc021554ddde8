//! The commands to try, and what each shows. `./x demo --self-check` holds them to it.

use super::stage::Stage;

/// One command and what it must write.
pub(crate) struct Step {
    /// What one sees.
    shows: &'static str,
    /// As it is printed and typed, in the root of the project.
    pub(crate) command: String,
    /// Texts that must be in what it writes.
    expect: &'static [&'static str],
    /// Texts that must not.
    never: &'static [&'static str],
}

impl Step {
    /// As it stands in the guide.
    pub(crate) fn printed(&self) -> String {
        format!("# {}\n{}\n", self.shows, self.command)
    }

    /// Why `output` is not what was promised.
    pub(crate) fn fault(&self, output: &str) -> Option<String> {
        let missing = self.expect.iter().find(|text| !output.contains(**text));
        let wrong = self.never.iter().find(|text| output.contains(**text));
        missing
            .map(|text| format!("{text:?} is missing"))
            .or_else(|| wrong.map(|text| format!("{text:?} should not be there")))
    }
}

/// What stands before the commands.
pub(crate) fn introduction(stage: &Stage) -> String {
    let ports = stage.ports;
    format!(
        "
                     https://127.0.0.1:{https}  ── exchange.demo.test ─────► Exchange01, Exchange02 in turn
  you ──► transom ──                       ├─ autodiscover.demo.test ─► one of them, always the same
                    │                      └─ any other name, or none ► WebServer
                    ├ http://127.0.0.1:{http}   ── sent to https
                    └ smtp://127.0.0.1:{smtp}   ────────────────────────► Exchange01, Exchange02

  configuration: {config}
  access log:    {log}
  admin:         {socket} and http://127.0.0.1:{admin}
  users:         alice Wonderland-1, bob Builder-2, carol Christmas-3, in the domain LAB

The servers are pretended, their logins are not: NTLM's challenge and response own the connection, as in IIS.
From here, in another terminal:
",
        https = ports.https,
        http = ports.http,
        smtp = ports.smtp,
        admin = ports.admin,
        config = stage.config,
        log = stage.access_log,
        socket = stage.socket,
    )
}

/// The commands in the order they build upon each other.
pub(crate) fn steps(stage: &Stage) -> Vec<Step> {
    let asking = Asking { https: stage.ports.https };
    let ctl = format!("{} ctl --socket {}", stage.program, stage.socket);
    let mut steps = traffic(stage, &asking);
    steps.extend(exchange(&asking));
    steps.extend(operation(&ctl, &asking));
    steps.extend(directories(&ctl, &asking));
    steps.extend(looking(stage, &ctl, &asking));
    steps.extend(attacks(stage, &asking));
    steps
}

/// Commands of curl.
struct Asking {
    https: u16,
}

impl Asking {
    /// Asks a name of ours with further arguments.
    fn with(&self, arguments: &str, name: &str, target: &str) -> String {
        let https = self.https;
        let arguments = format!("{arguments} ");
        format!(
            "curl -sk {}--connect-to ::127.0.0.1:{https} 'https://{name}{target}'",
            arguments.trim_start()
        )
    }

    fn exchange(&self, arguments: &str, target: &str) -> String {
        self.with(arguments, "exchange.demo.test", target)
    }

    /// Asks three times and counts which servers answered.
    fn thrice(&self, name: &str, target: &str) -> String {
        let once = self.with("-o /dev/null -w '%header{x-feserver}\\n'", name, target);
        format!("for i in 1 2 3; do {once}; done | sort | uniq -c")
    }
}

/// Where requests go.
fn traffic(stage: &Stage, asking: &Asking) -> Vec<Step> {
    let (https, http, smtp) = (stage.ports.https, stage.ports.http, stage.ports.smtp);
    let who = asking.exchange("", "/whoami");
    vec![
        Step {
            shows: "By name to Exchange, in turn: two requests, both servers.",
            command: format!("{who}; {who}"),
            expect: &["Exchange01 GET /whoami", "Exchange02 GET /whoami"],
            never: &["WebServer"],
        },
        Step {
            shows: "The certificate is the one of that name.",
            command: format!(
                "openssl s_client -connect 127.0.0.1:{https} -servername exchange.demo.test </dev/null 2>/dev/null | \
                 openssl x509 -noout -subject"
            ),
            expect: &["CN = exchange.demo.test"],
            never: &["www.demo.test"],
        },
        Step {
            shows: "Another name: the other site.",
            command: asking.with("", "www.demo.test", "/"),
            expect: &["WebServer GET /"],
            never: &["Exchange"],
        },
        Step {
            shows: "Plain HTTP on its own port is sent to HTTPS.",
            command: format!("curl -si http://127.0.0.1:{http}/owa/"),
            expect: &["HTTP/1.1 308", "ocation: https://127.0.0.1:"],
            never: &[],
        },
        Step {
            shows: "Plain HTTP where TLS is expected: a sentence that says so, and the fault's word.",
            command: format!("curl -si http://127.0.0.1:{https}/"),
            expect: &["HTTP/1.1 400", "Transom-Fault: client-sent-plain-http"],
            never: &[],
        },
        Step {
            shows: "Mail goes to either server.",
            command: format!("printf 'QUIT\\r\\n' | curl -s telnet://127.0.0.1:{smtp}"),
            expect: &["220 ex", "ESMTP", "221 "],
            never: &[],
        },
        Step {
            shows: "One client stays on one server: three times the same answer.",
            command: asking.thrice("autodiscover.demo.test", "/whoami"),
            expect: &["3 Exchange0"],
            never: &[],
        },
    ]
}

/// What Exchange needs.
fn exchange(asking: &Asking) -> Vec<Step> {
    let alice = "--ntlm -u 'LAB\\alice:Wonderland-1'";
    let who = asking.exchange("", "/whoami");
    vec![
        Step {
            shows: "Not from outside: refused, by whichever spelling.",
            command: ["/ecp/", "/%65cp/", "/owa/../ecp/"]
                .map(|target| asking.exchange("--path-as-is -o /dev/null -w '%{http_code}\\n'", target))
                .join("; "),
            expect: &["403\n403\n403\n"],
            never: &["302"],
        },
        Step {
            shows: "NTLM: the login owns the connection to the server, both requests are alice's.",
            command: format!(
                "{} {}",
                asking.exchange(alice, "/ews/one"),
                "'https://exchange.demo.test/ews/two'"
            ),
            expect: &["GET /ews/one\nuser=LAB\\alice", "GET /ews/two\nuser=LAB\\alice"],
            never: &["user=- "],
        },
        Step {
            shows: "Nobody else ever gets that connection: without a login one is nobody.",
            command: format!("{who}; {who}; {who}; {who}"),
            expect: &["user=- "],
            never: &["LAB"],
        },
        Step {
            shows: "RPC over HTTP: the server announces 1 GiB and sends a little now and then; it comes at once.",
            command: asking.exchange(
                &format!("-N {alice} -X RPC_OUT_DATA -d \"$(printf %076d 0)\""),
                "/rpc/rpcproxy.dll?tick=300&count=3",
            ),
            expect: &["tickticktick"],
            never: &[],
        },
        Step {
            shows: "MAPI says once in a while that it is not done.",
            command: asking
                .exchange(&format!("-N {alice} -X POST -d x"), "/mapi/emsmdb/?pending=2&every=300"),
            expect: &["PROCESSING\r\nPENDING\r\nPENDING\r\nDONE"],
            never: &[],
        },
        Step {
            shows: "A phone that waits for mail: held for three seconds.",
            command: asking.exchange(
                "-o /dev/null -w '%{http_code} after %{time_total} s\\n' -u bob:Builder-2 -X POST -d x",
                "/Microsoft-Server-ActiveSync?Cmd=Ping&hold=3000",
            ),
            expect: &["200 after 3."],
            never: &[],
        },
    ]
}

/// Servers that are drained, die and come back.
fn operation(ctl: &str, asking: &Asking) -> Vec<Step> {
    let counted = asking.thrice("exchange.demo.test", "/whoami");
    vec![
        Step {
            shows: "Every server with condition, admin state and last health check.",
            command: format!("{ctl} servers"),
            expect: &["exchange/ex1", "exchange/ex2", "mail/ex1", "web/web", "up", "ready"],
            never: &["down"],
        },
        Step {
            shows: "Drain one for maintenance: new requests go to the other.",
            command: format!("{ctl} server exchange/ex1 drain && {counted}"),
            expect: &["drain", "3 Exchange02"],
            never: &["Exchange01"],
        },
        Step {
            shows: "Back in service.",
            command: format!("{ctl} server exchange/ex1 ready && {counted}"),
            expect: &["ready", "Exchange01", "Exchange02"],
            never: &[],
        },
        Step {
            shows: "Exchange01 dies: every client is answered, by the other one.",
            command: format!("./x demo break ex1 && {counted}"),
            expect: &["Exchange01 is dead", "3 Exchange02"],
            never: &["1 Exchange01", "2 Exchange01"],
        },
        Step {
            shows: "A second later its health check has seen it.",
            command: format!("{ctl} servers exchange"),
            expect: &["down", "up"],
            never: &[],
        },
        Step {
            shows: "It comes back.",
            command: format!("./x demo mend ex1 && sleep 1 && {ctl} servers exchange"),
            expect: &["Exchange01 is back", "up"],
            never: &["down"],
        },
    ]
}

/// One directory of one server.
fn directories(ctl: &str, asking: &Asking) -> Vec<Step> {
    vec![
        Step {
            shows: "MAPI dies on Exchange01: its health page says so, and MAPI goes to the other server.",
            command: format!(
                "./x demo break ex1 mapi && sleep 2 && {}",
                asking.thrice("exchange.demo.test", "/mapi/healthcheck.htm")
            ),
            expect: &["503 below /mapi", "3 Exchange02"],
            never: &["1 Exchange01", "2 Exchange01"],
        },
        Step {
            shows: "Everything else is still served by both.",
            command: format!(
                "{}; {ctl} servers exchange",
                asking.thrice("exchange.demo.test", "/owa/healthcheck.htm")
            ),
            expect: &["Exchange01", "Exchange02", "up"],
            never: &["down"],
        },
        Step {
            shows: "It comes back.",
            command: format!("./x demo mend ex1 mapi && sleep 1 && {ctl} servers exchange-mapi"),
            expect: &["serves /mapi again", "up"],
            never: &["down"],
        },
    ]
}

/// What the firewall does with an attack, and what it says of it.
fn attacks(stage: &Stage, asking: &Asking) -> Vec<Step> {
    let (program, socket) = (&stage.program, &stage.socket);
    let attack = |arguments: &str| {
        let query = "-G --data-urlencode 'q=<script>alert(1)</script>'";
        asking.with(&format!("{query} {arguments}"), "www.demo.test", "/")
    };
    let id = format!("{} | sed -n 's/^transom-request: *//Ip' | tr -d '\\r'", attack("-o /dev/null -D -"));
    vec![
        Step {
            shows: "an attack on the other site is refused by the firewall",
            command: attack("-i"),
            expect: &["403", "waf-blocked"],
            never: &[],
        },
        Step {
            shows: "and why: the rules that matched, on what, and how to except them",
            command: format!("{program} waf explain \"$({id})\" --socket {socket}"),
            expect: &["refused with 403 by rule 949110", "rule 941100", "ARGS:q"],
            never: &[],
        },
    ]
}

/// What the program tells of itself.
fn looking(stage: &Stage, ctl: &str, asking: &Asking) -> Vec<Step> {
    let admin = stage.ports.admin;
    let refused = asking.exchange("-o /dev/null -w '%{http_code}\\n'", "/ecp/");
    vec![
        Step {
            shows: "The clients that stick, and to which server.",
            command: format!("{ctl} stick clients"),
            expect: &["127.0.0.1", "ex"],
            never: &[],
        },
        Step {
            shows: "What went wrong so far, what it means and what to do.",
            command: format!("{ctl} faults"),
            expect: &["client-sent-plain-http"],
            never: &[],
        },
        Step {
            shows: "Status as a page, metrics for Prometheus.",
            command: format!(
                "curl -s http://127.0.0.1:{admin}/status; curl -s http://127.0.0.1:{admin}/metrics | grep transom_server_up"
            ),
            expect: &["exchange", "transom_server_up{"],
            never: &[],
        },
        Step {
            shows: "The last requests, one JSON line each.",
            command: format!("tail -n 3 {}", stage.access_log),
            expect: &["\"kind\":\"request\"", "\"client\":\"127.0.0.1:"],
            never: &[],
        },
        Step {
            shows: "The whole configuration with every default written out.",
            command: format!("{} check -c {} --expanded", stage.program, stage.config),
            expect: &["[listener.https]", "name = \"inside-only\"", "plain-http"],
            never: &["error: "],
        },
        Step {
            shows: "A change of the file is checked first, then taken over without losing a connection.",
            command: format!(
                "sed -i 's/^refuse = 403/refuse = 404/' {} && {ctl} reload && {refused}",
                stage.config
            ),
            expect: &["404"],
            never: &["error"],
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::Step;

    #[test]
    fn a_step_says_what_is_wrong() {
        let step = Step { shows: "", command: String::new(), expect: &["up"], never: &["down"] };
        assert_eq!(step.fault("up"), None);
        assert_eq!(step.fault("").as_deref(), Some("\"up\" is missing"));
        assert_eq!(step.fault("up, down").as_deref(), Some("\"down\" should not be there"));
    }
}
