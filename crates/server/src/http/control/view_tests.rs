//! Every page of what can be read, rendered with samples: whole, usable by everyone, and hostile text kept as text.

use std::collections::{BTreeMap, HashMap};

use boundary::message::SigningKey;
use domain::backup::{BackupKind, BackupState, CheckState};
use domain::credential::Scope;
use domain::ids::{CredentialId, EntryId, EventId, KeyId, WebhookId};
use domain::key::{KeyEnvironment, KeyState, KeyType};
use domain::notice::{MailState, NoticeKind};
use domain::rate::Rate;
use domain::time::Timestamp;
use domain::webhook::{AttemptOutcome, DeliveryState, DisabledReason, EndpointState, EventFilter};
use store::audit::{AuditEntry, Sequenced};
use store::credentials::{ApiCredential, Scopes};
use store::listings::{KeyAct, ListedBackup, ListedKey};
use store::notices::{Kept, Notice};
use store::signed_records::SignedRecord;
use store::webhook_deliveries::{Attempt, Delivery};
use store::webhooks::Endpoint;

use super::look::samples::{HOSTILE, NOW, assert_is_text, keep, shell};
use super::look::well_formed::Element;
use super::look::{Page, Section};
use super::stored::Listed;
use super::{backups, keys, log, notices, settings, zone};
use crate::flows::{Chain, Delivered, Verdict};

const ID: &str = "019aa4f0-1c2d-7e3f-8a4b-5c6d7e8f9a0b";

pub(super) fn before(hours: i64) -> Timestamp {
    Timestamp::from_ms(NOW.ms() - hours * 3_600_000)
}

pub(super) fn id<T: std::str::FromStr<Err: std::fmt::Debug>>() -> T {
    ID.parse().unwrap()
}

pub(super) fn backup(name: &str, state: BackupState, key_environment: KeyEnvironment) -> ListedBackup {
    ListedBackup {
        id: id(),
        key_id: id(),
        key_environment,
        user_identifier: format!("wallet-{name}"),
        customer_id: Some(name.to_owned()),
        package_id: Some("cold-storage".to_owned()),
        kind: BackupKind::File,
        state,
        check_state: CheckState::NotChecked,
        item_key: Some(name.to_owned()),
        metadata: format!("{{\"note\":{}}}", serde_json::json!(name)),
        data_size: 15_360,
        stored_sha256: Some([0x5a; 32]),
        stored_at: before(5),
        updated_at: before(5),
        delete_after: (state == BackupState::DeletePending).then(|| before(-700)),
    }
}

pub(super) fn key(name: &str, state: KeyState) -> ListedKey {
    ListedKey {
        id: id(),
        user_identifier: name.to_owned(),
        key_type: KeyType::Rsa4096,
        key_environment: KeyEnvironment::Hot,
        state,
        public_key: vec![7; 32],
        signature: String::new(),
        signed_payload: None,
        signed_fields: None,
        kid: Some("kid-2025-a".to_owned()),
        customer_id: Some("acme".to_owned()),
        customer_name: Some(name.to_owned()),
        package_id: None,
        package_name: None,
        supersedes: Some(id()),
        superseded_by: (state == KeyState::Superseded).then(id::<KeyId>),
        assigned_at: before(72),
        backups: 12,
    }
}

fn entry(name: &str, seq: i64) -> Sequenced {
    let entry = AuditEntry {
        id: id::<EntryId>(),
        time: before(seq),
        actor: name.to_owned(),
        actor_type: "api_key".to_owned(),
        action: "backup.stored".to_owned(),
        key_id: Some(id()),
        backup_id: Some(id()),
        recovery_id: None,
        verification_id: Some(id()),
        customer_id: Some(name.to_owned()),
        package_id: None,
        result: if seq % 2 == 0 { "ok" } else { "refused" }.to_owned(),
        reason: Some(name.to_owned()),
        request_id: "r".to_owned(),
    };
    Sequenced { seq, prev_hash: None, entry_hash: [1; 32], entry }
}

fn record() -> SignedRecord {
    SignedRecord { about: ID.to_owned(), record: "a.b.c".to_owned(), made_at: before(1) }
}

fn params(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The page as it is, and the same with hostile text in every place that others write.
pub(super) fn both(name: &str, render: impl Fn(&str) -> Page) -> Vec<Element> {
    assert_is_text(&keep(&format!("{name}-hostile"), render(HOSTILE)));
    keep(name, render("seed-phrase"))
}

pub(super) fn links<'e>(elements: &'e [Element], to: &str) -> Vec<&'e str> {
    let of =
        |element: &'e Element| element.attributes.get("href").or_else(|| element.attributes.get("action"));
    elements.iter().filter_map(of).map(String::as_str).filter(|path| path.contains(to)).collect()
}

#[test]
fn backups_are_listed_and_an_empty_list_says_what_will_be_there() {
    let shell = shell(Section::Backups);
    let none = params(&[]);
    let page = backups::view::list(&shell, &Listed { params: &none, rows: &[], older: None, acls: &[] });
    let elements = keep("backups-none", page);
    assert!(elements[0].text.contains("No backup yet") && links(&elements, "/docs").len() == 2);
    let elements = both("backups", |text| {
        let asked = params(&[("customer_id", text), ("cursor", "x")]);
        let rows = [
            backup(text, BackupState::Confirmed, KeyEnvironment::Hot),
            backup("kept", BackupState::DeletePending, KeyEnvironment::Cold),
            backup("new", BackupState::Unconfirmed, KeyEnvironment::Hot),
        ];
        let older = Some("/control/backups?cursor=y".to_owned());
        let acls = [(id(), text.to_owned())];
        backups::view::list(&shell, &Listed { params: &asked, rows: &rows, older, acls: &acls })
    });
    let choice = elements.iter().find(|e| e.attributes.get("name").is_some_and(|name| name == "acl_id"));
    assert!(choice.is_some_and(|choice| choice.text.contains("seed-phrase")), "the lists to choose from");
    assert_eq!(links(&elements, "cursor=y").len(), 1);
    assert!(elements.iter().any(|e| e.attributes.get("value").is_some_and(|value| value == "seed-phrase")));
}

#[test]
fn a_backup_offers_what_its_state_and_its_reader_allow() {
    use BackupState::{Confirmed, DeletePending, Deleted};
    use KeyEnvironment::{Cold, Hot};
    let shell = shell(Section::Backups).under("/control/backups", "Backups");
    let render = |name: &str, state, place, may| {
        let backup = backup("seed", state, place);
        let history = [entry("x", 1).entry, entry("y", 2).entry];
        let verdict = Verdict { holds: true, record: None, shares: None };
        let (check, record) = (Some(&verdict), Some(record()));
        let shown = backups::view::Shown { backup: &backup, history: &history, check, record, may };
        let elements = keep(name, backups::view::show(&shell, &shown));
        assert!(elements[0].text.contains("does not look into files"), "without a record of its own");
        assert_eq!(links(&elements, "/record.jws").len(), 1);
        elements
    };
    let all = backups::view::May { check: true, delete: true };
    let none = backups::view::May::default();
    let offers = |elements: &[Element]| {
        ["/check", "/delete", "/restore", "recoveries/new"].map(|deed| !links(elements, deed).is_empty())
    };
    assert_eq!(offers(&render("backup", Confirmed, Hot, all)), [true, true, false, true]);
    assert_eq!(offers(&render("backup-cold", Confirmed, Cold, all)), [false, true, false, true]);
    assert_eq!(offers(&render("backup-pending", DeletePending, Hot, all)), [true, false, true, false]);
    assert_eq!(offers(&render("backup-gone", Deleted, Hot, all)), [false; 4]);
    assert_eq!(offers(&render("backup-read", Confirmed, Hot, none)), [false, false, false, true]);
    both("backup-texts", |text| {
        let (backup, history) = (backup(text, Confirmed, Hot), [entry(text, 1).entry]);
        let verdict = Verdict { holds: false, record: None, shares: None };
        let check = Some(&verdict);
        let shown =
            backups::view::Shown { backup: &backup, history: &history, check, record: None, may: all };
        backups::view::show(&shell, &shown)
    });
}

#[test]
fn a_key_is_replaced_only_by_who_may_and_only_while_it_is_active() {
    let shell = shell(Section::Keys).under("/control/keys", "Keys");
    let offers = |state, rotate| {
        let (key, backups) =
            (key("seed", state), [backup("seed", BackupState::Confirmed, KeyEnvironment::Hot)]);
        let acts = [KeyAct {
            time: before(3),
            action: "key.assigned".into(),
            actor_type: "service".into(),
            actor: "service".into(),
        }];
        let verdict = Verdict { holds: true, record: Some("a.b.c".to_owned()), shares: None };
        let (check, record) = (Some(&verdict), Some(record()));
        let may = keys::view::May { check: rotate, rotate, destroy: rotate };
        let shown = keys::view::Shown { key: &key, acts: &acts, backups: &backups, check, record, may };
        let elements = keep(&format!("key-{state}"), keys::view::show(&shell, &shown));
        assert_eq!(
            (!links(&elements, "/check").is_empty(), links(&elements, "/record.jws").len()),
            (rotate, 1)
        );
        (!links(&elements, "/rotate").is_empty(), !links(&elements, "recoveries/new").is_empty())
    };
    assert_eq!(offers(KeyState::Active, true), (true, true));
    assert_eq!(offers(KeyState::Active, false), (false, true));
    assert_eq!(offers(KeyState::Superseded, true), (false, false));
    both("key-texts", |text| {
        let key = key(text, KeyState::Active);
        let acts = [KeyAct { time: NOW, action: text.into(), actor_type: text.into(), actor: text.into() }];
        let may = keys::view::May { check: true, rotate: true, destroy: true };
        let shown =
            keys::view::Shown { key: &key, acts: &acts, backups: &[], check: None, record: None, may };
        keys::view::show(&shell, &shown)
    });
}

#[test]
fn keys_are_listed_and_an_empty_list_says_what_will_be_there() {
    let shell = shell(Section::Keys);
    both("keys", |text| {
        let (asked, rows) = (
            params(&[("user_identifier", text)]),
            [key(text, KeyState::Active), key("b", KeyState::Released)],
        );
        keys::view::list(&shell, &Listed { params: &asked, rows: &rows, older: None, acls: &[] })
    });
    let (none, some) = (params(&[]), params(&[("status", "active")]));
    for (name, asked, words) in
        [("keys-none", &none, "No key yet"), ("keys-unmatched", &some, "No key matches")]
    {
        let page = keys::view::list(&shell, &Listed { params: asked, rows: &[], older: None, acls: &[] });
        assert!(keep(name, page)[0].text.contains(words));
    }
}

#[test]
fn the_log_is_shown_and_says_whether_its_chain_is_whole() {
    let shell = shell(Section::Log);
    both("log", |text| {
        let (asked, rows) = (params(&[("action", text)]), [entry(text, 2), entry("x", 1)]);
        let listed = log::view::Listed {
            params: &asked,
            entries: &rows,
            older: None,
            export: "/control/log/export".into(),
        };
        log::view::list(&shell, &listed)
    });
    for (name, chain, words) in [
        ("chain-empty", Chain { entries: 0, head: None, broken_at: None }, "empty, and whole"),
        ("chain", Chain { entries: 7, head: Some([3; 32]), broken_at: None }, "The chain is whole"),
        ("chain-broken", Chain { entries: 4, head: Some([3; 32]), broken_at: Some(5) }, "broken at entry 5"),
    ] {
        assert!(keep(name, log::view::verified(&shell, &chain))[0].text.contains(words), "{name}");
    }
}

fn credential(name: &str, revoked: Option<Timestamp>, expires: Option<Timestamp>) -> ApiCredential {
    ApiCredential {
        id: id::<CredentialId>(),
        name: name.to_owned(),
        hint: "hf_test_Ab3…9fQ".to_owned(),
        scopes: Scopes::new(&[Scope::Partner, Scope::Audit]),
        expires_at: expires,
        revoked_at: revoked,
        created_at: before(400),
    }
}

#[test]
fn credentials_are_listed_made_and_revoked() {
    use settings::credentials_view as view;
    let shell = shell(Section::Settings);
    let elements = both("credentials", |text| {
        let rows = [
            credential(text, None, None),
            credential("old", Some(before(1)), None),
            credential("ended", None, Some(before(2))),
            credential("ending", None, Some(before(-48))),
        ];
        view::list(&shell, &rows, None, true)
    });
    assert_eq!(links(&elements, "/revoke").len(), 2, "only what is alive can be revoked");
    assert!(
        links(
            &keep("credentials-read", view::list(&shell, &[credential("a", None, None)], None, false)),
            "/revoke"
        )
        .is_empty()
    );
    keep("credentials-none", view::list(&shell, &[], None, true));
    both("credential-new", |text| {
        let faults = BTreeMap::from([
            ("name".to_owned(), vec![text.to_owned()]),
            ("scopes".to_owned(), vec!["must list at least one scope".to_owned()]),
        ]);
        let asked = view::Asked { name: text, scopes: vec![Scope::Audit], expires: "2026-01-01", faults };
        view::new(&shell, &[Scope::Partner, Scope::Audit], &asked)
    });
    both("credential-made", |text| view::made(&shell, &credential(text, None, None), "hf_test_0123456789"));
    both("credential-revoke", |text| view::revoke(&shell, &credential(text, None, None)));
}

fn endpoint(text: &str, state: EndpointState) -> Endpoint {
    Endpoint {
        id: id::<WebhookId>(),
        url: format!("https://hooks.acme.example/{text}"),
        description: text.to_owned(),
        events: EventFilter::of(&["backup.stored".to_owned()]).unwrap(),
        state,
        disabled_reason: (state == EndpointState::Disabled).then_some(DisabledReason::Failing),
        secret: Vec::new(),
        previous_secret: None,
        previous_until: Some(before(-5)),
        failing_since: None,
        created_at: before(50),
        updated_at: before(50),
    }
}

fn delivered(state: DeliveryState, outcome: Option<(AttemptOutcome, Option<i64>)>) -> Delivered {
    let delivery = Delivery {
        event_id: id::<EventId>(),
        r#type: "backup.stored".to_owned(),
        state,
        tries: 1,
        round_from: 0,
        due_at: before(-1),
        created_at: before(3),
    };
    let attempts = outcome.map(|(outcome, answer_code)| Attempt {
        event_id: id(),
        number: 1,
        began_at: before(2),
        duration_ms: 40,
        outcome,
        answer_code,
    });
    Delivered { delivery, attempts: attempts.into_iter().collect() }
}

#[test]
fn webhooks_are_listed_made_changed_and_show_their_deliveries() {
    use settings::webhooks_view as view;
    let shell = shell(Section::Settings);
    both("webhooks", |text| {
        view::list(
            &shell,
            &[endpoint(text, EndpointState::Enabled), endpoint("b", EndpointState::Disabled)],
            true,
        )
    });
    keep("webhooks-none", view::list(&shell, &[], true));
    let deliveries = [
        delivered(DeliveryState::Delivered, Some((AttemptOutcome::Acknowledged, Some(204)))),
        delivered(DeliveryState::Pending, None),
        delivered(DeliveryState::Parked, Some((AttemptOutcome::Refused, Some(500)))),
    ];
    let render = |text: &str, state, may| {
        let endpoint = endpoint(text, state);
        let older = Some(format!("{}?cursor=y", view::path(&endpoint)));
        view::show(
            &shell,
            &view::Shown { endpoint: &endpoint, deliveries: &deliveries, older, is_further: true, may },
        )
    };
    let elements = both("webhook", |text| render(text, EndpointState::Enabled, true));
    assert_eq!(links(&elements, "/redeliver").len(), 3);
    let deeds = ["/test", "/edit", "/rotate-secret", "/switch-off", "/switch-on", "/delete", "/redeliver"];
    let offers = |elements: &[Element]| deeds.map(|deed| !links(elements, deed).is_empty());
    assert_eq!(offers(&elements), [true, true, true, true, false, true, true]);
    let off = keep("webhook-off", render("a", EndpointState::Disabled, true));
    assert_eq!(offers(&off), [false, true, true, false, true, true, false]);
    let read = keep("webhook-read", render("a", EndpointState::Enabled, false));
    assert_eq!(offers(&read), [false; 7]);
    both("webhook-edit", |text| {
        let endpoint = endpoint(text, EndpointState::Enabled);
        let faults = BTreeMap::from([("url".to_owned(), vec!["must begin with https".to_owned()])]);
        view::edit(&shell, Some(&endpoint), &view::Asked { faults, ..view::Asked::of(&endpoint) })
    });
    keep("webhook-new", view::edit(&shell, None, &view::Asked::default()));
    both("webhook-secret", |text| {
        view::secret(&shell, &endpoint(text, EndpointState::Enabled), "whsec_0123456789")
    });
    both("webhook-rotate", |text| view::rotate(&shell, &endpoint(text, EndpointState::Enabled)));
}

#[test]
fn the_other_settings_are_shown() {
    use settings::view;
    let shell = shell(Section::Settings);
    let production = super::look::Shell { is_sandbox: false, ..shell.clone() };
    assert_eq!(links(&keep("settings", view::overview(&shell)), view::RESET).len(), 1);
    assert!(links(&keep("settings-production", view::overview(&production)), view::RESET).is_empty());
    let keys = [SigningKey {
        kid: "k1".into(),
        purpose: "assignment-sig".into(),
        valid_from_ms: before(9).ms(),
        point: vec![4; 65],
    }];
    keep("signing-keys", view::signing_keys(&shell, &keys));
    keep("limits", view::limits(&shell, Rate::per_second(10, 20), Rate::per_minute(60)));
    keep("reset", view::reset(&shell, None));
    both("reset-fault", |text| view::reset(&shell, Some(text)));
}

fn notice(text: &str, read_at: Option<Timestamp>) -> (Notice, String) {
    let notice = Notice {
        id: id(),
        person_id: id(),
        kind: NoticeKind::VoteWanted,
        title: format!("A vote is wanted: {text}"),
        text: text.to_owned(),
        link: Vec::new(),
        created_at: before(2),
        read_at,
        mail_state: MailState::Sent,
        mail_tries: 1,
        due_at: NOW,
    };
    (notice, "/control/recoveries/1".to_owned())
}

#[test]
fn notices_are_marked_as_long_as_they_are_new() {
    use notices::view;
    let shell = shell(Section::Notices);
    let elements = both("notices", |text| {
        let notices = [notice(text, None), notice("old", Some(before(1)))];
        view::list(
            &shell,
            &view::Listed {
                notices: &notices,
                older: Some("/control/notices?cursor=y".into()),
                is_further: true,
            },
        )
    });
    assert_eq!(links(&elements, "/notices/read").len(), 2, "all, and the one that is new");
    let read = super::look::Shell { unread: 0, ..shell.clone() };
    let page = view::list(
        &read,
        &view::Listed { notices: &[notice("a", Some(NOW))], older: None, is_further: false },
    );
    assert!(links(&keep("notices-read", page), "/notices/read").is_empty());
    keep("notices-none", view::list(&read, &view::Listed { notices: &[], older: None, is_further: false }));
}

#[test]
fn a_sandbox_shows_its_mail_with_links_that_work() {
    let clock = super::look::Clock::utc(NOW);
    let elements = both("outbox", |text| {
        let mail = Kept {
            id: id(),
            email: "ada@alpine.example".to_owned(),
            name: text.to_owned(),
            title: text.to_owned(),
            text: text.to_owned(),
            link: Vec::new(),
            created_at: before(1),
        };
        let mails = [(mail, "/control/invitation/abc".to_owned())];
        let older = Some("/control/outbox?cursor=x".to_owned());
        notices::view::outbox(clock, &notices::view::Outbox { mails: &mails, older, is_further: true })
    });
    assert_eq!(links(&elements, "/control/invitation/abc").len(), 1);
    let none = notices::view::Outbox { mails: &[], older: None, is_further: false };
    keep("outbox-none", notices::view::outbox(clock, &none));
}

#[test]
fn the_zone_is_chosen_from_a_list_that_shows_the_present_one() {
    let elements = keep("zone", zone::view(&shell(Section::Account)));
    let chosen: Vec<_> = elements.iter().filter(|e| e.attributes.contains_key("selected")).collect();
    assert_eq!((chosen.len(), chosen[0].text.as_str()), (1, "UTC+02"));
}
