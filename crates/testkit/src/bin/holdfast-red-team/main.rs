//! `holdfast-red-team`: has all that the server has, and tries to get at what it keeps.
//!
//! It starts a production installation of its own (server, enclave, PostgreSQL), lets people enrol with plaintexts
//! that nobody has seen before, and runs scripts with everything that the server's host holds: the enclave's socket,
//! the database as its superuser, every ticket, admission, record, sealed key, document and ballot, an account of its
//! own. All that comes back through any door, and what its own OpenPGP key opens of it, is searched for the plaintexts.
//! Then it leaves out of the enclave the check that a script is to be stopped by, and the script must succeed.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a program of tests may stop at once")]

mod database;
mod evidence;
// The searcher of the canary test.
#[path = "../../../../holdfast/tests/rig/hex.rs"]
mod hex;
mod items;
mod people;
#[cfg_attr(
    not(test),
    expect(clippy::wildcard_imports, reason = "it is a part of tests, where that is usual")
)]
#[path = "../../../../enclave/tests/rig/mod.rs"]
mod rig;
#[expect(dead_code, reason = "it is a part of another test too")]
#[path = "../../../../holdfast/tests/rig/search.rs"]
mod search;
mod tokens;
mod vetoes;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use world::{Attack, World};

const USAGE: &str = "usage: holdfast-red-team [--json] [--controls all|some|none] [--only TEXT]

Attacks a production installation of its own with all that a server has. Prints a line for
each script, and ends with 0 if no script got anything and each one does get something once
the checks that it names are left out (holdfast-enclave-weakened, beside this program).

  --json       one object instead of lines
  --controls   which scripts are run again without their checks (default: all)
  --only       only scripts in whose name that stands";

/// With `--controls some`, every so many-th script that names a check.
const SOME: usize = 9;

/// All scripts, by what they are about.
const TABLES: [&[Attack]; 6] =
    [tokens::ATTACKS, items::ATTACKS, evidence::ATTACKS, people::ATTACKS, vetoes::ATTACKS, database::ATTACKS];

/// What became of a script.
struct Told {
    attack: Attack,
    /// What it got: nothing, if the enclave holds.
    got: Vec<String>,
    /// The same without its checks; none if that was not tried.
    without: Option<Vec<String>>,
    /// The enclave's last word on that.
    said: String,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (as_json, rest) = match words.split_first() {
        Some((&"--json", rest)) => (true, rest),
        _ => (false, words.as_slice()),
    };
    let (rest, only) = match rest {
        [rest @ .., "--only", only] => (rest, *only),
        rest => (rest, ""),
    };
    let every = match rest {
        [] | ["--controls", "all"] => Some(1),
        ["--controls", "some"] => Some(SOME),
        ["--controls", "none"] => None,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut attacks: Vec<Attack> = TABLES.concat();
    attacks.retain(|attack| attack.name.contains(only));
    let controls = |n: usize| every.is_some_and(|every| n.is_multiple_of(every));
    let switched = attacks.iter().filter(|attack| !attack.without.is_empty());
    let rounds = attacks.len() + (0..switched.count()).filter(|&n| controls(n)).count();
    let bar = ProgressBar::new(u64::try_from(rounds).unwrap()).with_message("enrols victims");
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {wide_msg}").unwrap();
    bar.set_style(style);
    let mut world = World::start();
    let served = world.still_serves();
    let mut told: Vec<Told> = Vec::new();
    for attack in attacks {
        bar.set_message(attack.name);
        let got = run(&mut world, &attack);
        told.push(Told { attack, got, without: None, said: String::new() });
        bar.inc(1);
    }
    let named = told.iter_mut().filter(|told| !told.attack.without.is_empty());
    for (_, told) in named.enumerate().filter(|(n, _)| controls(*n)) {
        bar.set_message(told.attack.name);
        world.leave_out(told.attack.without);
        told.without = Some(run(&mut world, &told.attack));
        told.said = world.last_words();
        bar.inc(1);
    }
    bar.finish_and_clear();
    world.leave_out("");
    let served = served && world.still_serves();
    let report = Report { told, served };
    if as_json {
        println!("{}", report.json());
    } else {
        report.print();
    }
    if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What a script gets.
fn run(world: &mut World, attack: &Attack) -> Vec<String> {
    world.begin();
    match catch_unwind(AssertUnwindSafe(|| (attack.run)(world))) {
        Ok(yes) => {
            let mut got = world.hits();
            got.extend(yes.then(|| "a yes".to_owned()));
            got
        }
        // Whatever stopped it, the script has not shown that anything holds.
        Err(_) => vec![STOPPED.to_owned()],
    }
}

/// What is told of a script that could not be carried out.
const STOPPED: &str = "stopped";

/// All that is told.
struct Report {
    told: Vec<Told>,
    /// Whether the untouched request was served before and after.
    served: bool,
}

impl Report {
    fn broken(&self) -> usize {
        self.told.iter().filter(|told| !told.got.is_empty()).count()
    }

    fn controls(&self) -> usize {
        self.told.iter().filter(|told| told.without.is_some()).count()
    }

    /// Scripts that get nothing although nothing of what they name stops them: they would not notice if it were gone.
    fn deaf(&self) -> usize {
        let fails = |told: &&Told| told.without.as_ref().is_some_and(|got| !succeeds(got));
        self.told.iter().filter(fails).count()
    }

    fn holds(&self) -> bool {
        self.broken() == 0 && self.deaf() == 0 && self.served
    }

    fn json(&self) -> Value {
        let scripts = self.told.iter().map(|told| {
            let checks: Vec<&str> =
                told.attack.without.split(',').filter(|check| !check.is_empty()).collect();
            json!({
                "script": told.attack.name, "checks": checks, "held": told.got.is_empty(), "got": told.got,
                "without": told.without, "enclave": told.said,
            })
        });
        json!({
            "scripts": scripts.collect::<Vec<_>>(), "broken": self.broken(), "controls": self.controls(),
            "deaf": self.deaf(), "served": self.served,
        })
    }

    fn print(&self) {
        for told in &self.told {
            let word = if told.got.is_empty() { "held  " } else { "BROKEN" };
            println!("{word} {} {}", told.attack.name, told.got.join(", "));
            match (&told.without, told.attack.without) {
                (_, "") => println!("       by the seals, the keys, or what is not there"),
                (None, checks) => println!("       checks: {checks}"),
                (Some(got), checks) if succeeds(got) => {
                    println!("       without {checks}: succeeds: {}", got.join(", "));
                }
                (Some(_), checks) => println!("       without {checks}: FAILS TO SUCCEED: {}", told.said),
            }
        }
        println!("figure: red_team_scripts {} scripts", self.told.len());
        println!("figure: red_team_broken {} scripts", self.broken());
        println!("figure: red_team_controls {} scripts", self.controls());
        println!("figure: red_team_controls_without_effect {} scripts", self.deaf());
        println!("the untouched request {}", if self.served { "is served" } else { "is NOT served" });
    }
}

fn succeeds(got: &[String]) -> bool {
    !got.is_empty() && !got.iter().any(|got| got == STOPPED)
}
