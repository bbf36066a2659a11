//! Signatures that do not hold: each refused, and nothing of it kept.

use domain::rate::Rate;
use reqwest::Method;
use serde_json::Value;
use testkit::persona::{SECRET, sign};
use testkit::{Call, Plan};

use super::{PATH, World};

/// One forgery: what it is, the header, the body.
type Forgery = (&'static str, Vec<u8>, Vec<u8>);

fn unsigned(body: &[u8], now_s: i64) -> Vec<Forgery> {
    let good = sign(&[SECRET], now_s, body);
    let tag = good.split("v1=").nth(1).unwrap().to_owned();
    let texts = [
        ("no signature", String::new()),
        ("a space", " ".to_owned()),
        ("no tag", format!("t={now_s}")),
        ("an empty tag", format!("t={now_s},v1=")),
        ("no time", format!("v1={tag}")),
        ("an empty time", format!("t=,v1={tag}")),
        ("the tag alone", tag.clone()),
        ("a cut tag", format!("t={now_s},v1={}", &tag[..62])),
        ("a longer tag", format!("t={now_s},v1={tag}00")),
        ("a tag of zeros", format!("t={now_s},v1={}", "0".repeat(64))),
        ("a tag that is no hexadecimal", format!("t={now_s},v1={}", "zz".repeat(32))),
        ("one digit changed", good.replace(&tag[..1], if tag.starts_with('0') { "1" } else { "0" })),
        ("the tag backwards", format!("t={now_s},v1={}", tag.chars().rev().collect::<String>())),
        ("another scheme", format!("t={now_s},v0={tag}")),
        ("a scheme to come", format!("t={now_s},v2={tag}")),
        ("a capital scheme", format!("t={now_s},V1={tag}")),
        ("another time", format!("t={},v1={tag}", now_s - 1)),
        ("two times", format!("t={now_s},t={now_s},v1={tag}")),
        ("a time with a sign", format!("t=+{now_s},v1={tag}")),
        ("a time with a zero before", format!("t=0{now_s},v1={tag}")),
        ("a time with a fraction", format!("t={now_s}.0,v1={tag}")),
        ("a time in milliseconds", format!("t={now_s}000,v1={tag}")),
        ("a time beyond counting", format!("t={},v1={tag}", "9".repeat(40))),
        ("semicolons", format!("t={now_s};v1={tag}")),
        ("a space within", format!("t={now_s}, v1={tag}")),
        ("time and tag apart", format!("t={now_s} v1={tag}")),
        ("quotes", format!("t=\"{now_s}\",v1=\"{tag}\"")),
        ("another form of signature", format!("sha256={tag}")),
        (
            "nine wrong tags before",
            format!("t={now_s}{},v1={tag}", format!(",v1={}", "00".repeat(32)).repeat(9)),
        ),
        ("too long a header", format!("t={now_s},{}v1={tag}", "v0=0,".repeat(1_000))),
        ("a header of noise", "x".repeat(3_000)),
        ("a time from far ahead", sign(&[SECRET], now_s + 100_000, body)),
    ];
    texts.into_iter().map(|(what, header)| (what, header.into_bytes(), body.to_vec())).collect()
}

fn by_another(body: &[u8], now_s: i64) -> Vec<Forgery> {
    let secrets = [
        ("an empty secret", ""),
        ("an old secret", "wbhsec_was-before-that"),
        ("the secret's prefix", "wbhsec_"),
        ("half the secret", &SECRET[..12]),
        ("the secret and a new line", "wbhsec_0f6d6c1a-stand-in\n"),
        ("the secret in capitals", "WBHSEC_0F6D6C1A-STAND-IN"),
        ("the template as secret", testkit::persona::TEMPLATE),
        ("the API key as secret", testkit::persona::API_KEY),
    ];
    let mut found: Vec<Forgery> = (secrets.into_iter())
        .map(|(what, secret)| (what, sign(&[secret], now_s, body).into_bytes(), body.to_vec()))
        .collect();
    found.push(("two wrong secrets", sign(&["a", "b"], now_s, body).into_bytes(), body.to_vec()));
    let good = sign(&[SECRET], now_s, body);
    let mut accented = good.clone().into_bytes();
    accented.extend("\u{e9}".as_bytes());
    found.push(("a header that is no text", accented, body.to_vec()));
    found.push(("digits of another script", good.replacen('1', "\u{ff11}", 1).into_bytes(), body.to_vec()));
    found
}

fn of_other_bytes(body: &[u8], now_s: i64) -> Vec<Forgery> {
    let good = sign(&[SECRET], now_s, body);
    let text = String::from_utf8(body.to_vec()).unwrap();
    let value: Value = serde_json::from_slice(body).unwrap();
    let altered = [
        ("the body written anew", serde_json::to_string_pretty(&value).unwrap()),
        ("a new line after it", format!("{text}\n")),
        ("a space before it", format!(" {text}")),
        ("a mark of byte order before it", format!("\u{feff}{text}")),
        ("another name", text.replace("Lovelace", "Mallory")),
        ("another status", text.replace("\"approved\"", "\"declined\"")),
        ("another inquiry", text.replace("inq_StandIn", "inq_Standin")),
        ("half of it", text[..text.len() / 2].to_owned()),
        ("nothing", String::new()),
        ("the time within", format!("{now_s}.{text}")),
    ];
    altered.into_iter().map(|(what, text)| (what, good.clone().into_bytes(), text.into_bytes())).collect()
}

#[tokio::test]
async fn no_forged_signature_is_taken_and_nothing_of_it_kept() {
    let world = World::new().await;
    let id = world.retail.start("user-1").await;
    let event = world.event("evt_1", "inquiry.approved", &id);
    let (body, now_s) = (event.to_string().into_bytes(), world.now_s());
    let forgeries = [unsigned(&body, now_s), by_another(&body, now_s), of_other_bytes(&body, now_s)].concat();
    assert!(forgeries.len() >= 50, "{}", forgeries.len());
    let before = world.app.census();
    let call = || world.app.anonymous().call(&Method::POST, PATH);
    let refused = async |what: &str, call: Call| {
        let answer = call.send().await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        answer.refused(401, "event-not-authentic");
    };
    for (what, header, body) in &forgeries {
        refused(what, call().header_bytes("persona-signature", header).untyped(body.clone())).await;
    }
    let good = sign(&[SECRET], now_s, &body);
    refused("without the header", call().untyped(body.clone())).await;
    refused("under another name", call().header("x-persona-signature", &good).untyped(body.clone())).await;
    let twice = call().header("persona-signature", &good).header("persona-signature", &good);
    refused("the header twice", twice.untyped(body.clone())).await;
    assert_eq!(world.app.census(), before, "nothing was kept");
    assert_eq!(world.retail.inquiry_status(&id).await, "CREATED");
    // The untouched event is as good as ever.
    world.send_raw(&body, &good).await.ok();
    assert_eq!(world.retail.inquiry_status(&id).await, "APPROVED");
}

#[tokio::test]
async fn who_forges_often_is_told_to_wait_and_the_provider_is_always_heard() {
    let calls = Rate::per_second(1_000_000, 1_000_000);
    let world = World::of(Plan::default().with_rates(calls, Rate::per_minute(3))).await;
    let id = world.retail.start("user-1").await;
    let event = world.event("evt_1", "inquiry.started", &id);
    for _ in 0..3 {
        world.send_signed(&event, &["wrong"]).await.refused(401, "event-not-authentic");
    }
    world.send_signed(&event, &["wrong"]).await.refused(429, "authentication-limit");
    world.app.anonymous().get("/v1/audit").await.refused(429, "authentication-limit");
    world.send(&event).await.ok();
    assert_eq!(world.retail.inquiry_status(&id).await, "PENDING");
}

#[tokio::test]
async fn a_body_is_bounded() {
    let world = World::new().await;
    let body = vec![b' '; 256 * 1024 + 1];
    world.send_raw(&body, &sign(&[SECRET], world.now_s(), &body)).await.refused(413, "body-too-large");
    let body = vec![b' '; 256 * 1024];
    world.send_raw(&body, &sign(&[SECRET], world.now_s(), &body)).await.ok();
    world.send_raw(&body, "t=1,v1=00").await.refused(401, "event-not-authentic");
}

#[tokio::test]
async fn without_a_provider_no_signature_holds() {
    let app = testkit::App::start().await;
    let body = b"{}";
    let call =
        app.anonymous().call(&Method::POST, PATH).header("persona-signature", &sign(&[SECRET], 1, body));
    call.untyped(body.to_vec()).send().await.refused(401, "event-not-authentic");
}
