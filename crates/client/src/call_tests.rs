//! What travels, what is tried again, and what is shown of it.

use std::sync::Arc;

use super::*;
use crate::canned::{Canned, answer};

#[test]
fn a_path_goes_below_the_base_and_an_id_is_one_part_of_it() {
    let client = Client::new("https://h/below", "k").unwrap();
    let call = Call::get("v1/audit").query("cursor", Some("a b&c")).query("limit", None::<u32>);
    assert_eq!(client.url_of(&call).unwrap().as_str(), "https://h/below/v1/audit?cursor=a+b%26c");
    assert_eq!(part("0198-a_b").unwrap(), "0198-a_b");
    assert_eq!(part("../x?y#z").unwrap(), "..%2Fx%3Fy%23z");
    for bad in ["", ".", ".."] {
        assert_eq!(part(bad), Err(SetupFault::Id(bad.into())));
    }
}

const BUSY: &str = r#"{"message":"m","error":"Service Unavailable","code":"c","request_id":"r"}"#;

fn store_request() -> api::retail::StoreRequest {
    api::retail::StoreRequest {
        user_identifier: "u".into(),
        verification_id: "v".into(),
        public_key: "00".into(),
        backup: Vec::new(),
        metadata: None,
    }
}

#[tokio::test]
async fn a_redirect_is_an_error_and_not_followed() {
    let other = Canned::with(vec![answer(200, &[], r#"{"keys":[]}"#)]).await;
    let location = format!("location: {}/.well-known/jwks.json", other.base);
    let server = Canned::with(vec![answer(302, &[&location], "")]).await;
    let client = Client::new(&server.base, "k").unwrap();
    assert!(matches!(client.jwks().await, Err(Error::Unreadable { status: 302, .. })));
    assert_eq!((server.seen().len(), other.seen().len()), (1, 0));
}

#[tokio::test]
async fn an_answer_larger_than_any_is_not_read() {
    let server = Canned::with(vec![answer(200, &[], &"x".repeat(ANSWER_BYTES_MAX + 1))]).await;
    let fault = Client::new(&server.base, "k").unwrap().verification_key_pem().await;
    assert!(matches!(fault, Err(Error::Unreadable { .. })));
}

#[tokio::test]
async fn a_removal_is_made_once_and_an_act_in_progress_is_asked_for_again() {
    let busy = || answer(503, &["retry-after: 0"], BUSY);
    let server = Canned::with(vec![busy(), busy()]).await;
    assert!(Client::new(&server.base, "k").unwrap().partner().delete_backup("b").await.is_err());
    assert_eq!(server.seen().len(), 1);

    let running = BUSY.replace("\"code\":\"c\"", "\"code\":\"idempotency-in-progress\"");
    let stored = r#"{"backup_type":"data","metadata":{},"backup":[]}"#;
    let answers = vec![answer(409, &["retry-after: 0"], &running), answer(200, &[], stored)];
    let server = Canned::with(answers).await;
    Client::new(&server.base, "k").unwrap().retail().store_backup(&store_request()).await.unwrap();
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn what_does_nothing_twice_is_tried_again_and_a_recovery_is_not() {
    let busy = || answer(503, &["retry-after: 0"], BUSY);
    let server = Canned::with(vec![busy(), answer(200, &[], r#"{"keys":[]}"#)]).await;
    Client::new(&server.base, "k").unwrap().jwks().await.unwrap();
    assert_eq!(server.seen().len(), 2);

    // The connection breaks after the request was sent: the service may or may not have stored.
    let stored = r#"{"backup_type":"data","metadata":{},"backup":[]}"#;
    let server = Canned::with(vec![String::new(), answer(200, &[], stored)]).await;
    Client::new(&server.base, "k").unwrap().retail().store_backup(&store_request()).await.unwrap();
    let seen = server.seen();
    assert_eq!((seen.len(), &seen[0]), (2, &seen[1]), "under the same idempotency key");
    assert!(seen[0].contains("idempotency-key: "));

    let server = Canned::with(vec![busy()]).await;
    let request = api::retail::RecoverRequest {
        user_identifier: "u".into(),
        verification_id: "v".into(),
        gpg_public_key: "g".into(),
        request_signature: None,
    };
    let error = Client::new(&server.base, "k").unwrap().retail().recover(&request).await.unwrap_err();
    assert_eq!((error.status(), error.code(), server.seen().len()), (Some(503), "c", 1));
    assert_eq!(error.retry_after(), Some(Duration::ZERO));
    assert!(!server.seen()[0].contains("idempotency-key"));
}

#[tokio::test]
async fn what_travels_is_shown_but_for_the_credential() {
    let shown = Arc::new(std::sync::Mutex::new(Vec::new()));
    let server = Canned::with(vec![answer(400, &[], BUSY), answer(500, &[], "<html>")]).await;
    let keep = Arc::clone(&shown);
    let client = Client::builder(&server.base, "topsecret")
        .observer(move |exchange| keep.lock().unwrap().push(format!("{exchange:?}")))
        .build()
        .unwrap();
    let request = api::retail::StartRequest { user_identifier: "u".into(), gpg_fingerprint: None };
    client.retail().start_verification_with(&request, "approve_inquiry").await.unwrap_err();
    assert!(matches!(client.jwks().await, Err(Error::Unreadable { status: 500, .. })));

    let shown = shown.lock().unwrap();
    for words in ["POST", "/v1/verification/start", "approve_inquiry", "user_identifier", "400"] {
        assert!(shown[0].contains(words), "{words}: {}", shown[0]);
    }
    assert!(!shown.join("").contains("topsecret"));
    assert!(server.seen()[0].contains("authorization: Bearer topsecret"));
    assert!(server.seen()[0].contains("x-override-status: approve_inquiry"));
}
