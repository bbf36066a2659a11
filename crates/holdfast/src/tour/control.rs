//! The third story: an institution gets back what it stored, because its people decided so.

mod decision;
mod list;

use client::api::institution::{NewKeyRequest, StoreOwnRequest};
use client::api::sandbox::{Credentials, Person};
use client::api::stored::RotateKeyRequest;
use client::{Client, Field, Secret};

use super::browser::{Addresses, Browser};
use super::stage::Stage;
use crate::edge::random_hex;
use crate::failure::{Doing as _, Failure};
use crate::sandbox::{Held, Rehearsal};

/// How many steps the story has.
pub const STEPS: usize = 1 + list::STEPS + decision::STEPS;
/// How many more steps it has where its key is COLD: the founding, four ceremonies, the rotation, and the offline
/// enclave's record.
pub const CEREMONIES: usize = 7;

/// What the people decide on.
struct Kept {
    key_id: String,
    backup_id: String,
    share: Secret,
}

/// The browsers of those who decide.
struct People<'a> {
    /// Makes the list, and votes.
    owner: Browser<'a>,
    /// Asks.
    asking: Browser<'a>,
    /// Votes.
    voting: Browser<'a>,
}

/// Plays the story.
pub async fn play(
    stage: &Stage,
    institution: &Client,
    credentials: &Credentials,
    rehearsal: Option<&Rehearsal<'_>>,
) -> Result<(), Failure> {
    stage.story(
        "Story three: three people decide together",
        "An institution keeps a share of its treasury key with Holdfast. Nobody gets it back alone: not whoever asks, \
         not an administrator, not the API in front of the enclave. Here are an owner, Olivia, and two members, Mara and \
         Milo, each with a browser and a passkey (of software here, from the credentials of this sandbox).",
    );
    let tenant = credentials.tenants.iter().find(|tenant| tenant.kind == "institution");
    let mut people = people(stage, credentials, tenant.map_or(&[], |tenant| &tenant.control))?;
    stage.on_device(&[
        ("Olivia, owner", people.owner.email().to_owned()),
        ("Mara, member", people.asking.email().to_owned()),
        ("Milo, member", people.voting.email().to_owned()),
    ]);
    // A list of its own for each tour: a key is under one list for good.
    let name = format!("treasury-{}", random_hex(3)?);
    if let Some(rehearsal) = rehearsal {
        found(stage, rehearsal);
        let why = "The offline enclave makes key pairs and signs their public halves; the private halves never leave its \
                   folder. Here its machine is a process that ends, and the stick is a folder.";
        hold(stage, rehearsal, 2, ("First ceremony: keys are made", why), "in the pool, to be given out")
            .await?;
    }
    let kept = keep(stage, institution, &name, rehearsal.is_some()).await?;
    list::make(stage, &mut people, &name, &kept).await?;
    if let Some(rehearsal) = rehearsal {
        let why = "The offline enclave is told whose key it is, who owns the account, who is on the list and what it guards, \
                   with the signatures of each. It checks them itself, and opens the backup to see that it can.";
        let title = "Second ceremony: lists and backups are checked";
        hold(stage, rehearsal, 0, (title, why), "the backup is no longer unverified-cold").await?;
        replace(stage, institution, &kept, rehearsal).await?;
    }
    decision::decide(stage, &mut people, &kept, institution, rehearsal).await
}

/// Tells how the offline enclave came to be.
fn found(stage: &Stage, rehearsal: &Rehearsal<'_>) {
    stage.step(
        "The offline enclave is founded",
        "Its root key is made on the machine without a network, and dealt to three holders, of whom two open it: for one \
         sitting each time, since the key is gone with the process. One of them alone opens nothing. (The sandbox's own \
         ceremonies, which nobody attends, have that key on the disk.)",
    );
    tell(stage, rehearsal.founded());
    stage.proved("Two of three opened it; it left by what it is known, and ended.");
}

fn tell(stage: &Stage, said: &[(String, String)]) {
    stage.on_device(&said.iter().map(|(who, what)| (who.as_str(), what.clone())).collect::<Vec<_>>());
}

/// Holds a ceremony, and shows what people would sign.
async fn hold(
    stage: &Stage,
    rehearsal: &Rehearsal<'_>,
    rsa: u64,
    (title, why): (&str, &str),
    proves: &str,
) -> Result<(), Failure> {
    stage.step(title, why);
    let Held { transcript, codes, opened, .. } = rehearsal.hold(rsa).await?;
    tell(stage, &opened);
    stage.on_device(&transcript.lines().map(|line| ("", line.to_owned())).collect::<Vec<_>>());
    stage.on_device(&[("carried as", format!("{codes} QR codes, there and back"))]);
    if transcript.contains("NOT DONE") {
        return Err(Failure::new("the offline enclave did not do all of it"));
    }
    stage.proved(&format!("Exported, answered offline, imported: {proves}."));
    Ok(())
}

/// Replaces the key, and has the backup encrypted to the new one where the old one opens.
async fn replace(
    stage: &Stage,
    institution: &Client,
    kept: &Kept,
    rehearsal: &Rehearsal<'_>,
) -> Result<(), Failure> {
    stage.step(
        "The key is replaced",
        "The institution's program rotates the key. Nothing online opens what the old one guards, so that stays where it is, \
         and can be recovered from there, until a ceremony.",
    );
    let api = institution.institution();
    let rotated = api.rotate_key(&kept.key_id, &RotateKeyRequest::default()).await;
    let key_id = rotated.doing(|| "the key was not replaced")?.key.key_id;
    let status = api.read_key(&kept.key_id).await.doing(|| "the old key cannot be read")?.key.status;
    if status != "superseding" {
        return Err(Failure::new(format!("the old key is {status}")));
    }
    stage.proved("The new key takes what is stored from now on; the old one is superseding.");
    let why = "The offline enclave opens the backup by its own record of it, and encrypts it to the new key: nothing but \
               ciphertext comes back, and the transcript names each backup.";
    let title = "Third ceremony: the backup is encrypted to the new key";
    hold(stage, rehearsal, 0, (title, why), "the backup answers to the new key").await?;
    let backup = api.read_backup(&kept.backup_id).await.doing(|| "the backup cannot be read")?;
    if backup.key_id != key_id {
        return Err(Failure::new(format!("the backup answers to {} still", backup.key_id)));
    }
    Ok(())
}

fn people<'a>(
    stage: &'a Stage,
    credentials: &'a Credentials,
    control: &'a [Person],
) -> Result<People<'a>, Failure> {
    let mut owners = control.iter().filter(|person| person.role == "owner");
    let mut members = control.iter().filter(|person| person.role == "member");
    let (Some(owner), Some(asking), Some(voting)) = (owners.next(), members.next(), members.next()) else {
        return Err(Failure::new(
            "the sandbox's institution no longer has an owner and two members; start it with --fresh",
        ));
    };
    let service = Addresses { base_url: &credentials.base_url, control_url: &credentials.control_url };
    let browser = |person| Browser::of(Box::new(|exchange| stage.exchanged(exchange)), service, person);
    Ok(People { owner: browser(owner)?, asking: browser(asking)?, voting: browser(voting)? })
}

/// A key, and a backup under it.
async fn keep(stage: &Stage, institution: &Client, name: &str, is_cold: bool) -> Result<Kept, Failure> {
    stage.step(
        "Store the share, by a program",
        "The institution's own program asks for a key, checks the enclave's signature, encrypts and stores, as the \
         wallets before it did. What it stores stays between it and the enclave; here only its checksum is shown.",
    );
    let request = NewKeyRequest {
        user_identifier: name.to_owned(),
        key_type: "rsa4096".to_owned(),
        key_environment: is_cold.then(|| "COLD".to_owned()),
        organisation: None,
        package: None,
        sign_with: Some(
            [Field::KeyId, Field::KeyFingerprint].map(|field| field.as_str().to_owned()).to_vec(),
        ),
    };
    let answer = institution.institution().new_key(&request).await.doing(|| "no key was made")?;
    let key = institution.attest_new(&request, &answer).await.doing(|| "the key is not to be trusted")?;
    let share = Secret::from(format!("treasury-share-1-of-2:{}", random_hex(32)?).as_str());
    let sealed = client::encrypt::encrypt(&key, &share).doing(|| "the share was not encrypted")?;
    stage.on_device(&[
        ("share", format!("{} bytes", share.expose().len())),
        ("SHA-256", sealed.checksum.clone()),
    ]);
    let request = StoreOwnRequest {
        public_key: key.public_key().to_owned(),
        checksum: Some(sealed.checksum),
        data: sealed.data,
        padding_type: None,
        metadata: None,
    };
    let stored = institution.institution().store_data(&request).await.doing(|| "the share was not stored")?;
    stage.proved("Stored, and no API key opens it again: for an institution there is no call that recovers.");
    Ok(Kept { key_id: answer.key_id, backup_id: stored.backup_id, share })
}
