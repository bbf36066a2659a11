//! What genuine events do: in any order, more than once, late, with the enclave away, under two secrets.

use std::time::Duration;

use boundary::Env;
use domain::limits::{INQUIRY_LIFE, UNJUDGED_EVENTS_MAX};
use domain::verification::InquiryState;
use serde_json::{Value, json};
use testkit::device::secret;
use testkit::persona::{NEXT_SECRET, SECRET, write_provider};
use testkit::{Given, Plan};

use super::World;

/// A key, once the pool has one.
pub async fn key(world: &World, user: &str, id: &str) -> Given {
    let body = json!({"user_identifier": user, "verification_id": id});
    loop {
        let answer = world.retail.post("/v1/key/generate", &body).await;
        if answer.status != 503 {
            let answer = answer.ok();
            let text = |name: &str| answer[name].as_str().unwrap().to_owned();
            return Given { key_id: text("key_id"), public_key: text("public_key"), answer };
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Chance that is the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % count as u64).unwrap()
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}

#[tokio::test]
async fn a_customer_stores_is_approved_and_recovers() {
    let world = World::of(Plan::default().with_pool([1, 0, 0])).await;
    let (retail, user) = (&world.retail, "user-1");
    let certificate = &world.app.fixture.recipient.certificate;
    let id = retail.start(user).await;
    world.report("inquiry.created", &id).await;
    let key = key(&world, user, &id).await;
    retail.store(user, &id, &key, &[key.device().item("seed", &secret("seed"))]).await;
    world.report("inquiry.started", &id).await;
    world.report("inquiry.completed", &id).await;
    assert_eq!(retail.inquiry_status(&id).await, "COMPLETED");
    retail.recover(user, &id, certificate).await.refused(403, "verification-not-approved");
    world.report("inquiry.approved", &id).await;
    let later = retail.start(user).await;
    world.report("inquiry.approved", &later).await;
    let recovered = retail.recover(user, &later, certificate).await.ok();
    let message = crate::story::message(&recovered["backup"][0]);
    assert_eq!(world.app.fixture.recipient.gpg().decrypt(&message), secret("seed"));
    let told: Vec<_> = world
        .app
        .events(retail)
        .await
        .iter()
        .map(|event| event["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        told[..6],
        [
            "inquiry.created",
            "key.assigned",
            "backup.stored",
            "inquiry.started",
            "inquiry.completed",
            "inquiry.approved"
        ]
    );
    let log = retail.audit("&action=inquiry.approved").await;
    assert!(
        log.iter().all(|entry| entry["actor"] == "persona" && entry["actor_type"] == "identity_provider")
    );
    // Somebody else by the victim's name for a user.
    let other = retail.start(user).await;
    let mut event = world.event("evt_other", "inquiry.approved", &other);
    event["data"]["attributes"]["payload"]["data"]["attributes"]["fields"]["name-first"]["value"] =
        json!("Eve");
    world.send(&event).await.ok();
    assert_eq!(retail.inquiry_status(&other).await, "NEEDS_REVIEW");
    retail.recover(user, &other, certificate).await.refused(403, "verification-not-approved");
}

#[tokio::test]
async fn in_whatever_order_events_come_an_inquiry_only_moves_forward() {
    let world = World::of(Plan::default().with_pool([1, 0, 0])).await;
    let (retail, mut user) = (&world.retail, String::new());
    let certificate = &world.app.fixture.recipient.certificate;
    let mut dice = Dice(0x5eed_0f0e_0d0c_0b0a);
    let mut ends = std::collections::BTreeMap::<_, u32>::new();
    let is_campaign = std::env::var("HOLDFAST_CAMPAIGN").is_ok_and(|word| word == "1");
    for round in 0..if is_campaign { 5_000 } else { 120 } {
        // Somebody else before his declines are so many that an approval of his is reviewed.
        if round % 4 == 0 {
            user = format!("user-{round}");
            let id = retail.start(&user).await;
            world.report("inquiry.approved", &id).await;
            let key = key(&world, &user, &id).await;
            retail.store(&user, &id, &key, &[key.device().item("seed", &secret("seed"))]).await;
        }
        let id = retail.start(&user).await;
        let mut states = InquiryState::ALL.to_vec();
        dice.shuffle(&mut states);
        // Some never come, some come twice.
        states.truncate(1 + dice.below(states.len()));
        let again = states[dice.below(states.len())];
        states.push(again);
        let mut expected = InquiryState::Created;
        for state in states {
            let name = state.event_type();
            let event = world.event(&format!("evt_{round}_{name}"), name, &id);
            world.send(&event).await.ok();
            expected = if expected.may_become(state) { state } else { expected };
            assert_eq!(retail.inquiry_status(&id).await, expected.as_str(), "round {round}");
        }
        if expected != InquiryState::Approved {
            retail.recover(&user, &id, certificate).await.refused(403, "verification-not-approved");
        }
        *ends.entry(expected.as_str()).or_default() += 1;
    }
    assert!(ends.len() >= 6 && ends.contains_key("NEEDS_REVIEW"), "{ends:?}");
    assert_eq!(world.app.place.rows("recoveries"), 0);
    let told = world.app.events(retail).await;
    let mut moves: Vec<_> = (told.iter())
        .filter(|event| {
            event["type"] != "inquiry.created" && event["type"].as_str().unwrap().starts_with("inquiry")
        })
        .map(|event| (event["data"]["verification_id"].to_string(), event["type"].to_string()))
        .collect();
    let all = moves.len();
    moves.sort();
    moves.dedup();
    assert_eq!(moves.len(), all, "each move is told once");
}

#[tokio::test]
async fn an_event_counts_once_however_often_it_comes() {
    let world = World::new().await;
    let id = world.retail.start("user-1").await;
    let mut event = world.event("evt_check", "verification.passed", &id);
    let payload = &mut event["data"]["attributes"]["payload"]["data"];
    payload["relationships"] = json!({"inquiry": {"data": {"type": "inquiry", "id": id}}});
    payload["type"] = json!("verification/government-id");
    payload["id"] = json!("ver_1");
    let (first, second, third) = tokio::join!(world.send(&event), world.send(&event), world.send(&event));
    for answer in [first, second, third, world.send(&event).await] {
        assert_eq!(answer.ok(), json!({"ok": true}));
    }
    let passed =
        |events: &[Value]| events.iter().filter(|event| event["type"] == "verification.passed").count();
    assert_eq!(passed(&world.app.events(&world.retail).await), 1);
    assert_eq!(world.retail.audit("&action=verification.passed").await.len(), 1);
    assert_eq!(world.app.place.rows("provider_events WHERE state = 'applied'"), 1);
    assert_eq!(world.retail.inquiry_status(&id).await, "CREATED");
}

#[tokio::test]
async fn what_means_nothing_to_us_is_acknowledged_and_leaves_no_trace() {
    let world = World::new().await;
    let id = world.retail.start("user-1").await;
    let other = world.retail.start("user-2").await;
    let event = |name: &str| world.event(&format!("evt_{name}"), name, &id);
    let with = |path: &str, value: Value| {
        let mut event = event("inquiry.approved");
        *event.pointer_mut(path).unwrap() = value;
        event
    };
    let inquiry = "/data/attributes/payload/data";
    let cases = [
        event("inquiry.redacted"),
        event("inquiry.transitioned"),
        event("account.created"),
        with(&format!("{inquiry}/id"), json!("inq_unknown")),
        with(&format!("{inquiry}/id"), json!("not an id")),
        with(&format!("{inquiry}/id"), json!(other)),
        with(&format!("{inquiry}/id"), json!(null)),
        with(&format!("{inquiry}/type"), json!("report/watchlist")),
        with(&format!("{inquiry}/attributes/reference-id"), json!(null)),
        with(&format!("{inquiry}/attributes/reference-id"), json!("ff".repeat(16))),
        with(&format!("{inquiry}/attributes/status"), json!("declined")),
        with(&format!("{inquiry}/relationships/inquiry-template/data/id"), json!("itmpl_other")),
        with("/data/id", json!("")),
        with("/data/attributes/created-at", json!("2020-01-01T00:00:00.000Z")),
        json!({"data": []}),
        json!("text"),
    ];
    let (events, verifications) =
        (world.app.events(&world.retail).await, world.app.census()["verifications"]);
    for case in &cases {
        world.send(case).await.ok();
        for id in [&id, &other] {
            assert_eq!(world.retail.inquiry_status(id).await, "CREATED", "{case}");
        }
    }
    for body in [&b""[..], b"\xff\xfe", b"{", b"[1, 2"] {
        world.send_raw(body, &testkit::persona::sign(&[SECRET], world.now_s(), body)).await.ok();
    }
    assert_eq!(world.app.events(&world.retail).await, events);
    assert_eq!(world.app.census()["verifications"], verifications);
    assert_eq!(world.app.place.rows("provider_events WHERE state = 'received'"), 0);
}

#[tokio::test]
async fn an_event_moves_inquiries_of_its_own_provider_only() {
    let world = World::new().await;
    let id = world.retail.start("user-1").await;
    world.app.place.run("UPDATE verifications SET provider = 'another'");
    let event = world.event("evt_1", "inquiry.approved", &id);
    world.send(&event).await.ok();
    assert_eq!(world.retail.inquiry_status(&id).await, "CREATED");
    world.app.place.run("UPDATE verifications SET provider = 'persona'");
    world.send(&event).await.ok();
    assert_eq!(world.retail.inquiry_status(&id).await, "APPROVED");
}

#[tokio::test]
async fn an_approval_after_the_end_opens_nothing() {
    let world = World::new().await;
    let id = world.retail.start("user-1").await;
    let approval = world.event("evt_late", "inquiry.approved", &id);
    let body = approval.to_string().into_bytes();
    let signature = testkit::persona::sign(&[SECRET], world.now_s(), &body);
    world.app.clock.advance(INQUIRY_LIFE);
    while world.retail.inquiry_status(&id).await != "EXPIRED" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.send_raw(&body, &signature).await.ok();
    assert_eq!(world.retail.inquiry_status(&id).await, "EXPIRED");
}

#[tokio::test]
async fn two_secrets_hold_while_one_is_being_rotated() {
    let mut world = World::new().await;
    let rotate = |world: &mut World, secrets: &[&str]| {
        write_provider(world.app.folder(), Env::Production, secrets);
        world.app.enclave.restart();
    };
    let approve = async |world: &World, secrets: &[&str]| {
        let id = world.retail.start("user-1").await;
        let event = world.event(&format!("evt_{id}"), "inquiry.approved", &id);
        let answer = world.send_signed(&event, secrets).await;
        assert_eq!(answer.status == 200, world.retail.inquiry_status(&id).await == "APPROVED");
        answer.status
    };
    assert_eq!(approve(&world, &[SECRET]).await, 200);
    assert_eq!(approve(&world, &[NEXT_SECRET]).await, 401);
    rotate(&mut world, &[SECRET, NEXT_SECRET]);
    for secrets in
        [&[SECRET][..], &[NEXT_SECRET], &[SECRET, NEXT_SECRET], &[NEXT_SECRET, SECRET], &["no", SECRET]]
    {
        assert_eq!(approve(&world, secrets).await, 200, "{secrets:?}");
    }
    rotate(&mut world, &[NEXT_SECRET]);
    assert_eq!(approve(&world, &[SECRET]).await, 401);
    assert_eq!(approve(&world, &[SECRET, NEXT_SECRET]).await, 200, "both sets are sent for a while");
    assert_eq!(approve(&world, &[NEXT_SECRET]).await, 200);
}

#[tokio::test]
async fn with_the_enclave_away_events_are_kept_and_applied_later() {
    let mut world = World::new().await;
    let id = world.retail.start("user-1").await;
    let ended = world.retail.start("user-2").await;
    world.report("inquiry.declined", &ended).await;
    world.app.enclave.kill();
    let approval = world.event("evt_1", "inquiry.approved", &id);
    world.send(&approval).await.ok();
    world.send(&approval).await.ok();
    world.send_signed(&world.event("evt_forged", "inquiry.declined", &id), &["wrong"]).await.ok();
    assert_eq!(world.retail.inquiry_status(&id).await, "CREATED", "never approved without a proof");
    // Nobody can tell whether these are genuine, and there is no room for them.
    let unknown = world.event("evt_2", "inquiry.approved", "inq_unknown");
    for event in [unknown, world.event("evt_3", "inquiry.approved", &ended), json!({})] {
        world.send(&event).await.refused(503, "unavailable");
    }
    for at in 2..UNJUDGED_EVENTS_MAX {
        let flood = world.event(&format!("evt_flood_{at}"), "inquiry.declined", &id);
        world.send_signed(&flood, &["wrong"]).await.ok();
    }
    let one_more = world.event("evt_flood", "inquiry.declined", &id);
    world.send_signed(&one_more, &["wrong"]).await.refused(503, "unavailable");
    assert_eq!(world.app.place.rows("provider_events WHERE state = 'received'"), UNJUDGED_EVENTS_MAX);
    world.app.enclave.restart();
    while world.app.place.rows("provider_events WHERE state = 'received'") > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(world.retail.inquiry_status(&id).await, "APPROVED");
    let told = world.app.events(&world.retail).await;
    assert_eq!(told.iter().filter(|event| event["type"] == "inquiry.approved").count(), 1);
}

#[tokio::test]
async fn a_forgery_does_not_hide_the_event_whose_id_it_bears() {
    let mut world = World::new().await;
    let id = world.retail.start("user-1").await;
    let approval = world.event("evt_1", "inquiry.approved", &id);
    world.app.enclave.kill();
    world.send_signed(&approval, &["wrong"]).await.ok();
    world.send(&approval).await.refused(503, "unavailable");
    world.app.enclave.restart();
    world.send(&approval).await.ok();
    assert_eq!(world.retail.inquiry_status(&id).await, "APPROVED");
    // The same where the forgery was judged meanwhile.
    let id = world.retail.start("user-1").await;
    let approval = world.event("evt_2", "inquiry.approved", &id);
    world.app.enclave.kill();
    world.send_signed(&approval, &["wrong"]).await.ok();
    world.app.enclave.restart();
    while world.app.place.rows("provider_events WHERE state = 'ignored'") == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.send(&approval).await.ok();
    assert_eq!(world.retail.inquiry_status(&id).await, "APPROVED");
}
