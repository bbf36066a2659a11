//! Recoveries that are refused.

use client::RecipientKey;
use serde_json::json;

use super::{Row, row};
use crate::conformance::stage::RECOVER;
use crate::conformance::verdict::{Played, Stop, failed};
use crate::conformance::world::{Need, World};

use Need::{Retail, Sandbox};

const PLAYED: &[Need] = &[Retail, Sandbox];

/// OpenPGP blocks made by GnuPG for these rows; their private halves are gone, but for the one that is a secret key.
pub const EXPIRED: &str = include_str!("../openpgp/expired.asc");
const REVOKED: &str = include_str!("../openpgp/revoked.asc");
pub const SIGN_ONLY: &str = include_str!("../openpgp/sign-only.asc");
const RSA_1024: &str = include_str!("../openpgp/rsa-1024.asc");
const DSA_ELGAMAL: &str = include_str!("../openpgp/dsa-elgamal.asc");
const SECRET: &str = include_str!("../openpgp/secret.asc");
const TWO: &str = include_str!("../openpgp/two.asc");

pub const ROWS: &[Row] = &[
    row("retail.recover.fields", "recover without its three members is 400, each named", &[Retail], fields),
    row("retail.recover.unknown-check", "an unknown check is 404", &[Retail], unknown_check),
    row("retail.recover.wrong-user", "another user's check is 404", PLAYED, wrong_user),
    row("retail.recover.nothing", "nothing to return is 404 no-backup, and uses nothing up", PLAYED, nothing),
    row(
        "retail.recover.not-approved",
        "a check that is pending, in review or failed is 403",
        PLAYED,
        not_approved,
    ),
    row("retail.recover.window", "after the window it is 403", PLAYED, window),
    row(
        "retail.recover.other-key",
        "a second recovery to another OpenPGP key is 403, and an alarm in the log",
        PLAYED,
        other_key,
    ),
    row(
        "retail.recover.unreadable",
        "an OpenPGP key that does not read is 400 on gpg_public_key",
        PLAYED,
        |w| {
            unfit(
                w,
                &[
                    "nobody's key",
                    "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n",
                ],
            )
        },
    ),
    row("retail.recover.expired-key", "an expired OpenPGP key is 400", PLAYED, |w| unfit(w, &[EXPIRED])),
    row("retail.recover.revoked-key", "a revoked OpenPGP key is 400", PLAYED, |w| unfit(w, &[REVOKED])),
    row("retail.recover.sign-only-key", "an OpenPGP key without an encryption key is 400", PLAYED, |w| {
        unfit(w, &[SIGN_ONLY])
    }),
    row("retail.recover.weak-key", "RSA under 2,048 bits and DSA/ElGamal are 400", PLAYED, |w| {
        unfit(w, &[RSA_1024, DSA_ELGAMAL])
    }),
    row("retail.recover.secret-key", "an OpenPGP secret key is 400", PLAYED, |w| unfit(w, &[SECRET])),
    row("retail.recover.two-keys", "two OpenPGP keys in one block are 400", PLAYED, |w| unfit(w, &[TWO])),
];

/// An OpenPGP key that is not the customer's.
pub fn another_device() -> Result<RecipientKey, Stop> {
    RecipientKey::generate().map_err(|fault| failed(format!("no OpenPGP key: {fault}")))
}

fn fields(w: &World) -> Played {
    let all = ["user_identifier", "verification_id", "gpg_public_key"];
    w.retail().post(RECOVER, &json!({})).faults(&all).map(drop)
}

fn unknown_check(w: &World) -> Played {
    let certificate = w.device()?.public_block();
    w.recover(&w.name("user"), "inq_unknown", certificate).refused(404, "not-found").map(drop)
}

fn wrong_user(w: &World) -> Played {
    let one = w.enrolled()?;
    let theirs = w.approved(&w.name("other"))?;
    let certificate = w.device()?.public_block();
    w.recover(&one.user, &theirs, certificate).refused(404, "not-found")?;
    w.recover(&w.name("other"), &one.check, certificate).refused(404, "not-found").map(drop)
}

fn nothing(w: &World) -> Played {
    let user = w.name("user");
    let check = w.approved(&user)?;
    for _ in 0..4 {
        w.recover(&user, &check, w.device()?.public_block()).refused(404, "no-backup")?;
    }
    Ok(())
}

fn not_approved(w: &World) -> Played {
    let one = w.enrolled()?;
    for action in
        ["start_inquiry", "complete_inquiry", "mark_for_review_inquiry", "fail_inquiry", "expire_inquiry"]
    {
        let check = w.check_as(&one.user, action)?;
        let call = w.recover(&one.user, &check, w.device()?.public_block());
        call.refused(403, "verification-not-approved")?;
    }
    Ok(())
}

fn window(w: &World) -> Played {
    let one = w.enrolled()?;
    let check = w.approved(&one.user)?;
    w.simulate(&check, "close_window").expect(200)?;
    let call = w.recover(&one.user, &check, w.device()?.public_block());
    call.refused(403, "verification-window-closed").map(drop)
}

fn other_key(w: &World) -> Played {
    let one = w.enrolled()?;
    w.store(&one.user, &one.check, &one.key, &[one.key.item("seed", &w.name("a"))?]).expect(200)?;
    let check = w.approved(&one.user)?;
    w.recover(&one.user, &check, w.device()?.public_block()).expect(200)?;
    let thief = another_device()?;
    w.recover(&one.user, &check, thief.public_block()).refused(403, "verification-used")?;
    let log = w.retail().get("/v1/audit?action=recovery.alarm&limit=200").expect(200)?;
    let entries = log.list("/data")?;
    log.must(
        entries.iter().any(|entry| entry["verification_id"] == check),
        "expected an alarm about this check",
    )
}

fn unfit(w: &World, blocks: &[&str]) -> Played {
    let one = w.enrolled()?;
    let check = w.approved(&one.user)?;
    for block in blocks {
        w.recover(&one.user, &check, block).faults(&["gpg_public_key"])?;
    }
    Ok(())
}
