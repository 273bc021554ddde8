//! Listeners that balance packets: nat, dsr and tunnel, with real TCP and UDP, through the program.

mod changes;
mod life;
mod service;
mod town;
mod traffic;

use self::service::Talk;

/// How many talks no longer carry words.
fn broken(talks: &mut [Talk]) -> usize {
    talks.iter_mut().filter_map(|talk| (!talk.lives()).then_some(())).count()
}
