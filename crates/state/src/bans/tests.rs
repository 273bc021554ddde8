//! Tables for single subjects, and a seeded simulation against the plainest table there can be.

use std::collections::BTreeMap;

use super::*;
use crate::fixture::{Chance, client, seconds, seeds, start};

fn rule(count: u32, per: u64, ban: Option<u64>) -> Rule {
    Rule { budget: Budget { count, per: seconds(per) }, ban: ban.map(seconds) }
}

fn source(number: u32) -> Subject {
    Subject::source(client(number))
}

/// Spends at these seconds: `.` pass, `o` over, `B` a ban begins, `b` banned.
fn run(rule: Rule, spent: Spent, times: &[u64]) -> String {
    let now = start();
    let bans = Bans::new(10, 7, now);
    let mark = |at: &u64| match bans.spend(&source(1), spent, &rule, now + seconds(*at)) {
        Verdict::Pass => '.',
        Verdict::Over { .. } => 'o',
        Verdict::Banned { begins: true, .. } => 'B',
        Verdict::Banned { begins: false, .. } => 'b',
    };
    times.iter().map(mark).collect()
}

#[test]
fn budgets_are_spent_and_earned() {
    for (description, rule, times, expected) in [
        (
            "three at once, then one in ten seconds",
            rule(3, 30, None),
            &[0, 0, 0, 0, 9, 10, 10, 20, 60][..],
            "...oo.o..",
        ),
        ("a ban begins with the one too many", rule(2, 60, Some(100)), &[0, 0, 0, 1, 99, 100], "..Bbb."),
        ("after a ban the budget is as time made it", rule(2, 60, Some(10)), &[0, 0, 0, 10, 30], "..BB."),
        ("nothing at all is allowed", rule(0, 60, None), &[0, 100], "oo"),
        ("no time is one at a time", rule(5, 0, None), &[0, 1], ".."),
    ] {
        assert_eq!(run(rule, Spent::Request, times), expected, "{description}");
        assert_eq!(run(rule, Spent::Failure, times), expected, "{description}");
    }
}

#[test]
fn the_two_budgets_are_apart_and_the_ban_holds_for_all() {
    let now = start();
    let bans = Bans::new(10, 7, now);
    let (one, strict) = (source(1), rule(1, 60, Some(60)));
    assert_eq!(bans.spend(&one, Spent::Request, &strict, now), Verdict::Pass);
    assert_eq!(bans.spend(&one, Spent::Failure, &strict, now), Verdict::Pass);
    assert_eq!(bans.check(&one, now), None);
    let begins = Verdict::Banned { reason: Reason::Failures, left: seconds(60), begins: true };
    assert_eq!(bans.spend(&one, Spent::Failure, &strict, now), begins);
    let later = now + seconds(20);
    let goes_on = Verdict::Banned { reason: Reason::Failures, left: seconds(40), begins: false };
    assert_eq!(bans.spend(&one, Spent::Request, &strict, later), goes_on);
    assert_eq!(bans.check(&one, later).unwrap().refused, 2);
    assert_eq!(bans.check(&source(2), later), None);
    assert_eq!(bans.check(&one, now + seconds(60)), None);
    let counts = bans.counts();
    assert_eq!((counts.begun, counts.refused, counts.bans), ([0, 1, 0], 2, 0));
}

#[test]
fn waiting_as_long_as_told_is_enough() {
    let now = start();
    let bans = Bans::new(10, 7, now);
    let limit = rule(7, 60, None);
    let mut at = now;
    for _ in 0..50 {
        if let Verdict::Over { retry_after } = bans.spend(&source(1), Spent::Request, &limit, at) {
            assert!(retry_after <= seconds(9));
            at += retry_after;
            assert_eq!(bans.spend(&source(1), Spent::Request, &limit, at), Verdict::Pass);
        }
    }
    assert!(at > now + seconds(100));
}

#[test]
fn bans_are_set_and_lifted_by_hand() {
    let now = start();
    let bans = Bans::new(10, 7, now);
    let user: Subject = "user:LAB\\Bob".parse().unwrap();
    bans.ban(&user, seconds(600), now);
    bans.ban(&source(1), Duration::MAX, now);
    let listed = bans.list(10, now);
    assert_eq!(listed.iter().map(|ban| ban.subject.clone()).collect::<Vec<_>>(), [source(1), user.clone()]);
    assert_eq!((listed[1].reason, listed[1].left), (Reason::Hand, seconds(600)));
    assert_eq!(bans.list(1, now).len(), 1);
    assert!(bans.lift(&user, now) && !bans.lift(&user, now) && !bans.lift(&source(9), now));
    assert_eq!(bans.check(&user, now), None);
    assert_eq!((bans.counts().bans, bans.counts().begun), (1, [0, 0, 2]));
}

#[test]
fn a_login_gives_a_users_failures_back() {
    let now = start();
    let bans = Bans::new(10, 7, now);
    let (user, limit) = (Subject::user("alice"), rule(2, 60, Some(60)));
    for _ in 0..10 {
        assert_eq!(bans.spend(&user, Spent::Failure, &limit, now), Verdict::Pass);
        assert_eq!(bans.spend(&user, Spent::Failure, &limit, now), Verdict::Pass);
        bans.forgive(&user, now);
    }
}

#[test]
fn bans_outlive_the_program() {
    let now = start();
    let bans = Bans::new(100, 7, now);
    (1..=20).for_each(|number| bans.ban(&source(number), seconds(number.into()), now));
    let saved = bans.snapshot(now + seconds(10));
    assert_eq!(saved.len(), 10);
    let other = Bans::new(100, 8, now);
    other.ban(&source(20), seconds(1000), now);
    other.restore(saved.clone(), now);
    assert_eq!(other.check(&source(15), now).unwrap().left, seconds(5));
    assert_eq!(other.check(&source(20), now).unwrap().left, seconds(1000), "the longer one stays");
    assert_eq!(other.check(&source(10), now), None);
    other.restore(saved, now);
    assert_eq!(other.counts().bans, 10, "twice is once");
}

#[test]
fn a_flood_of_sources_moves_no_ban() {
    let now = start();
    let bans = Bans::new(8, 7, now);
    (0..5).for_each(|number| bans.ban(&source(number), seconds(60), now));
    for number in 100..10_000 {
        bans.spend(&source(number), Spent::Request, &rule(5, 60, Some(60)), now);
    }
    assert!((0..5).all(|number| bans.check(&source(number), now).is_some()));
    assert_eq!((bans.counts().subjects, bans.counts().unwatched), (8, 0));
    (5..8).for_each(|number| bans.ban(&source(number), seconds(10), now));
    assert_eq!(bans.spend(&source(50), Spent::Request, &rule(0, 60, Some(60)), now), Verdict::Pass);
    assert_eq!((bans.counts().unwatched, bans.counts().displaced), (1, 0));
    bans.ban(&source(50), seconds(60), now);
    assert!(bans.check(&source(50), now).is_some());
    let left = (5..8).filter(|number| bans.check(&source(*number), now).is_some()).count();
    assert_eq!((left, bans.counts().displaced), (2, 1), "one of those with least time left went");
    let later = now + seconds(10);
    assert_eq!(bans.spend(&source(51), Spent::Request, &rule(5, 60, None), later), Verdict::Pass);
    assert_eq!(bans.counts().unwatched, 1, "a ban that is over makes room");
}

#[test]
fn the_table_stays_within_its_size_and_memory() {
    let now = start();
    for size in [0, 1, 255, 256, 1000, 20_000] {
        let bans = Bans::new(size, 7, now);
        for number in 0..size * 3 / 2 + 10 {
            bans.spend(&source(number), Spent::Request, &rule(5, 60, None), now);
        }
        let counts = bans.counts();
        assert!(counts.subjects <= size.max(1) as usize, "{} of {size}", counts.subjects);
        assert!(counts.subjects * 10 >= size as usize * 9, "{} of {size}", counts.subjects);
        bans.expire(now + seconds(59));
        bans.expire(now + seconds(60));
        assert_eq!(bans.counts().subjects, 0);
    }
    assert!(memory(1) <= 448, "{} bytes for one subject", memory(1));
}

/// The plainest table: every subject, its tokens as a list of times, its ban.
#[derive(Default)]
struct Model {
    spent: [Vec<Instant>; 2],
    ban: Option<(Instant, Reason)>,
}

/// Subjects come, fail, are banned, forgiven and lifted in an order drawn from a seed. The table is large enough to
/// forget nobody, so that it must agree with the model in everything.
#[test]
fn agrees_with_a_plain_model_in_any_order() {
    for seed in seeds() {
        let mut chance = Chance::new(seed);
        let mut now = start();
        let bans = Bans::new(64, seed, now);
        let rules = [0, 1].map(|_| rule(1 + chance.below(4) as u32, 12, [None, Some(7)][chance.below(2)]));
        let mut model: BTreeMap<Subject, Model> = BTreeMap::new();
        for _ in 0..300 {
            now += Duration::from_millis(chance.below(3000) as u64);
            let subject = if chance.below(2) == 0 {
                source(chance.below(4) as u32)
            } else {
                Subject::user(["a", "b"][chance.below(2)])
            };
            let known = model.entry(subject.clone()).or_default();
            known.ban = known.ban.filter(|(until, _)| *until > now);
            match chance.below(12) {
                0 => {
                    bans.ban(&subject, seconds(5), now);
                    known.ban = Some((now + seconds(5), Reason::Hand));
                }
                1 => {
                    assert_eq!(bans.lift(&subject, now), known.ban.is_some(), "SEED={seed}");
                    *known = Model::default();
                }
                2 => {
                    bans.forgive(&subject, now);
                    known.spent[1].clear();
                }
                3 => bans.expire(now),
                4 => {
                    let ban = bans.check(&subject, now).map(|ban| (now + ban.left, ban.reason));
                    assert_eq!(ban, known.ban, "SEED={seed}");
                }
                _ => {
                    let kind = chance.below(2);
                    let spent = [Spent::Request, Spent::Failure][kind];
                    let verdict = bans.spend(&subject, spent, &rules[kind], now);
                    assert_eq!(passes(verdict), expected(known, kind, rules[kind], now), "SEED={seed}");
                }
            }
        }
        let in_force = model.values().filter(|known| known.ban.is_some_and(|(until, _)| until > now)).count();
        assert_eq!(bans.list(100, now).len(), in_force, "SEED={seed}");
    }
}

/// A table that is always too small, in an order drawn from a seed: bans in force go only for other bans and only where
/// nothing else is left, which the table counts, and no number of subjects goes over the size.
#[test]
fn a_small_table_loses_no_ban_it_could_keep() {
    for seed in seeds() {
        let mut chance = Chance::new(seed);
        let mut now = start();
        let bans = Bans::new(6, seed, now);
        let mut until: BTreeMap<Subject, Instant> = BTreeMap::new();
        for _ in 0..300 {
            now += Duration::from_millis(chance.below(800) as u64);
            until.retain(|_, end| *end > now);
            let subject = source(chance.below(30) as u32);
            let before = bans.counts();
            match chance.below(10) {
                0 => {
                    let length = seconds(1 + chance.below(20) as u64);
                    bans.ban(&subject, length, now);
                    until.insert(subject.clone(), now + length);
                }
                1 => bans.expire(now),
                _ => {
                    let rule = rule(1 + chance.below(2) as u32, 5, Some(4));
                    if let Verdict::Banned { begins: true, .. } =
                        bans.spend(&subject, Spent::Failure, &rule, now)
                    {
                        until.insert(subject.clone(), now + seconds(4));
                    }
                }
            }
            let after = bans.counts();
            let listed: BTreeMap<_, _> =
                bans.list(10, now).into_iter().map(|ban| (ban.subject, now + ban.left)).collect();
            if after.displaced > before.displaced {
                assert_eq!(until.len(), 7, "SEED={seed}: nothing else was left");
                let soonest = until.iter().filter(|(own, _)| **own != subject).map(|(_, end)| *end).min();
                let gone = until.keys().find(|own| !listed.contains_key(own)).unwrap().clone();
                assert_eq!(until.remove(&gone), soonest, "SEED={seed}: the one with least time left");
            }
            if after.unwatched > before.unwatched {
                assert_eq!(until.len(), 6, "SEED={seed}: all room was taken by bans");
            }
            assert_eq!(listed, until, "SEED={seed}");
        }
    }
}

fn passes(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Over { .. } => "over",
        Verdict::Banned { begins: true, .. } => "begins",
        Verdict::Banned { .. } => "banned",
    }
}

/// A bucket of `count` tokens, refilled step by step: each spent token comes back `per / count` after the one before it.
fn expected(known: &mut Model, kind: usize, rule: Rule, now: Instant) -> &'static str {
    if known.ban.is_some() {
        return "banned";
    }
    let back = &mut known.spent[kind];
    back.retain(|at| *at > now);
    if back.len() < rule.budget.count as usize {
        let before = back.last().copied().unwrap_or(now);
        back.push(before + rule.budget.per / rule.budget.count);
        return "pass";
    }
    let Some(length) = rule.ban else { return "over" };
    known.ban = Some((now + length, [Reason::Requests, Reason::Failures][kind]));
    "begins"
}

#[test]
fn workers_share_one_table() {
    let now = start();
    let bans = Bans::new(1000, 7, now);
    let limit = rule(100, 60, Some(60));
    let passed: usize = std::thread::scope(|scope| {
        let work = || {
            (0..100).filter(|_| bans.spend(&source(1), Spent::Request, &limit, now) == Verdict::Pass).count()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!((passed, bans.counts().begun[0], bans.counts().refused), (100, 1, 299));
}
