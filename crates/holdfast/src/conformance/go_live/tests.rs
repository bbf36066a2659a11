use serde_json::Value;

use super::*;

fn vectors(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn keys() -> Value {
    vectors(include_str!("../../../../../testdata/keys.json"))["rsa4096"].clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// An integration that is right in all that can be told.
fn good() -> Having {
    let cases = vectors(include_str!("../../../../../testdata/oaep.json"))["cases"].clone();
    let case = cases.as_array().unwrap().iter().find(|case| case["name"] == "12 bytes").unwrap();
    let plaintext = STANDARD.decode(text(&case["plaintext"])).unwrap();
    Having {
        base_url: Some("https://recovery.example".to_owned()),
        credential_prefix: Some("hf_production_AbCd".to_owned()),
        public_key_hex: Some(text(&keys()["public_key"])),
        public_key_pem: Some(text(&keys()["public_key_pem"])),
        key_environment: Some("COLD".to_owned()),
        meant_environment: Some("COLD".to_owned()),
        plaintext: Some(String::from_utf8(plaintext).unwrap()),
        ciphertext: Some(text(&case["ciphertext"])),
        checksum: Some(text(&case["item_checksum"]).to_uppercase()),
    }
}

/// What is found after a change to what is right. An RSA operation takes its time: a ciphertext is looked at only where
/// the change gives one.
fn found(change: impl FnOnce(&mut Having)) -> Vec<&'static str> {
    let mut having = Having { ciphertext: None, ..good() };
    change(&mut having);
    check(&having).1.into_iter().map(|one| one.id).collect()
}

#[test]
fn what_is_right_is_good() {
    let (checked, findings) = check(&good());
    assert_eq!(findings, []);
    assert_eq!(checked, ["address", "credential", "environment", "key", "ciphertext", "checksum"]);
    assert_eq!(check(&Having::default()), (vec![], vec![]), "what is not said is not checked");
}

#[test]
fn a_sandbox_in_production_is_found() {
    for url in
        ["http://127.0.0.1:8090", "https://sandbox.recovery.example", "https://recovery-sandbox.example"]
    {
        assert_eq!(found(|having| having.base_url = Some(url.to_owned())), ["address.sandbox"], "{url}");
    }
    assert_eq!(
        found(|having| having.base_url = Some("http://recovery.example".to_owned())),
        ["address.plain-http"]
    );
    assert_eq!(
        found(|having| having.base_url = Some("https://recovery.example/v1/".to_owned())),
        ["address.path"]
    );
    assert_eq!(found(|having| having.base_url = Some("recovery.example".to_owned())), ["address.form"]);
    assert_eq!(
        found(|having| having.credential_prefix = Some("hf_sandbox_AbCd".to_owned())),
        ["credential.sandbox"]
    );
    assert_eq!(
        found(|having| having.credential_prefix = Some("hf_sandbox".to_owned())),
        ["credential.sandbox"]
    );
    assert_eq!(found(|having| having.credential_prefix = Some("Bearer".to_owned())), ["credential.form"]);
    assert_eq!(found(|having| having.key_environment = Some("HOT".to_owned())), ["environment.other"]);
}

fn pem_of(der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<_> = body.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

#[test]
fn a_key_that_is_off_by_a_byte_is_found() {
    let hex = text(&keys()["public_key"]);
    let der = unhex(&hex).unwrap();
    assert_eq!(found(|having| having.public_key_pem = Some(pem_of(&der))), Vec::<&str>::new());
    let mut changed = der.clone();
    changed[100] ^= 1;
    let longer = [&[0], der.as_slice()].concat();
    for wrong in [&der[1..], &der[..der.len() - 1], &longer, &changed, hex.as_bytes()] {
        assert_eq!(found(|having| having.public_key_pem = Some(pem_of(wrong))), ["key.pem"]);
    }
    let pkcs1 = text(&keys()["public_key_pem"]).replace("PUBLIC KEY", "RSA PUBLIC KEY");
    assert_eq!(found(|having| having.public_key_pem = Some(pkcs1)), ["key.pem"]);
    for wrong in [&hex[..hex.len() - 1], &hex[..hex.len() - 2]] {
        let ids = found(|having| {
            having.public_key_hex = Some(wrong.to_owned());
            having.public_key_pem = None;
        });
        assert_eq!(ids, ["key.hex"]);
    }
    let told = check_key(&hex, Some(&pem_of(&longer))).remove(0).cause;
    assert_eq!(told, "the PEM holds 1 byte more than public_key");
}

#[test]
fn each_wrong_padding_is_told_from_the_others() {
    let cases = vectors(include_str!("../../../../../testdata/oaep.json"))["cases"].clone();
    let mut seen = 0;
    for case in cases.as_array().unwrap() {
        let expected = match case["name"].as_str().unwrap() {
            "SHA-1 for MGF1 only" => "ciphertext.mgf1",
            "SHA-1 for both hashes, as libraries do unless told" => "ciphertext.hash",
            "a label" => "ciphertext.label",
            "PKCS #1 v1.5" => "ciphertext.pkcs1",
            _ => {
                if case["opens"] == true {
                    let bytes = STANDARD.decode(text(&case["ciphertext"])).unwrap();
                    let plaintext = STANDARD.decode(text(&case["plaintext"])).unwrap();
                    assert_eq!(open(&bytes), Opened::Oaep256(plaintext), "{}", case["name"]);
                    seen += 1;
                }
                continue;
            }
        };
        let ids = found(|having| having.ciphertext = Some(text(&case["ciphertext"])));
        assert_eq!(ids, [expected], "{}", case["name"]);
        seen += 1;
    }
    assert!(seen >= 9, "{seen}");
    let foreign = |having: &mut Having| having.ciphertext = Some(STANDARD.encode([1; 512]));
    assert_eq!(found(foreign), ["ciphertext.key"]);
    assert_eq!(found(|having| having.ciphertext = Some(STANDARD.encode([1; 256]))), ["ciphertext.length"]);
    assert_eq!(found(|having| having.ciphertext = Some("@".to_owned())), ["ciphertext.base64"]);
    let other = Having { plaintext: Some("other".to_owned()), ..good() };
    let ids: Vec<_> = check(&other).1.into_iter().map(|one| one.id).collect();
    assert_eq!(ids, ["ciphertext.plaintext", "checksum.other"]);
}

#[test]
fn a_checksum_of_something_else_is_found() {
    let ciphertext = good().ciphertext.unwrap();
    let bytes = STANDARD.decode(&ciphertext).unwrap();
    let plaintext = good().plaintext.unwrap();
    for (checksum, id) in [
        (sha256_hex(&bytes), "checksum.ciphertext"),
        (sha256_hex(ciphertext.as_bytes()), "checksum.ciphertext"),
        (sha256_hex(STANDARD.encode(&plaintext).as_bytes()), "checksum.encoded"),
        (sha256_hex(format!("{plaintext}\n").as_bytes()), "checksum.newline"),
        ("abc".to_owned(), "checksum.form"),
    ] {
        let having = Having { checksum: Some(checksum.clone()), ..good() };
        let told = check_checksum(&checksum, &having).unwrap();
        assert_eq!(told.into_iter().map(|one| one.id).collect::<Vec<_>>(), [id]);
    }
}
