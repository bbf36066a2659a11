//! The end of an epoch: what the service still has under its root key, and the word of the holders to forget that.

use std::path::{Path, PathBuf};
use std::thread;

use holder::door::Door;
use holder::{Epochs, Purpose};
use serde_json::json;
use server::admin::{Admin, Reseal};
use server::config::Settings;

use super::{LOOK_EVERY, tell};
use crate::failure::{Doing as _, Failure};
use crate::page::Page;

/// Where it is looked whether anything is left.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Service {
    /// The service's settings: nothing is asked for as long as its database may hold something of that epoch.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// You have looked yourself: what is left is lost for good.
    #[arg(long)]
    unseen: bool,
}

/// Asks the holders to have an epoch's root key forgotten, and waits until they have agreed.
pub fn retire(page: Page, door: &Door, epoch: u32, service: &Service) -> Result<(), Failure> {
    const NOT_DONE: &str = "the root key was not forgotten";
    if let Some(config) = &service.config {
        let found = find(config)?;
        if !found.as_ref().is_some_and(|found| found.epoch > i64::from(epoch) && found.finished_at.is_some())
        {
            tell_progress(page, found.as_ref());
            return Err(Failure::new(format!(
                "{NOT_DONE}: the service has not found yet that nothing of epoch {epoch} is left"
            )));
        }
    }
    let purpose = Purpose::Retire(epoch);
    door.begin(purpose.clone()).doing(|| NOT_DONE)?;
    tell::purpose(page, &purpose);
    page.prose("", "Each holder of a share in force now runs `holdfast ceremony approve` with this code.");
    loop {
        let standing = door.stand().doing(|| NOT_DONE)?;
        match standing.open {
            Some(Epochs { former: None, current }) if current > epoch => break,
            _ if standing.attempt.is_some_and(|attempt| attempt.purpose == purpose) => {
                thread::sleep(LOOK_EVERY);
            }
            _ => {
                return Err(Failure::new(
                    "the time is over or another attempt was begun: nothing was changed",
                ));
            }
        }
    }
    page.line(&format!("The root key of epoch {epoch} is forgotten: what it sealed opens nowhere any more."));
    page.event("retired", json!({ "epoch": epoch }));
    Ok(())
}

/// Says how far the service has come with what is to be sealed anew.
pub fn progress(page: Page, config: &Path) -> Result<(), Failure> {
    tell_progress(page, find(config)?.as_ref());
    Ok(())
}

fn find(config: &Path) -> Result<Option<Reseal>, Failure> {
    let settings =
        Settings::load(config).doing(|| format!("the settings in {} cannot be used", config.display()))?;
    let runtime = tokio::runtime::Runtime::new().doing(|| "cannot start threads")?;
    runtime.block_on(async {
        let admin = Admin::open(settings).await.doing(|| "cannot open the installation")?;
        let found = admin.find_reseal().await.doing(|| "cannot look into the database");
        admin.close().await;
        found
    })
}

fn tell_progress(page: Page, found: Option<&Reseal>) {
    let Some(found) = found else {
        return page.line("The service has sealed nothing anew yet.");
    };
    let Reseal { epoch, moved, broken, finished_at } = found;
    let so_far = match finished_at {
        Some(at) => format!("nothing was left at {at}"),
        None => "there may be more".to_owned(),
    };
    page.line(&format!("Sealed anew in epoch {epoch}: {moved}; {so_far}"));
    if *broken > 0 {
        page.line(&format!("Seals that did not hold, and stay as they are: {broken}"));
    }
    page.event("resealed", json!(found));
}
