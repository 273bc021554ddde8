//! Changes of servers move no flow; a dead server gets no new one.

use std::time::{Duration, Instant};

use transom_testkit::wait;

use super::broken;
use super::town::{Town, WAYS, listeners};
use crate::lab::{DEADLINE, Transom};

/// What the packet plane says of a server's part of new flows shows in new talks; this waits until they avoid it.
fn ctl(transom: &Transom, server: &str, change: &[&str]) {
    let mut arguments = vec!["server", server];
    arguments.extend(change);
    transom.ctl(&arguments).unwrap();
}

/// Servers that so many new talks reach.
fn reached(town: &Town, vip: &str, count: usize) -> Vec<u8> {
    let mut servers: Vec<u8> = town.talk(vip, count).iter().map(|talk| talk.server).collect();
    servers.sort_unstable();
    servers.dedup();
    servers
}

#[test]
fn three_hundred_flows_outlive_a_drain_a_new_server_and_other_weights() {
    let (town, files) = (Town::build(), tempfile::tempdir().unwrap());
    let ways = [WAYS[0], WAYS[2], WAYS[3], WAYS[4], WAYS[6]];
    let config = |servers: &[u8]| format!("{}{}", town.packet(""), listeners(&ways, servers, ""));
    let transom = town.start(&files, &config(&[1, 2]));
    transom.reload(&config(&[1, 2, 3])).unwrap();
    for (name, _, vip, _) in ways {
        transom.reload(&config(&[1, 2, 3])).unwrap();
        let mut talks = town.talk(vip, 300);
        ctl(&transom, &format!("{name}-7/s2"), &["drain"]);
        // The program is told at once, but by another process: new talks tell when it has arrived.
        wait::until("the drain to arrive", DEADLINE, || reached(&town, vip, 40) == [1, 3]).unwrap();
        let new = town.talk(vip, 60);
        assert!(new.iter().all(|talk| talk.server != 2), "{name}: no new flow on the drained server");
        talks.extend(new);
        assert_eq!(broken(&mut talks), 0, "{name}: drained");
        transom.reload(&config(&[1, 3])).unwrap();
        assert_eq!(broken(&mut talks), 0, "{name}: taken out");
        ctl(&transom, &format!("{name}-7/s1"), &["weight", "0"]);
        wait::until("the weight to arrive", DEADLINE, || reached(&town, vip, 40) == [3]).unwrap();
        ctl(&transom, &format!("{name}-7/s1"), &["weight", "200"]);
        wait::until("the weight to arrive", DEADLINE, || reached(&town, vip, 40).contains(&1)).unwrap();
        assert_eq!(broken(&mut talks), 0, "{name}: other weights");
        transom.reload(&config(&[1, 2, 3])).unwrap();
        ctl(&transom, &format!("{name}-7/s1"), &["weight", "default"]);
        wait::until("the new server to be used", DEADLINE, || reached(&town, vip, 60).contains(&2)).unwrap();
        assert_eq!(broken(&mut talks), 0, "{name}: added");
    }
}

#[test]
fn new_flows_fail_no_longer_than_until_the_next_check_when_a_server_dies() {
    let (town, files) = (Town::build(), tempfile::tempdir().unwrap());
    let every = Duration::from_secs(1);
    let keys = "health-check = { http = \"/id\", every = \"1s\", timeout = \"500ms\", rise = 1, fall = 1, port = 8080 }";
    let ways = [WAYS[0], WAYS[2], WAYS[4]];
    let config = format!("{}{}", town.packet(""), listeners(&ways, &[1, 2, 3], keys));
    let transom = town.start(&files, &config);
    for (name, _, vip, _) in ways {
        for n in 1..=3 {
            transom.wait_for_condition(&format!("{name}-7/s{n}"), "up");
        }
        let mut talks = town.talk(vip, 60);
        wait::until("all three to be used", DEADLINE, || reached(&town, vip, 60) == [1, 2, 3]).unwrap();
        let died = Instant::now();
        town.services[2].die(true);
        let (mut last_failure, mut good) = (died, 0);
        while good < 60 {
            let began = Instant::now();
            if town.can_talk(vip, DEADLINE) {
                good += 1;
            } else {
                (last_failure, good) = (began, 0);
            }
            assert!(died.elapsed() < DEADLINE, "{name}: new flows go on failing");
        }
        let failing = last_failure.duration_since(died);
        assert!(failing < every + Duration::from_millis(500), "{name}: new flows failed for {failing:?}");
        talks.retain(|talk| talk.server != 3);
        assert_eq!(broken(&mut talks), 0, "{name}: flows of the others stay");
        town.services[2].die(false);
        for n in 1..=3 {
            transom.wait_for_condition(&format!("{name}-7/s{n}"), "up");
        }
    }
}

#[test]
fn a_listener_comes_and_goes_with_a_reload_and_the_program_with_the_last_one() {
    let (town, files) = (Town::build(), tempfile::tempdir().unwrap());
    let config = |ways: &[super::town::Way]| format!("{}{}", town.packet(""), listeners(ways, &[1, 2], ""));
    let proxied = "[listener.x]\nbind = [\"127.0.0.1:9\"]\nmode = \"tcp\"\npool = \"x\"\n[pool.x]\nservers = \
                   [{ name = \"x\", address = \"10.60.0.11:80\" }]\n";
    let transom = town.start(&files, proxied);
    assert_eq!(town.attached(), 0);
    transom.reload(&config(&WAYS[..1])).unwrap();
    wait::until("the program to be there", DEADLINE, || town.attached() == 2).unwrap();
    let mut talks = town.talk("10.50.0.100", 30);
    transom.reload(&config(&WAYS[..3])).unwrap();
    talks.extend(town.talk("10.50.0.101", 30));
    assert_eq!(broken(&mut talks), 0);
    transom.reload(&config(&WAYS[2..3])).unwrap();
    assert_eq!(broken(&mut talks[30..]), 0, "the listener that stayed");
    transom.reload(proxied).unwrap();
    wait::until("the program to be gone", DEADLINE, || town.attached() == 0).unwrap();
    assert!(!town.pins().exists());
    transom.reload(&config(&WAYS[..1])).unwrap();
    wait::until("the program to be there again", DEADLINE, || town.attached() == 2).unwrap();
    assert_eq!(town.talk("10.50.0.100", 30).len(), 30);
}
