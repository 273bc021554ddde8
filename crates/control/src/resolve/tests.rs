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
