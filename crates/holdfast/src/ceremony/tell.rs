//! How a ceremony is told to people and to programs.

use holder::{Ceremony, Epochs, Given, Purpose, Standing, Wire as _, paper, transcript};
use serde_json::{Value, json};

use crate::page::Page;

/// The code by which people compare what they agree to: a bundle's own, or else forty bits of the plan's digest.
pub fn code_of(purpose: &Purpose) -> String {
    if let Purpose::Sit(bundle) = purpose {
        return transcript::code(bundle);
    }
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &purpose.to_bytes());
    let letters = paper::letters(&digest.as_ref()[..5]);
    format!("{}-{}", &letters[..4], &letters[4..])
}

/// Says what shares are asked for.
pub fn purpose(page: Page, purpose: &Purpose) {
    match purpose {
        Purpose::Unseal => page.line("Shares are asked for, to open the enclave."),
        Purpose::Verify => page.line("Shares are asked for, to see that they are there."),
        Purpose::Sit(_) => {
            let code = code_of(purpose);
            page.line("Shares are asked for, to open the offline enclave for one bundle.");
            page.line(&format!("Code: {}", page.bold(&code)));
            page.event("sitting-asked", json!({ "code": code }));
        }
        Purpose::Rekey(plan) | Purpose::Renew(plan) => {
            let is_new = matches!(purpose, Purpose::Renew(_));
            let (count, code) = (plan.holders.len(), code_of(purpose));
            let root = if is_new { "a new root key and " } else { "" };
            page.line(&format!(
                "Shares are asked for, to make {root}{count} new ones of which {} open.",
                plan.threshold
            ));
            page.line(&format!("Code: {}", page.bold(&code)));
            let asked =
                json!({ "code": code, "threshold": plan.threshold, "shares": count, "new_root": is_new });
            page.event("rekey-asked", asked);
        }
        Purpose::Retire(epoch) => {
            let code = code_of(purpose);
            page.line(&format!("Shares are asked for, to forget the root key of epoch {epoch} for good."));
            page.line(&format!("Code: {}", page.bold(&code)));
            page.event("retirement-asked", json!({ "code": code, "epoch": epoch }));
        }
    }
}

/// Says how far it is.
pub fn given(page: Page, given: &Given) {
    let Given { given, threshold, done } = given;
    if *done {
        page.line(&format!("{given} of {threshold} shares: {}", page.green("done")));
    } else {
        page.line(&format!("{given} of {threshold} shares are there"));
    }
    page.event("share-given", json!({ "given": given, "threshold": threshold, "done": done }));
}

/// Says how things stand.
pub fn standing(page: Page, standing: &Standing) {
    let state = match standing {
        Standing { open: Some(_), current: None, .. } => "open; the root key lies on the disk",
        Standing { open: Some(_), .. } => "open",
        Standing { current: None, .. } => "there is no root key yet: holdfast ceremony init",
        _ => "sealed",
    };
    page.line(&format!("The enclave: {state}"));
    if let Some(Epochs { current, former }) = &standing.open {
        let former = former.as_ref().map_or_else(String::new, |former| {
            format!("; what epoch {former} sealed is read still, and its root key kept")
        });
        page.line(&format!("Epoch {current} of the root key{former}"));
    }
    for (name, ceremony) in [("In force", &standing.current), ("To be shown", &standing.pending)] {
        let Some(ceremony) = ceremony else { continue };
        let (count, made) = (ceremony.holders.len(), client::vote::utc(ceremony.made_at_ms));
        let id = hex(&ceremony.ceremony_id);
        page.line(&format!("{name}: {} of {count} shares, ceremony {id}, made {made}", ceremony.threshold));
        for (number, holder) in (1..).zip(&ceremony.holders) {
            page.line(&format!("  {number}  {}", if holder == "rsa" { "printed" } else { holder }));
        }
    }
    if let Some(attempt) = &standing.attempt {
        purpose(page, &attempt.purpose);
        let until = client::vote::utc(attempt.expires_at_ms);
        page.line(&format!("  {} given, until {until}", attempt.given));
    }
    page.event("root-key", standing_as_json(standing));
}

fn standing_as_json(standing: &Standing) -> Value {
    let ceremony = |ceremony: &Ceremony| {
        json!({
            "ceremony": hex(&ceremony.ceremony_id),
            "threshold": ceremony.threshold,
            "holders": ceremony.holders,
            "made_at": client::vote::utc(ceremony.made_at_ms),
        })
    };
    let attempt = standing.attempt.as_ref().map(|attempt| {
        let purpose = match &attempt.purpose {
            Purpose::Unseal => "unseal",
            Purpose::Rekey(_) => "rekey",
            Purpose::Verify => "verify",
            Purpose::Renew(_) => "new-root",
            Purpose::Retire(_) => "retire",
            Purpose::Sit(_) => "sitting",
        };
        let expires_at = client::vote::utc(attempt.expires_at_ms);
        json!({ "purpose": purpose, "given": attempt.given, "expires_at": expires_at })
    });
    json!({
        "open": standing.open.is_some(),
        "epoch": standing.open.as_ref().map(|epochs| epochs.current),
        "former_epoch": standing.open.as_ref().and_then(|epochs| epochs.former),
        "current": standing.current.as_ref().map(ceremony),
        "pending": standing.pending.as_ref().map(ceremony),
        "attempt": attempt,
    })
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
