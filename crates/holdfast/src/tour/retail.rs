//! The first story: a wallet's user loses his phone and gets his secrets back.

use std::path::Path;

use client::api::retail::{
    GenerateKeyRequest, RecoverRequest, RecoverResponse, SimulateRequest, StartRequest,
};
use client::{AttestedKey, AuditFilter, Client, Error, Field, RecipientKey, Recovered, Secret};

use super::MNEMONIC;
use super::exchange::shortened_text;
use super::search::search;
use super::stage::Stage;
use crate::edge::random_hex;
use crate::failure::{Doing as _, Failure};

/// How many steps the story has.
pub const STEPS: usize = 9;

/// What the user wants back: under which names, and what.
struct Belongings {
    mnemonic: Secret,
    shard: Secret,
}

impl Belongings {
    fn items(&self) -> [(&'static str, &Secret); 2] {
        [("mnemonic", &self.mnemonic), ("device-shard", &self.shard)]
    }
}

/// Plays the story.
pub async fn play(stage: &Stage, wallet: &Client, user: &str, data_dir: &Path) -> Result<(), Failure> {
    stage.story(
        "Story one: Ada loses her phone",
        "Ada's wallet keeps a copy of her secrets with Holdfast, so that she is not lost without her phone. Watch \
         what travels: only ciphertext. One small guarded process, the enclave, can open it, and gives it back to \
         Ada only.",
    );
    let belongings = Belongings {
        mnemonic: MNEMONIC.into(),
        shard: format!("shard-2-of-3:{}", random_hex(32)?).as_str().into(),
    };
    let enrolment = verify_person(
        stage,
        wallet,
        user,
        "Ask Ada who she is",
        "The wallet opens an identity check. In production Ada now holds her passport up to an identity provider; \
         here the sandbox plays the provider.",
    )
    .await?;
    let key = key_for(stage, wallet, user, &enrolment).await?;
    store(stage, wallet, user, &enrolment, &key, &belongings).await?;
    look_on_disk(stage, data_dir, &belongings)?;
    // The phone is gone, and with it everything that was only there.
    drop(key);
    stage.step(
        "Ada drops her phone into the sea",
        "Nothing is left: no key, no session, no copy. What follows happens on a new phone that knows nothing but \
         her name for the wallet.",
    );
    let second = verify_person(
        stage,
        wallet,
        user,
        "Ask Ada again who she is",
        "A recovery needs a check of its own, and the person must be the one who stored. This is what opens the \
         door, not a password.",
    )
    .await?;
    let device = recover(stage, wallet, user, &second, &belongings).await?;
    refuse_another_key(stage, wallet, user, &second, &device).await?;
    show_log(stage, wallet, &enrolment, &second).await
}

/// One approved identity check; two steps.
async fn verify_person(
    stage: &Stage,
    wallet: &Client,
    user: &str,
    title: &str,
    why: &str,
) -> Result<String, Failure> {
    stage.step(title, why);
    let request = StartRequest { user_identifier: user.to_owned(), gpg_fingerprint: None };
    let inquiry = wallet.retail().start_verification(&request).await.doing(|| "the check did not begin")?;
    let verification_id = inquiry.verification_id;
    let approve =
        SimulateRequest { verification_id: verification_id.clone(), action: "approve_inquiry".to_owned() };
    wallet.retail().simulate(&approve).await.doing(|| "the check was not passed")?;
    let standing =
        wallet.retail().verification_status(&verification_id).await.doing(|| "the check has no standing")?;
    if standing.status != "approved" {
        return Err(Failure::new(format!("the check is {}, not approved", standing.status)));
    }
    stage.proved(
        "Approved. The provider's word was signed, and the enclave checked that signature itself. Here the sandbox \
         plays the provider and signs; in production the API in front of the enclave has no such key, and cannot \
         make an approval up.",
    );
    Ok(verification_id)
}

async fn key_for(
    stage: &Stage,
    wallet: &Client,
    user: &str,
    verification_id: &str,
) -> Result<AttestedKey, Failure> {
    stage.step(
        "Get a key for Ada, and do not believe it yet",
        "The enclave makes a key pair and keeps the private half sealed. The wallet asks it to sign, beside the \
         public half, what the key is and whose.",
    );
    let sign_with = [Field::KeyId, Field::UserId, Field::KeyFingerprint];
    let request = GenerateKeyRequest {
        user_identifier: user.to_owned(),
        verification_id: verification_id.to_owned(),
        sign_with: Some(sign_with.map(|field| field.as_str().to_owned()).to_vec()),
    };
    let answer = wallet.retail().generate_key(&request).await.doing(|| "no key was made")?;
    let key = wallet.attest_generated(&request, &answer).await.doing(|| "the key is not to be trusted")?;
    let signed = |field| shortened_text(key.signed(field).unwrap_or("missing"));
    stage.on_device(&[
        ("signed by", key.kid().unwrap_or("a key that is not named").to_owned()),
        ("key_id", signed(Field::KeyId)),
        ("user_id", signed(Field::UserId)),
        ("key_fingerprint", signed(Field::KeyFingerprint)),
    ]);
    stage.proved(
        "The signature is the enclave's, over exactly this key and these words. A key slipped in on the way would \
         have failed here, before anything was encrypted to it. (A wallet in production also pins the signing key.)",
    );
    Ok(key)
}

async fn store(
    stage: &Stage,
    wallet: &Client,
    user: &str,
    verification_id: &str,
    key: &AttestedKey,
    belongings: &Belongings,
) -> Result<(), Failure> {
    stage.step(
        "Encrypt on the phone, store the ciphertext",
        "Two secrets, made up for this tour: the twelve words of Ada's wallet, and a shard of a signing key. Each \
         is encrypted on the phone; only ciphertext and a checksum leave it.",
    );
    let items = belongings.items();
    stage.on_device(
        &items.map(|(name, secret)| (name, String::from_utf8_lossy(secret.expose()).into_owned())),
    );
    let request = client::store_request(user, verification_id, key, &items)
        .doing(|| "the secrets were not encrypted")?;
    let stored = wallet.retail().store_backup(&request).await.doing(|| "the ciphertexts were not stored")?;
    if stored.backup.len() != items.len() {
        return Err(Failure::new(format!("{} of {} items were stored", stored.backup.len(), items.len())));
    }
    stage.proved(
        "Before it said yes, the enclave opened both ciphertexts and compared the checksums. A backup that could \
         not be recovered would have been refused now, not on the day it is needed.",
    );
    Ok(())
}

fn look_on_disk(stage: &Stage, data_dir: &Path, belongings: &Belongings) -> Result<(), Failure> {
    stage.step(
        "Look at what the service holds",
        "Let us be a curious administrator: search every file of the service, database, journal and log, for the \
         two secrets.",
    );
    let items = belongings.items();
    let searched = search(data_dir, &items.map(|(_, secret)| secret.expose()))?;
    stage.on_device(&[
        ("searched", format!("{} files, {} KiB", searched.files, searched.bytes / 1024)),
        ("in", data_dir.display().to_string()),
        ("found in", format!("{} files", searched.found.len())),
    ]);
    if !searched.found.is_empty() {
        return Err(Failure::new(format!("a secret lies readable in {}", searched.found.join(", "))));
    }
    stage.proved(
        "Neither is there: what was stored is ciphertext. (The enclave's own keys lie in a folder of this sandbox; a \
         production installation keeps them apart from the service.)",
    );
    Ok(())
}

async fn recover(
    stage: &Stage,
    wallet: &Client,
    user: &str,
    verification_id: &str,
    belongings: &Belongings,
) -> Result<RecipientKey, Failure> {
    stage.step(
        "Recover to the new phone",
        "The new phone makes an OpenPGP key of its own. The enclave decrypts each item and encrypts it to that \
         key in one act; in between it is in the enclave's memory and nowhere else.",
    );
    let device = RecipientKey::generate().doing(|| "the new phone has no OpenPGP key")?;
    let answer =
        ask_for_recovery(wallet, user, verification_id, &device).await.doing(|| "nothing was recovered")?;
    let recovered = client::open_all(&answer, &device);
    compare(&recovered, belongings)?;
    let opened = recovered
        .secrets
        .iter()
        .map(|item| (item.name.as_str(), String::from_utf8_lossy(item.secret.expose()).into_owned()));
    stage.on_device(&opened.collect::<Vec<_>>());
    stage.proved("Opened on the new phone, and equal to what was stored, byte for byte.");
    Ok(device)
}

async fn ask_for_recovery(
    wallet: &Client,
    user: &str,
    verification_id: &str,
    device: &RecipientKey,
) -> Result<RecoverResponse, Error> {
    let request = RecoverRequest {
        user_identifier: user.to_owned(),
        verification_id: verification_id.to_owned(),
        gpg_public_key: device.public_block().to_owned(),
        request_signature: None,
    };
    wallet.retail().recover(&request).await
}

/// Everything that was stored came back, and nothing else.
fn compare(recovered: &Recovered, belongings: &Belongings) -> Result<(), Failure> {
    if let Some(item) = recovered.failed.first() {
        return Err(Failure::of(format!("{} did not come back", item.name), &item.fault));
    }
    let items = belongings.items();
    for (name, secret) in items {
        let found = recovered.secrets.iter().find(|item| item.name == name);
        let found = found.ok_or_else(|| Failure::new(format!("{name} did not come back")))?;
        if found.secret != *secret {
            return Err(Failure::new(format!("{name} came back changed")));
        }
    }
    if recovered.secrets.len() == items.len() {
        Ok(())
    } else {
        Err(Failure::new(format!("{} items came back, {} were stored", recovered.secrets.len(), items.len())))
    }
}

async fn refuse_another_key(
    stage: &Stage,
    wallet: &Client,
    user: &str,
    verification_id: &str,
    device: &RecipientKey,
) -> Result<(), Failure> {
    stage.step(
        "Somebody else tries the same door",
        "Suppose the wallet's own server were taken over just now: it knows the check that was approved, and asks \
         again, with an OpenPGP key of the thief's.",
    );
    let thief = RecipientKey::generate().doing(|| "the thief has no OpenPGP key")?;
    match ask_for_recovery(wallet, user, verification_id, &thief).await {
        Err(Error::Api { status: 403, body, .. }) if body.code == "verification-used" => {}
        Err(error) => return Err(Failure::of("the refusal is not the one that it should be", &error)),
        Ok(_) => return Err(Failure::new("the service gave the secrets to another key")),
    }
    stage.on_device(&[("Ada's key", device.fingerprint()), ("the thief's", thief.fingerprint())]);
    stage.proved("Refused. One approved check serves one key, and the attempt is in the log.");
    Ok(())
}

async fn show_log(stage: &Stage, wallet: &Client, first: &str, second: &str) -> Result<(), Failure> {
    stage.step(
        "Read what was written down",
        "Every act and every refusal is an entry, written in the same transaction as what it reports, each chained \
         to the one before.",
    );
    let entries = wallet.audit().all(&AuditFilter::default()).await.doing(|| "the log cannot be read")?;
    let of_ada = |id: &Option<String>| id.as_deref().is_some_and(|id| id == first || id == second);
    let ours: Vec<_> = entries.iter().filter(|entry| of_ada(&entry.verification_id)).collect();
    let numbers: Vec<String> = ours.iter().map(|entry| format!("{}", entry.seq)).collect();
    let rows: Vec<(&str, String)> = numbers
        .iter()
        .zip(&ours)
        .map(|(number, entry)| {
            let reason = entry.reason.as_deref().unwrap_or_default();
            (
                number.as_str(),
                format!("{:<24} {:<18} {:<8} {reason}", entry.action, entry.actor_type, entry.result),
            )
        })
        .collect();
    stage.on_device(&rows);
    if !ours.iter().any(|entry| entry.result == "refused") {
        return Err(Failure::new("the refused attempt is not in the log"));
    }
    stage.proved("The whole story is there, the thief's attempt included, and not a secret among it.");
    Ok(())
}
