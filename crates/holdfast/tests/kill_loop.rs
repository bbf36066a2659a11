//! Kills the real server and the real enclave at any moment, again and again, and holds them to everything that
//! they acknowledged. Beside the loop stand two of its kind: named calls at two processes, and the sender of webhooks.
//!
//! `HOLDFAST_SEED` repeats the choices of a run (not the moments at which two processes meet),
//! `HOLDFAST_ROUNDS` sets the number of rounds, `HOLDFAST_CAMPAIGN=1` makes it a long one.

#![expect(clippy::panic, reason = "a test may stop at once, in what its functions share too")]

mod rig {
    pub mod audit_log;
    pub mod book;
    pub mod campaign;
    pub mod chance;
    pub mod check;
    pub mod checkpoints;
    pub mod closing;
    pub mod draw;
    pub mod fixture;
    pub mod group;
    pub mod hex;
    pub mod hooks;
    pub mod http;
    pub mod installation;
    pub mod load;
    pub mod named;
    pub mod rows;
    pub mod shares;
    pub mod stock;
}

use crate::rig::campaign::{Campaign, Engine, Held};
use crate::rig::group::now;
use crate::rig::{chance, hooks, named};

#[test]
fn kill_loop_sqlite() {
    run(Engine::Sqlite, Held::Whole, rounds(40, 300));
}

#[test]
fn kill_loop_postgres() {
    run(Engine::Postgres, Held::Whole, rounds(10, 100));
}

/// The same with keys in shares over three stores; in the end keys, rows and shares are counted.
#[test]
fn kill_loop_shares() {
    run(Engine::Sqlite, Held::InShares, rounds(10, 300));
}

#[test]
fn kill_loop_named_calls_on_two_processes() {
    let seed = chance::seed();
    println!("named calls: HOLDFAST_SEED={seed} repeats its choices");
    named::run(seed, rounds(16, 200));
}

#[test]
fn kill_loop_webhooks() {
    let seed = chance::seed();
    println!("webhooks: HOLDFAST_SEED={seed} repeats its choices");
    hooks::run(seed, rounds(100, 1_000));
}

fn rounds(usual: usize, campaign: usize) -> usize {
    let asked = std::env::var("HOLDFAST_ROUNDS").ok().map(|text| text.parse().expect("a number of rounds"));
    let is_campaign = std::env::var("HOLDFAST_CAMPAIGN").is_ok_and(|word| word == "1");
    asked.unwrap_or(if is_campaign { campaign } else { usual })
}

fn run(engine: Engine, held: Held, rounds: usize) {
    let seed = chance::seed();
    println!("kill loop on {engine:?}, keys {held:?}: HOLDFAST_SEED={seed} repeats its choices");
    let begun = now();
    let mut campaign = Campaign::begin(engine, held, seed);
    for round in 1..=rounds {
        campaign.guarded(seed, round, |campaign| campaign.round(round, rounds));
    }
    campaign.guarded(seed, rounds, Campaign::finish);
    campaign.print_figures(rounds, now().duration_since(begun));
}
