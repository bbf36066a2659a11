//! What a tenant's own policy asks of recoveries: its signature, and a delay. An owner signs each on the pages of Control,
//! and takes it back when the row ends.

use serde_json::{Value, json};

use super::{Row, row};
use crate::conformance::crypto::Es256;
use crate::conformance::people::{browser, sign_in_owner};
use crate::conformance::stage::RECOVER;
use crate::conformance::verdict::{Played, Stop, skipped};
use crate::conformance::world::{Need, World};
use crate::failure::Failure;
use crate::tour::browser::Browser;

use Need::{Control, Retail, Sandbox};

const NEEDS: &[Need] = &[Retail, Sandbox, Control];
const POLICY: &str = "/control/settings/recovery";
/// Long enough that no row waits it out by being slow.
const DELAY_MINUTES: u64 = 60;

pub const ROWS: &[Row] = &[
    row(
        "policy.signature.required",
        "where the tenant demands its signature, recover without one is 403",
        NEEDS,
        required,
    ),
    row(
        "policy.signature.invalid",
        "a signature by another key, or of another recovery, is 403 and uses nothing up",
        NEEDS,
        invalid,
    ),
    row(
        "policy.signature.valid",
        "ES256 over the RFC 8785 form of user, check and fingerprint is a signature",
        NEEDS,
        valid,
    ),
    row("policy.delay", "during the tenant's delay recover is 403, with Retry-After", NEEDS, delay),
];

/// What an owner signs.
struct Policy {
    delay_minutes: u64,
    /// The key that recoveries must be signed with.
    key: Option<Value>,
}

/// What asks for nothing: how every tenant begins.
const NONE: Policy = Policy { delay_minutes: 0, key: None };

impl Policy {
    async fn sign(&self, owner: &mut Browser<'_>) -> Result<(), Failure> {
        let delay = self.delay_minutes.to_string();
        let key = self.key.as_ref().map(Value::to_string).unwrap_or_default();
        let signature = if self.key.is_some() { "required" } else { "optional" };
        owner.open(POLICY).await?;
        let fields = [("delay_minutes", delay.as_str()), ("signature", signature), ("new_key", &key)];
        let usual = [("change_delay_minutes", "0"), ("releases_an_hour", "100"), ("sessions_a_day", "5")];
        let page = owner.submit(POLICY, &[fields, usual].concat()).await?;
        let signed = owner.sign_page(&page, &format!("{POLICY}/sign")).await?;
        owner.follow(&signed).await.map(drop)
    }
}

/// Plays under a policy, and takes it back whatever came of that.
fn under(w: &World, policy: &Policy, play: impl FnOnce() -> Played) -> Played {
    let owner = w.people("retail").iter().find(|person| person.role == "owner");
    let mut owner = browser(w, owner.ok_or_else(|| skipped("the retail tenant has no owner"))?)?;
    w.wait_for(sign_in_owner(&mut owner))?;
    let in_force = w.wait_for(owner.open(POLICY))?.text();
    if !["not at all", "not looked at", "at once"].iter().all(|words| in_force.contains(words)) {
        return Err(skipped("the retail tenant has a policy of its own, which is left alone"));
    }
    w.wait_for(policy.sign(&mut owner))?;
    let played = play();
    w.wait_for(NONE.sign(&mut owner))?;
    played
}

/// A recovery that is allowed but for what the policy says.
struct Asked<'w> {
    w: &'w World,
    user: String,
    check: String,
}

impl<'w> Asked<'w> {
    /// Of a user who has something to recover, on a fresh approval.
    fn begun(w: &'w World) -> Result<Self, Stop> {
        let one = w.enrolled()?;
        w.store(&one.user, &one.check, &one.key, &[one.key.item("seed", &w.name("a"))?]).expect(200)?;
        Ok(Self { w, check: w.approved(&one.user)?, user: one.user })
    }

    /// What is signed: sorted, without white space (RFC 8785).
    fn text(&self) -> Result<String, Stop> {
        let fingerprint = self.w.device()?.fingerprint();
        let parts = [
            ("openpgp_fpr", &fingerprint),
            ("user_identifier", &self.user),
            ("verification_id", &self.check),
        ];
        let members: Vec<_> =
            parts.iter().map(|(name, value)| format!("{}:{}", json!(name), json!(value))).collect();
        Ok(format!("{{{}}}", members.join(",")))
    }

    fn refused(&self, signature: Option<&str>, code: &str) -> Played {
        let body = self.body(signature)?;
        self.w.retail().post(RECOVER, &body).refused(403, code).map(drop)
    }

    fn body(&self, signature: Option<&str>) -> Result<Value, Stop> {
        let mut body = json!({
            "user_identifier": self.user, "verification_id": self.check,
            "gpg_public_key": self.w.device()?.public_block(),
        });
        if let Some(signature) = signature {
            body["request_signature"] = signature.into();
        }
        Ok(body)
    }
}

fn header() -> Value {
    json!({"alg": "ES256"})
}

fn strict(w: &World, play: impl FnOnce(&Es256) -> Played) -> Played {
    let key = Es256::generate()?;
    under(w, &Policy { key: Some(key.jwk("conformance")), ..NONE }, || play(&key))
}

fn required(w: &World) -> Played {
    let asked = Asked::begun(w)?;
    strict(w, |_| asked.refused(None, "request-signature-required"))
}

fn invalid(w: &World) -> Played {
    let (asked, other, stranger) = (Asked::begun(w)?, Asked::begun(w)?, Es256::generate()?);
    strict(w, |key| {
        let good = key.sign(&header(), &asked.text()?)?;
        let (head, rest) = good.split_once('.').unwrap_or_default();
        let (_, tail) = rest.split_once('.').unwrap_or_default();
        for signature in [
            stranger.sign(&header(), &asked.text()?)?,
            key.sign(&header(), &other.text()?)?,
            key.sign(&header(), &asked.text()?.replace(',', ", "))?,
            key.sign(&json!({"alg": "none"}), &asked.text()?)?,
            key.sign(&json!({"alg": "ES256", "kid": "nobody"}), &asked.text()?)?,
            format!("{head}..{tail}"),
        ] {
            asked.refused(Some(&signature), "request-signature-invalid")?;
        }
        w.retail().post(RECOVER, &asked.body(Some(&good))?).expect(200).map(drop)
    })
}

fn valid(w: &World) -> Played {
    let asked = Asked::begun(w)?;
    strict(w, |key| {
        let signature = key.sign(&json!({"alg": "ES256", "kid": "conformance"}), &asked.text()?)?;
        let answer = w.retail().post(RECOVER, &asked.body(Some(&signature))?).expect(200)?;
        answer.has(&["/backup/0/recovery_package"]).map(drop)
    })
}

fn delay(w: &World) -> Played {
    let asked = Asked::begun(w)?;
    under(w, &Policy { delay_minutes: DELAY_MINUTES, ..NONE }, || {
        let answer = w.retail().post(RECOVER, &asked.body(None)?).refused(403, "recovery-delayed")?;
        let wait = answer.header_counts("retry-after")?;
        answer.must(
            (1..=DELAY_MINUTES * 60).contains(&wait),
            format!("expected the rest of the delay, got {wait} s"),
        )
    })
}
