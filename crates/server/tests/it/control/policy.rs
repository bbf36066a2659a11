//! `/control/settings/recovery`, and what the policy that is signed there does to `/v1/backup/recover`.

use std::process::Command;
use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use boundary::approval::{Document as _, TenantPolicy};
use domain::credential::TenantKind;
use domain::jwks::P256_SPKI_PREFIX;
use serde_json::{Value, json};
use testkit::device::secret;
use testkit::foreign::{Gpg, NIST_P256, pipe};
use testkit::{Actor, Answer, App, Person, Plan, options_of};

use super::approvals::{hidden, sign, sign_page};

const PATH: &str = "/control/settings/recovery";
const SIGN: &str = "/control/settings/recovery/sign";
const USER: &str = "user-1";

/// What the tenant signs recoveries with, on a machine of its own.
struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn pem(&self) -> String {
        let der = [P256_SPKI_PREFIX.as_slice(), self.0.public_key().as_ref()].concat();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
    }

    fn jwk(&self, kid: &str) -> Value {
        let half = |at: usize| URL_SAFE_NO_PAD.encode(&self.0.public_key().as_ref()[at..at + 32]);
        json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": half(1), "y": half(33)})
    }

    /// By what the form names it.
    fn point(&self) -> String {
        domain::audit::hex(self.0.public_key().as_ref())
    }

    fn sign(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        #[expect(clippy::disallowed_methods, reason = "the library signs with its own chance")]
        let random = aws_lc_rs::rand::SystemRandom::new();
        let signature = self.0.sign(&random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    fn signs(&self, asked: &Asked) -> String {
        self.sign(r#"{"alg":"ES256"}"#, &asked.payload())
    }
}

/// A recovery that is asked for.
#[derive(Clone)]
struct Asked {
    verification: String,
    certificate: String,
    fingerprint: String,
}

impl Asked {
    /// On a fresh approval, for the fixture's recipient.
    async fn new(app: &App) -> Self {
        let verification = app.retail().approved(USER).await;
        Self::of(verification, app.fixture.recipient.certificate.clone())
    }

    fn of(verification: String, certificate: String) -> Self {
        let shown = pipe(Command::new("gpg").args(["--show-keys", "--with-colons"]), certificate.as_bytes());
        let shown = String::from_utf8(shown).unwrap();
        let line = shown.lines().find(|line| line.starts_with("fpr:")).unwrap();
        let fingerprint = line.split(':').nth(9).unwrap().to_owned();
        Self { verification, certificate, fingerprint }
    }

    /// As anybody would write it down by hand: sorted, without spaces.
    fn payload(&self) -> String {
        format!(
            r#"{{"openpgp_fpr":"{}","user_identifier":"{USER}","verification_id":"{}"}}"#,
            self.fingerprint, self.verification
        )
    }

    async fn send(&self, retail: &Actor, signature: Option<&str>) -> Answer {
        let mut body = json!({"user_identifier": USER, "verification_id": self.verification,
            "gpg_public_key": self.certificate});
        if let Some(signature) = signature {
            body["request_signature"] = signature.into();
        }
        retail.post("/v1/backup/recover", &body).await
    }
}

/// A retail tenant whose user has one item, and its owner.
async fn begun() -> (App, Actor, Person) {
    begun_in(App::start().await).await
}

async fn begun_in(app: App) -> (App, Actor, Person) {
    let retail = app.retail();
    let id = retail.approved(USER).await;
    let key = retail.key(USER, &id).await;
    retail.store(USER, &id, &key, &[key.device().item("seed", &secret("seed"))]).await;
    let owner = app.person_of(TenantKind::Retail, "owner").await;
    (app, retail, owner)
}

/// The form, filled in, with the usual limits.
pub fn form<'f>(
    delay: &'f str,
    signature: &'f str,
    change: &'f str,
    key: &'f str,
) -> Vec<(&'f str, &'f str)> {
    vec![
        ("delay_minutes", delay),
        ("signature", signature),
        ("change_delay_minutes", change),
        ("new_key", key),
        ("releases_an_hour", "100"),
        ("sessions_a_day", "5"),
    ]
}

/// The form with these limits.
fn limited<'f>(releases: &'f str, sessions: &'f str) -> Vec<(&'f str, &'f str)> {
    let mut form = form("0", "optional", "60", "");
    form.retain(|(name, _)| !["releases_an_hour", "sessions_a_day"].contains(name));
    form.extend([("releases_an_hour", releases), ("sessions_a_day", sessions)]);
    form
}

/// Signs what the form asks for.
pub async fn put(owner: &mut Person, form: &[(&str, &str)]) -> String {
    let page = owner.post(PATH, form).await;
    let signed = sign_page(owner, &page, SIGN).await;
    assert_eq!(signed.status, 303, "{}", signed.text());
    page.text()
}

#[tokio::test]
async fn a_recovery_needs_the_tenants_signature_where_it_says_so() {
    let (app, retail, mut owner) = begun().await;
    let (signer, stranger) = (Signer::new(), Signer::new());
    put(&mut owner, &form("0", "required", "0", &signer.pem())).await;
    let page = owner.open(PATH).await.text();
    assert!(page.contains("needed for every recovery"), "{page}");
    assert_eq!(retail.audit("&action=policy.signed").await.len(), 1);
    assert!(owner.open("/control/notices").await.text().contains("signed another policy"));

    let (asked, other) = (Asked::new(&app).await, Asked::new(&app).await);
    let before = app.census();
    asked.send(&retail, None).await.refused(403, "request-signature-required");
    let mut after = app.census();
    *after.get_mut("audit_entries").unwrap() -= 1;
    assert_eq!(after, before, "nothing was begun");
    let gpg = Gpg::default();
    let theirs = gpg.generate("other", NIST_P256, &[]);
    let swapped = Asked::of(asked.verification.clone(), gpg.export(&theirs));
    let (good, payload) = (signer.signs(&asked), asked.payload());
    let (header, rest) = good.split_once('.').unwrap();
    let (body, _) = rest.split_once('.').unwrap();
    let forged = |alg: &str| {
        let parts = format!("{}.{body}", URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}"}}"#)));
        let key = hmac::Key::new(hmac::HMAC_SHA256, signer.pem().as_bytes());
        format!("{parts}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, parts.as_bytes()).as_ref()))
    };
    for (why, asked, signature) in [
        ("empty", &asked, String::new()),
        ("a stranger's", &asked, stranger.signs(&asked)),
        ("of another verification", &asked, signer.signs(&other)),
        ("for another certificate", &swapped, good.clone()),
        ("another payload", &asked, signer.sign(r#"{"alg":"ES256"}"#, &payload.replace(USER, "user-2"))),
        ("spaces", &asked, signer.sign(r#"{"alg":"ES256"}"#, &payload.replace(',', ", "))),
        ("none", &asked, format!("{}.{body}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#))),
        ("HS256", &asked, forged("HS256")),
        ("HS256 under another name", &asked, forged("ES256")),
        ("an unknown key's name", &asked, signer.sign(r#"{"alg":"ES256","kid":"nobody"}"#, &payload)),
        ("detached", &asked, format!("{header}..{}", rest.rsplit_once('.').unwrap().1)),
    ] {
        let body = asked.send(&retail, Some(&signature)).await.refused(403, "request-signature-invalid");
        assert!(body["message"].as_str().unwrap().contains("canonical JSON"), "{why}: {body}");
    }
    // None of it used anything up: three deliveries are left, to the first certificate.
    for _ in 0..3 {
        let answer = asked.send(&retail, Some(&good)).await.ok();
        assert_eq!(answer["backup"].as_array().unwrap().len(), 1);
    }
    asked.send(&retail, Some(&good)).await.refused(403, "verification-used");
    let refusals = retail.audit("&action=recovery.refused").await;
    let of_signature = |entry: &&Value| entry["reason"] == "request-signature-invalid";
    assert_eq!(refusals.iter().filter(of_signature).count(), 11);
}

#[tokio::test]
async fn where_it_is_optional_a_signature_that_is_sent_is_verified() {
    let (app, retail, mut owner) = begun().await;
    let (signer, stranger) = (Signer::new(), Signer::new());
    let asked = Asked::new(&app).await;
    let unsigned = asked.send(&retail, Some("no key knows this")).await;
    assert_eq!(unsigned.status, 200, "no policy, and so no key to verify it with: {}", unsigned.text());
    put(&mut owner, &form("0", "optional", "0", &signer.jwk("server-1").to_string())).await;
    let page = owner.open(PATH).await.text();
    assert!(page.contains("server-1") && page.contains("verified where there is one"), "{page}");
    let asked = Asked::new(&app).await;
    asked.send(&retail, Some(&stranger.signs(&asked))).await.refused(403, "request-signature-invalid");
    asked
        .send(&retail, Some(&signer.sign(r#"{"alg":"ES256","kid":"server-1"}"#, &asked.payload())))
        .await
        .ok();
    Asked::new(&app).await.send(&retail, None).await.ok();
}

#[tokio::test]
async fn a_recovery_waits_out_the_tenants_delay_and_nothing_is_begun() {
    let (app, retail, mut owner) = begun().await;
    let before = Asked::new(&app).await;
    put(&mut owner, &form("60", "optional", "0", "")).await;
    let asked = Asked::new(&app).await;
    let census = app.census();
    for asked in [&before, &asked] {
        let refused = asked.send(&retail, None).await;
        refused.refused(403, "recovery-delayed");
        let wait: u32 = refused.header("retry-after").parse().unwrap();
        assert!((3_000..=3_600).contains(&wait), "{wait}");
    }
    let mut after = app.census();
    *after.get_mut("audit_entries").unwrap() -= 2;
    assert_eq!(after, census, "nothing was begun");
    app.clock.advance(Duration::from_secs(2 * 3_600 + 1));
    asked.send(&retail, None).await.refused(403, "verification-window-closed");
}

#[tokio::test]
async fn a_recovery_is_made_once_its_delay_is_over() {
    let (app, retail, mut owner) = begun().await;
    let page = owner.post(PATH, &form("1", "optional", "0", "")).await.text();
    // What an owner signs is what counts, whichever page wrote it: a delay that a test can wait for.
    let document = hidden(&page, "document").replace("\"retail_delay_s\":60", "\"retail_delay_s\":2");
    let policy = TenantPolicy::from_canonical(document.as_bytes()).unwrap();
    assert_eq!(policy.retail_delay_s, 2);
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &policy.preimage());
    let mut options = options_of(&page);
    options["publicKey"]["challenge"] = URL_SAFE_NO_PAD.encode(hash.as_ref()).into();
    let credential = sign(&owner, &options);
    let signed = owner.post(SIGN, &[("document", &document), ("credential", &credential)]).await;
    assert_eq!(signed.status, 303, "{}", signed.text());
    let asked = Asked::new(&app).await;
    asked.send(&retail, None).await.refused(403, "recovery-delayed");
    // The enclave's clock is a real one, and the server's must not be ahead of it.
    tokio::time::sleep(Duration::from_secs(3)).await;
    app.clock.advance(Duration::from_secs(2));
    // Nor has the enclave written down by then that so much time has passed: it does every ten seconds.
    let mut answer = asked.send(&retail, None).await;
    while answer.status == 403 {
        answer.refused(403, "recovery-delayed");
        tokio::time::sleep(Duration::from_secs(answer.header("retry-after").parse().unwrap())).await;
        answer = asked.send(&retail, None).await;
    }
    assert_eq!(answer.ok()["backup"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_weakens_waits_and_can_be_taken_back() {
    let (app, retail, mut owner) = begun().await;
    let (signer, thief) = (Signer::new(), Signer::new());
    let (key, point) = (signer.jwk("ours").to_string(), signer.point());
    let page = put(&mut owner, &form("0", "required", "60", &key)).await;
    assert!(page.contains("takes effect at once"), "{page}");
    let strict: Vec<_> =
        form("0", "required", "60", "").into_iter().chain([("keep", point.as_str())]).collect();
    let lax: Vec<_> = form("0", "optional", "60", "").into_iter().chain([("keep", point.as_str())]).collect();
    let page = put(&mut owner, &lax).await;
    assert!(page.contains("takes effect later"), "{page}");
    let page = owner.open(PATH).await.text();
    assert!(page.contains("What waits") && page.contains("needed for every recovery"), "{page}");
    let asked = Asked::new(&app).await;
    asked.send(&retail, None).await.refused(403, "request-signature-required");
    let thiefs = thief.jwk("theirs").to_string();
    let weaker: Vec<_> =
        form("0", "required", "60", &thiefs).into_iter().chain([("keep", point.as_str())]).collect();
    let beside = owner.post(PATH, &weaker).await;
    assert_eq!(beside.status, 409, "{}", beside.text());
    assert!(beside.text().contains("taken back"), "{}", beside.text());
    let page = put(&mut owner, &strict).await;
    assert!(page.contains("takes effect at once"), "{page}");
    assert!(!owner.open(PATH).await.text().contains("What waits"));
    asked.send(&retail, Some(&signer.signs(&asked))).await.ok();
    assert_eq!(retail.audit("&action=policy.signed").await.len(), 3);
    assert_eq!(retail.audit("&action=policy.refused").await.len(), 1);
}

#[tokio::test]
async fn a_user_recovers_as_often_as_the_policy_says_and_a_higher_limit_waits() {
    let (app, retail, mut owner) = begun_in(Plan::default().with_recovery_limits().start().await).await;
    for (filled, told) in [
        (limited("4", "5"), "must be 5 to 100; the first policy raises nothing"),
        (limited("101", "5"), "must be 5 to 100; the first policy raises nothing"),
        (limited("100", "0"), "must be 1 to 5; the first policy raises nothing"),
        (limited("100", "6"), "must be 1 to 5; the first policy raises nothing"),
        (limited("many", "5"), "must be 5 to 100"),
    ] {
        let answer = owner.post(PATH, &filled).await;
        assert_eq!(answer.status, 400, "{told}: {}", answer.text());
        assert!(answer.text().contains(told), "{told}: {}", answer.text());
    }
    put(&mut owner, &limited("50", "1")).await;
    let page = owner.open(PATH).await.text();
    for words in
        ["up to 50 in an hour, ten times as many", "up to 10 in an hour, 50 in a day", "up to 1 in a day"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    Asked::new(&app).await.send(&retail, None).await.ok();
    let second = Asked::new(&app).await;
    let refused = second.send(&retail, None).await;
    refused.refused(429, "recovery-limit");
    assert!(refused.header("retry-after").parse::<u32>().unwrap() > 80_000);
    let page = put(&mut owner, &limited("10000", "100")).await;
    assert!(page.contains("takes effect later"), "{page}");
    second.send(&retail, None).await.refused(429, "recovery-limit");
    for (filled, told) in
        [(limited("10001", "1"), "must be 5 to 10000"), (limited("50", "101"), "must be 1 to 100")]
    {
        let answer = owner.post(PATH, &filled).await.text();
        assert!(answer.contains(told) && !answer.contains("raises nothing"), "{told}: {answer}");
    }
}

#[tokio::test]
async fn only_owners_sign_a_policy_and_only_what_they_were_shown() {
    let (app, retail, mut owner) = begun().await;
    let mut member = app.person_of(TenantKind::Retail, "member-1").await;
    let page = member.open(PATH).await;
    assert!(page.status == 200 && !page.text().contains("new_key"), "{}", page.text());
    let filled = form("5", "optional", "0", "");
    assert_eq!(member.post(PATH, &filled).await.status, 403);
    let page = owner.post(PATH, &filled).await.text();
    let (document, credential) = (hidden(&page, "document"), sign(&owner, &options_of(&page)));
    for (document, credential) in [
        (document.replace("\"retail_delay_s\":300", "\"retail_delay_s\":0"), credential.clone()),
        (document.replace("\"version\":1", "\"version\":2"), credential.clone()),
        (document.clone(), sign(&member, &options_of(&page))),
        (document.clone(), String::new()),
        (String::new(), credential.clone()),
    ] {
        let answer = owner.post(SIGN, &[("document", &document), ("credential", &credential)]).await;
        assert!([403, 409].contains(&answer.status), "{}", answer.text());
    }
    let by_member = member.post(SIGN, &[("document", &document), ("credential", &credential)]).await;
    assert_eq!(by_member.status, 403);
    assert!(retail.audit("&action=policy.signed").await.is_empty());
    let signed = owner.post(SIGN, &[("document", &document), ("credential", &credential)]).await;
    assert_eq!(signed.status, 303, "{}", signed.text());
    let again = owner.post(SIGN, &[("document", &document), ("credential", &credential)]).await;
    assert_eq!(again.status, 409, "it is there, and the next follows it");
}

#[tokio::test]
async fn the_form_says_what_is_wrong() {
    let (_app, _, mut owner) = begun().await;
    let signer = Signer::new();
    let off_curve = json!({"kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode([7; 32]),
        "y": URL_SAFE_NO_PAD.encode([7; 32])})
    .to_string();
    let mut private = signer.jwk("k");
    private["d"] = "AAAA".into();
    for (filled, told) in [
        (form("-1", "optional", "0", ""), "must be 0 to 43200 minutes"),
        (form("43201", "optional", "0", ""), "must be 0 to 43200 minutes"),
        (form("0", "optional", "soon", ""), "must be 0 to 43200 minutes"),
        (form("0", "required", "0", ""), "needs a key"),
        (form("0", "required", "0", "not a key"), "neither a public key"),
        (form("0", "required", "0", &off_curve), "no point of P-256"),
        (form("0", "required", "0", &private.to_string()), "a private key"),
    ] {
        let answer = owner.post(PATH, &filled).await;
        assert_eq!(answer.status, 400, "{told}: {}", answer.text());
        assert!(answer.text().contains(told), "{told}: {}", answer.text());
    }
    put(&mut owner, &form("0", "required", "0", &signer.pem())).await;
    let page = owner.open(PATH).await.text();
    let kid = page.split("<li><code>").nth(1).unwrap().split('<').next().unwrap();
    assert_eq!(kid.len(), 43, "a thumbprint: {kid}");
    let point = signer.point();
    let named = signer.jwk("other name").to_string();
    let twice: Vec<_> =
        form("0", "required", "0", &named).into_iter().chain([("keep", point.as_str())]).collect();
    let answer = owner.post(PATH, &twice).await;
    assert!(answer.text().contains("is there already"), "{}", answer.text());
}
