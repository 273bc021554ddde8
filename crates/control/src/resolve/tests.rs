//! Names from a table, and time that only moves when nothing else is to do.

use transom_state::Server;

use super::*;
use crate::fixture::{current, reload, server};

const POOL: &str = r#"
[listener.a]
bind = ["127.0.0.1:0"]
mode = "tcp"
pool = "p"
[pool.p]
servers = [{ name = "one", address = "one.test:25" }, { name = "fixed", address = "192.0.2.9:25" }]
[pool.q]
servers = [{ name = "one", address = "one.test:26" }]
[listener.b]
bind = ["127.0.0.1:0"]
mode = "tcp"
pool = "q"
"#;

/// Answers from a table that tests rewrite, and counts questions.
#[derive(Default)]
struct Table {
    answers: Mutex<HashMap<String, Answer>>,
    questions: Mutex<Vec<String>>,
}

impl Table {
    fn set(&self, host: &str, addresses: &[&str], ttl: u64) {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        self.answers.lock().insert(host.to_owned(), Answer { addresses, ttl: Duration::from_secs(ttl) });
    }

    fn asked(&self) -> usize {
        std::mem::take(&mut *self.questions.lock()).len()
    }
}

impl Resolve for Table {
    fn resolve<'a>(&'a self, host: &'a str) -> Resolving<'a> {
        self.questions.lock().push(host.to_owned());
        let answer = self.answers.lock().get(host).cloned().ok_or_else(|| "no such name".to_owned());
        Box::pin(std::future::ready(answer))
    }
}

fn address(server: &Server) -> String {
    server.address().map_or("none".to_owned(), |address| address.to_string())
}

async fn pass(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn every_server_of_a_name_is_told_and_told_again_after_the_time_to_live() {
    let (current, table) = (current(POOL), Arc::new(Table::default()));
    table.set("one.test", &["192.0.2.1"], 60);
    let mut names = Names::new(Arc::clone(&current), Arc::<Table>::clone(&table));
    names.follow();
    pass(0.1).await;
    assert_eq!(table.asked(), 1);
    assert_eq!(address(&server(&current, "p", "one")), "192.0.2.1:25");
    assert_eq!(address(&server(&current, "q", "one")), "192.0.2.1:26");
    assert_eq!(address(&server(&current, "p", "fixed")), "192.0.2.9:25");
    table.set("one.test", &["192.0.2.2"], 60);
    pass(59.0).await;
    assert_eq!(address(&server(&current, "p", "one")), "192.0.2.1:25");
    pass(1.5).await;
    assert_eq!(table.asked(), 1);
    assert_eq!(address(&server(&current, "p", "one")), "192.0.2.2:25");
}

#[tokio::test(start_paused = true)]
async fn times_to_live_have_a_floor_and_a_cap() {
    for (ttl, within, want) in [(0, 10.0, 10), (1_000_000, 7300.0, 3)] {
        let (current, table) = (current(POOL), Arc::new(Table::default()));
        table.set("one.test", &["192.0.2.1"], ttl);
        let mut names = Names::new(Arc::clone(&current), Arc::<Table>::clone(&table));
        names.follow();
        pass(within - 0.5).await;
        assert_eq!(table.asked(), want, "ttl {ttl}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_lost_keeps_its_addresses() {
    let (current, table) = (current(POOL), Arc::new(Table::default()));
    table.set("one.test", &["192.0.2.1"], 60);
    let mut names = Names::new(Arc::clone(&current), Arc::<Table>::clone(&table));
    let failing = names.failing();
    names.follow();
    pass(0.1).await;
    assert!(failing.list().is_empty());
    table.answers.lock().clear();
    pass(120.0).await;
    assert_eq!(address(&server(&current, "p", "one")), "192.0.2.1:25");
    assert_eq!(failing.list(), [("one.test".into(), "no such name".to_owned())]);
    // After 60 s: 1, 2, 4, 8, 16 seconds apart, the next after 30.
    assert_eq!(table.asked(), 7);
    assert_eq!(current.load().totals.faults.sum(Fault::ServerDns), 6);
    table.set("one.test", &["192.0.2.3"], 60);
    pass(30.0).await;
    assert_eq!(address(&server(&current, "p", "one")), "192.0.2.3:25");
    assert!(failing.list().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_reload_asks_again_and_forgets_names_that_are_gone() {
    let (current, table) = (current(POOL), Arc::new(Table::default()));
    let mut names = Names::new(Arc::clone(&current), Arc::<Table>::clone(&table));
    let failing = names.failing();
    names.follow();
    pass(0.1).await;
    assert_eq!(table.asked(), 1);
    assert_eq!(failing.list().len(), 1);
    table.set("two.test", &["2001:db8::2"], 60);
    reload(&current, &POOL.replace("one.test", "two.test"));
    names.follow();
    pass(0.1).await;
    assert_eq!(table.asked(), 1);
    assert!(failing.list().is_empty());
    assert_eq!(address(&server(&current, "p", "one")), "[2001:db8::2]:25");
}

#[tokio::test]
async fn the_system_knows_itself() {
    let answer = System.resolve("localhost").await.unwrap();
    assert!(answer.addresses.iter().all(IpAddr::is_loopback), "{answer:?}");
}

/// A name server that knows addresses of `a.test` and `six.test`; `no.test` does not exist. Counts questions.
async fn name_server() -> (u16, Arc<Mutex<usize>>) {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (port, count) = (socket.local_addr().unwrap().port(), Arc::new(Mutex::new(0)));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        let mut question = [0; 512];
        while let Ok((len, client)) = socket.recv_from(&mut question).await {
            *counted.lock() += 1;
            drop(socket.send_to(&reply(&question[..len]), client).await);
        }
    });
    (port, count)
}

/// RFC 1035 section 4: the question again, and one record with a time to live of 300 s.
fn reply(question: &[u8]) -> Vec<u8> {
    let end = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
    let (name, kind) = (&question[12..end - 4], question[end - 3]);
    let data: Option<&[u8]> = match (name, kind) {
        (b"\x01a\x04test\0", 1) => Some(&[192, 0, 2, 7]),
        (b"\x03six\x04test\0", 28) => Some(&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6]),
        _ => None,
    };
    let known = name != b"\x02no\x04test\0";
    let (code, count) = (if known { 0 } else { 3 }, u8::from(data.is_some()));
    let mut reply = question[..2].to_vec();
    reply.extend([0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
    reply.extend(&question[12..end]);
    if let Some(data) = data {
        reply.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 1, 44, 0, data.len() as u8]);
        reply.extend(data);
    }
    reply
}

#[tokio::test]
async fn answers_of_name_servers_hold_as_long_as_they_say() {
    use hickory_resolver::config::{NameServerConfig, ResolverConfig};

    let (port, questions) = name_server().await;
    let builder = || {
        let mut server = NameServerConfig::udp(IpAddr::from([127, 0, 0, 1]));
        server.connections[0].port = port;
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let table = [("a.test", "192.0.2.7"), ("six.test", "2001:db8::6")];
    for (host, want) in table {
        let answer = ask(builder(), host).await.unwrap();
        assert_eq!(answer.addresses, [want.parse::<IpAddr>().unwrap()], "{host}");
        assert!((298.0..=301.0).contains(&answer.ttl.as_secs_f64()), "{host}: {:?}", answer.ttl);
    }
    assert_eq!(ask(builder(), "no.test").await.unwrap_err(), "there is no such name");
    assert_eq!(ask(builder(), "none.test").await.unwrap_err(), "the name has no address");
    let before = *questions.lock();
    ask(builder(), "a.test").await.unwrap();
    assert!(*questions.lock() > before, "nothing is answered from memory");
}
