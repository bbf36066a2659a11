use boundary::Env;

use super::super::checkpoint::LogKey;
use super::super::tree::Tree;
use super::super::{FIRST_PREV_HASH, Leaf};
use super::*;
use crate::time::Timestamp;

const TENANT: &str = "01890000-0000-7000-8000-000000000001";

fn key() -> LogKey {
    LogKey::of(&[7; 32], Env::Production).expect("a key")
}

/// A log in which the entries of `rewritten` are others, chained as if they had always been so.
fn log(count: i64, rewritten: &[i64]) -> (Vec<String>, Tree) {
    let (mut lines, mut tree, mut prev_hash) = (Vec::new(), Tree::default(), FIRST_PREV_HASH);
    for seq in 1..=count {
        let action = if rewritten.contains(&seq) { "key.forged" } else { "key.assigned" };
        let (time, link) = (Timestamp::from_ms(seq * 1_000), hex(&prev_hash));
        let leaf = Leaf {
            tenant: TENANT,
            seq,
            time,
            actor: "ü \"quoted\"",
            actor_type: "api_key",
            action,
            objects: [
                ("key_id", None),
                ("backup_id", None),
                ("recovery_id", None),
                ("verification_id", None),
                ("customer_id", Some("c")),
                ("package_id", None),
            ],
            result: "ok",
            reason: None,
            request_id: "r",
            prev_hash: &prev_hash,
        };
        lines.push(format!(
            "{{\"tenant\":\"{TENANT}\",\"seq\":{seq},\"time\":\"{}\",\"actor\":\"ü \\\"quoted\\\"\",\"actor_type\":\
             \"api_key\",\"action\":\"{action}\",\"key_id\":null,\"backup_id\":null,\"recovery_id\":null,\
             \"verification_id\":null,\"customer_id\":\"c\",\"package_id\":null,\"result\":\"ok\",\"reason\":null,\
             \"request_id\":\"r\",\"prev_hash\":\"{link}\"}}",
            time.rfc3339()
        ));
        prev_hash = leaf.hash();
        tree.push(prev_hash);
    }
    (lines, tree)
}

fn checkpoint(count: i64, rewritten: &[i64]) -> String {
    key().sign(TENANT, 1, count, &log(count, rewritten).1.root())
}

fn verify(lines: &[String], checkpoint: &str, since: Option<&str>) -> Result<Verified, Finding> {
    let key = VerifierKey::parse(&key().vkey(TENANT)).expect("a key");
    let mut begun = Verification::begin(&key, checkpoint, since)?;
    lines.iter().try_for_each(|line| begun.take(line))?;
    begun.end()
}

fn found(lines: &[String], checkpoint: &str, since: Option<&str>) -> (Fault, Option<i64>) {
    let found = verify(lines, checkpoint, since).expect_err("a finding");
    (found.fault, found.first_bad_seq)
}

#[test]
fn a_log_that_is_as_it_was_signed_holds() {
    let (lines, _) = log(70, &[]);
    for (size, since) in [(70, None), (70, Some(1)), (70, Some(64)), (70, Some(70)), (33, Some(0)), (0, None)]
    {
        let older = since.map(|size| checkpoint(size, &[]));
        let verified = verify(&lines, &checkpoint(size, &[]), older.as_deref()).expect("it holds");
        assert_eq!((verified.checkpoint.size, verified.since, verified.entries), (size, since, 70));
    }
    assert_eq!(verify(&[], &checkpoint(0, &[]), None).expect("an empty log holds").entries, 0);
}

#[test]
fn the_entry_that_was_changed_is_named() {
    let newest = checkpoint(20, &[]);
    for seq in 1..20_usize {
        let (mut lines, _) = log(20, &[]);
        lines[seq - 1] = lines[seq - 1].replace("key.assigned", "key.nothing");
        let bad = i64::try_from(seq).expect("small");
        assert_eq!(found(&lines, &newest, None), (Fault::Chain, Some(bad)), "what it says");
        let (mut lines, _) = log(20, &[]);
        lines[seq - 1] = lines[seq - 1].replace("prev_hash\":\"", "prev_hash\":\"0");
        assert_eq!(found(&lines, &newest, None), (Fault::Chain, Some(bad)), "what it links to");
    }
    let (mut alone, _) = log(1, &[]);
    alone[0] = alone[0].replace("prev_hash\":\"0", "prev_hash\":\"1");
    assert_eq!(
        found(&alone, &checkpoint(1, &[]), None),
        (Fault::Chain, Some(1)),
        "nothing is before the first"
    );
    let (mut lines, _) = log(20, &[]);
    lines[19] = lines[19].replace("key.assigned", "key.nothing");
    assert_eq!(found(&lines, &newest, None), (Fault::Root, Some(1)), "nothing links to the last");
    assert_eq!(found(&lines, &newest, Some(&checkpoint(19, &[]))), (Fault::Root, Some(20)));
    lines[19] = lines[19].replace("prev_hash\":\"", "prev_hash\":\"0");
    assert_eq!(found(&lines, &newest, None), (Fault::Chain, Some(19)));
}

#[test]
fn what_is_missing_or_out_of_place_is_named() {
    let newest = checkpoint(20, &[]);
    let (lines, _) = log(20, &[]);
    let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat();
    assert_eq!(found(&without(4), &newest, None), (Fault::Missing, Some(5)));
    assert_eq!(found(&without(0), &newest, None), (Fault::Missing, Some(1)));
    assert_eq!(found(&lines[..19], &newest, None), (Fault::Missing, Some(20)), "cut short");
    assert_eq!(found(&[], &newest, None), (Fault::Missing, Some(1)));
    assert!(verify(&lines[..19], &checkpoint(19, &[]), None).is_ok(), "only a later checkpoint tells");
    let twice = [&lines[..7], &lines[6..]].concat();
    assert_eq!(found(&twice, &newest, None), (Fault::Missing, Some(8)));
    let mut swapped = lines.clone();
    swapped.swap(2, 3);
    assert_eq!(found(&swapped, &newest, None), (Fault::Missing, Some(3)));
}

#[test]
fn a_line_is_an_entry_of_this_tenant_to_the_letter() {
    let (lines, _) = log(3, &[]);
    let newest = checkpoint(3, &[]);
    for (from, to) in [
        ("{\"tenant\"", "{\"note\":\"\",\"tenant\""),
        ("{\"tenant\"", "{\"action\":\"key.assigned\",\"tenant\""),
        ("\"reason\":null,", ""),
        ("\"reason\":null", "\"reason\":0"),
        ("\"result\":\"ok\"", "\"result\":null"),
        ("\"seq\":2", "\"seq\":\"2\""),
        ("\"seq\":2", "\"seq\":2.0"),
        (TENANT, "01890000-0000-7000-8000-000000000002"),
        ("}", "}}"),
    ] {
        let mut lines = lines.clone();
        assert!(lines[1].contains(from), "{from}");
        lines[1] = lines[1].replacen(from, to, 1);
        assert_eq!(found(&lines, &newest, None), (Fault::Entry, Some(2)), "{from} {to}");
    }
}

#[test]
fn a_history_that_was_written_anew_is_found_by_any_checkpoint_of_the_old() {
    let (rewritten, _) = log(70, &[40]);
    assert_eq!(found(&rewritten, &checkpoint(70, &[]), None), (Fault::Root, Some(1)));
    assert_eq!(found(&rewritten, &checkpoint(70, &[]), Some(&checkpoint(39, &[]))), (Fault::Root, Some(40)));
    assert_eq!(found(&rewritten, &checkpoint(70, &[]), Some(&checkpoint(40, &[]))), (Fault::Root, Some(1)));
    // Whoever has the log's key signs the new history too; then the old checkpoint is the proof.
    let newest = checkpoint(70, &[40]);
    assert!(verify(&rewritten, &newest, Some(&checkpoint(39, &[]))).is_ok(), "nothing older differs");
    let fork = verify(&rewritten, &newest, Some(&checkpoint(40, &[]))).expect_err("a fork");
    assert_eq!((fork.fault, fork.first_bad_seq), (Fault::Fork, Some(1)));
    assert!(fork.text.starts_with("fork: "), "{fork}");
}

#[test]
fn two_heads_of_one_size_are_a_fork_whatever_the_entries_say() {
    let (lines, _) = log(20, &[]);
    let fork = verify(&lines, &checkpoint(20, &[]), Some(&checkpoint(20, &[3]))).expect_err("a fork");
    assert_eq!(fork.fault, Fault::Fork);
    for root in [log(20, &[]).1.root(), log(20, &[3]).1.root()] {
        assert!(fork.text.contains(&hex(&root)), "{fork}");
    }
}

#[test]
fn checkpoints_are_of_one_log_and_in_order() {
    let (lines, tree) = log(20, &[]);
    let newest = checkpoint(20, &[]);
    assert_eq!(found(&lines, "nothing", None), (Fault::Checkpoint, None));
    assert_eq!(found(&lines, &newest, Some("nothing")), (Fault::Checkpoint, None));
    assert_eq!(found(&lines, &checkpoint(10, &[]), Some(&newest)), (Fault::Checkpoint, None));
    let later = key().sign(TENANT, 2, 20, &tree.root());
    assert_eq!(found(&lines, &later, Some(&newest)), (Fault::Checkpoint, None));
    let another = LogKey::of(&[8; 32], Env::Production).expect("a key");
    let forged = another.sign(TENANT, 1, 20, &tree.root());
    assert_eq!(found(&lines, &forged, None), (Fault::Checkpoint, None));
}
