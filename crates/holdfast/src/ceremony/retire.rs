//! The end of an epoch: what the service still has under its root key, and the word of the holders to forget that.

use std::path::{Path, PathBuf};
use std::thread;

use holder::door::Door;
use holder::{Epochs, Purpose, Standing};
use serde_json::json;
use server::admin::{Admin, Reseal};
use server::config::Settings;

use super::{LOOK_EVERY, cold, tell};
use crate::failure::{Doing as _, Failure};
use crate::page::Page;

/// Where it is looked whether anything is left.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Service {
    /// The service's settings: nothing is asked for as long as its database may hold something of that epoch.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Of the offline enclave: the folder of the ceremony whose import found that nothing of that epoch is left.
    #[arg(long, value_name = "DIR")]
    imported: Option<PathBuf>,
    /// You have looked yourself: what is left is lost for good.
    #[arg(long)]
    unseen: bool,
}

/// Asks the holders to have an epoch's root key forgotten, and waits until they have agreed.
pub fn retire(page: Page, door: &Door, epoch: u32, service: &Service) -> Result<(), Failure> {
    const NOT_DONE: &str = "the root key was not forgotten";
    let is_offline = door.is_offline().doing(|| NOT_DONE)?;
    if is_offline && service.config.is_some() {
        return Err(Failure::new(format!(
            "{NOT_DONE}: this is an offline enclave, of which the service knows by imports alone: name --imported"
        )));
    }
    if !is_offline && service.imported.is_some() {
        return Err(Failure::new(format!(
            "{NOT_DONE}: this is the online enclave, and what an import found is about the offline one: name --config"
        )));
    }
    if let Some(config) = &service.config {
        let found = find(config)?;
        if !is_nothing_left(found.as_ref(), epoch) {
            tell_progress(page, found.as_ref());
            return Err(Failure::new(format!(
                "{NOT_DONE}: the service has not found yet that nothing of epoch {epoch} is left"
            )));
        }
    }
    if let Some(folder) = &service.imported
        && !cold::is_over(folder, epoch)?
    {
        return Err(Failure::new(format!(
            "{NOT_DONE}: the import of that ceremony says nothing of epoch {epoch}"
        )));
    }
    let purpose = Purpose::Retire(epoch);
    door.begin(purpose.clone()).doing(|| NOT_DONE)?;
    tell::purpose(page, &purpose);
    page.prose("", "Each holder of a share in force now runs `holdfast ceremony approve` with this code.");
    while !is_forgotten(&door.stand().doing(|| NOT_DONE)?, epoch)? {
        thread::sleep(LOOK_EVERY);
    }
    page.line(&format!("The root key of epoch {epoch} is forgotten: what it sealed opens nowhere any more."));
    page.event("retired", json!({ "epoch": epoch }));
    Ok(())
}

/// Whether the service has looked through everything in a later epoch, and found nothing of this one.
fn is_nothing_left(found: Option<&Reseal>, epoch: u32) -> bool {
    found.is_some_and(|found| found.epoch > i64::from(epoch) && found.finished_at.is_some())
}

/// Whether an epoch's root key is gone; an error when nobody asks for that any more.
fn is_forgotten(standing: &Standing, epoch: u32) -> Result<bool, Failure> {
    let is_asked =
        || standing.attempt.as_ref().is_some_and(|attempt| attempt.purpose == Purpose::Retire(epoch));
    match standing.open {
        Some(Epochs { former: None, current }) if current > epoch => Ok(true),
        _ if is_asked() => Ok(false),
        _ => Err(Failure::new("the time is over or another attempt was begun: nothing was changed")),
    }
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

#[cfg(test)]
mod tests {
    use holder::Running;

    use super::*;

    #[test]
    fn an_epoch_is_over_once_a_whole_look_in_a_later_one_found_nothing() {
        let found = |epoch, finished: bool| Reseal {
            epoch,
            moved: 1,
            broken: 0,
            finished_at: finished.then(|| "2026-01-01T00:00:00.000Z".to_owned()),
        };
        assert!(is_nothing_left(Some(&found(2, true)), 1));
        assert!(is_nothing_left(Some(&found(7, true)), 1));
        assert!(!is_nothing_left(None, 1), "nobody has looked");
        assert!(!is_nothing_left(Some(&found(2, false)), 1), "there may be more");
        assert!(!is_nothing_left(Some(&found(2, true)), 2), "this one is in force");
        assert!(!is_nothing_left(Some(&found(2, true)), 3));
    }

    #[test]
    fn a_root_key_is_forgotten_when_no_former_one_is_left_and_not_before() {
        let standing = |open: Option<(u32, Option<u32>)>, asked: Option<Purpose>| Standing {
            open: open.map(|(current, former)| Epochs { current, former }),
            current: None,
            pending: None,
            attempt: asked.map(|purpose| Running { purpose, given: 1, expires_at_ms: 1 }),
        };
        let retires = |epoch| Some(Purpose::Retire(epoch));
        let so_far =
            |open, asked| is_forgotten(&standing(open, asked), 1).map_err(|failure| failure.to_string());
        assert_eq!(so_far(Some((2, Some(1))), retires(1)), Ok(false), "asked for");
        assert_eq!(so_far(Some((2, None)), None), Ok(true));
        for (open, asked) in [
            (Some((2, Some(1))), None),
            (Some((2, Some(1))), retires(2)),
            (Some((2, Some(1))), Some(Purpose::Verify)),
            (Some((1, None)), None),
            (None, None),
        ] {
            assert!(so_far(open, asked).unwrap_err().contains("nothing was changed"));
        }
    }
}
