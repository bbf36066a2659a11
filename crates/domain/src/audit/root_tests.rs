use boundary::Env;
use boundary::json::{Value, canonical};

use super::super::checkpoint::{LogKey, VerifierKey};
use super::super::tree::leaf;
use super::super::verify::{Verification, Verified};
use super::super::{FIRST_PREV_HASH, hex};
use super::*;

const TENANT: &str = "01890000-0000-7000-8000-000000000001";

fn key() -> LogKey {
    LogKey::of(&[7; 32], Env::Production).expect("a key")
}

/// A log of these acts: actor, action and reason of each.
fn log(tenant: &str, acts: &[(String, &str, Option<String>)]) -> (Vec<String>, Vec<Hash>) {
    let (mut lines, mut roots, mut tree, mut prev) =
        (Vec::new(), Vec::new(), Tree::default(), FIRST_PREV_HASH);
    roots.push(tree.root());
    for (seq, (actor, action, reason)) in (1..).zip(acts) {
        let (prev_hash, time) = (hex(&prev), "2026-01-31T12:00:00.000Z");
        let texts = [
            ("tenant", tenant),
            ("time", time),
            ("actor", actor),
            ("actor_type", "service"),
            ("action", action),
            ("result", "ok"),
            ("request_id", "service"),
            ("prev_hash", &prev_hash),
        ];
        let mut members: Vec<_> = texts.map(|(name, text)| (name.to_owned(), Value::text(text))).into();
        for name in ["key_id", "backup_id", "recovery_id", "verification_id", "customer_id", "package_id"] {
            members.push((name.to_owned(), Value::Null));
        }
        members.push(("reason".to_owned(), Value::text_or_null(reason.as_deref())));
        members.push(("seq".to_owned(), Value::Integer(seq)));
        let line = canonical(&Value::Object(members)).expect("an object");
        prev = leaf(line.as_bytes());
        tree.push(prev);
        roots.push(tree.root());
        lines.push(line);
    }
    (lines, roots)
}

/// A tenant's log of so many entries, told apart by their history.
fn ours(size: usize, history: &str) -> (Vec<String>, Vec<Hash>) {
    log(TENANT, &vec![(history.to_owned(), "key.assigned", None); size])
}

/// The root log that names these heads of a log that is called so, among others.
fn root_log(origin: &str, heads: &[(i64, Hash)]) -> Vec<String> {
    let named = |origin: &str, (size, root): &(i64, Hash)| {
        (origin.to_owned(), NAMED, Some(Checkpoint::line(*size, root)))
    };
    let mut acts = vec![named(&format!("{origin}x"), &(999, [1; 32]))];
    for head in heads {
        acts.extend([named(origin, head), (origin.to_owned(), "other", Some("words".to_owned()))]);
    }
    log(TenantId::root_log().as_str(), &acts).0
}

fn verify(export: &[String], checkpoint: &str, root_log: &[String]) -> Result<Verified, Finding> {
    let key = VerifierKey::parse(&key().vkey(TENANT)).expect("a key");
    let mut begun = Verification::begin(&key, checkpoint, None)?;
    let mut read = begun.root_log();
    root_log.iter().try_for_each(|line| read.take(line))?;
    begun.compare_with(read)?;
    export.iter().try_for_each(|line| begun.take(line))?;
    begun.end()
}

fn head(roots: &[Hash], size: usize) -> (i64, Hash) {
    (i64::try_from(size).expect("small"), roots[size])
}

fn signed(roots: &[Hash], size: usize) -> String {
    let (size, root) = head(roots, size);
    key().sign(TENANT, 1, size, &root)
}

#[test]
fn a_log_is_what_the_root_log_names() {
    let (lines, roots) = ours(9, "a");
    let origin = key().origin(TENANT, 1);
    for named in [vec![0, 9], vec![1], vec![1, 4, 7, 9], vec![8, 3]] {
        let heads: Vec<_> = named.iter().map(|size| head(&roots, *size)).collect();
        let verified = verify(&lines, &signed(&roots, 7), &root_log(&origin, &heads)).expect("it holds");
        assert_eq!((verified.named, verified.entries), (Some(named.len()), 9));
    }
}

#[test]
fn a_log_that_ends_before_what_is_named_lacks_entries() {
    let (lines, roots) = ours(9, "a");
    let named = root_log(&key().origin(TENANT, 1), &[head(&roots, 3), head(&roots, 8)]);
    // The checkpoint of before fits what is left: only the root log tells that there was more.
    let found = verify(&lines[..5], &signed(&roots, 5), &named).expect_err("entries are missing");
    assert_eq!((found.fault, found.first_bad_seq), (Fault::Missing, Some(6)), "{found}");
}

#[test]
fn another_history_is_told_by_what_was_named() {
    let ((_, roots), (lines, others)) = (ours(9, "a"), ours(9, "b"));
    let origin = key().origin(TENANT, 1);
    let mut mixed = vec![head(&others, 2), head(&others, 4), head(&roots, 6), head(&roots, 7)];
    let found = verify(&lines, &signed(&others, 9), &root_log(&origin, &mixed)).expect_err("a fork");
    assert_eq!((found.fault, found.first_bad_seq), (Fault::Fork, Some(5)), "{found}");
    assert!(found.text.contains("between 5 and 6"), "{found}");
    // Two heads of one size are told, although one of them is right.
    mixed = vec![head(&others, 9), head(&roots, 9)];
    let found = verify(&lines, &signed(&others, 9), &root_log(&origin, &mixed)).expect_err("a fork");
    assert_eq!((found.fault, found.first_bad_seq), (Fault::Fork, Some(1)), "{found}");
}

#[test]
fn a_log_that_is_not_named_is_not_this_installations() {
    let (lines, roots) = ours(3, "a");
    let origin = key().origin(TENANT, 1);
    for named in [root_log(&key().origin(TENANT, 2), &[head(&roots, 3)]), root_log(&origin, &[]), Vec::new()]
    {
        let found = verify(&lines, &signed(&roots, 3), &named).expect_err("it is not named");
        assert_eq!((found.fault, found.first_bad_seq), (Fault::Missing, None), "{found}");
        assert!(found.text.contains(&origin), "{found}");
    }
}

#[test]
fn a_root_log_that_was_changed_says_nothing() {
    let (lines, roots) = ours(3, "a");
    let origin = key().origin(TENANT, 1);
    let named = root_log(&origin, &[head(&roots, 1), head(&roots, 3)]);
    let without = [&named[..1], &named[2..]].concat();
    let mut changed = named.clone();
    changed[1] = changed[1].replacen(NAMED, "nothing", 1);
    let mut last_link = named.clone();
    let last = last_link.pop().expect("a line").replacen("prev_hash\":\"", "prev_hash\":\"0", 1);
    last_link.push(last);
    let wordless = log(TenantId::root_log().as_str(), &[(origin.clone(), NAMED, Some("x".to_owned()))]).0;
    for (named, fault) in [
        (without, Fault::Missing),
        (changed, Fault::Chain),
        (last_link, Fault::Chain),
        (wordless, Fault::Entry),
        (lines.clone(), Fault::Entry),
    ] {
        let found = verify(&lines, &signed(&roots, 3), &named).expect_err("it is no root log");
        assert_eq!((found.fault, found.first_bad_seq), (fault, None), "{found}");
        assert!(found.text.starts_with("in the root log, "), "{found}");
    }
}

#[test]
fn what_is_named_is_had_and_the_last_covers_most() {
    let mut heads = Heads::default();
    assert_eq!((heads.last(), heads.has(&(3, [1; 32]))), (None, false));
    for head in [(5, [2; 32]), (3, [1; 32])] {
        heads.add(head);
    }
    assert!(heads.has(&(3, [1; 32])) && !heads.has(&(3, [2; 32])));
    assert_eq!(heads.last(), Some(&(5, [2; 32])));
}
