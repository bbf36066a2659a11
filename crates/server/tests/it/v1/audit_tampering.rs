//! Exports that somebody changed, in many ways: each is found by the service's own verifier, and a part of them, since
//! it is slower, by the one that shares no code with it.
//!
//! `HOLDFAST_CAMPAIGN=1` makes it ten thousand; `HOLDFAST_SEED` plays one run again.

use std::collections::BTreeMap;

use boundary::json::{Value as Json, canonical, parse};
use domain::audit::hex;
use domain::audit::tree::leaf;
use domain::entropy::Entropy as _;
use serde_json::{Value, json};
use server::edge::chance::SystemChance;
use testkit::{App, Plan};

use super::audit::{history, history_of_names};
use super::audit_checkpoint::{checkpoint, export, judge, verify};
use super::audit_export::fill;

/// Numbers that a seed stands for (xorshift64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % bound
    }
}

/// The members of an entry that a forger would have another value of.
const MEMBERS: [&str; 9] =
    ["time", "actor", "actor_type", "action", "key_id", "customer_id", "result", "reason", "request_id"];

const KINDS: [&str; 12] = [
    "a character",
    "a line gone",
    "a line twice",
    "two lines swapped",
    "the end cut off",
    "a line cut in two",
    "a line invented",
    "a member changed",
    "a member gone",
    "a link changed",
    "rewritten and chained anew",
    "one taken out and chained anew",
];

/// Changes an export in one way; and the number of the entry at fault, where both verifiers must name just that.
fn tamper(kind: usize, lines: &[String], dice: &mut Dice) -> (Vec<String>, Option<i64>) {
    let mut out = lines.to_vec();
    let (at, other) = (dice.below(lines.len()), dice.below(lines.len()));
    let seq = i64::try_from(at).unwrap() + 1;
    // What is changed in the last entry or links to none is found, though not told where.
    let is_inner = at + 1 < lines.len();
    let mut named = Some(seq).filter(|_| is_inner);
    match kind {
        0 => out[at] = with_another_character(&lines[at], dice),
        1 => drop(out.remove(at)),
        2 => {
            out.insert(at, lines[at].clone());
            named = Some(seq + 1);
        }
        3 => {
            out.swap(at, other);
            named = Some(seq.min(i64::try_from(other).unwrap() + 1));
        }
        4 => {
            out.truncate(at);
            named = Some(seq);
        }
        5 => {
            let end =
                (0..lines[at].len() - 1 - dice.below(9)).rev().find(|end| lines[at].is_char_boundary(*end));
            out[at].truncate(end.unwrap());
            named = Some(seq);
        }
        6 => {
            let forged = with_member(&lines[other], "seq", Json::Integer(seq));
            out.insert(at, with_member(&forged, "request_id", Json::text("invented")));
            named = None;
        }
        7 => {
            let name = MEMBERS[dice.below(MEMBERS.len())];
            out[at] = with_member(&lines[at], name, Json::text(format!("forged-{}", dice.below(1_000))));
        }
        8 => {
            let name = MEMBERS[dice.below(MEMBERS.len())];
            let Ok(Json::Object(mut members)) = parse(&lines[at]) else { unreachable!("an entry") };
            members.retain(|(known, _)| known != name);
            out[at] = canonical(&Json::Object(members)).unwrap();
            named = Some(seq);
        }
        9 => {
            out[at] = with_member(&lines[at], "prev_hash", Json::text(hex(&leaf(lines[at].as_bytes()))));
            named = named.or(Some(seq - 1).filter(|before| *before > 0)).or(Some(1));
        }
        10 => {
            out[at] = with_member(&lines[at], "actor", Json::text("somebody else"));
            chain_anew(&mut out, at);
            named = Some(1);
        }
        _ => {
            out.remove(at);
            chain_anew(&mut out, at);
            // Whoever takes one out must let the log end sooner.
            named = Some(i64::try_from(lines.len()).unwrap());
        }
    }
    (out, named)
}

fn with_another_character(line: &str, dice: &mut Dice) -> String {
    let mut chars: Vec<char> = line.chars().collect();
    let at = dice.below(chars.len());
    chars[at] = char::from(b' ' + u8::try_from(dice.below(95)).unwrap());
    chars.into_iter().collect()
}

fn with_member(line: &str, name: &str, value: Json) -> String {
    let Ok(Json::Object(mut members)) = parse(line) else { unreachable!("an entry") };
    members.iter_mut().find(|(known, _)| known == name).unwrap().1 = value;
    canonical(&Json::Object(members)).unwrap()
}

/// Numbers and links the entries from `at` on, as if they had always been so.
fn chain_anew(lines: &mut [String], at: usize) {
    for at in at..lines.len() {
        let before = at.checked_sub(1).map(|before| canonical(&parse(&lines[before]).unwrap()).unwrap());
        let link = before.map_or_else(|| "0".repeat(64), |text| hex(&leaf(text.as_bytes())));
        let numbered = with_member(&lines[at], "seq", Json::Integer(i64::try_from(at).unwrap() + 1));
        lines[at] = with_member(&numbered, "prev_hash", Json::text(link));
    }
}

fn joined(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

async fn a_log(app: &App) -> (String, String, Vec<String>) {
    let partner = app.partner();
    history(app).await;
    history_of_names(app).await;
    fill(app, &partner, 34).await;
    let made = checkpoint(&partner).await;
    let lines: Vec<_> = export(&partner).await.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 41);
    (made["key"].as_str().unwrap().to_owned(), made["note"].as_str().unwrap().to_owned(), lines)
}

#[tokio::test]
async fn every_tampering_is_found_by_both_verifiers() {
    let is_campaign = std::env::var("HOLDFAST_CAMPAIGN").is_ok_and(|word| word == "1");
    let (count, sampled) = if is_campaign { (10_000, 10) } else { (600, 6) };
    let seed = std::env::var("HOLDFAST_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from_be_bytes(SystemChance.bytes::<8>()) | 1);
    println!("seed {seed}");
    let app = Plan::default().on_sqlite().start().await;
    let (key, note, lines) = a_log(&app).await;
    let mut dice = Dice(seed);
    let (mut cases, mut expected, mut found_by_kind) = (Vec::new(), Vec::new(), BTreeMap::new());
    for round in 0..count {
        let kind = round % KINDS.len();
        let (tampered, named) = loop {
            let (tampered, named) = tamper(kind, &lines, &mut dice);
            if tampered != lines {
                break (tampered, named);
            }
        };
        let about = format!("{} in round {round} of seed {seed}", KINDS[kind]);
        let found = verify(&key, &joined(&tampered), &note, None).expect_err(&about);
        if kind != 0 {
            assert!(named.is_none() || named == found.first_bad_seq, "{about}: {named:?} {found:?}");
        }
        *found_by_kind.entry((KINDS[kind], found.fault.as_str())).or_insert(0) += 1;
        if round % sampled == round / sampled % sampled {
            cases.push((joined(&tampered), note.clone(), None));
            expected.push((about, found, kind));
        }
    }
    for (said, (about, found, kind)) in judge(&key, &cases).iter().zip(&expected) {
        assert_eq!(said["ok"], false, "{about}: {said}");
        // Each looks at lines in another order, so that they may name different faults of several.
        if [1, 4, 7, 8, 10, 11].contains(kind) {
            assert_eq!(said["first_bad_seq"], json!(found.first_bad_seq), "{about}: {said} {found}");
        }
    }
    println!("figure: {count} tampered exports, all found; {} by the foreign verifier too", cases.len());
    println!("{found_by_kind:?}");
}

#[tokio::test]
async fn every_changed_checkpoint_is_found_by_both_verifiers() {
    let app = Plan::default().on_sqlite().start().await;
    let (key, note, lines) = a_log(&app).await;
    let export = joined(&lines);
    let mut cases = Vec::new();
    for at in 0..note.len() {
        let mut bytes = note.clone().into_bytes();
        bytes[at] ^= 1 << (at % 7);
        let Ok(changed) = String::from_utf8(bytes) else { continue };
        assert!(verify(&key, &export, &changed, None).is_err(), "{at}: {changed}");
        cases.push((export.clone(), changed, None));
    }
    let said: Vec<Value> = judge(&key, &cases);
    assert!(said.len() > 200 && said.iter().all(|said| said["fault"] == "checkpoint"), "{said:?}");
}
