//! Keeps how far the enclave's log has come, so that an old copy of it is told from it: in the database and, where
//! one is set, in a file elsewhere, since whoever puts back the one may put back the other.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use boundary::message::{Mark, Refusal as EnclaveRefusal};
use boundary::token::LogMark;
use boundary::wire::Wire as _;
use domain::time::Timestamp;
use store::StoreError;
use store::enclave_marks::{self, EnclaveMark};
use tokio::io::AsyncWriteExt as _;

use super::{Error, Fault};
use crate::app::App;
use crate::edge::enclave::CallError;

/// What the enclave said to a mark that it was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Its log has this record.
    Has(u64),
    /// Its log lacks this record, so it is an old copy, and decides nothing any more.
    Lacks(u64),
}

/// Shows the enclave a mark that somebody kept who was told of it by a webhook. One that the enclave's log lacks is kept
/// from then on, so that it is not forgotten with the next start. None: the text is no mark.
pub async fn show_mark(app: &App, text: &str, now: Timestamp) -> Result<Option<Shown>, Error> {
    let read = text.split_whitespace().last().and_then(|text| STANDARD.decode(text).ok());
    let read = read.and_then(|mark| Some((sequence(&mark)?, mark)));
    let Some((number, mark)) = read else { return Ok(None) };
    match app.enclave.mark(Mark { latest: Some(mark.clone()) }).await {
        Ok(_) => return Ok(Some(Shown::Has(number))),
        Err(CallError::Refused(EnclaveRefusal::RolledBack)) => {}
        Err(error) => return Err(error.into()),
    }
    let row = EnclaveMark { sequence: number.cast_signed(), mark: mark.clone(), kept_at: now };
    let kept = app.db.write("keep_shown_mark", move |tx| enclave_marks::set(tx, &row, None));
    kept.await.map_err(|error: StoreError| Error::from(error))?;
    if let Some(path) = &app.mark_file {
        replace(path, &mark).await.map_err(unkept)?;
    }
    Ok(Some(Shown::Lacks(number)))
}

/// A mark as a webhook carries it: the number of the record, and the enclave's own word for it in base64.
pub(super) fn mark_text(mark: &[u8]) -> Option<String> {
    Some(format!("{} {}", sequence(mark)?, STANDARD.encode(mark)))
}

/// Asks the enclave for a mark, and keeps it if its log has grown.
pub async fn keep_mark(app: &App, now: Timestamp) -> Result<(), Error> {
    let shown = app.enclave.remembered();
    let marked = app.enclave.mark(Mark { latest: shown.clone() }).await?;
    if shown.as_deref().and_then(sequence) == Some(marked.sequence) {
        return Ok(());
    }
    let mark = marked.mark.clone();
    let row = EnclaveMark { sequence: marked.sequence.cast_signed(), mark: marked.mark, kept_at: now };
    let kept = app.db.write("keep_mark", move |tx| enclave_marks::set(tx, &row, shown.as_deref()));
    let kept: bool = kept.await.map_err(|error: StoreError| Error::from(error))?;
    if !kept {
        return recall_mark(app).await;
    }
    if let Some(path) = &app.mark_file {
        replace(path, &mark).await.map_err(unkept)?;
    }
    app.enclave.remember(mark);
    Ok(())
}

/// Remembers the latest mark that is kept anywhere.
pub async fn recall_mark(app: &App) -> Result<(), Error> {
    let kept = app.db.read("find_mark", enclave_marks::find).await;
    let kept: Option<EnclaveMark> = kept.map_err(|error: StoreError| Error::from(error))?;
    let elsewhere = match &app.mark_file {
        Some(path) => read(path).await.map_err(unkept)?,
        None => None,
    };
    let marks = kept.map(|kept| kept.mark).into_iter().chain(elsewhere);
    if let Some(latest) = marks.max_by_key(|mark| sequence(mark)) {
        app.enclave.remember(latest);
    }
    Ok(())
}

/// Of which record a mark is.
fn sequence(mark: &[u8]) -> Option<u64> {
    LogMark::take(&mut &*mark).ok().map(|mark| mark.sequence)
}

async fn read(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    match tokio::fs::read(path).await {
        Ok(mark) => Ok(Some(mark)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts a mark in the place of the one before, whole or not at all.
async fn replace(path: &Path, mark: &[u8]) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = tokio::fs::File::create(&fresh).await?;
    file.write_all(mark).await?;
    file.sync_all().await?;
    tokio::fs::rename(&fresh, path).await
}

fn unkept(error: std::io::Error) -> Error {
    Error::Fault(Fault { doing: "using the file with the enclave's mark", cause: Some(Box::new(error)) })
}
