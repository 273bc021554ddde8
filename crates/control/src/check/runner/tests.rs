//! The rhythm of probes, with time that only moves when nothing else is to do. Servers are names that do not resolve:
//! their probes end at once, without a socket.

use transom_state::Condition;

use super::*;
use crate::fixture::{current, reload, server};

const POOL: &str = r#"
[listener.a]
bind = ["127.0.0.1:0"]
mode = "tcp"
pool = "p"
[pool.p]
health-check = { tcp = true, every = "10s", timeout = "2s", rise = 2, fall = 3 }
servers = [{ name = "one", address = "one.test:1" }, { name = "two", address = "two.test:1" }]
"#;

fn runner(current: &Arc<Current>) -> Runner {
    Runner::new(Arc::clone(current), Chance(|| u64::MAX / 2))
}

/// Lets that much time pass; when the server of this name was probed meanwhile, in milliseconds from now.
async fn probes(current: &Arc<Current>, name: &str, seconds: u64) -> Vec<u128> {
    let start = Instant::now();
    let end = start + Duration::from_secs(seconds);
    let mut seen = Vec::new();
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let last = server(current, "p", name).last_probe().filter(|last| last.at >= start.into_std());
        if let Some(last) = last {
            let at = (last.at - start.into_std()).as_millis();
            if seen.last() != Some(&at) {
                seen.push(at);
            }
        }
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn probes_go_out_at_once_and_then_in_their_rhythm() {
    let current = current(POOL);
    let mut runner = runner(&current);
    runner.follow();
    let seen = probes(&current, "one", 25).await;
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert!(seen[0] <= 1000, "{seen:?}");
    for pair in seen.windows(2) {
        assert!((9000..=11_010).contains(&(pair[1] - pair[0])), "{seen:?}");
    }
    assert_eq!(server(&current, "p", "one").condition(), Condition::Down);
    let last = server(&current, "p", "one").last_probe().unwrap();
    assert_eq!(last.result.outcome, Err(Fault::ServerDns));
    assert_eq!(&*last.result.detail, "one.test:1 does not resolve");
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_leaves_the_check_alone_leaves_the_rhythm_alone() {
    let current = current(POOL);
    let mut runner = runner(&current);
    runner.follow();
    let before = probes(&current, "one", 5).await;
    assert_eq!(before.len(), 1);
    reload(&current, &POOL.replace("two.test", "three.test"));
    runner.follow();
    let one = probes(&current, "one", 20).await;
    assert!((4000..=6600).contains(&one[0]), "the rhythm goes on: {one:?}");
    assert_eq!(one.len(), 2, "and the probes reach the server of the new world: {one:?}");
}

#[tokio::test(start_paused = true)]
async fn a_changed_check_begins_anew() {
    let current = current(POOL);
    let mut runner = runner(&current);
    runner.follow();
    probes(&current, "one", 5).await;
    reload(&current, &POOL.replace("10s", "3s"));
    runner.follow();
    let one = probes(&current, "one", 8).await;
    assert_eq!(one.len(), 3, "{one:?}");
    assert!(one[0] <= 1000, "{one:?}");
}

#[tokio::test(start_paused = true)]
async fn servers_that_are_gone_are_left_alone() {
    let current = current(POOL);
    let mut runner = runner(&current);
    runner.follow();
    probes(&current, "one", 5).await;
    let two = server(&current, "p", "two");
    let last = two.last_probe();
    assert!(last.is_some());
    reload(&current, &POOL.replace(r#", { name = "two", address = "two.test:1" }"#, ""));
    runner.follow();
    probes(&current, "one", 30).await;
    assert_eq!(two.last_probe(), last);
    assert_eq!(runner.tasks.len(), 1);
    drop(runner);
    assert!(probes(&current, "one", 30).await.is_empty());
}

#[test]
fn waits_spread_by_a_tenth() {
    let every = Duration::from_secs(10);
    let table = [(0, 9.0, 0.0), (u64::MAX / 2, 10.0, 0.5), (u64::MAX, 11.0, 1.0)];
    for (random, wait, first) in table {
        assert!((jittered(every, random).as_secs_f64() - wait).abs() < 1e-6);
        assert!((first_after(every, random).as_secs_f64() - first).abs() < 1e-6);
    }
    assert!(first_after(Duration::from_millis(100), u64::MAX) <= Duration::from_millis(100));
}
