//! What no operation is, and the names of calls.

use reqwest::Method;
use testkit::App;

use crate::routes::operations;

#[tokio::test]
async fn an_unknown_path_is_told_in_the_form_of_every_error() {
    let app = App::start().await;
    for path in
        ["/", "/v1", "/v1/", "/v1/nothing", "/v1/audit/", "/V1/audit", "/v1/backup/../audit/x", "/%00"]
    {
        for actor in [app.anonymous(), app.retail()] {
            for method in [Method::GET, Method::POST, Method::DELETE] {
                let answer = actor.call(&method, path).send().await;
                answer.refused(404, "no-such-path");
            }
        }
    }
}

#[tokio::test]
async fn an_unknown_method_is_told_which_are_known() {
    let app = App::start().await;
    for operation in operations() {
        let path = operation.path.split('?').next().unwrap();
        let is_known = |method: &Method| {
            operations()
                .iter()
                .any(|other| other.method == *method && other.path.split('?').next() == Some(path))
        };
        let methods = [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS];
        for method in methods.into_iter().filter(|method| !is_known(method)) {
            let answer = app.retail().call(&method, path).send().await;
            answer.refused(405, "method-not-allowed");
            let allow: Vec<_> = answer.header("allow").split(',').map(str::trim).collect();
            assert!(allow.contains(&operation.method.as_str()), "{path}: {allow:?}");
            assert!(!allow.contains(&method.as_str()), "{path}: {allow:?}");
        }
    }
}

#[tokio::test]
async fn a_call_keeps_a_sane_name_and_is_given_one_otherwise() {
    let app = App::start().await;
    let longest = "a".repeat(128);
    for name in ["call-1", "A.b_c-9", &longest] {
        for path in ["/healthz", "/v1/audit", "/nothing"] {
            let answer = app.anonymous().call(&Method::GET, path).header("x-request-id", name).send().await;
            assert_eq!(answer.header("x-request-id"), name, "{path}");
        }
    }
    let too_long = "a".repeat(129);
    for name in ["", "a b", "a/b", "é", "<script>", "a\tb", &too_long] {
        let call = app.anonymous().call(&Method::GET, "/v1/audit").header("x-request-id", name);
        let answer = call.send().await;
        let given = answer.header("x-request-id").to_owned();
        assert!(given != name && given.len() == 36, "{name:?} became {given:?}");
        answer.refused(401, "unauthenticated");
    }
    let names = [app.anonymous().get("/healthz").await, app.anonymous().get("/healthz").await];
    assert_ne!(names[0].header("x-request-id"), names[1].header("x-request-id"), "each call has its own");
}

#[tokio::test]
async fn a_block_of_headers_has_its_limit() {
    let app = App::start().await;
    let with = |bytes| app.anonymous().call(&Method::GET, "/healthz").header("x-filler", &"a".repeat(bytes));
    assert_eq!(with(12 * 1024).send().await.status, 200);
    assert_eq!(with(20 * 1024).send().await.status, 431);
}

#[tokio::test]
async fn the_process_says_that_it_is_alive_and_ready() {
    let app = App::start().await;
    assert_eq!(app.anonymous().get("/healthz").await.ok()["status"], "ok");
    let ready = app.anonymous().get("/readyz").await.ok();
    assert_eq!((ready["status"].as_str(), ready["environment"].as_str()), (Some("ready"), Some("sandbox")));
}
