//! The holders of a rehearsal: three, of whose shares two open its offline enclave for one sitting.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use holder::door::{Door, PrinterKey};
use holder::{Env, Holder, Plan, Purpose, Share};
use tempfile::TempDir;

use crate::failure::{Doing as _, Failure};

/// How many there are, and how many of them open.
const SHARES: (usize, u32) = (3, 2);
/// How often it is looked whether the enclave waits for them: who does not by then never will.
const LOOKS: usize = 600;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What was done, and by whom, for whoever reads along.
pub type Said = Vec<(String, String)>;

/// Three people, each with a share; a thread plays them all.
pub struct Holders {
    shares: Vec<Share>,
    sittings: AtomicUsize,
    // The path of a socket must be short.
    folder: TempDir,
}

impl Holders {
    /// People who have no shares yet.
    pub fn gather() -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("holdfast-").tempdir();
        let folder = folder.doing(|| "cannot make a folder for the offline enclave's socket")?;
        Ok(Self { shares: Vec::new(), sittings: AtomicUsize::new(0), folder })
    }

    /// Where the offline enclave waits for them.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("offline.sock")
    }

    /// Has the root key made and dealt to them.
    pub fn found(&mut self) -> Result<(), Failure> {
        const DOING: &str = "no root key was made offline";
        let door = waiting(&self.socket())?;
        let key = PrinterKey::generate().doing(|| DOING)?;
        let holder = Holder::Rsa(key.public_half().doing(|| DOING)?);
        let plan = Plan { threshold: SHARES.1, holders: vec![holder; SHARES.0] };
        let dealt = door.found(plan).doing(|| DOING)?;
        self.shares = key.open(&dealt.shares.iter().collect::<Vec<_>>()).doing(|| DOING)?;
        Ok(())
    }

    /// Two of them open it for this bundle, others than the last time; the first one's share twice, which is one share still.
    pub fn open(&self, bundle: Option<[u8; 32]>) -> Result<Said, Failure> {
        let sitting = self.sittings.fetch_add(1, Ordering::Relaxed);
        let door = waiting(&self.socket())?;
        let purpose = bundle.map_or(Purpose::Unseal, Purpose::Sit);
        let pair = [sitting, sitting + 1].map(|at| at % SHARES.0);
        let mut said = Vec::new();
        for (at, done, came) in [
            (pair[0], false, "it stays sealed"),
            (pair[0], false, "the same share again, and it stays sealed"),
            (pair[1], true, "open, for this once"),
        ] {
            let given = door.give_share(&purpose, &self.shares[at]).doing(|| "a share was not taken")?;
            if given.done != done {
                return Err(Failure::new(
                    "the offline enclave opens by another number of shares than it should",
                ));
            }
            said.push((
                format!("holder {}", at + 1),
                format!("{} of {} shares: {came}", given.given, given.threshold),
            ));
        }
        Ok(said)
    }

    /// After the sitting nothing is open to anybody.
    pub fn is_over(&self) -> Result<(), Failure> {
        match door(&self.socket()).stand() {
            Ok(_) => Err(Failure::new("the offline enclave answers after its sitting")),
            Err(_) => Ok(()),
        }
    }
}

fn door(socket: &Path) -> Door {
    Door { socket: socket.to_owned(), env: Env::Sandbox }
}

/// The offline enclave, once it waits there.
fn waiting(socket: &Path) -> Result<Door, Failure> {
    let door = door(socket);
    for _ in 0..LOOKS {
        if door.stand().is_ok() {
            return Ok(door);
        }
        thread::sleep(LOOK_EVERY);
    }
    door.stand().doing(|| "the offline enclave does not wait for its holders").map(|_| door)
}
