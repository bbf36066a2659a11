//! The recovery that people decide on: asked, proven, read away from the network, voted on, fetched once.

use std::time::Duration;

use client::api::audit::AuditEntry;
use client::api::jwks::Jwks;
use client::record::{Record, Seen, offline_key};
use client::vote::{Ask, grouped, plain};
use client::{AuditFilter, Client, PackedFile, RecipientKey};
use serde_json::Value;

use super::{Kept, People, hold};
use crate::failure::{Doing as _, Failure};
use crate::sandbox::Rehearsal;
use crate::tour::browser::Browser;
use crate::tour::html::Answer;
use crate::tour::stage::Stage;

/// How many steps it takes.
pub const STEPS: usize = 7;

/// Why the share is needed: whoever votes signs it with the rest.
const REASON: &str = "the signing machine burnt out";
/// How often, and how many times, it is looked whether the enclave has packed.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const LOOKS_MAX: usize = 100;

/// From the question to the share.
pub async fn decide(
    stage: &Stage,
    people: &mut People<'_>,
    kept: &Kept,
    institution: &Client,
    rehearsal: Option<&Rehearsal<'_>>,
) -> Result<(), Failure> {
    let device = RecipientKey::generate().doing(|| "Mara has no OpenPGP key")?;
    let path = ask(stage, &mut people.asking, kept, &device).await?;
    prove(stage, &mut people.asking, &path).await?;
    let ask = read_offline(stage, &mut people.voting, &path, kept, &device).await?;
    stage.step(
        "Milo and Olivia vote",
        "Each looks at the page, compares the code, and has a passkey sign. Mara's word alone would never have been \
         enough, and her own vote is not even needed.",
    );
    for voter in [&mut people.voting, &mut people.owner] {
        vote(stage, voter, &path, &ask).await?;
    }
    if let Some(rehearsal) = rehearsal {
        let why = "The votes, and the online enclave's word on Mara's identity check, go to the offline enclave. Neither \
                   enclave, and no server, could release the share alone.";
        let title = "Fourth ceremony: what was approved is released";
        hold(stage, rehearsal, 0, (title, why), "the package waits for Mara").await?;
    }
    wait_until_ready(&mut people.asking, &path).await?;
    stage.proved(
        "Two of three said yes. The enclave checked the two signatures, the list and Mara's identity check itself, \
         and packed the share, encrypted to Mara's OpenPGP key.",
    );
    let link = fetch(stage, &mut people.asking, &path, &ask, kept, &device).await?;
    if let Some(rehearsal) = rehearsal {
        read_record(stage, &mut people.asking, &path, &ask, rehearsal).await?;
    }
    refuse_twice(stage, &mut people.asking, &link).await?;
    show_log(stage, institution, &path).await
}

/// Mara asks: where the recovery is.
async fn ask(
    stage: &Stage,
    asking: &mut Browser<'_>,
    kept: &Kept,
    device: &RecipientKey,
) -> Result<String, Failure> {
    stage.step(
        "Mara asks for the share",
        "She signs in, says what she needs and why, and gives the public half of an OpenPGP key that was made on her \
         machine just now. Only its private half will open what comes.",
    );
    asking.sign_in().await?;
    stage.on_device(&[("Mara's key", grouped(&device.fingerprint()))]);
    asking.open(&format!("/control/recoveries/new?backup={}", kept.backup_id)).await?;
    let fields =
        [("backups", kept.backup_id.as_str()), ("reason", REASON), ("certificate", device.public_block())];
    let asked = asking.submit("/control/recoveries", &fields).await?;
    let path = asked.location()?.to_owned();
    stage.proved("Asked, and everybody on the list is told. So far nothing has happened to the share.");
    Ok(path)
}

/// Mara passes the identity check, on the sandbox's page.
async fn prove(stage: &Stage, asking: &mut Browser<'_>, path: &str) -> Result<(), Failure> {
    stage.step(
        "Mara proves who she is",
        "A stolen password and passkey are not enough: the list demands that whoever asks passes an identity check. \
         Here the sandbox plays the provider, on a page of its own.",
    );
    let page = asking.open(path).await?;
    let check = format!("/identity/{}", page.between("href=\"/control/identity/", "\"")?);
    let form = asking.open(&check).await?;
    let value = |name: &str| -> Result<String, Failure> {
        let begins = format!("name=\"{name}\"");
        let input = form.between(&begins, ">")?;
        let (_, value) = input.split_once("value=\"").unwrap_or_default();
        Ok(value.split('"').next().unwrap_or_default().to_owned())
    };
    let names = ["first_name", "last_name", "birthdate"];
    let values = names.into_iter().map(value).collect::<Result<Vec<_>, _>>()?;
    let mut fields: Vec<(&str, &str)> = names.into_iter().zip(values.iter().map(String::as_str)).collect();
    fields.push(("action", "approve_inquiry"));
    let played = asking.submit(&check, &fields).await?;
    if !played.location.is_empty() {
        asking.follow(&played).await?;
    }
    let page = asking.open(path).await?;
    if page.text().contains("has still to prove who he is") {
        return Err(Failure::new("the check was not passed"));
    }
    stage.proved("Passed: the votes can take effect now.");
    Ok(())
}

/// Milo reads the request where there is no network.
async fn read_offline(
    stage: &Stage,
    voting: &mut Browser<'_>,
    path: &str,
    kept: &Kept,
    device: &RecipientKey,
) -> Result<Ask, Failure> {
    stage.step(
        "Milo reads the request away from the network",
        "A page can lie. Milo takes the request as a file to a machine without a network and reads it there, as \
         \"holdfast vote show\" does: what it says comes from the very bytes that are signed.",
    );
    voting.sign_in().await?;
    let page = voting.open(path).await?;
    let file = voting.open(&format!("{path}/request")).await?;
    let ask = Ask::read(&file.body).doing(|| "the request cannot be used")?;
    let Some(intent) = ask.intent() else { return Err(Failure::new("the file is no recovery's request")) };
    let list = ask.list();
    let name = |id: &str| {
        let member = list.members.iter().find(|member| member.person_id == id);
        member.map_or_else(|| "nobody on the list".to_owned(), |member| plain(&member.name))
    };
    let members: Vec<String> = list.members.iter().map(|member| plain(&member.name)).collect();
    let backups: Vec<&str> = intent.items.iter().map(|item| item.backup_id.as_str()).collect();
    stage.on_device(&[
        ("who asks", name(&intent.requested_by)),
        ("why", plain(&intent.reason)),
        ("list", format!("{}, version {}", plain(&list.name), list.version)),
        ("who decides", members.join(", ")),
        ("what", backups.join(", ")),
        ("recipient", grouped(&intent.recipient.openpgp_fpr)),
        ("short code", ask.short_code()),
        ("on the page", page.short_code()?),
    ]);
    let is_this = backups == [kept.backup_id.as_str()]
        && intent.keys.is_empty()
        && intent.recipient.openpgp_fpr.eq_ignore_ascii_case(&device.fingerprint());
    if !is_this {
        return Err(Failure::new("the request is not what Mara asked for"));
    }
    must_agree(&ask, &page)?;
    stage.proved("The same code, so it is the same request: this share, to Mara's key, and nothing else.");
    Ok(ask)
}

/// A yes by passkey, to what was read and to nothing else.
async fn vote(stage: &Stage, voter: &mut Browser<'_>, path: &str, ask: &Ask) -> Result<(), Failure> {
    let page = voter.open(path).await?;
    must_agree(ask, &page)?;
    let options = page.options_for_yes()?;
    let challenge = options.get("publicKey").unwrap_or(&options)["challenge"].as_str().unwrap_or_default();
    stage.on_device(&[
        ("hash of the request", ask.challenge()),
        ("what the passkey signs", challenge.to_owned()),
    ]);
    if challenge != ask.challenge() {
        return Err(Failure::new("the page asks the passkey to sign another request than was read"));
    }
    let credential = voter.sign(&options)?;
    voter.submit(&format!("{path}/vote"), &[("approve", "yes"), ("credential", &credential)]).await.map(drop)
}

fn must_agree(ask: &Ask, page: &Answer) -> Result<(), Failure> {
    let (read, shown) = (ask.short_code(), page.short_code()?);
    if read == shown {
        return Ok(());
    }
    Err(Failure::new(format!("the request's code is {read}, the page shows {shown}")))
}

async fn wait_until_ready(asking: &mut Browser<'_>, path: &str) -> Result<(), Failure> {
    for _ in 0..LOOKS_MAX {
        if asking.open(path).await?.text().contains("It is ready") {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(Failure::new("it was voted for and did not become ready"))
}

/// Mara downloads the package and opens it: the link that she used.
async fn fetch(
    stage: &Stage,
    asking: &mut Browser<'_>,
    path: &str,
    ask: &Ask,
    kept: &Kept,
    device: &RecipientKey,
) -> Result<String, Failure> {
    stage.step(
        "Mara downloads the package, and opens it",
        "She makes a link that opens once, within 15 minutes, for her alone. What comes is one OpenPGP message of a \
         tar archive, as stock tools read it: gpg -d X | tar x. Here the tour opens it by itself.",
    );
    let page = asking.submit(&format!("{path}/link"), &[]).await?;
    let token = page.between(&format!("href=\"{path}/package?token="), "\"")?;
    let link = format!("{path}/package?token={token}");
    let package = asking.open(&link).await?;
    let files = device.open_package(&package.body, "the recovery").doing(|| "the package was not opened")?;
    let row = |file: &PackedFile| (file.name.clone(), format!("{} bytes", file.content.expose().len()));
    let rows: Vec<(String, String)> = files.iter().map(row).collect();
    stage.on_device(&rows.iter().map(|(name, size)| (name.as_str(), size.clone())).collect::<Vec<_>>());
    compare(&files, ask, kept)?;
    stage.proved(
        "Equal to what was stored, byte for byte; and the manifest names the request that was voted on.",
    );
    Ok(link)
}

/// Mara keeps what the offline enclave signed of its release.
async fn read_record(
    stage: &Stage,
    asking: &mut Browser<'_>,
    path: &str,
    ask: &Ask,
    rehearsal: &Rehearsal<'_>,
) -> Result<(), Failure> {
    stage.step(
        "Mara keeps what the offline enclave signed",
        "A record of what went out, signed on the machine without a network. It is verified as \"holdfast verify-record \
         --offline-key offline.pub\" does, by what the people of the ceremony know that machine by.",
    );
    let file = asking.open(&format!("{path}/record.jws")).await?;
    let key = offline_key(&rehearsal.offline_key()?);
    let keys = key.ok_or_else(|| Failure::new("the offline enclave left no key of its records"))?;
    let record =
        Record::verify(&file.body, &Jwks { keys: vec![keys] }).doing(|| "the record is not believed")?;
    stage.on_device(&record.words().into_iter().map(|words| ("", words)).collect::<Vec<_>>());
    if !matches!(&record.seen, Seen::Release(release) if release.intent_hash == ask.hash()) {
        return Err(Failure::new("the record is of another request than was voted on"));
    }
    stage.proved("The offline enclave itself says what it released, to whom, and for which request.");
    Ok(())
}

/// The share came back and nothing else, for the request that was voted on.
fn compare(files: &[PackedFile], ask: &Ask, kept: &Kept) -> Result<(), Failure> {
    let [manifest, data] = files else {
        return Err(Failure::new(format!("{} files came, not the manifest and the share", files.len())));
    };
    if (manifest.name.as_str(), &data.name) != ("manifest.json", &format!("data/{}", kept.backup_id)) {
        return Err(Failure::new(format!("the package holds {} and {}", manifest.name, data.name)));
    }
    if data.content != kept.share {
        return Err(Failure::new("the share came back changed"));
    }
    let manifest: Value =
        serde_json::from_slice(manifest.content.expose()).doing(|| "the manifest cannot be read")?;
    if manifest["intent_hash"] != ask.hash().as_str() {
        return Err(Failure::new("the manifest names another request than was voted on"));
    }
    Ok(())
}

async fn refuse_twice(stage: &Stage, asking: &mut Browser<'_>, link: &str) -> Result<(), Failure> {
    stage.step(
        "The link is tried once more",
        "Suppose that somebody finds the link in Mara's history, and sits down at her browser.",
    );
    let again = asking.try_open(link).await?;
    if again.status != 403 || !again.text().contains("opens once") {
        return Err(Failure::new(format!(
            "the refusal is not the one that it should be: {}",
            again.outline()
        )));
    }
    stage.proved(
        "Refused: it was used. Only Mara can make another, after signing in, and that is written down.",
    );
    Ok(())
}

/// What the log says about this recovery.
async fn show_log(stage: &Stage, institution: &Client, path: &str) -> Result<(), Failure> {
    stage.step(
        "Read what was written down",
        "The institution's program reads the log: who did what, one by one.",
    );
    let entries =
        institution.audit().all(&AuditFilter::default()).await.doing(|| "the log cannot be read")?;
    let id = path.rsplit('/').next();
    let ours: Vec<_> = entries.iter().filter(|entry| entry.recovery_id.as_deref() == id).collect();
    let numbers: Vec<String> = ours.iter().map(|entry| entry.seq.to_string()).collect();
    let row = |entry: &&AuditEntry| {
        let reason = entry.reason.as_deref().unwrap_or_default();
        format!("{:<26} {:<10} {:<8} {reason}", entry.action, entry.actor_type, entry.result)
    };
    let rows: Vec<_> = numbers.iter().map(String::as_str).zip(ours.iter().map(row)).collect();
    stage.on_device(&rows);
    let count = |action: &str| ours.iter().filter(|entry| entry.action == action).count();
    let told = ["recovery.voted", "recovery.downloaded", "recovery.download-refused"].map(count);
    if told != [2, 1, 1] {
        return Err(Failure::new(format!("the log has {told:?} of two votes, a download and a refusal")));
    }
    stage.proved(
        "Two votes, one download and the refused second one are there, each chained to the entry before.",
    );
    Ok(())
}
