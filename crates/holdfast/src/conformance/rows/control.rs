//! Recoveries that people decide on, by the pages of Control and software passkeys.

use client::PackedFile;
use serde_json::json;

use super::{Row, row};
use crate::conformance::people::{People, Who};
use crate::conformance::stage::KEYS;
use crate::conformance::verdict::{Played, Stop, failed, must};
use crate::conformance::world::{Need, World};

use Need::{Control, Institution, Sandbox};

const NEEDS: &[Need] = &[Institution, Sandbox, Control];

/// Everybody on the list, alike.
const ALIKE: [&str; 3] = ["normal"; 3];

pub const ROWS: &[Row] = &[
    row(
        "control.list",
        "an owner signs a list and puts a key under it; both are entries in the log",
        NEEDS,
        list,
    ),
    row(
        "control.request",
        "a member asks for a backup with an OpenPGP key, and the log has it",
        NEEDS,
        request,
    ),
    row("control.request.not-on-list", "who is not on the list is refused, and recorded", NEEDS, not_on_list),
    row(
        "control.request.unfit-key",
        "an OpenPGP key that cannot receive is refused, and recorded",
        NEEDS,
        unfit_key,
    ),
    row(
        "control.request.running",
        "while a recovery runs, another on its backup and a rotation are refused",
        NEEDS,
        running,
    ),
    row(
        "control.request.superseded",
        "a superseded key is refused, and its successor named",
        NEEDS,
        superseded,
    ),
    row(
        "control.check-first",
        "no vote takes effect before the identity check of whoever asks",
        NEEDS,
        check_first,
    ),
    row(
        "control.recovery",
        "two of three say yes: the package holds the plaintext under its id",
        NEEDS,
        recovery,
    ),
    row("control.one-yes", "the requester's own yes alone releases nothing", NEEDS, one_yes),
    row("control.download-once", "a link opens once, and for whoever asked alone", NEEDS, download_once),
    row("control.declined", "two of three say no: declined", NEEDS, declined),
    row(
        "control.cold",
        "a recovery of what is under a COLD key waits for a ceremony when it has passed",
        NEEDS,
        cold,
    ),
    row("control.veto", "a no by a member with a veto declines at once", NEEDS, veto),
];

fn list(w: &World) -> Played {
    let people = People::with_list(w, ALIKE)?;
    people.logged("acl.made", "\"result\":\"ok\"")?;
    people.logged("key.attached", &people.key.id)
}

/// The id of a recovery, of its path.
fn id_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

fn request(w: &World) -> Played {
    let mut people = People::with_list(w, ALIKE)?;
    let asked = people.ask(Who::Asking)?;
    let path = asked.location()?.to_owned();
    people.logged("recovery.requested", id_of(&path))?;
    // Whoever votes is shown whom it goes to, in whatever groups.
    let page = people.get(Who::Voting, &path)?.text();
    let words: String =
        page.split('<').filter_map(|tag| tag.split_once('>')).map(|(_, words)| words).collect();
    let letters: String = words.chars().filter(char::is_ascii_alphanumeric).collect();
    let fingerprint = w.device()?.fingerprint();
    must(letters.contains(&fingerprint), || {
        format!("expected the page to show the OpenPGP key {fingerprint}")
    })
}

fn not_on_list(w: &World) -> Played {
    let mut people = People::with_list(w, ["normal", "normal", ""])?;
    let refused = people.ask(Who::Voting)?;
    must(refused.status == 403, || format!("expected status 403, got {}", refused.status))?;
    people.logged("recovery.refused", "not-on-acl")
}

fn unfit_key(w: &World) -> Played {
    let mut people = People::with_list(w, ALIKE)?;
    let backup_id = people.backup_id.clone();
    for block in ["nobody's key", super::recover_refused::EXPIRED, super::recover_refused::SIGN_ONLY] {
        let refused = people.ask_for(Who::Asking, ("backups", &backup_id), block)?;
        must(refused.status == 400, || format!("expected status 400, got {}", refused.status))?;
    }
    people.logged("recovery.refused", "validation-failed")
}

fn running(w: &World) -> Played {
    let mut people = People::with_list(w, ALIKE)?;
    people.ask(Who::Asking)?.location()?;
    let again = people.ask(Who::Voting)?;
    must(again.status == 409, || format!("expected status 409, got {}", again.status))?;
    let rotate = format!("{KEYS}/{}/rotate", people.key.id);
    w.institution().post(&rotate, &json!({})).refused(409, "recovery-running").map(drop)
}

fn superseded(w: &World) -> Played {
    let mut people = People::with_list(w, ALIKE)?;
    let key_id = people.key.id.clone();
    let rotated = w.institution().post(&format!("{KEYS}/{key_id}/rotate"), &json!({})).expect(200)?;
    let successor = rotated.text("/key_id")?;
    let refused = people.ask_for(Who::Asking, ("keys", &key_id), w.device()?.public_block())?;
    must(refused.status == 409, || format!("expected status 409, got {}", refused.status))?;
    must(refused.text().contains(&successor), || format!("expected the refusal to name {successor}"))?;
    people.logged("recovery.refused", "key-superseded")
}

fn check_first(w: &World) -> Played {
    let mut people = People::with_list(w, ALIKE)?;
    let path = people.ask(Who::Asking)?.location()?.to_owned();
    people.vote(Who::Voting, &path, "yes")?;
    people.vote(Who::Owner, &path, "yes")?;
    people.says(&path, "has still to prove who he is")?;
    people.prove(&path)?;
    people.until(&path, "It is ready")
}

/// A recovery that two of three said yes to, and where it is.
fn ready(w: &World) -> Result<(People<'_>, String), Stop> {
    let mut people = People::with_list(w, ALIKE)?;
    let path = people.asked_and_proven()?;
    people.vote(Who::Voting, &path, "yes")?;
    people.vote(Who::Owner, &path, "yes")?;
    people.until(&path, "It is ready")?;
    Ok((people, path))
}

fn recovery(w: &World) -> Played {
    let (mut people, path) = ready(w)?;
    let link = people.link(&path)?;
    let package = people.get(Who::Asking, &link)?;
    must(package.status == 200, || format!("expected status 200, got {}", package.status))?;
    let files = w.device()?.open_package(&package.body, "the recovery");
    let files = files.map_err(|fault| failed(format!("the package does not open: {fault}")))?;
    let holds = |name: &str, content: Option<&[u8]>| {
        let is_it = |file: &&PackedFile| {
            file.name == name && content.is_none_or(|bytes| file.content.expose() == bytes)
        };
        files.iter().any(|file| is_it(&file))
    };
    must(holds("manifest.json", None), || "expected manifest.json in the package".to_owned())?;
    let name = format!("data/{}", people.backup_id);
    must(holds(&name, Some(b"the share")), || format!("expected the plaintext in {name}"))?;
    must(files.len() == 2, || format!("expected two files in the package, got {}", files.len()))?;
    people.logged("recovery.downloaded", id_of(&path))
}

fn one_yes(w: &World) -> Played {
    let mut people = People::with_list(w, ALIKE)?;
    let path = people.asked_and_proven()?;
    people.vote(Who::Asking, &path, "yes")?;
    people.says(&path, "1 of the 2")
}

fn download_once(w: &World) -> Played {
    let (mut people, path) = ready(w)?;
    let link = people.link(&path)?;
    for (who, status) in [(Who::Voting, 403), (Who::Asking, 200), (Who::Asking, 403)] {
        let got = people.get(who, &link)?;
        must(got.status == status, || format!("expected status {status}, got {}", got.status))?;
    }
    people.logged("recovery.download-refused", id_of(&path))
}

fn declined(w: &World) -> Played {
    let mut people = People::with_list(w, ALIKE)?;
    let path = people.asked_and_proven()?;
    people.vote(Who::Voting, &path, "no")?;
    people.vote(Who::Owner, &path, "no")?;
    people.until(&path, "Declined")?;
    people.logged("recovery.declined", id_of(&path))
}

fn cold(w: &World) -> Played {
    let key = super::institution::cold_key(w, "rsa4096")?;
    let mut people = People::guarding(w, ALIKE, key)?;
    let stored = w.institution().get(&format!("/v1/backups/{}", people.backup_id)).expect(200)?;
    stored.is("/key_environment", "COLD")?.has(&["/check"])?;
    let path = people.asked_and_proven()?;
    people.vote(Who::Voting, &path, "yes")?;
    people.vote(Who::Owner, &path, "yes")?;
    people.until_logged("recovery.preparing", id_of(&path))?;
    // A sandbox may have held its ceremony since.
    let page = people.get(Who::Asking, &path)?.text();
    must(["waits for the next ceremony", "It is ready"].iter().any(|words| page.contains(words)), || {
        "expected the page of the recovery to say that it waits for a ceremony".to_owned()
    })
}

fn veto(w: &World) -> Played {
    let mut people = People::with_list(w, ["veto", "normal", "normal"])?;
    let path = people.asked_and_proven()?;
    people.vote(Who::Owner, &path, "no")?;
    people.until(&path, "Declined")?;
    people.logged("recovery.declined", id_of(&path))
}
