use boundary::Env;
use boundary::acl::Rule;
use boundary::approval::SigningKey;
use boundary::intent::{Item, Recipient};

use super::*;

fn member(person_id: &str, public_key: &str) -> Member {
    let keys = vec![SigningKey { kind: KeyKind::Ed25519, public_key: public_key.into(), rp_id: None }];
    Member { person_id: person_id.into(), name: person_id.into(), veto: false, must: false, keys }
}

fn list(key: &VotingKey) -> AclDocument {
    AclDocument {
        env: Env::Sandbox,
        tenant_id: "t".into(),
        acl_id: "l".into(),
        version: 1,
        prev_hash: None,
        name: "Board".into(),
        rule: Rule::Majority,
        members: vec![member("anna", &key.public_key()), member("ben", &"ab".repeat(32))],
        vote_window_s: 604_800,
        delay_hot_s: 0,
        delay_cold_s: 0,
        check_requester: true,
        check_voters: false,
        any_member_may_ask: false,
    }
}

fn request(key: &VotingKey, alter: impl FnOnce(&mut Intent, &mut AclDocument)) -> Vec<u8> {
    let mut list = list(key);
    let mut intent = Intent {
        flow: Flow::Control,
        env: Env::Sandbox,
        tenant_id: "t".into(),
        user_tag: "aa".into(),
        verification_id: "inq_1".into(),
        items: vec![Item { backup_id: "b".into(), key_id: "k".into(), record_digest: "00".into() }],
        keys: Vec::new(),
        acl_id: "l".into(),
        reason: "lost".into(),
        recipient: Recipient {
            openpgp_fpr: "AB".repeat(20),
            enc_subkey_fpr: "CD".repeat(20),
            cert_sha256: "ef".into(),
        },
        policy_hash: hex(&sha256(&list.preimage())),
        policy_version: 1,
        requested_by: "ben".into(),
        session_nonce: "dd".into(),
        not_before_ms: 1,
        expires_at_ms: 2,
    };
    alter(&mut intent, &mut list);
    let request = VoteRequest { version: 1, intent: intent.to_canonical(), acl: list.to_canonical() };
    serde_json::to_vec(&request).unwrap()
}

#[test]
fn a_vote_is_over_exactly_what_was_read() {
    let key = VotingKey::generate().unwrap();
    let ask = Ask::read(&request(&key, |_, _| ())).unwrap();
    for approve in [true, false] {
        let ballot = ask.sign(&key, approve).unwrap();
        assert_eq!(
            (ballot.person_id.as_str(), ballot.approve, ballot.kind.as_str()),
            ("anna", approve, "ed25519")
        );
        assert_eq!((&ballot.hash, &ballot.short_code), (&ask.hash(), &ask.short_code()));
        let public = crate::hex::decode_lower(&key.public_key()).unwrap();
        let public = aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, public);
        let signature = STANDARD.decode(&ballot.signature).unwrap();
        assert!(public.verify(&ask.message(approve), &signature).is_ok());
        assert!(public.verify(&ask.message(!approve), &signature).is_err());
    }
    let challenge = URL_SAFE_NO_PAD.decode(ask.challenge()).unwrap();
    assert_eq!(hex(&challenge), ask.hash(), "a passkey signs the hash itself");
    let other = VotingKey::generate().unwrap();
    assert_eq!(ask.sign(&other, true), Err(VoteFault::NotAMember("Board".into())));
    assert_eq!(ask.signed_by_openpgp(b"x", true), Err(VoteFault::NotAMember("Board".into())));
}

#[test]
fn documents_that_do_not_fit_are_refused() {
    let key = VotingKey::generate().unwrap();
    let alterations: [fn(&mut Intent, &mut AclDocument); 8] = [
        |intent, _| intent.flow = Flow::Retail,
        |intent, _| intent.env = Env::Production,
        |intent, _| intent.tenant_id = "u".into(),
        |intent, _| intent.acl_id = "m".into(),
        |intent, _| intent.policy_version = 2,
        |intent, _| intent.policy_hash = "ab".repeat(32),
        |_, list| list.name = "Other".into(),
        |_, list| list.members[0].name = "Anna".into(),
    ];
    for (n, alter) in alterations.into_iter().enumerate() {
        let fault = Ask::read(&request(&key, alter)).unwrap_err();
        assert!(matches!(fault, VoteFault::Unfit(_)), "{n}: {fault}");
    }
    let good = String::from_utf8(request(&key, |_, _| ())).unwrap();
    for bad in [
        String::new(),
        good.replace("\"version\":1", "\"version\":2"),
        good.replace("{\"version\"", "{\"more\":1,\"version\""),
        good.replacen("\\\"v\\\":1", "\\\"v\\\":1.0", 1),
    ] {
        assert_ne!(bad, good);
        assert!(matches!(Ask::read(bad.as_bytes()), Err(VoteFault::Unreadable(_))), "{bad}");
    }
}

#[test]
fn keys_read_back_and_others_are_refused() {
    let key = VotingKey::generate().unwrap();
    let pem = key.to_pem().unwrap();
    assert_eq!(VotingKey::from_pem(&pem).unwrap().public_key(), key.public_key());
    assert!(!format!("{key:?}").contains(pem.lines().nth(1).unwrap()));
    for bad in
        ["", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----", &pem[1..], &pem.replace('M', "N")]
    {
        assert_eq!(VotingKey::from_pem(bad).unwrap_err(), VoteFault::Key, "{bad}");
    }
}

#[test]
fn hostile_words_stand_still() {
    for (text, shown) in [
        ("Anna Ω 王 👍", "Anna Ω 王 👍"),
        ("a\nb\r\tc", "a\\u{a}b\\u{d}\\u{9}c"),
        ("\u{1b}[2J", "\\u{1b}[2J"),
        ("pay \u{202e}ecila", "pay \\u{202e}ecila"),
        ("\u{2066}x\u{2069}\u{200f}\u{61c}", "\\u{2066}x\\u{2069}\\u{200f}\\u{61c}"),
        ("a\u{200b}\u{feff}\u{e0041}b\u{2028}", "a\\u{200b}\\u{feff}\\u{e0041}b\\u{2028}"),
        ("\\u{a}", "\\\\u{a}"),
        ("\u{85}\u{9b}", "\\u{85}\\u{9b}"),
    ] {
        assert_eq!(plain(text), shown);
    }
    assert_eq!(grouped("ABCD1234EF"), "ABCD 1234 EF");
}

#[test]
fn instants_read_back() {
    let parse = crate::clock::parse_rfc3339_utc;
    let text = "2026-11-21T12:34:56Z";
    assert_eq!(utc(parse(text).unwrap()), text);
    assert_eq!(utc(0), "1970-01-01T00:00:00Z");
    // Every day of four centuries, each at another time of it.
    for day in -50_000_i64..150_000 {
        let at_ms = day * 86_400_000 + day.rem_euclid(86_400) * 1_000;
        assert_eq!(parse(&utc(at_ms)), Some(at_ms), "{}", utc(at_ms));
    }
}

/// Makes another list of one.
type Alteration = fn(&mut AclDocument);

fn change(old: &AclDocument, alter: impl FnOnce(&mut AclDocument)) -> AclDocument {
    let prev_hash = Some(hex(&sha256(&old.preimage())));
    let mut next = AclDocument { version: old.version + 1, prev_hash, ..old.clone() };
    alter(&mut next);
    next
}

fn change_file(old: &AclDocument, next: &AclDocument) -> Vec<u8> {
    let request = ChangeRequest { version: 1, acl: old.to_canonical(), next: next.to_canonical() };
    serde_json::to_vec(&request).unwrap()
}

#[test]
fn a_change_is_voted_on_by_those_who_are_on_the_list_now() {
    let key = VotingKey::generate().unwrap();
    let old = list(&key);
    let newcomer = VotingKey::generate().unwrap();
    let next = change(&old, |next| next.members[0] = member("zoe", &newcomer.public_key()));
    let next = AclDocument { members: next.members.into_iter().rev().collect(), ..next };
    let ask = Ask::read(&change_file(&old, &next)).unwrap();
    assert_eq!(ask.hash(), hex(&sha256(&next.preimage())), "what the enclave counts votes on");
    assert!(matches!(ask.what(), What::Change(read) if *read == next) && ask.intent().is_none());
    assert_eq!(ask.sign(&key, true).unwrap().person_id, "anna", "whoever goes votes too");
    assert_eq!(ask.sign(&newcomer, true), Err(VoteFault::NotAMember("Board".into())));
    let alterations: [fn(&mut AclDocument); 5] = [
        |next| next.env = Env::Production,
        |next| next.tenant_id = "u".into(),
        |next| next.acl_id = "m".into(),
        |next| next.version = 3,
        |next| next.prev_hash = Some("ab".repeat(32)),
    ];
    for (at, alter) in alterations.into_iter().enumerate() {
        let judged = Ask::read(&change_file(&old, &change(&old, alter)));
        assert!(matches!(judged, Err(VoteFault::Unfit(_))), "{at}: {judged:?}");
    }
    let text = String::from_utf8(change_file(&old, &next)).unwrap();
    for bad in [
        text.replace("\"version\":1,\"acl\"", "\"version\":2,\"acl\""),
        text.replace("\"acl\"", "\"intent\":\"\",\"acl\""),
        text.replace("Board", "Bo\\\\u0061rd"),
    ] {
        assert!(bad != text && matches!(Ask::read(bad.as_bytes()), Err(VoteFault::Unreadable(_))), "{bad}");
    }
}

#[test]
fn every_difference_is_told_and_what_weakens_is_what_the_enclave_holds_for_weaker() {
    let key = VotingKey::generate().unwrap();
    let mut old = list(&key);
    old.members.push(Member { veto: true, ..member("cleo", &"cd".repeat(32)) });
    (old.delay_hot_s, old.delay_cold_s) = (7_200, 90_000);
    let alterations: [(Alteration, &str); 22] = [
        (|next| next.name = "Bored\u{202e}".into(), "called Bored\\u{202e}, no longer Board"),
        (|next| next.members.push(member("zoe", &"ef".repeat(32))), "Comes: zoe (zoe), who votes."),
        (|next| drop(next.members.remove(1)), "Goes: ben (ben), who votes."),
        (|next| drop(next.members.pop()), "Goes: cleo (cleo), who votes, and ends it by his no."),
        (
            |next| next.members[2].veto = false,
            "cleo (cleo), who votes, and ends it by his no, votes from now on",
        ),
        (
            |next| next.members[0].must = true,
            "anna (anna), who votes, votes, and without whose yes nothing goes",
        ),
        (|next| next.members[0].name = "Ann".into(), "anna (anna) is called Ann from now on"),
        (
            |next| next.members[0].keys = member("", &"ef".repeat(32)).keys,
            "anna (anna) signs with 1 more keys",
        ),
        (
            |next| next.members[0].keys = member("", &"ef".repeat(32)).keys,
            "no longer signs with 1 of his keys",
        ),
        (|next| next.rule = Rule::Exact(1), "1 of 3 (exactly 1); before: 2 of 3 (more than half)"),
        (|next| next.rule = Rule::Exact(2), "2 of 3 (exactly 2); before: 2 of 3 (more than half)"),
        (|next| next.rule = Rule::Percentage(100), "3 of 3 (100 in a hundred)"),
        (|next| next.vote_window_s = 1_209_600, "A vote is open for: 14 days; before: 7 days"),
        (|next| next.vote_window_s = 86_400, "A vote is open for: 1 days; before: 7 days"),
        (|next| next.delay_hot_s = 0, "What is approved waits: not at all; before: 2 hours"),
        (|next| next.delay_hot_s = 7_201, "What is approved waits: 7201 seconds"),
        (|next| next.delay_cold_s = 86_400, "What is held offline waits: 1 days; before: 25 hours"),
        (|next| next.delay_cold_s = 172_800, "What is held offline waits: 2 days"),
        (|next| next.check_requester = false, "Whoever asks proves who he is: no; before: yes"),
        (|next| next.check_voters = true, "Whoever approves proves who he is: yes; before: no"),
        (|next| next.any_member_may_ask = true, "Whoever is of the tenant may ask: yes; before: no"),
        (|next| next.env = Env::Production, "Something else that this program does not know"),
    ];
    for (alter, told) in alterations {
        let next = change(&old, alter);
        let found = differences(&old, &next);
        let texts: Vec<&str> = found.iter().map(|found| found.text.as_str()).collect();
        assert!(texts.iter().any(|text| text.contains(told)), "{told}: {texts:?}");
        if next.env == old.env {
            let weakens = found.iter().any(|found| found.weakens);
            assert_eq!(weakens, boundary::approval::weakens(&old, &next), "{texts:?}");
            assert!(!texts.iter().any(|text| text.contains("Something else")), "{texts:?}");
        }
    }
    assert_eq!(differences(&old, &change(&old, |_| ())), []);
}
