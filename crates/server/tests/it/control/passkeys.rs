//! Assertions at sign-in: every way of getting one wrong.

use client::passkey::{Assertion, Passkey};
use serde_json::{Value, json};
use testkit::{App, Person, options_of};

use super::out;

/// A way of getting it wrong: the answer to send, of the passkey and what it is asked for.
type Wrong = Box<dyn Fn(&Passkey, &Value, &Value) -> String>;

fn challenge(options: &Value) -> &str {
    options["publicKey"]["challenge"].as_str().unwrap()
}

/// With this part of the authenticator's answer changed after it was signed.
fn bent(change: impl Fn(&mut Assertion) + 'static) -> Wrong {
    Box::new(move |passkey, options, _| {
        let mut assertion = passkey.assert(challenge(options)).unwrap();
        change(&mut assertion);
        passkey.answer(&assertion).to_string()
    })
}

/// With these authenticator data, truly signed.
fn data(change: impl Fn(&mut Vec<u8>) + 'static) -> Wrong {
    Box::new(move |passkey, options, _| {
        let mut data = passkey.authenticator_data(0x05);
        change(&mut data);
        let client = passkey.client_data("webauthn.get", challenge(options));
        passkey.answer(&passkey.sign(data, client).unwrap()).to_string()
    })
}

/// With these client data, truly signed.
fn client(change: impl Fn(&mut Value) + 'static) -> Wrong {
    Box::new(move |passkey, options, _| {
        let mut client =
            serde_json::from_slice(&passkey.client_data("webauthn.get", challenge(options))).unwrap();
        change(&mut client);
        let data = passkey.authenticator_data(0x05);
        passkey.answer(&passkey.sign(data, client.to_string().into_bytes()).unwrap()).to_string()
    })
}

/// With this member of the JSON changed.
fn json_member(change: impl Fn(&mut Value) + 'static) -> Wrong {
    Box::new(move |passkey, options, _| {
        let mut answer = passkey.get(options).unwrap();
        change(&mut answer);
        answer.to_string()
    })
}

fn wrongs() -> Vec<(&'static str, Wrong)> {
    let set = |name: &'static str, value: Value| client(move |data| data[name] = value.clone());
    let response = |name: &'static str, value: Value| {
        json_member(move |answer| answer["response"][name] = value.clone())
    };
    vec![
        ("another challenge", set("challenge", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"))),
        ("no challenge", set("challenge", json!(""))),
        ("another origin", set("origin", json!("https://evil.example"))),
        ("another scheme", set("origin", json!("https://localhost"))),
        ("another port", set("origin", json!("http://localhost:1"))),
        ("a subdomain", set("origin", json!("http://evil.localhost"))),
        ("a kind of registration", set("type", json!("webauthn.create"))),
        ("another kind", set("type", json!("payment.get"))),
        ("client data of another form", client(|data| *data = json!([]))),
        ("another name", data(|data| data[0] ^= 1)),
        ("nobody present", data(|data| data[32] &= !0x01)),
        ("nobody verified", data(|data| data[32] &= !0x04)),
        ("no flags", data(|data| data[32] = 0)),
        ("an extension announced and not there", data(|data| data[32] |= 0x80)),
        ("data cut short", data(|data| data.truncate(36))),
        ("data of nothing", data(Vec::clear)),
        ("a backup state without eligibility", data(|data| data[32] |= 0x10)),
        ("flags changed after signing", bent(|assertion| assertion.authenticator_data[32] ^= 0x08)),
        ("a counter changed after signing", bent(|assertion| assertion.authenticator_data[36] = 9)),
        ("client data changed after signing", bent(|assertion| assertion.client_data_json.push(b' '))),
        ("a signature with one bit changed", bent(|assertion| *assertion.signature.last_mut().unwrap() ^= 1)),
        ("a signature cut short", bent(|assertion| assertion.signature.truncate(20))),
        ("no signature", bent(|assertion| assertion.signature.clear())),
        ("a signature of zeros", bent(|assertion| assertion.signature = vec![0x30, 6, 2, 1, 0, 2, 1, 0])),
        (
            "another's credential id",
            json_member(|answer| {
                answer["id"] = json!("AAAA");
                answer["rawId"] = json!("AAAA");
            }),
        ),
        ("another type", json_member(|answer| answer["type"] = json!("password"))),
        ("no signature member", response("signature", Value::Null)),
        ("authenticator data that are no base64", response("authenticatorData", json!("!"))),
        (
            "another's passkey",
            Box::new(|passkey, options, other| {
                let (other, _) = Passkey::create(other, &passkey.credential_id, &passkey.origin).unwrap();
                other.get(options).unwrap().to_string()
            }),
        ),
        ("no JSON", Box::new(|_, _, _| "{".to_owned())),
        ("something else in JSON", Box::new(|_, _, _| "[]".to_owned())),
        ("a tower of JSON", Box::new(|_, _, _| "[".repeat(10_000))),
    ]
}

async fn try_one(owner: &mut Person, wrong: &Wrong) -> u16 {
    let page = owner.open("/control/second-factor").await;
    let options = options_of(&page.text());
    let creation =
        json!({"publicKey": {"rp": {"id": "localhost"}, "user": {"id": "AAAA"}, "challenge": "AAAA"}});
    let answer = wrong(owner.passkey(), &options, &creation);
    owner.post("/control/second-factor", &[("credential", &answer)]).await.status
}

#[tokio::test]
async fn no_malformed_assertion_lets_anybody_in() {
    let app = App::start().await;
    let all = wrongs();
    assert!(all.len() >= 30);
    let mut owner = out(&app, "owner");
    for (at, (what, wrong)) in all.iter().enumerate() {
        // Four failures, and the account does not rest yet; signing in forgets them.
        if at % 4 == 0 {
            owner = out(&app, "owner");
            owner.sign_in().await;
            owner = out(&app, "owner");
            owner.give_password().await;
        }
        assert_eq!(try_one(&mut owner, wrong).await, 401, "{what}");
        assert_eq!(owner.get("/control").await.status, 303, "{what}");
    }
    let right: Wrong = bent(|_| {});
    owner = out(&app, "owner");
    owner.give_password().await;
    assert_eq!(try_one(&mut owner, &right).await, 303, "what is changed is all that is wrong");
}

#[tokio::test]
async fn an_assertion_counts_once_and_for_the_session_that_asked() {
    let app = App::start().await;
    let (mut first, mut second) = (out(&app, "owner"), out(&app, "owner"));
    let page = first.give_password().await;
    let answer = first.passkey().get(&options_of(&page.text())).unwrap().to_string();
    second.give_password().await;
    assert_eq!(
        second.post("/control/second-factor", &[("credential", &answer)]).await.status,
        401,
        "another session's"
    );
    let (cookie, csrf) = (first.cookie.clone(), first.csrf.clone());
    assert_eq!(first.post_with("/control/second-factor", &csrf, &[("credential", "{}")]).await.status, 401);
    assert_eq!(
        first.post_with("/control/second-factor", &csrf, &[("credential", &answer)]).await.status,
        401,
        "whatever was sent, the challenge was used up by it"
    );
    first.cookie = cookie;
    let page = first.open("/control/second-factor").await;
    let answer = first.passkey().get(&options_of(&page.text())).unwrap().to_string();
    assert_eq!(first.post("/control/second-factor", &[("credential", &answer)]).await.status, 303);
    first.open("/control").await;
    assert_eq!(
        first.post("/control/prove", &[("credential", &answer)]).await.status,
        401,
        "used before, for something else"
    );
    let page = first.open("/control/prove").await;
    let answer = first.passkey().get(&options_of(&page.text())).unwrap().to_string();
    assert_eq!(first.post("/control/prove", &[("credential", &answer)]).await.status, 303);
    assert_eq!(first.post("/control/prove", &[("credential", &answer)]).await.status, 401, "proves once");
}

#[tokio::test]
async fn only_es256_is_offered_and_only_a_verified_person_asked_for() {
    let app = App::start().await;
    let owner = app.person("owner").await;
    let options = options_of(&owner.get("/control/account/factors").await.text());
    let kinds = &options["publicKey"]["pubKeyCredParams"];
    assert_eq!(*kinds, json!([{"type": "public-key", "alg": -7}]));
    assert_eq!(options["publicKey"]["authenticatorSelection"]["userVerification"], "required");
    assert_eq!(options["publicKey"]["rp"]["id"], "localhost");
}
