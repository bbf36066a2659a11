//! Exports that somebody changed, in many ways: each is found by the service's own verifier, and a part of them, since
//! it is slower, by the one that shares no code with it.
//!
//! `HOLDFAST_CAMPAIGN=1` makes it ten thousand; `HOLDFAST_SEED` plays one run again.

use std::collections::BTreeMap;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use boundary::json::{Value as Json, canonical, parse};
use domain::audit::checkpoint::LogKey;
use domain::audit::hex;
use domain::audit::tree::{Tree, leaf};
use domain::entropy::Entropy as _;
use serde_json::{Value, json};
use server::audit::{Cosigner, Verification};
use server::edge::chance::SystemChance;
use testkit::{App, Plan};

use super::audit::{history, history_of_names};
use super::audit_checkpoint::{FOREIGN, checkpoint, export, judge, judge_by, judge_with, verify};
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

fn is_campaign() -> bool {
    std::env::var("HOLDFAST_CAMPAIGN").is_ok_and(|word| word == "1")
}

fn seed() -> u64 {
    let seed = std::env::var("HOLDFAST_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from_be_bytes(SystemChance.bytes::<8>()) | 1);
    println!("seed {seed}");
    seed
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
    let (count, sampled) = if is_campaign() { (10_000, 10) } else { (600, 6) };
    let seed = seed();
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
        // Of every kind as many.
        if (round / KINDS.len()).is_multiple_of(sampled) {
            cases.push((joined(&tampered), note.clone(), None));
            expected.push((about, found, kind));
        }
    }
    let judged = judge(&key, &cases);
    assert_eq!(judged.len(), expected.len());
    for (said, (about, found, kind)) in judged.iter().zip(&expected) {
        assert_eq!(said["ok"], false, "{about}: {said}");
        // Each looks at lines in another order, so that they may name different faults of several.
        if [1, 4, 7, 8, 10, 11].contains(kind) {
            assert_eq!(said["first_bad_seq"], json!(found.first_bad_seq), "{about}: {said} {found}");
        }
    }
    // The campaign sees a verifier that looks away: each of these passes for the true one but for what it misses.
    for (what, looks) in [
        ("links", "    if broken:\n"),
        ("root", "    if not all(fits):\n"),
        ("end", "    if len(leaves) < size:\n"),
        ("numbers", "    if entry[\"seq\"] != seq:\n"),
    ] {
        assert_eq!(FOREIGN.matches(looks).count(), 1, "{looks}");
        let weak = judge_by(&FOREIGN.replace(looks, "    if False:\n"), &key, None, &cases);
        let differ = weak.iter().zip(&judged).filter(|(weak, said)| weak["fault"] != said["fault"]).count();
        assert!(differ > 0, "nothing shows that nobody looks at the {what}");
        let missed = weak.iter().filter(|said| said["ok"] == true).count();
        println!("figure: audit_missed_without_the_{what} {missed} logs");
    }
    println!("figure: audit_tampered_logs {count} logs");
    println!("figure: audit_tampered_logs_found {} logs", found_by_kind.values().sum::<usize>());
    println!("figure: audit_tampered_logs_judged_by_the_foreign_verifier {} logs", cases.len());
    println!("{found_by_kind:?}");
}

/// What whoever has the server's keys makes of a log: its entries, and its size and root signed.
struct Forgery {
    about: &'static str,
    lines: Vec<String>,
    /// Whether a checkpoint that somebody kept tells it, or the enclave's signature alone.
    is_told_by_kept: bool,
}

/// Forges a log of which somebody kept a checkpoint over the first `kept` entries.
fn forge(kind: usize, lines: &[String], kept: usize, dice: &mut Dice) -> Forgery {
    let mut forged = lines.to_vec();
    let rewrite = |forged: &mut Vec<String>, at: usize| {
        forged[at] = with_member(&forged[at], "actor", Json::text("somebody else"));
        chain_anew(forged, at);
    };
    let (about, is_told_by_kept) = match kind {
        0 => {
            rewrite(&mut forged, dice.below(kept));
            ("written anew before what was kept", true)
        }
        1 => {
            rewrite(&mut forged, dice.below(kept));
            forged.truncate(kept);
            ("two heads of one size", true)
        }
        2 => {
            forged.truncate(dice.below(kept));
            ("cut before what was kept", true)
        }
        3 => {
            drop(forged.remove(dice.below(kept)));
            chain_anew(&mut forged, 0);
            ("one left out before what was kept", true)
        }
        _ => {
            rewrite(&mut forged, kept + dice.below(lines.len() - kept));
            ("written anew after what was kept", false)
        }
    };
    Forgery { about, lines: forged, is_told_by_kept }
}

fn tree_of(lines: &[String]) -> Tree {
    let mut tree = Tree::default();
    for line in lines {
        tree.push(leaf(canonical(&parse(line).unwrap()).unwrap().as_bytes()));
    }
    tree
}

/// The enclave, as far as these tests need one.
struct Enclave(Ed25519KeyPair);

impl Enclave {
    fn cosigner(&self) -> Cosigner {
        Cosigner::of(self.0.public_key().as_ref().try_into().unwrap(), boundary::Env::Sandbox)
    }

    fn line(&self, note: &str, seconds: u64) -> String {
        let (body, _) = note.split_once("\n\n").unwrap();
        let text = format!("cosignature/v1\ntime {seconds}\n{body}\n");
        let signature = [&seconds.to_be_bytes(), self.0.sign(text.as_bytes()).as_ref()].concat();
        self.cosigner().line(&signature)
    }
}

#[tokio::test]
async fn whoever_has_the_servers_keys_is_found_out_by_what_was_kept_or_by_the_enclaves_signature() {
    let count = if is_campaign() { 2_000 } else { 100 };
    let mut dice = Dice(seed());
    let app = Plan::default().on_sqlite().start().await;
    let (_, _, lines) = a_log(&app).await;
    let tenant = app.tenant_of(&app.partner()).await;
    let log = LogKey::of(&[7; 32], boundary::Env::Sandbox).unwrap();
    let enclave = Enclave(Ed25519KeyPair::from_seed_unchecked(&[5; 32]).unwrap());
    let (key, enclave_key) = (log.vkey(tenant.as_str()), enclave.cosigner().vkey());
    let sign = |lines: &[String]| {
        let size = i64::try_from(lines.len()).unwrap();
        log.sign(tenant.as_str(), 1, size, &tree_of(lines).root())
    };
    let cosign = |note: String| note.clone() + &enclave.line(&note, 1_795_239_567);
    let genuine = cosign(sign(&lines));
    let (mut cases, mut expected) = (Vec::new(), Vec::new());
    for round in 0..count {
        let kept_size = 1 + dice.below(lines.len() - 1);
        let kept = cosign(sign(&lines[..kept_size]));
        let Forgery { about, lines: forged, is_told_by_kept } =
            forge(round % 5, &lines, kept_size, &mut dice);
        let (export, note) = (joined(&forged), sign(&forged));
        let about = format!("{about} in round {round}, kept {kept_size}");
        assert!(verify(&key, &export, &note, None).is_ok(), "by itself it is a log like any other: {about}");
        let found = verify(&key, &export, &note, Some(&kept));
        assert_eq!(found.is_err(), is_told_by_kept, "{about}: {found:?}");
        if round % 5 == 1 {
            let text = found.unwrap_err().text;
            for root in [tree_of(&forged).root(), tree_of(&lines[..kept_size]).root()] {
                assert!(
                    text.starts_with("fork: ") && text.contains(&hex(&root)),
                    "the proof: {about}: {text}"
                );
            }
        }
        // The enclave did not sign it, and what it signed does not fit.
        let moved = format!("{note}{}\n", genuine.trim_end().rsplit_once('\n').unwrap().1);
        for note in [&note, &moved] {
            assert!(Verification::check_cosigned(&enclave.cosigner(), note, None).is_err(), "{about}");
            cases.push((export.clone(), note.clone(), Some(kept.clone())));
            expected.push(about.clone());
        }
    }
    for (said, about) in judge_with(&key, Some(&enclave_key), &cases).iter().zip(&expected) {
        assert_eq!(said["fault"], "checkpoint", "{about}: {said}");
    }
    let told = judge(&key, &cases);
    assert_eq!(told.len(), 2 * count);
    for (at, (said, about)) in told.iter().zip(&expected).enumerate() {
        assert_eq!(said["ok"], at / 2 % 5 == 4, "{about}: {said}");
    }
    // A verifier that does not look at the enclave's signature is seen.
    let looks = "                public.verify(raw[12:]";
    assert_eq!(FOREIGN.matches(looks).count(), 1);
    let weak = FOREIGN.replace(looks, "                print if raw else (raw[12:]");
    let missed = judge_by(&weak, &key, Some(&enclave_key), &cases);
    assert!(missed.iter().any(|said| said["ok"] == true), "nothing shows that it is not checked");
    println!("figure: audit_forged_and_signed_logs {count} logs");
    println!("figure: audit_forged_and_signed_logs_found {count} logs");
}

#[tokio::test]
async fn every_changed_checkpoint_is_found_by_both_verifiers() {
    let app = Plan::default().on_sqlite().start().await;
    let (key, note, lines) = a_log(&app).await;
    let enclave_key = checkpoint(&app.partner()).await["enclave_key"].as_str().unwrap().to_owned();
    let cosigner = Cosigner::parse(&enclave_key).unwrap();
    let export = joined(&lines);
    let mut cases = Vec::new();
    for at in 0..note.len() {
        let mut bytes = note.clone().into_bytes();
        bytes[at] ^= 1 << (at % 7);
        let Ok(changed) = String::from_utf8(bytes) else { continue };
        let is_found = verify(&key, &export, &changed, None).is_err()
            || Verification::check_cosigned(&cosigner, &changed, None).is_err();
        assert!(is_found, "{at}: {changed}");
        cases.push((export.clone(), changed, None));
    }
    let said: Vec<Value> = judge_with(&key, Some(&enclave_key), &cases);
    assert!(said.len() > 200 && said.iter().all(|said| said["fault"] == "checkpoint"), "{said:?}");
}
