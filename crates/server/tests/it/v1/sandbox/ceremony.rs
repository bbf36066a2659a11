//! `/v1/sandbox/ceremony`: asked for here, held by whoever started the service.

use reqwest::Method;
use serde_json::json;
use testkit::{Actor, Answer, App};

const PATH: &str = "/v1/sandbox/ceremony";

async fn ask(actor: &Actor) -> Answer {
    actor.call(&Method::POST, PATH).send().await
}

#[tokio::test]
async fn it_is_answered_when_the_ceremony_has_been_held() {
    let mut app = App::start().await;
    let mut calls = app.restart_with_ceremonies().await;
    let (retail, partner) = (app.retail(), app.partner());
    let (first, second) = tokio::join!(ask(&partner), async {
        let call = calls.recv().await.expect("a call");
        let requested = partner.audit("&action=ceremony.requested").await;
        assert_eq!(requested.len(), 1, "it is in the log before it is held");
        call.held(7);
        let other = ask(&retail);
        let hold = async { calls.recv().await.expect("another call").held(0) };
        tokio::join!(other, hold).0
    });
    assert_eq!(first.ok(), json!({"ok": true, "keys_added": 7}));
    assert_eq!(second.ok(), json!({"ok": true, "keys_added": 0}));
    assert!(calls.try_recv().is_err(), "one ceremony a call");
    assert_eq!(retail.audit("&action=ceremony.requested").await.len(), 1);
}

#[tokio::test]
async fn one_that_fails_or_that_nobody_holds_is_told_as_such() {
    let mut app = App::start().await;
    let before = app.census();
    ask(&app.partner()).await.refused(503, "ceremony-unavailable");
    assert_eq!(app.census(), before, "there is nobody to ask");
    let mut calls = app.restart_with_ceremonies().await;
    let partner = app.partner();
    let fail = async { drop(calls.recv().await.expect("a call")) };
    tokio::join!(ask(&partner), fail).0.refused(503, "ceremony-unavailable");
    // The sandbox ends while somebody waits.
    let leave = async {
        let waiting = calls.recv().await.expect("a call");
        drop(calls);
        drop(waiting);
    };
    tokio::join!(ask(&partner), leave).0.refused(503, "ceremony-unavailable");
    ask(&partner).await.refused(503, "ceremony-unavailable");
}
