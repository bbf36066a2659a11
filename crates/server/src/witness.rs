//! A witness of others' logs: it signs a checkpoint that goes on from the last that it signed of the same log, and no
//! other (C2SP tlog-witness). It keeps that one on its disk before it gives its signature away.

use std::fs::{File, OpenOptions};
use std::future::Future;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use domain::audit::checkpoint::{Checkpoint, VerifierKey};
use domain::audit::hex;
use domain::audit::witness::{
    ADD_CHECKPOINT, AddCheckpoint, REQUEST_BYTES_MAX, SIZE_TYPE, Unwitnessed, WitnessKey, judge,
};
use domain::entropy::Entropy as _;
use domain::time::Timestamp;
use tokio::net::TcpListener;

use crate::edge::chance::SystemChance;
use crate::edge::clock::{Clock as _, SystemClock};

/// Whose logs it follows, with what it signs, and what it has signed.
pub struct Witness {
    key: WitnessKey,
    logs: Vec<VerifierKey>,
    folder: PathBuf,
    /// One checkpoint is judged and kept at a time.
    turn: Mutex<()>,
}

/// Why there is no signature.
enum Refused {
    /// As the standard has it.
    Rule(Unwitnessed),
    /// What is kept cannot be read or written.
    Broken(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl From<Unwitnessed> for Refused {
    fn from(rule: Unwitnessed) -> Self {
        Self::Rule(rule)
    }
}

impl Witness {
    /// A witness that keeps what it signed in this folder, which is made if it is not there.
    pub fn open(folder: &Path, key: WitnessKey, logs: Vec<VerifierKey>) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self { key, logs, folder: folder.to_owned(), turn: Mutex::default() })
    }

    /// The public half of its key.
    pub fn vkey(&self) -> String {
        self.key.vkey()
    }

    /// The line under a checkpoint.
    fn add(&self, body: &str, now: Timestamp) -> Result<String, Refused> {
        let request = AddCheckpoint::read(body).ok_or(Unwitnessed::Malformed)?;
        let origin = request.note.lines().next().unwrap_or_default().to_owned();
        let log = self.logs.iter().find(|log| log.is_of(&origin)).ok_or(Unwitnessed::UnknownLog)?;
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.folder.join(hex(digest(&SHA256, origin.as_bytes()).as_ref()));
        let known = read(&path, log)?;
        let judged = judge(log, known.as_ref(), &request).inspect_err(|fault| {
            if matches!(fault, Unwitnessed::NotShown | Unwitnessed::OtherSize(_)) {
                // One of its own size with another root is the proof of a second history, so it is kept whole.
                tracing::warn!(origin, old = request.old, note = request.note, %fault, "a checkpoint was not signed");
            }
        })?;
        if known.as_ref() != Some(&judged) {
            keep(&path, &request.note)?;
        }
        tracing::info!(origin, size = judged.size, "signed");
        Ok(self.key.sign(&judged, now))
    }
}

/// The last that was signed. What is there and does not read is no reason to begin anew.
fn read(path: &Path, log: &VerifierKey) -> io::Result<Option<Checkpoint>> {
    match std::fs::read_to_string(path) {
        Ok(note) => log.open(&note).map(Some).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts a checkpoint in the place of the one before, whole or not at all, and on the disk.
fn keep(path: &Path, note: &str) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(note.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// The key of this file. Where there is none it is made, for its owner alone, under this name.
pub fn load_or_create_key(path: &Path, name: Option<&str>) -> io::Result<WitnessKey> {
    let fault = |text: &str| io::Error::new(io::ErrorKind::InvalidInput, text);
    let mut text = String::new();
    match File::open(path) {
        Ok(mut file) => {
            file.read_to_string(&mut text)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = name.ok_or_else(|| fault("there is no key yet: name the witness, to make one"))?;
            let mut seed = [0; 32];
            SystemChance.fill(&mut seed);
            text = WitnessKey::secret(&seed, name)
                .ok_or_else(|| fault("a witness's name has no blanks and no plus signs"))?;
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(format!("{text}\n").as_bytes())?;
            file.sync_all()?;
        }
        Err(error) => return Err(error),
    }
    WitnessKey::parse(&text).ok_or_else(|| fault("the file holds no key of a witness"))
}

/// Answers until `stop`.
pub async fn serve(
    witness: Witness,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let routes = Router::new()
        .route(ADD_CHECKPOINT, post(add_checkpoint))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(Arc::new(witness));
    axum::serve(listener, routes).with_graceful_shutdown(stop).await
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: String) -> Response {
    let now = SystemClock.now();
    let added = tokio::task::spawn_blocking(move || witness.add(&body, now)).await;
    match added {
        Ok(Ok(line)) => line.into_response(),
        Ok(Err(Refused::Rule(rule))) => refusal(rule),
        Ok(Err(Refused::Broken(error))) => {
            tracing::error!(%error, "what was signed cannot be kept");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn refusal(rule: Unwitnessed) -> Response {
    let status = match rule {
        Unwitnessed::Malformed => StatusCode::BAD_REQUEST,
        Unwitnessed::UnknownLog => StatusCode::NOT_FOUND,
        Unwitnessed::NotSigned => StatusCode::FORBIDDEN,
        Unwitnessed::OtherSize(size) => {
            return (StatusCode::CONFLICT, [(header::CONTENT_TYPE, SIZE_TYPE)], format!("{size}\n"))
                .into_response();
        }
        Unwitnessed::NotShown => StatusCode::UNPROCESSABLE_ENTITY,
    };
    (status, format!("the checkpoint {rule}\n")).into_response()
}
