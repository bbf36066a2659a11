use super::*;
use crate::Env;
use crate::acl::Rule;

/// A list, altered.
type Alter = fn(&mut AclDocument);

fn key(kind: KeyKind, last: &str) -> SigningKey {
    let (bytes, rp_id) = match kind {
        KeyKind::WebAuthn => (65, Some("control.example".to_owned())),
        KeyKind::Ed25519 => (32, None),
        KeyKind::OpenPgp => (40, None),
    };
    SigningKey { kind, public_key: format!("04{}{last}", "0".repeat(2 * bytes - 4)), rp_id }
}

fn member(person_id: &str, last: &str) -> Member {
    let keys = vec![key(KeyKind::WebAuthn, last)];
    Member {
        person_id: person_id.into(),
        name: format!("Name of {person_id}"),
        veto: false,
        must: false,
        keys,
    }
}

fn list() -> AclDocument {
    AclDocument {
        env: Env::Sandbox,
        tenant_id: "t".into(),
        acl_id: "l".into(),
        version: 1,
        prev_hash: None,
        name: "Board é\n".into(),
        rule: Rule::Percentage(51),
        members: vec![
            Member { veto: true, ..member("a", "0a") },
            Member {
                must: true,
                keys: vec![key(KeyKind::Ed25519, "0b"), key(KeyKind::OpenPgp, "0b")],
                ..member("b", "")
            },
            member("c", "0c"),
        ],
        vote_window_s: 604_800,
        delay_hot_s: 3_600,
        delay_cold_s: 86_400,
        check_requester: true,
        check_voters: false,
        any_member_may_ask: false,
    }
}

fn roster() -> Roster {
    let owner =
        Owner { person_id: "o".into(), name: "Olga".into(), keys: vec![key(KeyKind::WebAuthn, "0a")] };
    let prev_hash = Some("ab".repeat(32));
    let officer =
        Owner { person_id: "a".into(), name: "Otto".into(), keys: vec![key(KeyKind::WebAuthn, "0b")] };
    let (tenant_id, owners, officers) = ("t".into(), vec![owner], vec![officer]);
    Roster { env: Env::Production, tenant_id, version: 2, prev_hash, owners, officers }
}

fn attachment() -> Attachment {
    Attachment {
        env: Env::Production,
        tenant_id: "t".into(),
        acl_id: "l".into(),
        genesis_hash: "cd".repeat(32),
        key_ids: vec!["j".into(), "k".into()],
    }
}

fn policy() -> TenantPolicy {
    let request_key = |kid: &str, last: &str| RequestKey {
        kid: kid.into(),
        public_key: key(KeyKind::WebAuthn, last).public_key,
    };
    TenantPolicy {
        env: Env::Production,
        tenant_id: "t".into(),
        version: 1,
        prev_hash: None,
        retail_delay_s: 3_600,
        partner_signature: Demand::Required,
        request_keys: vec![request_key("a", "aa"), request_key("b", "bb")],
        change_delay_s: 86_400,
        max_releases_per_hour: 80,
        max_sessions_per_user_day: 4,
    }
}

fn review() -> Review {
    Review {
        env: Env::Sandbox,
        tenant_id: "t".into(),
        session_id: "0a".repeat(16),
        verification_id: "inq_1".into(),
        decision: Decision::Approve,
        reason: "He called; \"maiden\" name é\n".into(),
        identity_mismatch: true,
    }
}

fn pinned<D: Document + PartialEq + std::fmt::Debug>(document: &D, golden: &str) {
    assert_eq!(document.to_canonical(), golden.trim_end());
    assert_eq!(D::from_canonical(golden.trim_end().as_bytes()).as_ref(), Some(document));
    assert_eq!(document.preimage(), [D::KIND, "/v1\0", golden.trim_end()].concat().into_bytes());
}

#[test]
fn the_bytes_are_pinned() {
    pinned(&list(), include_str!("../../testdata/acl.json"));
    pinned(&roster(), include_str!("../../testdata/roster.json"));
    pinned(&attachment(), include_str!("../../testdata/attachment.json"));
    pinned(&policy(), include_str!("../../testdata/tenant_policy.json"));
    assert_eq!(
        request_payload("ué", "inq_1", "AB"),
        r#"{"openpgp_fpr":"AB","user_identifier":"ué","verification_id":"inq_1"}"#
    );
    pinned(&review(), include_str!("../../testdata/review.json"));
    assert_eq!(reject_preimage(&[1; 32]), [b"reject/v1\0".as_slice(), &[1; 32]].concat());
    assert_eq!(vote_message(&[1; 32]), [b"holdfast-vote/v1\0".as_slice(), &[1; 32]].concat());
}

/// RFC 4648 §10 has no sample of five bytes with all letters; these are by `base32` of GNU coreutils.
#[test]
fn short_codes_are_forty_bits_of_base32() {
    let code = |head: [u8; 5]| {
        let mut hash = [0xee; 32];
        hash[..5].copy_from_slice(&head);
        short_code(&hash)
    };
    assert_eq!(code(*b"fooba"), "MZXW-6YTB");
    assert_eq!(code([0; 5]), "AAAA-AAAA");
    assert_eq!(code([0xff; 5]), "7777-7777");
    assert_eq!(code([0x01, 0x23, 0x45, 0x67, 0x89]), "AERU-KZ4J");
}

#[test]
fn each_rule_is_read_as_it_was_written() {
    for (rule, written) in [
        (Rule::Majority, r#"{"kind":"majority","value":null}"#),
        (Rule::Percentage(100), r#"{"kind":"percentage","value":100}"#),
        (Rule::Exact(1), r#"{"kind":"exact","value":1}"#),
    ] {
        let list = AclDocument { rule, ..list() };
        let canonical = list.to_canonical();
        assert!(canonical.contains(written), "{canonical}");
        assert_eq!(AclDocument::from_canonical(canonical.as_bytes()), Some(list));
    }
}

#[test]
fn only_the_canonical_form_is_read() {
    let good = list().to_canonical();
    for (from, to) in [
        ("{\"acl_id\"", " {\"acl_id\""),
        ("\"v\":1", "\"v\":2"),
        ("\"kind\":\"acl\"", "\"kind\":\"roster\""),
        ("{\"acl_id\"", "{\"a\":1,\"acl_id\""),
        ("\"delay_hot_s\":3600", "\"delay_hot_s\":3600.0"),
        ("\"value\":51", "\"value\":51,\"x\":1"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        assert_eq!(AclDocument::from_canonical(bad.as_bytes()), None, "{bad}");
    }
    assert_eq!(Roster::from_canonical(good.as_bytes()), None);
    assert_eq!(AclDocument::from_canonical(&vec![b' '; DOCUMENT_BYTES_MAX + 1]), None);
}

/// A list whose canonical form has exactly this many bytes, most of them certificates of the largest size.
fn of_size(bytes: usize) -> AclDocument {
    let certificate = |at: usize, size: usize| SigningKey {
        kind: KeyKind::OpenPgp,
        public_key: format!("{at:08x}{}", "0".repeat(2 * size - 8)),
        rp_id: None,
    };
    let signer = |person_id: &str, from: usize| Member {
        keys: (from..from + 8).map(|at| certificate(at, VOTER_CERTIFICATE_BYTES_MAX)).collect(),
        ..member(person_id, "")
    };
    let mut list = AclDocument {
        members: ["a", "b", "c", "d"].iter().zip([0, 8, 16, 24]).map(|(id, at)| signer(id, at)).collect(),
        ..list()
    };
    list.members[3].keys[7] = certificate(31, 4);
    let missing = bytes - list.to_canonical().len();
    list.members[3].keys[7] = certificate(31, 4 + missing / 2);
    list.name.push_str(&"x".repeat(missing % 2));
    assert_eq!(list.to_canonical().len(), bytes);
    list
}

#[test]
fn the_largest_that_is_read_is_a_mebibyte_and_its_largest_certificate_sixteen_kibibytes() {
    let largest = of_size(1_048_576);
    assert_eq!(AclDocument::from_canonical(largest.to_canonical().as_bytes()), Some(largest));
    assert_eq!(AclDocument::from_canonical(of_size(1_048_577).to_canonical().as_bytes()), None);
    let with = |bytes: usize| {
        let mut list = list();
        list.members[1].keys[1].public_key = "ab".repeat(bytes);
        AclDocument::from_canonical(list.to_canonical().as_bytes())
    };
    assert!(with(16_384).is_some());
    assert_eq!(with(16_385), None);
}

#[test]
fn what_is_not_sound_is_refused() {
    let alterations: [(&str, Alter); 22] = [
        ("version 0", |list| list.version = 0),
        ("a first version with one before", |list| list.prev_hash = Some("ab".repeat(32))),
        ("a second without", |list| list.version = 2),
        ("a hash that is none", |list| (list.version, list.prev_hash) = (2, Some("AB".repeat(32)))),
        ("a short hash", |list| (list.version, list.prev_hash) = (2, Some("ab".repeat(31)))),
        ("no tenant", |list| list.tenant_id.clear()),
        ("no list", |list| list.acl_id.clear()),
        ("a long name", |list| list.name = "x".repeat(NAME_BYTES_MAX + 1)),
        ("one member", |list| list.members.truncate(1)),
        ("members out of order", |list| list.members.reverse()),
        ("a member twice", |list| list.members[1].person_id = "a".into()),
        ("a member without a name", |list| list.members[0].name.clear()),
        ("a member without keys", |list| list.members[0].keys.clear()),
        ("a key of two members", |list| list.members[2].keys = list.members[0].keys.clone()),
        ("a passkey without a host", |list| list.members[0].keys[0].rp_id = None),
        ("a host without a passkey", |list| list.members[1].keys[0].rp_id = Some("h".into())),
        ("a compressed point", |list| list.members[0].keys[0].public_key.truncate(66)),
        ("upper case", |list| list.members[1].keys[1].public_key = "AB".repeat(40)),
        ("a rule beyond the list", |list| list.rule = Rule::Exact(4)),
        ("no window", |list| list.vote_window_s = 0),
        ("a negative delay", |list| list.delay_hot_s = -1),
        ("a delay without end", |list| list.delay_cold_s = 31 * 86_400),
    ];
    for (what, alter) in alterations {
        let mut bad = list();
        alter(&mut bad);
        assert_eq!(AclDocument::from_canonical(bad.to_canonical().as_bytes()), None, "{what}");
    }
    for rule in [Rule::Exact(0), Rule::Percentage(0), Rule::Percentage(101)] {
        let bad = AclDocument { rule, ..list() };
        assert_eq!(AclDocument::from_canonical(bad.to_canonical().as_bytes()), None, "{rule:?}");
    }
    let nobody = Roster { owners: Vec::new(), ..roster() };
    assert_eq!(Roster::from_canonical(nobody.to_canonical().as_bytes()), None);
    let someone = |id: &str, last| Owner {
        person_id: id.into(),
        name: "x".into(),
        keys: vec![key(KeyKind::WebAuthn, last)],
    };
    for (why, bad) in [
        ("one is both", Roster { officers: vec![someone("o", "0c")], ..roster() }),
        ("two have one key", Roster { officers: vec![someone("a", "0a")], ..roster() }),
        ("owners out of order", Roster { owners: vec![someone("p", "0d"), someone("o", "0c")], ..roster() }),
        (
            "officers out of order",
            Roster { officers: vec![someone("p", "0d"), someone("a", "0c")], ..roster() },
        ),
    ] {
        assert_eq!(Roster::from_canonical(bad.to_canonical().as_bytes()), None, "{why}");
    }
    let many = Roster {
        owners: vec![someone("o", "0a"), someone("p", "0d")],
        officers: vec![someone("a", "0b"), someone("q", "0c")],
        ..roster()
    };
    assert_eq!(Roster::from_canonical(many.to_canonical().as_bytes()), Some(many));
    let alone = Roster { officers: Vec::new(), ..roster() };
    assert_eq!(Roster::from_canonical(alone.to_canonical().as_bytes()), Some(alone), "nobody reviews yet");
    for (why, bad) in [
        ("no tenant", Review { tenant_id: String::new(), ..review() }),
        ("no inquiry", Review { verification_id: String::new(), ..review() }),
        ("no session", Review { session_id: "0a".repeat(15), ..review() }),
        ("a session in capitals", Review { session_id: "0A".repeat(16), ..review() }),
        ("no reason", Review { reason: String::new(), ..review() }),
        ("a reason without end", Review { reason: "x".repeat(4_097), ..review() }),
    ] {
        assert_eq!(Review::from_canonical(bad.to_canonical().as_bytes()), None, "{why}");
    }
}

#[test]
fn keys_are_attached_each_once_and_in_order() {
    for key_ids in [vec![], vec!["k".to_owned(), "j".into()], vec!["k".to_owned(), "k".into()]] {
        let bad = Attachment { key_ids, ..attachment() };
        assert_eq!(Attachment::from_canonical(bad.to_canonical().as_bytes()), None);
    }
}

#[test]
fn what_makes_anything_easier_weakens() {
    let weaker: [(&str, Alter); 14] = [
        ("a member more", |list| list.members.push(member("d", "0d"))),
        ("another in his place", |list| list.members[2] = member("d", "0d")),
        ("a key more", |list| list.members[2].keys.push(key(KeyKind::Ed25519, "0e"))),
        ("another key", |list| list.members[2].keys = vec![key(KeyKind::Ed25519, "0e")]),
        ("a Veto member less", |list| drop(list.members.remove(0))),
        ("a veto less", |list| list.members[0].veto = false),
        ("a Must member less", |list| list.members[1].must = false),
        ("fewer approvals", |list| list.rule = Rule::Exact(1)),
        ("a shorter delay", |list| list.delay_hot_s -= 1),
        ("a shorter delay offline", |list| list.delay_cold_s -= 1),
        ("a longer vote", |list| list.vote_window_s += 1),
        ("no check", |list| list.check_requester = false),
        ("no check of voters", |list| list.check_voters = false),
        ("more who may ask", |list| list.any_member_may_ask = true),
    ];
    let old = AclDocument { check_voters: true, ..list() };
    assert!(!weakens(&old, &old));
    for (what, alter) in weaker {
        let mut new = old.clone();
        alter(&mut new);
        assert!(weakens(&old, &new), "{what}");
        // The way back only adds what was taken, or takes what was added.
        let may_weaken = ["a member more", "another in his place", "another key", "a Veto member less"];
        assert!(!weakens(&new, &old) || may_weaken.contains(&what), "back from {what}");
    }
    let mut fewer = AclDocument { rule: Rule::Exact(2), ..old.clone() };
    fewer.members.remove(2);
    assert!(!weakens(&old, &fewer), "as many of fewer people, of whom the list had each");
    let renamed = AclDocument { name: "x".into(), ..old.clone() };
    assert!(!weakens(&old, &renamed));
}

/// A policy, altered.
type Revise = fn(&mut TenantPolicy);

fn revised(revise: Revise) -> TenantPolicy {
    let mut policy = policy();
    revise(&mut policy);
    policy
}

fn second(first: &TenantPolicy) -> TenantPolicy {
    TenantPolicy { version: 2, prev_hash: Some("ab".repeat(32)), ..first.clone() }
}

#[test]
fn a_policy_that_is_not_sound_is_refused() {
    let alterations: [(&str, Revise); 20] = [
        ("version 0", |policy| policy.version = 0),
        ("a first version with one before", |policy| policy.prev_hash = Some("ab".repeat(32))),
        ("no tenant", |policy| policy.tenant_id.clear()),
        ("a negative delay", |policy| policy.retail_delay_s = -1),
        ("a delay without end", |policy| policy.retail_delay_s = 30 * 86_400 + 1),
        ("a change that comes before", |policy| policy.change_delay_s = -1),
        ("a change that never comes", |policy| policy.change_delay_s = 30 * 86_400 + 1),
        ("a release in ten hours", |policy| policy.max_releases_per_hour = 4),
        ("a first version that lets more out", |policy| policy.max_releases_per_hour = 101),
        ("nobody's session", |policy| policy.max_sessions_per_user_day = 0),
        ("a first version that lets a user more often", |policy| policy.max_sessions_per_user_day = 6),
        ("more releases than ever", |policy| {
            *policy = TenantPolicy { max_releases_per_hour: 10_001, ..second(policy) };
        }),
        ("more sessions than ever", |policy| {
            *policy = TenantPolicy { max_sessions_per_user_day: 101, ..second(policy) };
        }),
        ("a signature by nobody", |policy| policy.request_keys.clear()),
        ("a key without a name", |policy| policy.request_keys[0].kid.clear()),
        ("two keys of a name", |policy| policy.request_keys[1].kid = "a".into()),
        ("keys out of order", |policy| policy.request_keys.reverse()),
        ("a key twice", |policy| {
            policy.request_keys[1].public_key = policy.request_keys[0].public_key.clone();
        }),
        ("a compressed point", |policy| policy.request_keys[0].public_key.truncate(66)),
        ("upper case", |policy| {
            policy.request_keys[0].public_key = policy.request_keys[0].public_key.to_uppercase();
        }),
    ];
    for (what, alter) in alterations {
        let bad = revised(alter);
        assert_eq!(TenantPolicy::from_canonical(bad.to_canonical().as_bytes()), None, "{what}");
    }
    let many = (0..11_u8).map(|n| RequestKey {
        kid: format!("{n:02}"),
        public_key: key(KeyKind::WebAuthn, &format!("{n:02}")).public_key,
    });
    let many = TenantPolicy { request_keys: many.collect(), ..policy() };
    assert_eq!(TenantPolicy::from_canonical(many.to_canonical().as_bytes()), None);
    let nobody = TenantPolicy { partner_signature: Demand::Optional, request_keys: Vec::new(), ..policy() };
    assert_eq!(TenantPolicy::from_canonical(nobody.to_canonical().as_bytes()), Some(nobody));
    let most =
        TenantPolicy { max_releases_per_hour: 10_000, max_sessions_per_user_day: 100, ..second(&policy()) };
    assert_eq!(TenantPolicy::from_canonical(most.to_canonical().as_bytes()), Some(most));
}

#[test]
fn what_makes_a_recovery_easier_weakens_a_policy() {
    let weaker: [(&str, Revise); 7] = [
        ("a shorter delay", |policy| policy.retail_delay_s -= 1),
        ("a shorter wait for changes", |policy| policy.change_delay_s -= 1),
        ("more releases", |policy| policy.max_releases_per_hour += 1),
        ("more sessions", |policy| policy.max_sessions_per_user_day += 1),
        ("no signature", |policy| policy.partner_signature = Demand::Optional),
        ("another key", |policy| policy.request_keys[0].public_key = key(KeyKind::WebAuthn, "cc").public_key),
        ("a key more", |policy| {
            let public_key = key(KeyKind::WebAuthn, "cc").public_key;
            policy.request_keys.push(RequestKey { kid: "c".into(), public_key });
        }),
    ];
    for (what, alter) in weaker {
        assert!(policy().is_weakened_by(&revised(alter)), "{what}");
    }
    let harmless: [Revise; 6] = [
        |policy| policy.max_releases_per_hour -= 1,
        |policy| policy.max_sessions_per_user_day -= 1,
        |policy| policy.retail_delay_s += 1,
        |policy| policy.change_delay_s += 1,
        |policy| drop(policy.request_keys.pop()),
        |policy| policy.request_keys[0].kid = "0".into(),
    ];
    assert!(harmless.iter().all(|alter| !policy().is_weakened_by(&revised(*alter))));
    let built_in = crate::policy::built_in(Env::Production, "t");
    assert!(!built_in.is_weakened_by(&policy()), "keys where there were none let nobody in");
    assert!(policy().is_weakened_by(&built_in));
}

#[test]
fn a_session_is_judged_by_the_stricter_policy_and_the_newer_keys() {
    let lax = revised(|policy| {
        (policy.version, policy.retail_delay_s) = (2, 60);
        (policy.max_releases_per_hour, policy.max_sessions_per_user_day) = (200, 9);
        policy.partner_signature = Demand::Optional;
        policy.request_keys.remove(0);
    });
    for (opened_under, now, keys) in [(policy(), lax.clone(), 1), (lax.clone(), policy(), 2)] {
        let judged = opened_under.judged_with(&now);
        assert_eq!((judged.retail_delay_s, judged.partner_signature), (3_600, Demand::Required));
        assert_eq!((judged.request_keys.len(), judged.version), (keys, now.version));
        let limits = |policy: &TenantPolicy| (policy.max_releases_per_hour, policy.max_sessions_per_user_day);
        assert_eq!(limits(&judged), limits(&now));
    }
    assert_eq!(lax.judged_with(&lax), lax);
}
