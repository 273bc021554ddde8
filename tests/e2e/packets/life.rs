//! Starts, stops and crashes: traffic outlives the process, the next one takes over, a stop leaves nothing behind.

use rustix::process::{Pid, Signal, kill_process};
use transom_testkit::process::run;
use transom_testkit::wait;

use super::broken;
use super::town::{Town, WAYS, listeners};
use crate::lab::{DEADLINE, Transom};

fn config(town: &Town, more: &str) -> String {
    format!("{}{}", town.packet(more), listeners(&WAYS, &[1, 2, 3], ""))
}

/// Both processes at once, as a crash of the machine's memory would have it.
fn crash(transom: &mut Transom) {
    let worker = Pid::from_raw(transom.worker()).unwrap();
    transom.process.signal(Signal::KILL).unwrap();
    kill_process(worker, Signal::KILL).unwrap();
    transom.process.wait(DEADLINE).unwrap();
}

#[test]
fn traffic_outlives_the_program_and_the_next_one_takes_it_over() {
    let (town, files) = (Town::build(), tempfile::tempdir().unwrap());
    let mut transom = town.start(&files, &config(&town, ""));
    let mut talks: Vec<_> = WAYS.iter().flat_map(|way| town.talk(way.2, 45)).collect();
    assert_eq!(talks.len(), 315);
    crash(&mut transom);
    assert_eq!(broken(&mut talks), 0, "nobody is there");
    talks.extend(town.talk(WAYS[2].2, 10));
    let mut transom = town.start(&files, &config(&town, ""));
    assert!(
        transom.process.log().contains("taken over from an earlier process"),
        "{}",
        transom.process.log()
    );
    assert_eq!(broken(&mut talks), 0, "the next one is there");
    talks.extend(town.talk(WAYS[4].2, 10));
    crash(&mut transom);
    let _transom = town.start(&files, &config(&town, ""));
    assert_eq!(broken(&mut talks), 0, "and the one after");
}

#[test]
fn a_worker_that_dies_is_replaced_and_the_next_one_goes_on_with_the_tables() {
    let (town, files) = (Town::build(), tempfile::tempdir().unwrap());
    let transom = town.start(&files, &config(&town, ""));
    transom.ctl(&["server", "nat4-7/s2", "drain"]).unwrap();
    wait::until("the drain", DEADLINE, || town.talk("10.50.0.101", 40).iter().all(|talk| talk.server != 2))
        .unwrap();
    let mut talks: Vec<_> = WAYS.iter().flat_map(|way| town.talk(way.2, 20)).collect();
    let old = transom.worker();
    kill_process(Pid::from_raw(old).unwrap(), Signal::KILL).unwrap();
    assert_eq!(broken(&mut talks), 0, "no worker");
    wait::until("the next worker", DEADLINE, || {
        transom.worker_now().is_some_and(|worker| worker != old) && transom.ctl(&["packets"]).is_ok()
    })
    .unwrap();
    assert_eq!(broken(&mut talks), 0, "the next worker");
    assert!(town.talk("10.50.0.101", 60).iter().all(|talk| talk.server != 2), "still drained");
    transom.ctl(&["server", "nat4-7/s2", "ready"]).unwrap();
    wait::until("news of the server", DEADLINE, || {
        town.talk("10.50.0.101", 60).iter().any(|talk| talk.server == 2)
    })
    .unwrap();
}

#[test]
fn a_stop_takes_the_program_off_unless_it_is_to_stay() {
    let (town, files) = (Town::build(), tempfile::tempdir().unwrap());
    let mut transom = town.start(&files, &config(&town, ""));
    assert_eq!(town.attached(), 2);
    assert!(transom.process.stop(DEADLINE).unwrap().success());
    assert_eq!(town.attached(), 0);
    assert!(!town.pins().exists(), "nothing is left behind");
    let mut transom = town.start(&files, &config(&town, "on-stop = \"keep\""));
    let mut talks: Vec<_> = WAYS.iter().flat_map(|way| town.talk(way.2, 10)).collect();
    assert!(transom.process.stop(DEADLINE).unwrap().success());
    assert_eq!((town.attached(), broken(&mut talks)), (2, 0), "stopped");
    let mut transom = town.start(&files, &config(&town, "on-stop = \"keep\""));
    assert_eq!(broken(&mut talks), 0, "started again, as an upgrade does");
    assert!(transom.process.stop(DEADLINE).unwrap().success());
    let mut detach = town.door.command(env!("CARGO_BIN_EXE_transom"));
    run(detach.args(["detach", "--pins"]).arg(town.pins())).unwrap();
    assert_eq!(town.attached(), 0);
}
