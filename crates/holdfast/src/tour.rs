//! The tour: three stories over real HTTP, with every call and every answer.

pub mod browser;
mod control;
mod exchange;
pub mod html;
mod partner;
mod retail;
mod search;
mod stage;

use client::api::sandbox::Credentials;

use self::stage::Stage;
use crate::edge::random_hex;
use crate::failure::Failure;
use crate::page::Page;
use crate::sandbox::{Rehearsal, full_key_of};

/// What the user of the stories wants to keep: never a real wallet's words.
const MNEMONIC: &str = "lunar orchard velvet copper thunder maple gentle harbour pixel walnut ribbon summit";

/// Plays the stories; the first step that fails ends the tour.
pub async fn run(page: Page, credentials: &Credentials) -> Result<(), Failure> {
    let stage = Stage::new(page, retail::STEPS + partner::STEPS + control::STEPS);
    // A name of its own for each tour, so that every tour begins at the beginning.
    let user = format!("ada-{}", random_hex(3)?);
    let played = play(&stage, credentials, &user).await;
    match played {
        Ok(()) => {
            stage.curtain(&format!("The tour is over: {} steps, all as they should be.", stage.played()));
            Ok(())
        }
        Err(failure) => Err(stage.broken(&failure)),
    }
}

/// Plays the third story with a COLD key, whose ceremonies are held on the way.
pub async fn rehearse(
    page: Page,
    credentials: &Credentials,
    rehearsal: &Rehearsal<'_>,
) -> Result<(), Failure> {
    let stage = Stage::new(page, control::STEPS + control::CEREMONIES);
    let played = async {
        let key = full_key_of(&credentials.tenants, "institution")
            .ok_or_else(|| Failure::new("the sandbox has no institution"))?;
        let institution = stage.client(&credentials.base_url, key)?;
        control::play(&stage, &institution, credentials, Some(rehearsal)).await
    };
    match played.await {
        Ok(()) => {
            stage
                .curtain(&format!("The rehearsal is over: {} steps, all as they should be.", stage.played()));
            Ok(())
        }
        Err(failure) => Err(stage.broken(&failure)),
    }
}

async fn play(stage: &Stage, credentials: &Credentials, user: &str) -> Result<(), Failure> {
    let base = &credentials.base_url;
    let key_of = |kind: &str| {
        full_key_of(&credentials.tenants, kind)
            .ok_or_else(|| Failure::new(format!("the sandbox has no {kind} tenant; start it with --fresh")))
    };
    let wallet = stage.client(base, key_of("retail")?)?;
    retail::play(stage, &wallet, user, credentials.data_dir.as_ref()).await?;
    let partner = stage.client(base, key_of("partner")?)?;
    partner::play(stage, &partner, user).await?;
    let institution = stage.client(base, key_of("institution")?)?;
    control::play(stage, &institution, credentials, None).await
}
