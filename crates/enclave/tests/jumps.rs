//! Clocks that jump, in a process that runs and over its restarts: the wall clock to and fro by up to ten years, the
//! monotonic one anew with each start. Nothing that waits goes out before its time has passed, and nothing that has
//! expired comes back.
//!
//! 60 jumps; `HOLDFAST_CAMPAIGN=1` makes it a thousand, and `HOLDFAST_SEED` plays one run again.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]
#![expect(clippy::disallowed_methods, reason = "a test of a real process lives in real time")]

mod rig;

use std::time::Instant;

use boundary::Env;
use boundary::approval::AclDocument;
use boundary::freeze::Freeze;
use boundary::message::{KeyType, Refusal, Reply, Request};
use rig::control::*;
use rig::machine::*;
use rig::*;

const HOUR_S: i64 = 3_600;
const TEN_YEARS_S: i64 = 10 * 365 * 24 * HOUR_S;
/// How many jumps a copy of the same state sees.
const JUMPS_A_ROUND: usize = 10;
/// What really passes at most between the beginning of a delay and that of a round, in the eyes of the enclave.
const SETTING_UP_S: i64 = 60;
/// The tenant that is frozen.
const FROZEN: &str = "tenant-b";

/// A linear congruential generator (Knuth's MMIX constants): a run can be played again from its seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.0 >> 33).unwrap() % bound
    }

    /// From a minute to ten years, either way, each order of magnitude as often.
    fn jump_s(&mut self) -> i64 {
        let span_s = (60_i64 << self.below(23)).min(TEN_YEARS_S);
        let jump_s = span_s + self.below(span_s).min(TEN_YEARS_S - span_s);
        if self.below(2) == 0 { jump_s } else { -jump_s }
    }
}

/// Things that each wait for an hour, and one that has an hour.
struct Waiting {
    /// Approved under a list with a delay.
    delayed: Parcel,
    /// Approved under a version of a list that has no delay, and waits itself.
    weaker: Parcel,
    /// Approved, of the tenant that is frozen.
    frozen: Parcel,
    /// Approved, and good for an hour.
    expiring: Parcel,
}

fn waiting(machine: &Machine) -> Waiting {
    let gpg = Gpg::new(&machine.folder);
    curve25519(&gpg, "recipient");
    let certificate = gpg.export("recipient");
    let enclave = machine.start_at((0, 0), &["--recovery-limits", "off"]);
    let mut client = enclave.connect();
    let [owner, anna, ben] = ["olga", "anna", "ben"].map(Person::new);
    let mut rosters: Vec<boundary::approval::Roster> = Vec::new();
    let mut guards = |tenant: &str, acl_id: &str, delay_s: i64| {
        let list = AclDocument {
            delay_hot_s: delay_s,
            delay_cold_s: delay_s,
            check_requester: false,
            ..list(Env::Production, tenant, acl_id, &[&anna, &ben])
        };
        let known = rosters.iter().find(|roster| roster.tenant_id == tenant).cloned();
        let roster = known.unwrap_or_else(|| {
            let roster = roster(Env::Production, tenant, &[&owner]);
            expect!(amend(&mut client, &roster, None, None, vec![owner.yes(&hash_of(&roster))]), Amended);
            rosters.push(roster.clone());
            roster
        });
        let ballots = vec![owner.yes(&hash_of(&list))];
        expect!(amend(&mut client, &list, None, Some(&roster), ballots), Amended);
        let key = new_key_of(&mut client, KeyType::Ed25519, tenant, USER);
        attach(&mut client, &owner, &roster, &list, &[&key]);
        (list, key)
    };
    let [slow, changing, quick] = [("slow", HOUR_S), ("changing", HOUR_S), ("quick", 0)]
        .map(|(id, delay_s)| guards(TENANT, id, delay_s));
    let held = guards(FROZEN, "held", 0);
    let lasts_ms = 30 * 365 * 24 * HOUR_S * 1_000;
    let mut asked = |list: &AclDocument, key: &UserKey, lasts_ms: i64| {
        let session = open_person(&mut client, &list.tenant_id, "anna");
        let keys = std::slice::from_ref(key);
        let mut parcel = Parcel::new(&mut client, list, (&anna, &session), USER, &certificate, (&[], keys));
        parcel.bundle.intent.expires_at_ms = parcel.bundle.intent.not_before_ms + lasts_ms;
        parcel.voted(&[&anna, &ben])
    };
    let weaker = next(&changing.0, |list| list.delay_hot_s = 0);
    let delayed = asked(&slow.0, &slow.1, lasts_ms);
    let under_weaker = asked(&weaker, &changing.1, lasts_ms);
    let frozen = asked(&held.0, &held.1, lasts_ms);
    let expiring = asked(&quick.0, &quick.1, HOUR_S * 1_000);
    let votes = vec![anna.yes(&hash_of(&weaker)), ben.yes(&hash_of(&weaker))];
    expect!(amend(&mut client, &weaker, Some(&bytes_of(&changing.0)), None, votes), Amended);
    let freeze = Freeze { tenant_id: FROZEN.into(), hours: 1 };
    expect!(client.call(&Request::Freeze(freeze)), Frozen);
    expect!(delayed.send(&mut client), Waiting);
    assert_eq!(under_weaker.send(&mut client), Reply::Refused(Refusal::ProofFailed), "not in force");
    assert!(matches!(frozen.send(&mut client), Reply::Refused(Refusal::Frozen(_))));
    assert_eq!(expect!(expiring.send(&mut client), Packaged).delivery, 1, "while it lasts");
    Waiting { delayed, weaker: under_weaker, frozen, expiring }
}

/// What came of a run.
#[derive(Debug, Default)]
struct Counts {
    jumps: usize,
    early: usize,
    released: usize,
    revived: usize,
    expiries: usize,
}

/// One machine, as it is in truth and as its clocks are.
struct Truth {
    began: Instant,
    /// So much more than what really passed.
    passed_s: i64,
    /// How far the wall clock is off.
    wall_off_s: i64,
    /// What the monotonic clock began this life with, and what it was moved by since.
    monotonic_s: i64,
    /// The latest instant that was written down, counted from the beginning.
    logged_s: i64,
}

impl Truth {
    fn now_s(&self) -> i64 {
        self.passed_s + i64::try_from(self.began.elapsed().as_secs()).unwrap()
    }

    fn wall_s(&self) -> i64 {
        self.passed_s + self.wall_off_s
    }
}

/// Plays as many jumps; with `as_one`, the second clock follows the first, as if there were none.
fn play(machine: &Machine, waiting: &Waiting, chance: &mut Chance, jumps: usize, as_one: bool) -> Counts {
    let (state, template) = (machine.folder.path("state"), machine.folder.path("template"));
    let mut counts = Counts::default();
    while counts.jumps < jumps {
        let _ = std::fs::remove_dir_all(&state);
        run(std::process::Command::new("cp").arg("-r").arg(&template).arg(&state));
        let mut truth =
            Truth { began: Instant::now(), passed_s: 0, wall_off_s: 0, monotonic_s: 0, logged_s: 0 };
        let mut enclave = machine.start_at((0, 0), &["--recovery-limits", "off"]);
        let mut gone = [false; 3];
        for step in 0..JUMPS_A_ROUND {
            counts.jumps += 1;
            match chance.below(5) {
                // Time passes, and the clocks see it.
                0 => {
                    let seen_s = chance.below(HOUR_S);
                    truth.passed_s += seen_s;
                    truth.monotonic_s += seen_s;
                }
                // The wall clock is set, or put right.
                1 => truth.wall_off_s = chance.jump_s(),
                2 => truth.wall_off_s = 0,
                // Another life of the process: the monotonic clock begins anywhere, and time has passed unseen.
                _ => {
                    truth.passed_s += chance.below(HOUR_S / 4);
                    truth.wall_off_s = if chance.below(2) == 0 { chance.jump_s() } else { truth.wall_off_s };
                    truth.monotonic_s = chance.below(TEN_YEARS_S);
                    drop(enclave);
                    let second_s = if as_one { truth.wall_s() } else { truth.monotonic_s };
                    enclave = machine.start_at((truth.wall_s(), second_s), &["--recovery-limits", "off"]);
                }
            }
            machine.set(truth.wall_s(), if as_one { truth.wall_s() } else { truth.monotonic_s });
            let mut client = enclave.connect();
            if chance.below(4) == 0 {
                // Something is written down, and with it what time it is.
                let tenant_id = format!("witness-{step}");
                expect!(client.call(&Request::Freeze(Freeze { tenant_id, hours: 1 })), Frozen);
                truth.logged_s = truth.logged_s.max(truth.wall_s());
            }
            for (parcel, gone) in
                [&waiting.delayed, &waiting.weaker, &waiting.frozen].into_iter().zip(&mut gone)
            {
                if !*gone && matches!(parcel.send(&mut client), Reply::Packaged(_)) {
                    *gone = true;
                    truth.logged_s = truth.logged_s.max(truth.wall_s());
                    counts.released += 1;
                    counts.early += usize::from(truth.now_s() + SETTING_UP_S < HOUR_S);
                }
            }
            if truth.logged_s > HOUR_S {
                counts.expiries += 1;
                let comes_back = matches!(waiting.expiring.send(&mut client), Reply::Packaged(_));
                counts.revived += usize::from(comes_back);
            }
        }
    }
    counts
}

#[test]
fn no_jump_of_a_clock_ends_a_delay_or_revives_what_expired() {
    let is_campaign = std::env::var("HOLDFAST_CAMPAIGN").is_ok_and(|word| word == "1");
    let seed = std::env::var("HOLDFAST_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| u64::try_from(now_ms()).unwrap());
    println!("seed: {seed}");
    let machine = Machine::new();
    let waiting = waiting(&machine);
    std::fs::rename(machine.folder.path("state"), machine.folder.path("template")).unwrap();
    let jumps = if is_campaign { 1_000 } else { 60 };
    let counts = play(&machine, &waiting, &mut Chance(seed), jumps, false);
    println!("figure: clock-jumps {} jumps", counts.jumps);
    println!("figure: clock-jumps-released-in-time {} releases", counts.released);
    println!("figure: clock-jumps-expired-asked-for {} releases", counts.expiries);
    println!("figure: clock-jumps-early {} releases", counts.early);
    println!("figure: clock-jumps-revived {} releases", counts.revived);
    assert_eq!((counts.early, counts.revived), (0, 0), "seed {seed}: {counts:?}");
    assert!(counts.expiries > 0 && (!is_campaign || counts.released > 0), "seed {seed}: {counts:?}");
    // With one clock alone, the same finds early releases.
    let mut chance = Chance(seed);
    let early =
        (0..10).map(|_| play(&machine, &waiting, &mut chance, 60, true).early).find(|&early| early > 0);
    println!("figure: clock-jumps-early-with-one-clock {} releases", early.unwrap_or(0));
    assert!(early.is_some(), "seed {seed}");
}
