//! probe
#[test]
fn loads() {
    let mut door = transom_packet::load::Door::start(&transom_packet::load::Options { pins: None, ..Default::default() }).unwrap();
    door.program().unwrap();
}
