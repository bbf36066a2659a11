//! Good records, and every way of passing off a bad one.

use api::jwks::Jwk;

use super::*;
use crate::attest::tests::Signer;

const KEY: &str = r#"{"checked_at":1800000000000,"env":"production","key_id":"k-1","kind":"check","public_key_sha256":"aa","result":"whole","tenant_id":"t","v":1}"#;
const BACKUP: &str = r#"{"backup_id":"b-1","checked_at":1800000000000,"checksum":"cc","ciphertext_sha256":"bb","env":"production","first_checked_at":1700000000000,"item_key":"seed","key_id":"k-1","kind":"check","public_key_sha256":"aa","result":"whole","tenant_id":"t","v":1}"#;
const RELEASE_TEXT: &str = r#"{"delivery":1,"env":"sandbox","intent_hash":"dd","kind":"release","openpgp_fpr":"0123ABCD","output_sha256":"ee","parts":2,"released_at":1800000000000,"tenant_id":"t","v":1}"#;

fn receipt(signer: &Signer) -> Jwk {
    Jwk { purposes: vec![PURPOSE.into()], ..signer.jwk() }
}

fn header(kid: &str) -> String {
    format!(r#"{{"alg":"ES256","kid":"{kid}","typ":"holdfast-record"}}"#)
}

fn token(signer: &Signer, header: &str, payload: &str) -> String {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    format!("{input}.{}", signer.sign_fixed(input.as_bytes()))
}

fn verify(text: &str, key: Jwk) -> Result<Record, RecordFault> {
    Record::verify(text.as_bytes(), &Jwks { keys: vec![key] })
}

#[test]
fn a_record_says_what_was_seen_and_what_that_does_not_prove() {
    let signer = Signer::new("receipts");
    let read = |payload: &str| {
        let record = verify(&format!("{}\n", token(&signer, &header("receipts"), payload)), receipt(&signer));
        let record = record.unwrap();
        assert_eq!((record.kid.as_str(), record.payload.as_str()), ("receipts", payload));
        (record.seen.clone(), record.words().join("\n"))
    };
    let (seen, words) = read(KEY);
    assert!(matches!(seen, Seen::Key(key) if key.key_id == "k-1" && key.public_key_sha256 == "aa"));
    assert!(
        words.contains("2027-01-15T08:00:00Z") && words.contains("the key k-1 of the tenant t (production)"),
        "{words}"
    );
    let (seen, words) = read(BACKUP);
    assert!(matches!(seen, Seen::Backup(_, item) if item.checksum.as_deref() == Some("cc")));
    assert!(
        words.contains("the backup b-1 (seed) under the key k-1") && words.contains("does not prove"),
        "{words}"
    );
    let (seen, words) = read(&BACKUP.replace("\"cc\"", "null").replace("\"seed\"", "\"\""));
    assert!(matches!(seen, Seen::Backup(_, item) if item.checksum.is_none()));
    assert!(words.contains("(without a name)") && words.contains("gave no checksum"), "{words}");
    let (seen, words) = read(RELEASE_TEXT);
    assert!(matches!(seen, Seen::Release(release) if (release.parts, release.delivery) == (2, 1)));
    assert!(words.contains("0123 ABCD") && words.contains("delivery 1 of a recovery"), "{words}");
    let (_, words) = read(&BACKUP.replace("seed", "a\\n\u{202e}b"));
    assert!(words.contains("a\\u{a}\\u{202e}b"), "{words}");
}

#[test]
fn what_the_receipt_key_did_not_sign_is_no_record() {
    let (signer, stranger) = (Signer::new("receipts"), Signer::new("receipts"));
    let good = token(&signer, &header("receipts"), KEY);
    assert!(verify(&good, receipt(&signer)).is_ok());
    assert_eq!(verify(&good, receipt(&stranger)), Err(RecordFault::Signature));
    assert_eq!(
        verify(&good, signer.jwk()),
        Err(RecordFault::UnknownKey("receipts".into())),
        "for assignments"
    );
    let other = Jwk { kid: "other".into(), ..receipt(&signer) };
    assert_eq!(verify(&good, other), Err(RecordFault::UnknownKey("receipts".into())));
    let parts: Vec<&str> = good.split('.').collect();
    let altered = URL_SAFE_NO_PAD.encode(KEY.replace("k-1", "k-2"));
    assert_eq!(
        verify(&[parts[0], &altered, parts[2]].join("."), receipt(&signer)),
        Err(RecordFault::Signature)
    );
    let form = |text: &str| matches!(verify(text, receipt(&signer)), Err(RecordFault::Form(_)));
    for bad in ["", "x", &format!("{good}.x"), &good.replace('.', " "), &format!("{good}="), parts[1]] {
        assert!(form(bad), "{bad}");
    }
    for header in [
        header("receipts").replace("ES256", "none"),
        header("receipts").replace("ES256", "HS256"),
        header("receipts").replace("holdfast-record", "JWT"),
        header("receipts").replace(r#","typ":"holdfast-record""#, ""),
        header("receipts").replace(r#"{"alg""#, r#"{"crit":["b64"],"alg""#),
        "[]".to_owned(),
    ] {
        assert!(form(&token(&signer, &header, KEY)), "{header}");
    }
}

#[test]
fn what_is_signed_and_not_understood_is_not_explained() {
    let signer = Signer::new("receipts");
    for payload in [
        KEY.replace("\"v\":1", "\"v\":2"),
        KEY.replace("\"check\"", "\"cheque\""),
        KEY.replace("whole", "broken"),
        KEY.replace("\"key_id\":\"k-1\",", ""),
        KEY.replace("1800000000000", "\"1800000000000\""),
        KEY.replacen('{', "{ ", 1),
        BACKUP.replace("\"checksum\":\"cc\",", ""),
        BACKUP.replace("\"checksum\":\"cc\"", "\"checksum\":7"),
        RELEASE_TEXT.replace("\"parts\":2", "\"parts\":\"2\""),
        String::new(),
    ] {
        let judged = verify(&token(&signer, &header("receipts"), &payload), receipt(&signer));
        assert_eq!(judged, Err(RecordFault::Meaning), "{payload}");
    }
}

#[test]
fn an_offline_enclaves_records_are_those_of_the_key_that_it_is_known_by() {
    let signer = Signer::new("any");
    let jwk = signer.jwk();
    let coordinate = |text: &str| hex::encode(&URL_SAFE_NO_PAD.decode(text).unwrap());
    let (first, x, y) = ("ab".repeat(32), coordinate(&jwk.x), coordinate(&jwk.y));
    let known = offline_key(&format!("{first}\n04{x}{y}\n")).unwrap();
    let record = token(&signer, &header(&known.kid), RELEASE_TEXT);
    assert!(verify(&record, known.clone()).is_ok());
    let other = Signer::new("any");
    let altered = token(&other, &header(&known.kid), RELEASE_TEXT);
    assert_eq!(verify(&altered, known), Err(RecordFault::Signature));
    for text in [
        first.clone(),
        format!("{first}\n{x}{y}"),
        format!("{first}\n04{x}"),
        format!("{first}\n05{x}{y}"),
        String::new(),
    ] {
        assert!(offline_key(&text).is_none(), "{text}");
    }
}
