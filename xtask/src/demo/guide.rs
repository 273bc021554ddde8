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
                                           └─ any other name, or none ► WebServer
                     http://127.0.0.1:{http}   ───────────────────────────► WebServer

  configuration: {config}
  access log:    {log}
  admin:         {socket} and http://127.0.0.1:{admin}

From here, in another terminal:
",
        https = ports.https,
        http = ports.http,
        admin = ports.admin,
        config = stage.config,
        log = stage.access_log,
        socket = stage.socket,
    )
}

/// The commands in the order they build upon each other.
pub(crate) fn steps(stage: &Stage) -> Vec<Step> {
    let https = stage.ports.https;
    let ask =
        |name: &str, path: &str| format!("curl -sk --connect-to ::127.0.0.1:{https} https://{name}{path}");
    let thrice = |command: &str| format!("for i in 1 2 3; do {command}; done");
    let exchange = ask("exchange.demo.test", "/owa/");
    let ctl = format!("{} ctl --socket {}", stage.program, stage.socket);
    let mut steps = traffic(stage, &exchange, &thrice(&ask("autodiscover.demo.test", "/")));
    steps.extend(operation(&ctl, &thrice(&exchange)));
    steps.extend(looking(stage, &ctl));
    steps
}

/// Where connections go.
fn traffic(stage: &Stage, exchange: &str, sticky: &str) -> Vec<Step> {
    let https = stage.ports.https;
    let http = stage.ports.http;
    vec![
        Step {
            shows: "By name to Exchange, in turn: two connections, both servers.",
            command: format!("{exchange}; {exchange}"),
            expect: &["Exchange01 GET /owa/", "Exchange02 GET /owa/"],
            never: &["WebServer"],
        },
        Step {
            shows: "The certificate is the server's own: nothing was decrypted on the way.",
            command: format!(
                "openssl s_client -connect 127.0.0.1:{https} -servername exchange.demo.test </dev/null 2>/dev/null | \
                 openssl x509 -noout -subject"
            ),
            expect: &["CN = exchange0", ".demo.test"],
            never: &["www.demo.test"],
        },
        Step {
            shows: "Without a server name: the default pool.",
            command: format!("curl -sk https://127.0.0.1:{https}/"),
            expect: &["WebServer GET /"],
            never: &["Exchange"],
        },
        Step {
            shows: "Plain TCP on the other port: the web server.",
            command: format!("curl -s http://127.0.0.1:{http}/"),
            expect: &["WebServer GET /"],
            never: &[],
        },
        Step {
            shows: "Plain HTTP where TLS is expected: a sentence that says so, and the fault's word.",
            command: format!("curl -si http://127.0.0.1:{https}/"),
            expect: &["HTTP/1.1 400", "Transom-Fault: client-sent-plain-http"],
            never: &[],
        },
        Step {
            shows: "One client stays on one server: three times the same answer.",
            command: format!("{sticky} | sort | uniq -c"),
            expect: &["3 Exchange0"],
            never: &[],
        },
    ]
}

/// Servers that are drained, die and come back.
fn operation(ctl: &str, thrice: &str) -> Vec<Step> {
    let counted = format!("{thrice} | sort | uniq -c");
    vec![
        Step {
            shows: "Every server with condition, admin state and last health check.",
            command: format!("{ctl} servers"),
            expect: &["exchange/ex1", "exchange/ex2", "web-http/web", "up", "ready"],
            never: &["down"],
        },
        Step {
            shows: "Drain one for maintenance: new clients go to the other.",
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
            expect: &["ex1 is dead", "3 Exchange02"],
            never: &["Exchange01"],
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
            expect: &["ex1 is back", "up"],
            never: &["down"],
        },
    ]
}

/// What the program tells of itself.
fn looking(stage: &Stage, ctl: &str) -> Vec<Step> {
    let admin = stage.ports.admin;
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
            shows: "The last connections, one JSON line each.",
            command: format!("tail -n 3 {}", stage.access_log),
            expect: &["\"kind\":\"connection\"", "\"client\":\"127.0.0.1:"],
            never: &[],
        },
        Step {
            shows: "The whole configuration with every default written out.",
            command: format!("{} check -c {} --expanded", stage.program, stage.config),
            expect: &["[listener.https]", "inspect-timeout"],
            never: &["error"],
        },
        Step {
            shows: "A change of the file is checked first, then taken over without losing a connection.",
            command: format!(
                "sed -i 's/plain-http = .*//; s/^mode = \"passthrough\"/plain-http = \"redirect\"\\n&/' {} && {ctl} reload \
                 && curl -si http://127.0.0.1:{}/",
                stage.config, stage.ports.https
            ),
            expect: &["HTTP/1.1 308"],
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
