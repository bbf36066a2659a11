//! What people read of a ceremony, compare and sign: each request of a bundle in words, and what came of it. Made of
//! the two files alone, on either machine.

use aws_lc_rs::digest::{SHA256, digest};
use boundary::approval::{AclDocument, Document as _, Roster};
use boundary::cold::{Answers, Bundle, Entry, File, Vouched};
use boundary::intent::Intent;
use boundary::message::{Refusal, Reply, Request};
use boundary::wire::{Malformed, Wire as _};

/// The first 64 bits of a digest, to be compared aloud.
pub fn code(digest: &[u8]) -> String {
    let groups = digest.chunks_exact(2).take(4).map(|pair| format!("{:02X}{:02X}", pair[0], pair[1]));
    groups.collect::<Vec<_>>().join("-")
}

/// The same of what has that digest.
pub fn code_of(bytes: &[u8]) -> String {
    code(digest(&SHA256, bytes).as_ref())
}

/// What a bundle is called by: the first bits of it are its code.
///
/// # Errors
/// The file is not a bundle.
pub fn hash_of_bundle(request: &[u8]) -> Result<[u8; 32], Malformed> {
    let request = File::from_bytes(request)?;
    Bundle::from_bytes(&request.head.body)?;
    digest(&SHA256, &request.head.body).as_ref().try_into().map_err(|_| Malformed)
}

/// The transcript of a bundle and its answers. Signatures are not looked at: whoever answered has done that, and whoever
/// imports does.
///
/// # Errors
/// The files are not a bundle and answers to it.
pub fn transcript(request: &[u8], answer: &[u8]) -> Result<String, Malformed> {
    let (request, answer) = (File::from_bytes(request)?, File::from_bytes(answer)?);
    let (bundle, answers) =
        (Bundle::from_bytes(&request.head.body)?, Answers::from_bytes(&answer.head.body)?);
    if answers.bundle != digest(&SHA256, &request.head.body).as_ref()
        || request.parts.len() != answer.parts.len()
    {
        return Err(Malformed);
    }
    let mut lines = vec![
        format!("Holdfast ceremony {} of {}", bundle.dispatch.sequence, bundle.env.as_str()),
        String::new(),
        format!("  bundle           {}", code_of(&request.head.body)),
        format!(
            "  exported         {}, record {} of the online log",
            instant(bundle.made_at_ms),
            bundle.log_sequence
        ),
        format!("  online enclave   {}", code_of(&bundle.online)),
        format!("  offline enclave  {}", code_of(&bundle.dispatch.offline)),
        String::new(),
    ];
    for (number, (entry, reply)) in (1..).zip(request.parts.iter().zip(&answer.parts)) {
        let (entry, reply) = (Entry::from_bytes(entry)?, Reply::from_bytes(reply)?);
        // Names and reasons are strangers' words: none of them may end a line.
        lines.push(format!("{number:4}. {}", said(&entry).escape_debug()));
        lines.push(format!("      {}", came(&reply)));
    }
    lines.extend([
        String::new(),
        format!(
            "  answers          {}, record {} of the offline log",
            code_of(&answer.head.body),
            answers.log_sequence
        ),
        "\nWe were there, and it was as it says here.\n\n".to_owned(),
        "____________________________   ____________________________\n".to_owned(),
    ]);
    Ok(lines.join("\n"))
}

fn came(reply: &Reply) -> String {
    match reply {
        Reply::Refused(refusal) => format!("NOT DONE: {}", why(refusal)),
        Reply::Waiting(seconds) => format!("approved; its delay still runs, for {seconds} s"),
        Reply::Packaged(packaged) => {
            format!("RELEASED: delivery {}, package {}", packaged.delivery, code_of(&packaged.message))
        }
        Reply::Rewrapped(moved) => match moved.items.iter().filter(|item| item.is_none()).count() {
            0 => "done".to_owned(),
            kept => format!("NOT DONE: {kept} of {} does not open, and stays", moved.items.len()),
        },
        Reply::Resealed(anew) => match anew.items.iter().filter(|item| item.is_none()).count() {
            0 => format!("done: sealed in epoch {} of the root key", anew.epochs.current),
            broken => format!("NOT DONE: {broken} of {} do not hold here", anew.items.len()),
        },
        Reply::Made(batch) => format!("done: batch {}", code_of(&batch.batch)),
        _ => "done".to_owned(),
    }
}

fn why(refusal: &Refusal) -> String {
    let words = match refusal {
        Refusal::SealBroken => "a key or a signature is not known here",
        Refusal::AlreadyBound => "the key has another owner or list",
        Refusal::CheckFailed => "it does not open, or not to its checksum",
        Refusal::ProofFailed => "what was shown does not prove it",
        other => return format!("{other:?}"),
    };
    words.to_owned()
}

fn said(entry: &Entry) -> String {
    match entry {
        Entry::Make(kinds) => format!("make {} keys", kinds.len()),
        Entry::Tie(binding) => match boundary::batch::Binding::from_bytes(&binding.binding) {
            Ok(binding) => {
                format!("the key {} was given to a user of tenant {}", binding.key_id, binding.tenant_id)
            }
            Err(_) => "an unreadable binding".to_owned(),
        },
        Entry::Release(vouched) => release(vouched),
        Entry::Ask(Request::Check(check) | Request::Try(check)) => {
            let ids: Vec<_> = check.items.iter().map(|item| item.backup_id.as_str()).collect();
            format!("check the backup {} of tenant {}", ids.join(", "), check.tenant_id)
        }
        Entry::Ask(Request::Rewrap(rewrap)) => {
            let ids: Vec<_> = rewrap.items.iter().map(|asked| asked.item.backup_id.as_str()).collect();
            format!("encrypt the backup {} anew, to the key that replaced its own", ids.join(", "))
        }
        Entry::Ask(Request::Attach(attach)) => {
            let list = AclDocument::from_canonical(&attach.acl).map(|list| list.name).unwrap_or_default();
            format!(
                "put {} keys under the list “{list}”, as {} signed",
                attach.keys.len(),
                attach.ballot.person_id
            )
        }
        Entry::Ask(Request::Amend(amend)) => amended(&amend.document),
        Entry::Ask(Request::Reseal(reseal)) => {
            format!("seal {} records of checks anew, under the root key in force", reseal.items.len())
        }
        Entry::Ask(Request::Reset(reset)) => format!("tenant {} begins anew", reset.tenant_id),
        Entry::Ask(_) => "something that is not asked offline".to_owned(),
    }
}

fn amended(document: &[u8]) -> String {
    if let Some(list) = AclDocument::from_canonical(document) {
        let people: Vec<_> = list.members.iter().map(|member| member.name.as_str()).collect();
        let (name, version, people) = (list.name, list.version, people.join(", "));
        return format!("the list “{name}” of tenant {}, version {version}: {people}", list.tenant_id);
    }
    let Some(roster) = Roster::from_canonical(document) else {
        return format!("a document, {}", code_of(document));
    };
    let owners: Vec<_> = roster.owners.iter().map(|owner| owner.name.as_str()).collect();
    format!("the owners of tenant {}, version {}: {}", roster.tenant_id, roster.version, owners.join(", "))
}

fn release(Vouched { package, .. }: &Vouched) -> String {
    let intent = Intent::from_canonical(&package.release.intent);
    let list = AclDocument::from_canonical(&package.acl);
    let (Some(intent), Some(list)) = (intent, list) else { return "an unreadable recovery".to_owned() };
    let name = |id: &str| list.place(id).map_or(id.to_owned(), |at| list.members[at].name.clone());
    let votes = package
        .ballots
        .iter()
        .map(|ballot| format!("{} {}", name(&ballot.person_id), if ballot.approve { "yes" } else { "no" }));
    format!(
        "release {} backups and {} private keys to OpenPGP {}, as {} asked (“{}”), by the list “{}”: {}",
        intent.items.len(),
        intent.keys.len(),
        intent.recipient.openpgp_fpr,
        name(&intent.requested_by),
        intent.reason,
        list.name,
        votes.collect::<Vec<_>>().join(", ")
    )
}

/// An instant as RFC 3339 has it, to the second.
fn instant(at_ms: i64) -> String {
    let (mut days, seconds) = (at_ms.div_euclid(86_400_000), at_ms.rem_euclid(86_400_000) / 1_000);
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970;
    while days >= 365 + i64::from(is_leap(year)) {
        days -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + i64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", month + 1, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_those_of_the_calendar() {
        for (at_ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399_999, "2000-02-28T23:59:59Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_763_745_272_000, "2025-11-21T17:14:32Z"),
            (4_102_444_800_000, "2100-01-01T00:00:00Z"),
        ] {
            assert_eq!(instant(at_ms), text);
        }
    }

    #[test]
    fn a_code_is_the_first_64_bits() {
        assert_eq!(code(&[0x0a, 1, 2, 3, 4, 5, 6, 0xff, 8]), "0A01-0203-0405-06FF");
        assert_eq!(code_of(b""), "E3B0-C442-98FC-1C14");
    }
}
