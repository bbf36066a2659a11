//! The online enclave as a process of its own: started, watched, started again, ended.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::folders::Folders;
use crate::edge::instant;
use crate::failure::{Doing as _, Failure};

/// How long it may take to listen.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long it may take to end by itself.
const END_TIMEOUT: Duration = Duration::from_secs(5);
/// The wait before it is started again; doubled each time, up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const WAIT_MAX: Duration = Duration::from_secs(10);
/// After running this long it counts as healthy, and the next wait is the first again.
const HEALTHY_AFTER: Duration = Duration::from_mins(1);
/// How often the first start is tried: the enclave of a sandbox that was killed may still be ending.
const FIRST_TRIES_MAX: u32 = 4;
/// How many of its last lines are kept for a failure's text.
const LAST_LINES_MAX: usize = 5;

/// A watched enclave.
pub struct EnclaveProcess {
    stop: oneshot::Sender<()>,
    watcher: JoinHandle<()>,
    restarts: watch::Receiver<u32>,
}

/// How to start it.
struct Recipe {
    program: PathBuf,
    args: Vec<std::ffi::OsString>,
    socket: PathBuf,
}

/// One run of it. Its standard input is held open: when this process dies, however it dies, that closes, and
/// the enclave ends.
struct Run {
    child: Child,
    last_lines: LastLines,
    /// The write end of its standard input. Kept apart from the child, whose `wait` would close it.
    leash: Option<tokio::process::ChildStdin>,
}

type LastLines = Arc<Mutex<VecDeque<String>>>;

impl EnclaveProcess {
    /// Starts it and waits until it listens. `recovery_limits`: whether it counts recoveries against them.
    pub async fn start(
        folders: &Folders,
        socket: &std::path::Path,
        recovery_limits: bool,
    ) -> Result<Self, Failure> {
        let recipe = Recipe::new(folders, socket, recovery_limits)?;
        let mut tries = 1;
        let run = loop {
            match recipe.start().await {
                Ok(run) => break run,
                Err(failure) if tries == FIRST_TRIES_MAX => return Err(failure),
                Err(failure) => tracing::warn!("the enclave did not start, trying again: {failure}"),
            }
            tokio::time::sleep(FIRST_WAIT * 2_u32.pow(tries)).await;
            tries += 1;
        };
        let (stop, stopped) = oneshot::channel();
        let (count, restarts) = watch::channel(0);
        let watcher = tokio::spawn(watch_over(recipe, run, stopped, count));
        Ok(Self { stop, watcher, restarts })
    }

    /// Waits for the next time that it had to be started again.
    pub async fn restarted(&mut self) {
        if self.restarts.changed().await.is_err() {
            // The watcher has gone: nothing will be started again.
            std::future::pending::<()>().await;
        }
    }

    /// Ends it and waits until it has ended.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.watcher.await;
    }
}

async fn watch_over(
    recipe: Recipe,
    mut run: Run,
    mut stopped: oneshot::Receiver<()>,
    count: watch::Sender<u32>,
) {
    let mut wait = FIRST_WAIT;
    loop {
        let since = instant();
        tokio::select! {
            _ = &mut stopped => return run.end().await,
            status = run.child.wait() => {
                let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                tracing::error!("the enclave ended ({status}): {}", run.last_words());
            }
        }
        if instant().duration_since(since) > HEALTHY_AFTER {
            wait = FIRST_WAIT;
        }
        run = loop {
            tracing::warn!("the enclave is started again in {} ms", wait.as_millis());
            tokio::select! {
                _ = &mut stopped => return,
                () = tokio::time::sleep(wait) => {}
            }
            wait = WAIT_MAX.min(wait * 2);
            match recipe.start().await {
                Ok(run) => break run,
                Err(failure) => tracing::error!("the enclave did not start: {failure}"),
            }
        };
        tracing::info!("the enclave listens again");
        count.send_modify(|times| *times += 1);
    }
}

impl Recipe {
    fn new(folders: &Folders, socket: &std::path::Path, recovery_limits: bool) -> Result<Self, Failure> {
        let words: [&std::ffi::OsStr; 15] = [
            "enclave".as_ref(),
            "serve".as_ref(),
            "--env".as_ref(),
            "sandbox".as_ref(),
            "--socket".as_ref(),
            socket.as_os_str(),
            "--state".as_ref(),
            &folders.enclave_state().into_os_string(),
            "--provider".as_ref(),
            &folders.provider_file().into_os_string(),
            "--offline-key".as_ref(),
            &folders.offline_key().into_os_string(),
            "--recovery-limits".as_ref(),
            if recovery_limits { "on" } else { "off" }.as_ref(),
            "--end-with-stdin".as_ref(),
        ];
        Ok(Self {
            program: own_program()?,
            args: words.map(std::ffi::OsStr::to_owned).to_vec(),
            socket: socket.to_owned(),
        })
    }

    async fn start(&self) -> Result<Run, Failure> {
        // What a killed enclave left; the folder's lock says that no other uses it.
        let _ = std::fs::remove_file(&self.socket);
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C goes to the whole group of a terminal's foreground; the enclave ends last, when told.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .doing(|| "cannot start the enclave")?;
        let last_lines = LastLines::default();
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(log_lines(stderr, Arc::clone(&last_lines)));
        }
        let stdout = child.stdout.take();
        let leash = child.stdin.take();
        let mut run = Run { child, last_lines, leash };
        let is_ready = tokio::time::timeout(READY_TIMEOUT, wait_for_ready(stdout)).await;
        if is_ready == Ok(true) {
            return Ok(run);
        }
        run.end().await;
        Err(Failure::new(format!("the enclave did not come to listen: {}", run.last_words())))
    }
}

impl Run {
    /// Closes its standard input, which ends it; kills it when that does not.
    async fn end(&mut self) {
        drop(self.leash.take());
        if tokio::time::timeout(END_TIMEOUT, self.child.wait()).await.is_err() {
            tracing::warn!("the enclave did not end by itself and is killed");
            let _ = self.child.kill().await;
        }
    }

    fn last_words(&self) -> String {
        let lines = self.last_lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.is_empty() {
            "it said nothing".to_owned()
        } else {
            lines.iter().map(String::as_str).collect::<Vec<_>>().join("; ")
        }
    }
}

/// The program that is running, to be started again as another of its commands.
pub fn own_program() -> Result<PathBuf, Failure> {
    std::env::current_exe().doing(|| "cannot find the holdfast program itself")
}

async fn wait_for_ready(stdout: Option<impl AsyncRead + Unpin + Send + 'static>) -> bool {
    let Some(stdout) = stdout else { return false };
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.trim() == "ready" {
            // Read on, so that it never waits for a reader.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return true;
        }
    }
    false
}

async fn log_lines(stderr: impl AsyncRead + Unpin, last_lines: LastLines) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        tracing::info!(target: "enclave", "{line}");
        let mut last = last_lines.lock().unwrap_or_else(PoisonError::into_inner);
        last.push_back(line);
        if last.len() > LAST_LINES_MAX {
            last.pop_front();
        }
    }
}
