//! The offline enclave of a sandbox: a process that makes COLD keys and ends, as it would in a ceremony.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use holder::transcript::{hash_of_bundle, transcript};
use holder::{ANSWER_FILE, KeyType, REQUEST_FILE};
use server::admin::{Imported, Order as Wanted};
use server::edge::ceremony::CeremonyCall;
use server::running::{PoolDepth, Service};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::enclave_process::own_program;
use super::folders::{Folders, make_private_dir, write_private};
use super::holders::{Holders, Said};
use crate::ceremony::key_of;
use crate::failure::{Doing as _, Failure};

/// With fewer keys of a kind than this, more are made.
const READY_MIN: u64 = 8;
/// How many are then there.
const READY_TARGET: u64 = 12;
/// How many RSA keys the first start waits for: each takes most of a second.
const FIRST_RSA: u64 = 2;
/// How often the stock is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The wait after a failure.
const WAIT_AFTER_FAILURE: Duration = Duration::from_secs(10);

/// How many keys to make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Order {
    rsa: u64,
    secp256k1: u64,
    ed25519: u64,
}

/// Makes the first keys, and carries over by what the offline enclave is known.
pub async fn first_batch(folders: &Folders, progress: impl Fn(&str)) -> Result<(), Failure> {
    let known = folders.cold_state().join("offline.pub");
    if !known.exists() || !folders.offline_key().exists() {
        let order = Order { rsa: FIRST_RSA, secp256k1: READY_TARGET, ed25519: READY_TARGET };
        make_batch(folders, order, progress).await?;
        carry_key(folders)?;
    }
    Ok(())
}

/// Carries over by what the offline enclave is known, and has it make nothing: where ceremonies are left to
/// somebody, the online enclave must yet believe what comes of the first.
pub async fn introduce(folders: &Folders) -> Result<(), Failure> {
    make_private_dir(&folders.cold_outgoing())?;
    if !folders.cold_state().join("offline.pub").exists() || !folders.offline_key().exists() {
        run_offline(folders, "offline-key", &[], |_| {}).await?;
        carry_key(folders)?;
    }
    Ok(())
}

/// Makes the offline enclave's root key in shares, and carries over by what it is known, once two have opened it. The
/// sandbox's own ceremonies have that key on the disk: nobody would be there to open them.
pub async fn found(folders: &Folders) -> Result<(Arc<Holders>, Said), Failure> {
    let mut holders = Holders::gather()?;
    let words = ["--socket".into(), holders.socket().into_os_string()];
    let founding = spawn_blocking(move || {
        holders.found()?;
        let said = holders.open(None)?;
        Ok::<_, Failure>((Arc::new(holders), said))
    });
    run_offline(folders, "offline-key", &words, |_| {}).await?;
    let founded = founding.await.doing(|| "the holders went away")??;
    carry_key(folders)?;
    Ok(founded)
}

fn carry_key(folders: &Folders) -> Result<(), Failure> {
    let known = folders.cold_state().join("offline.pub");
    let key = std::fs::read(known).doing(|| "the offline enclave left no public key")?;
    write_private(&folders.offline_key(), &key)
}

/// Takes the batches that lie ready into the pool, and says how many keys were new. One that cannot be taken stays
/// for the next time.
pub async fn adopt_waiting(folders: &Folders, service: &Service) -> Result<u64, Failure> {
    let mut added = 0;
    for path in waiting(&folders.cold_outgoing())? {
        let file = std::fs::read(&path).doing(|| format!("cannot read the batch {}", path.display()))?;
        let count = service.adopt_batch(&file).await.doing(|| format!("{} is not taken", path.display()))?;
        tracing::info!("{count} COLD keys adopted");
        added += count as u64;
        // Taken again after a crash just here, it would add nothing.
        std::fs::remove_file(&path).doing(|| format!("cannot remove the batch {}", path.display()))?;
    }
    Ok(added)
}

/// What a ceremony came to.
pub struct Held {
    /// What people would sign.
    pub transcript: String,
    /// What was taken in.
    pub imported: Imported,
    /// Of how many codes the files were put together on their way.
    pub codes: usize,
    /// Who opened the offline enclave.
    pub opened: Said,
}

/// Carries a file, by its name, of the folder that is carried; says of how many codes it was put together.
pub type Carry = fn(&Path, &str) -> Result<usize, Failure>;

/// Holds a whole ceremony, with so many keys of each kind to be made; none when nothing waits. One that was interrupted
/// is brought to its end first: the offline enclave answers no other bundle of its number. With `holders` its root key is
/// with them, and they open it.
pub async fn hold(
    folders: &Folders,
    service: &Service,
    counts: [(KeyType, u64); 3],
    (carry, holders): (Carry, Option<&Arc<Holders>>),
) -> Result<Option<Held>, Failure> {
    let carried = folders.cold_outgoing().join("bundle");
    make_private_dir(&folders.cold_outgoing())?;
    make_private_dir(&carried)?;
    if carried.join(REQUEST_FILE).exists() {
        finish(folders, service, &carried, (carry, holders)).await?;
    }
    let key = std::fs::read_to_string(folders.offline_key()).doing(|| "the offline enclave is not known")?;
    let offline = key_of(&key).ok_or_else(|| Failure::new("the offline enclave's key is unreadable"))?;
    let times = |count| usize::try_from(count).unwrap_or_default();
    let keys = counts.into_iter().flat_map(|(kind, count)| std::iter::repeat_n(kind, times(count))).collect();
    let exported = service
        .export_bundle(&Wanted { offline, keys, reseal: false, after: None })
        .await
        .doing(|| "no ceremony was held")?;
    let Some(exported) = exported else { return Ok(None) };
    write_private(&carried.join(REQUEST_FILE), &exported.file)?;
    finish(folders, service, &carried, (carry, holders)).await.map(Some)
}

/// Has the bundle answered, and takes the answers in.
async fn finish(
    folders: &Folders,
    service: &Service,
    carried: &Path,
    (carry, holders): (Carry, Option<&Arc<Holders>>),
) -> Result<Held, Failure> {
    let asked = carry(carried, REQUEST_FILE)?;
    let opened = answer(folders, carried, holders).await?;
    let codes = asked + carry(carried, ANSWER_FILE)?;
    let [request, answer] = [REQUEST_FILE, ANSWER_FILE].map(|name| carried.join(name));
    let read = |path: &Path| std::fs::read(path).doing(|| format!("cannot read {}", path.display()));
    let answers = read(&answer)?;
    let transcript = transcript(&read(&request)?, &answers).doing(|| "the answers cannot be read")?;
    let imported = service.import_answers(&answers).await.doing(|| "the answers were not taken in")?;
    for path in [request, answer] {
        std::fs::remove_file(&path).doing(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(Held { transcript, imported, codes, opened })
}

/// Has the offline enclave answer the bundle in a folder, and end.
async fn answer(folders: &Folders, carried: &Path, holders: Option<&Arc<Holders>>) -> Result<Said, Failure> {
    let [words, more] = ["--in", "--out"].map(|word| [OsString::from(word), carried.into()]);
    let mut words = [words, more].concat();
    let Some(holders) = holders else {
        run_offline(folders, "batch", &words, |_| {}).await?;
        return Ok(Said::new());
    };
    words.extend(["--socket".into(), holders.socket().into_os_string()]);
    let people = Arc::clone(holders);
    let request = std::fs::read(carried.join(REQUEST_FILE)).doing(|| "there is no bundle")?;
    let bundle = hash_of_bundle(&request).doing(|| "the bundle cannot be read")?;
    let opening = spawn_blocking(move || people.open(Some(bundle)));
    run_offline(folders, "batch", &words, |_| {}).await?;
    let opened = opening.await.doing(|| "the holders went away")??;
    holders.is_over()?;
    Ok(opened)
}

/// Keeps the stock of COLD keys, and holds the ceremonies that are asked for, one after the other, for as long as
/// the sandbox runs. `is_manual`: only those; batches that somebody brings are taken in all the same.
pub async fn keep_stocked(
    folders: &Folders,
    service: &Service,
    is_manual: bool,
    calls: &mut mpsc::Receiver<CeremonyCall>,
) {
    let mut wait = Duration::ZERO;
    loop {
        let call = match tokio::time::timeout(wait, calls.recv()).await {
            Ok(Some(call)) => Some(call),
            Err(_) => None,
            // The service has ended: there is nothing left to keep.
            Ok(None) => return std::future::pending().await,
        };
        let done = match (&call, is_manual) {
            (Some(_), _) => hold_all(folders, service).await,
            (None, false) => restock(folders, service, READY_MIN).await,
            (None, true) => adopt_waiting(folders, service).await,
        };
        wait = match done {
            Ok(added) => {
                if let Some(call) = call {
                    call.held(added);
                }
                LOOK_EVERY
            }
            // Who asked is told by the call's end.
            Err(failure) => {
                tracing::error!("{failure}");
                WAIT_AFTER_FAILURE
            }
        };
    }
}

/// The ceremony that was asked for: keys are made up to the target, and all that waits is done.
async fn hold_all(folders: &Folders, service: &Service) -> Result<u64, Failure> {
    let added = adopt_waiting(folders, service).await?;
    let pool = service.pool().await.doing(|| "cannot count the keys in stock")?;
    let Order { rsa, secp256k1, ed25519 } = order_for(&pool, READY_TARGET);
    let counts = [(KeyType::Rsa4096, rsa), (KeyType::Secp256k1, secp256k1), (KeyType::Ed25519, ed25519)];
    let held = hold(folders, service, counts, (|_, _| Ok(0), None)).await?;
    Ok(added + held.map_or(0, |held| held.imported.keys as u64))
}

/// Fills up each kind of which there are fewer than `low`, and says how many keys came in.
async fn restock(folders: &Folders, service: &Service, low: u64) -> Result<u64, Failure> {
    let mut added = adopt_waiting(folders, service).await?;
    let pool = service.pool().await.doing(|| "cannot count the keys in stock")?;
    let order = order_for(&pool, low);
    if order != Order::default() {
        make_batch(folders, order, |_| {}).await?;
        added += adopt_waiting(folders, service).await?;
    }
    Ok(added)
}

fn order_for(pool: &[PoolDepth], low: u64) -> Order {
    let missing = |key_type: &str| {
        let of_kind = |depth: &&PoolDepth| depth.environment == "COLD" && depth.key_type == key_type;
        let ready: u64 = pool.iter().filter(of_kind).map(|depth| depth.ready).sum();
        if ready < low { READY_TARGET - ready } else { 0 }
    };
    Order { rsa: missing("rsa4096"), secp256k1: missing("secp256k1"), ed25519: missing("ed25519") }
}

async fn make_batch(folders: &Folders, order: Order, progress: impl Fn(&str)) -> Result<(), Failure> {
    let outgoing = folders.cold_outgoing();
    make_private_dir(&outgoing)?;
    let out = next_file(&outgoing)?.into_os_string();
    let [rsa, secp256k1, ed25519] =
        [order.rsa, order.secp256k1, order.ed25519].map(|count| OsString::from(count.to_string()));
    let words = ["--out".into(), out, "--rsa".into(), rsa];
    let more = ["--secp256k1".into(), secp256k1, "--ed25519".into(), ed25519];
    run_offline(folders, "batch", &[words, more].concat(), progress).await
}

/// Runs the offline enclave until it ends.
async fn run_offline(
    folders: &Folders,
    command: &str,
    words: &[OsString],
    progress: impl Fn(&str),
) -> Result<(), Failure> {
    make_private_dir(&folders.cold_state())?;
    let mut child = Command::new(own_program()?)
        .args(["enclave", command, "--env", "sandbox", "--state"])
        .arg(folders.cold_state())
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .doing(|| "cannot start the offline enclave")?;
    let mut last = String::new();
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            progress(&line);
            last = line;
        }
    }
    let status = child.wait().await.doing(|| "cannot wait for the offline enclave")?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("the offline enclave did not do what it should ({status}): {last}")))
    }
}

fn waiting(outgoing: &Path) -> Result<Vec<PathBuf>, Failure> {
    let doing = || format!("cannot read {}", outgoing.display());
    if !outgoing.exists() {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(outgoing).doing(doing)? {
        let path = entry.doing(doing)?.path();
        // Half-written files have other names.
        if path.extension().is_some_and(|extension| extension == "batch") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// A name that no waiting batch has.
fn next_file(outgoing: &Path) -> Result<PathBuf, Failure> {
    let last = waiting(outgoing)?.pop();
    let number = last.and_then(|path| path.file_stem()?.to_str()?.parse::<u32>().ok()).unwrap_or(0);
    Ok(outgoing.join(format!("{:06}.batch", number + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(environment: &'static str, key_type: &'static str, ready: u64) -> PoolDepth {
        PoolDepth { environment, key_type, ready, target: 0 }
    }

    #[test]
    fn what_is_low_is_filled_up() {
        let all = Order { rsa: READY_TARGET, secp256k1: READY_TARGET, ed25519: READY_TARGET };
        assert_eq!(order_for(&[], READY_MIN), all);
        let pool = [
            depth("HOT", "rsa4096", 1),
            depth("COLD", "rsa4096", READY_MIN - 1),
            depth("COLD", "secp256k1", READY_MIN),
            depth("COLD", "ed25519", 0),
        ];
        assert_eq!(order_for(&pool, READY_MIN), Order { rsa: 5, secp256k1: 0, ed25519: READY_TARGET });
        // Who asks for a ceremony gets what there is room for.
        assert_eq!(order_for(&pool, READY_TARGET), Order { rsa: 5, secp256k1: 4, ed25519: READY_TARGET });
    }

    #[test]
    fn batches_have_names_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let first = next_file(folder.path()).unwrap();
        assert_eq!(first, folder.path().join("000001.batch"));
        std::fs::write(&first, "x").unwrap();
        std::fs::write(folder.path().join("000009.half"), "x").unwrap();
        assert_eq!(next_file(folder.path()).unwrap(), folder.path().join("000002.batch"));
        assert_eq!(waiting(folder.path()).unwrap(), [first]);
    }
}
