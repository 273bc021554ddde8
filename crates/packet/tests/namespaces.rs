//! Real TCP and UDP through the program, in every mode: needs root, makes its own network and takes it down.

#[path = "support/service.rs"]
mod service;
#[path = "support/town.rs"]
mod town;

use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use service::{BIG, ECHO, HTTP, Talk, UDP};
use town::{Names, Town, VIPS};
use transom_packet::abi::{Mode, Reason};
use transom_packet::load::{self, Door, Driver, Options};
use transom_packet::plan::{Limits, Plan, Protocol, ServerState, Vip};
use transom_packet::{Fault, hop};

/// A door in the town, and the plan behind it.
struct Watch {
    door: Door,
    plan: Plan,
}

fn options(town: &Town, pinned: bool) -> Options {
    Options {
        pins: pinned.then(|| town.pins()),
        interfaces: vec!["front".into(), "back".into()],
        flows_max: 100_000,
        ..Options::default()
    }
}

fn start(town: &Town, pinned: bool) -> Watch {
    let options = options(town, pinned);
    let door = town.names.inside("door", || Door::start(&options)).unwrap_or_else(|fault| panic!("{fault}"));
    let contents = door.tables.contents().expect("maps can be read");
    Watch { door, plan: Plan::adopt(Limits::default(), &contents, Instant::now()) }
}

impl Watch {
    fn want(&mut self, wanted: &[Vip]) {
        let steps = self.plan.update(wanted, Instant::now()).unwrap_or_else(|fault| panic!("{fault}"));
        self.door.tables.apply(&steps).unwrap_or_else(|fault| panic!("{fault}"));
    }

    fn count(&self, reason: Reason) -> u64 {
        self.door.tables.reason(reason).expect("counters can be read")
    }
}

fn everything(names: &Names) -> Vec<Vip> {
    let mut wanted = names.vips(HTTP, Protocol::Tcp);
    wanted.extend(names.vips(ECHO, Protocol::Tcp));
    wanted.extend(names.vips(UDP, Protocol::Udp));
    wanted
}

fn url(vip: &str, path: &str) -> String {
    if vip.contains(':') { format!("http://[{vip}]/{path}") } else { format!("http://{vip}/{path}") }
}

fn curl(names: &Names, more: &[&str], url: &str) -> String {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &names.of("client"), "curl", "-sg", "-m", "20"]).args(more).arg(url);
    String::from_utf8_lossy(&command.output().expect("curl is there").stdout).into_owned()
}

fn client(vip: &str) -> &'static str {
    if vip.contains(':') { "fd50::2" } else { "10.50.0.2" }
}

#[test]
fn every_mode_carries_real_traffic() {
    let town = Town::build();
    service::start(&town.names);
    let mut watch = start(&town, false);
    watch.want(&everything(&town.names));
    assert!(
        watch.door.attached().iter().all(|one| one.driver == Driver::Native),
        "{:?}",
        watch.door.attached()
    );
    let upload = town.pins.with_extension("upload");
    std::fs::write(&upload, vec![7; BIG]).expect("there is room");
    let data = format!("@{}", upload.display());
    for (vip, mode, net) in VIPS {
        let what = format!("{mode:?} {vip} by {net}");
        let answers: Vec<String> = (0..20).map(|_| curl(&town.names, &[], &url(vip, "id"))).collect();
        let seen = |answer: &&String| answer.split(' ').nth(1) == Some(client(vip));
        assert_eq!(answers.iter().filter(seen).count(), 20, "{what}: {answers:?}");
        let speeds = ["-o", "/dev/null", "-w", "%{size_download} %{time_total}"];
        let down = curl(&town.names, &speeds, &url(vip, "big"));
        assert!(down.starts_with(&format!("{BIG} ")), "{what}: {down}");
        let up = curl(&town.names, &["-H", "expect:", "--data-binary", &data], &url(vip, "up"));
        assert!(up.ends_with(&format!(" {BIG}")), "{what}: {up}");
        println!(
            "{what}: 20/20, 100 MiB down in {} s, and up",
            down.split(' ').next_back().unwrap_or_default()
        );
    }
    std::fs::remove_file(upload).expect("it was there");
    assert!(watch.count(Reason::TooBig) > 0, "uploads through tunnels start with packets that do not fit");
}

#[test]
fn every_mode_carries_udp() {
    let town = Town::build();
    service::start(&town.names);
    let mut watch = start(&town, false);
    watch.want(&everything(&town.names));
    for (vip, mode, net) in VIPS {
        let to = SocketAddr::new(vip.parse().expect("an address"), UDP);
        let answered = town.names.inside("client", || (0..20).filter(|_| asks(to, client(vip))).count());
        assert_eq!(answered, 20, "{mode:?} {vip} by {net}: {:?}", watch.door.tables.reasons());
    }
}

fn asks(to: SocketAddr, client: &str) -> bool {
    let socket = UdpSocket::bind((client, 0)).expect("the client has its address");
    socket.connect(to).expect("there is a route");
    socket.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout is set");
    socket.send(b"who?").expect("a packet goes out");
    let mut buffer = [0; 100];
    let length = socket.recv(&mut buffer).unwrap_or(0);
    let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
    answer.ends_with(&format!(" {client} who?"))
}

fn talk(names: &Names, vip: &str, count: usize) -> Vec<Talk> {
    let to = SocketAddr::new(vip.parse().expect("an address"), ECHO);
    let open = || (0..count).map(|_| Talk::open(to)).collect::<Result<Vec<_>, _>>();
    let talks = names.inside("client", open).unwrap_or_else(|error| panic!("{vip}: {error}"));
    assert!(talks.iter().all(|talk| talk.seen_as == client(vip)), "servers see the client's own address");
    talks
}

fn broken(talks: &mut [Talk]) -> usize {
    talks.iter_mut().filter_map(|talk| (!talk.lives()).then_some(())).count()
}

#[test]
fn changes_of_servers_break_no_live_flow() {
    let town = Town::build();
    service::start(&town.names);
    let mut watch = start(&town, false);
    for &vip in &[VIPS[0], VIPS[2], VIPS[4], VIPS[5]] {
        let mut wanted = vec![town.names.vip(vip, ECHO, Protocol::Tcp)];
        let third = wanted[0].servers.pop().expect("three servers");
        wanted[0].servers.push(third.clone());
        watch.want(&wanted);
        let mut talks = talk(&town.names, vip.0, 300);
        wanted[0].servers[1].state = ServerState::Draining;
        watch.want(&wanted);
        assert_eq!(broken(&mut talks), 0, "{vip:?}: drain");
        let new = talk(&town.names, vip.0, 60);
        assert!(new.iter().all(|talk| talk.server != 2), "{vip:?}: no new flow on the drained server");
        talks.extend(new);
        wanted[0].servers.remove(1);
        watch.want(&wanted);
        assert_eq!(broken(&mut talks), 0, "{vip:?}: the drained server is taken out");
        wanted[0].servers[0].weight = 1;
        watch.want(&wanted);
        assert_eq!(broken(&mut talks), 0, "{vip:?}: weights");
        wanted = vec![town.names.vip(vip, ECHO, Protocol::Tcp)];
        watch.want(&wanted);
        let new = talk(&town.names, vip.0, 60);
        assert!(new.iter().any(|talk| talk.server == 2), "{vip:?}: a server is added");
        talks.extend(new);
        assert_eq!(broken(&mut talks), 0, "{vip:?}: add");
    }
}

#[test]
fn a_dead_servers_new_flows_go_elsewhere_at_once() {
    let town = Town::build();
    service::start(&town.names);
    let mut watch = start(&town, false);
    for &vip in &[VIPS[0], VIPS[2], VIPS[4]] {
        let mut wanted = vec![town.names.vip(vip, ECHO, Protocol::Tcp)];
        watch.want(&wanted);
        let mut talks = talk(&town.names, vip.0, 60);
        wanted[0].servers[2].state = ServerState::Dead;
        watch.want(&wanted);
        assert!(talk(&town.names, vip.0, 60).iter().all(|talk| talk.server != 3), "{vip:?}");
        talks.retain(|talk| talk.server != 3);
        assert_eq!(broken(&mut talks), 0, "{vip:?}: the others' flows stay");
    }
}

/// A process that holds the door, as the product would.
struct Keeper(Child);

impl Keeper {
    fn start(town: &Town) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this is a file"));
        command.args(["--exact", "keeper", "--nocapture"]).stdout(Stdio::piped());
        command.env("TOWN", &town.names.0).env("PINS", town.pins());
        let mut child = command.spawn().expect("it can be started again");
        let output = child.stdout.take().expect("it is piped");
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(output));
        let ready = lines.any(|line| line.is_ok_and(|line| line.ends_with("the door is kept")));
        assert!(ready, "the keeper comes up");
        Self(child)
    }

    fn kill(mut self) {
        self.0.kill().expect("it is ours");
        self.0.wait().expect("it ends");
    }
}

/// No test by itself but the process that a crash test starts and kills; it says where.
#[test]
fn keeper() {
    let (Ok(town), Ok(pins)) = (std::env::var("TOWN"), std::env::var("PINS")) else { return };
    let names = Names(town);
    let options = Options {
        pins: Some(pins.into()),
        interfaces: vec!["front".into(), "back".into()],
        flows_max: 100_000,
        ..Options::default()
    };
    let door = names.inside("door", || Door::start(&options)).unwrap_or_else(|fault| panic!("{fault}"));
    let contents = door.tables.contents().expect("maps can be read");
    let mut watch = Watch { door, plan: Plan::adopt(Limits::default(), &contents, Instant::now()) };
    watch.want(&everything(&names));
    println!("the door is kept");
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn traffic_survives_the_death_of_the_process_and_the_next_one_adopts_it() {
    let town = Town::build();
    service::start(&town.names);
    let keeper = Keeper::start(&town);
    let mut talks: Vec<Talk> = VIPS.iter().flat_map(|vip| talk(&town.names, vip.0, 45)).collect();
    assert_eq!(talks.len(), 315);
    keeper.kill();
    assert_eq!(broken(&mut talks), 0, "nobody keeps the door");
    talks.extend(talk(&town.names, VIPS[0].0, 10));
    let next = Keeper::start(&town);
    assert_eq!(broken(&mut talks), 0, "the next one does");
    next.kill();
    let watch = start(&town, true);
    assert!(watch.door.attached().iter().all(|one| one.adopted), "{:?}", watch.door.attached());
    assert_eq!(broken(&mut talks), 0, "and the one after");
    town.names.inside("door", || watch.door.stop()).expect("it comes off");
    assert!(!town.pins().exists(), "nothing is left behind");
    let mut fresh = start(&town, true);
    fresh.want(&everything(&town.names));
    assert!(fresh.door.attached().iter().all(|one| !one.adopted), "there was nothing to adopt");
    drop(fresh);
    load::detach(&town.pins()).expect("what a dead process left can be taken off");
    assert!(!town.pins().exists());
}

#[test]
fn a_version_with_other_maps_takes_over_without_a_gap() {
    let town = Town::build();
    service::start(&town.names);
    let mut first = start(&town, true);
    first.want(&everything(&town.names));
    // NAT needs its table and is told so in the manual; the others need none.
    let stateless = VIPS.iter().filter(|vip| vip.1 != Mode::Nat);
    let mut talks: Vec<Talk> = stateless.flat_map(|vip| talk(&town.names, vip.0, 30)).collect();
    drop(first);
    let ours = town.pins().join(format!("v{}", transom_packet::abi::VERSION));
    std::fs::rename(ours, town.pins().join("v0")).expect("as if made by another version");
    let mut door = town
        .names
        .inside("door", || Door::load(&options(&town, true)))
        .unwrap_or_else(|fault| panic!("{fault}"));
    let mut plan = Plan::new(Limits::default(), Instant::now());
    assert!(door.tables.contents().expect("maps can be read").vips.is_empty(), "the maps are new");
    let steps = plan.update(&everything(&town.names), Instant::now()).expect("the wish can be met");
    door.tables.apply(&steps).expect("the maps have room");
    assert_eq!(broken(&mut talks), 0, "the old version still works");
    town.names.inside("door", || door.attach()).expect("the new one takes its place");
    assert!(door.attached().iter().all(|one| one.adopted), "{:?}", door.attached());
    assert!(!town.pins().join("v0").exists(), "the old maps are let go");
    assert_eq!(broken(&mut talks), 0, "the new version works");
    assert!(door.tables.reason(Reason::Dsr).expect("counters can be read") > 0);
}

#[test]
fn an_interface_that_takes_no_native_program_gets_a_generic_one_and_says_so() {
    let town = Town::build();
    let options = Options { pins: None, interfaces: vec!["front".into()], ..Options::default() };
    let door =
        town.names.inside("switch", || Door::start(&options)).unwrap_or_else(|fault| panic!("{fault}"));
    let [bridge] = door.attached() else { panic!("one interface was named") };
    assert_eq!(bridge.driver, Driver::Generic);
    assert!(bridge.refused.is_some(), "and why");
}

#[test]
fn the_kernel_tells_the_way_to_a_server() {
    let town = Town::build();
    let wanted = town.names.vip(VIPS[4], HTTP, Protocol::Tcp);
    let wanted6 = town.names.vip(VIPS[5], HTTP, Protocol::Tcp);
    for server in wanted.servers.iter().chain(&wanted6.servers) {
        let ends = Instant::now() + Duration::from_secs(5);
        let found = town.names.inside("door", || {
            loop {
                let hop = hop::resolve(server.address).unwrap_or_else(|fault| panic!("{fault}"));
                if hop.is_some() || Instant::now() > ends {
                    return hop;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        assert_eq!(found, server.hop, "{}", server.address);
    }
    let nowhere = town.names.inside("door", || hop::resolve([203, 0, 113, 1].into()));
    assert!(matches!(nowhere, Err(Fault::NoWay { .. })), "{nowhere:?}");
}
