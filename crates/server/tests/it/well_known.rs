//! `/.well-known`.

use serde_json::json;
use testkit::App;
use testkit::foreign::{openssl, python};

#[tokio::test]
async fn the_signing_keys_are_public_and_cached() {
    let app = App::start().await;
    let answer = app.anonymous().get("/.well-known/jwks.json").await;
    assert_eq!(answer.header("cache-control"), "max-age=600, must-revalidate");
    let set = answer.ok();
    let keys = set["keys"].as_array().unwrap();
    let purposes: Vec<_> = keys.iter().map(|key| key["coincover:purposes"].clone()).collect();
    assert_eq!(purposes.iter().filter(|purposes| **purposes == json!(["assignment-sig"])).count(), 1);
    assert!(
        purposes.iter().all(|p| *p == json!(["assignment-sig"]) || *p == json!(["receipt-sig"])),
        "{set}"
    );
    for key in keys {
        for (name, value) in [("kty", "EC"), ("crv", "P-256"), ("alg", "ES256"), ("use", "sig")] {
            assert_eq!(key[name], value, "{key}");
        }
        assert!(key["coincover:validFrom"].as_str().unwrap().ends_with('Z'), "{key}");
        assert!(key.get("d").is_none(), "no private half");
    }
    let production = App::production().await;
    let others = production.anonymous().get("/.well-known/jwks.json").await.ok();
    let others = others["keys"].as_array().unwrap();
    assert!(
        keys.iter().all(|key| others.iter().all(|other| other["kid"] != key["kid"])),
        "different everywhere"
    );
}

#[tokio::test]
async fn the_pinned_key_is_the_assignment_key_of_the_set() {
    let app = App::start().await;
    let pem = app.anonymous().get("/.well-known/verification-key.pem").await;
    assert_eq!(pem.status, 200);
    assert_eq!(pem.header("cache-control"), "max-age=600, must-revalidate");
    let text = openssl(app.folder(), &["pkey", "-pubin", "-noout", "-text"], &pem.body);
    assert!(String::from_utf8(text).unwrap().contains("prime256v1"));
    let set = app.anonymous().get("/.well-known/jwks.json").await.text();
    let script = "import sys, json\n\
        from jwcrypto import jwk\n\
        ask = json.load(sys.stdin)\n\
        key = [k for k in ask['set']['keys'] if k['coincover:purposes'] == ['assignment-sig']][0]\n\
        assert jwk.JWK(**{n: key[n] for n in ('kty', 'crv', 'x', 'y')}).thumbprint() == key['kid']\n\
        assert jwk.JWK.from_pem(ask['pem'].encode()).thumbprint() == key['kid']\n";
    let set: serde_json::Value = serde_json::from_str(&set).unwrap();
    python(script, &[], json!({"set": set, "pem": pem.text()}).to_string().as_bytes());
}
