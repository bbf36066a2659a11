//! The folders of a sandbox: whose they are, who may read them, and that only one sandbox uses them.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::edge::random_hex;
use crate::failure::{Doing as _, Failure};

/// Says that a folder belongs to a sandbox. Without it nothing is written into a folder and nothing removed.
const MARKER: &str = "holdfast-sandbox";
const MARKER_TEXT: &str =
    "This folder belongs to a Holdfast sandbox. It may be removed when none runs on it.\n";
/// Held as long as a sandbox runs.
const LOCK: &str = "sandbox.lock";
/// The longest path that fits into a Unix socket's address on every system.
const SOCKET_PATH_BYTES_MAX: usize = 100;

/// The folders, locked for this process.
#[derive(Debug)]
pub struct Folders {
    data: PathBuf,
    cold: PathBuf,
    _lock: File,
}

impl Folders {
    /// Makes or opens the folders. `is_fresh`: empties them first.
    pub fn open(data_dir: Option<&Path>, is_fresh: bool) -> Result<Self, Failure> {
        let data = match data_dir {
            Some(folder) => std::path::absolute(folder).doing(|| "cannot find the data folder")?,
            None => default_data_dir()?,
        };
        let mut cold = data.clone().into_os_string();
        cold.push("-cold");
        let cold = PathBuf::from(cold);
        claim(&data)?;
        let lock = lock(&data)?;
        claim(&cold)?;
        if is_fresh {
            empty(&data)?;
            empty(&cold)?;
        }
        Ok(Self { data, cold, _lock: lock })
    }

    /// The service's own folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The offline enclave's folder.
    pub fn cold(&self) -> &Path {
        &self.cold
    }

    /// The online enclave's state.
    pub fn enclave_state(&self) -> PathBuf {
        self.data.join("enclave")
    }

    /// The offline enclave's state.
    pub fn cold_state(&self) -> PathBuf {
        self.cold.join("enclave")
    }

    /// Where the offline enclave leaves batches for the service.
    pub fn cold_outgoing(&self) -> PathBuf {
        self.cold.join("outgoing")
    }

    /// By what the online enclave knows the offline one: carried over as one would in a ceremony.
    pub fn offline_key(&self) -> PathBuf {
        self.data.join("offline.pub")
    }

    /// What the enclave and the service know of the simulated identity provider.
    pub fn provider_file(&self) -> PathBuf {
        self.data.join("simulator.provider")
    }

    /// Where the log goes.
    pub fn log_file(&self) -> PathBuf {
        self.data.join("sandbox.log")
    }

    /// Where the enclave listens: in the data folder, or in a short private one where that path is too long.
    pub fn socket(&self) -> Result<Socket, Failure> {
        let path = self.data.join("enclave.sock");
        if path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
            return Ok(Socket { path, _folder: None });
        }
        let folder = tempfile::Builder::new()
            .prefix("holdfast-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .doing(|| "cannot make a folder for the enclave's socket")?;
        Ok(Socket { path: folder.path().join("enclave.sock"), _folder: Some(folder) })
    }

    /// Writes the provider's file, the first time.
    pub fn ensure_provider(&self) -> Result<PathBuf, Failure> {
        let path = self.provider_file();
        if !path.exists() {
            let secret = random_hex(32)?;
            let text = format!("name=simulator\nformat=persona\nsecret={secret}\nenv=sandbox\n");
            write_private(&path, text.as_bytes())?;
        }
        Ok(path)
    }
}

/// The enclave's socket, and the folder that goes when it does.
#[derive(Debug)]
pub struct Socket {
    /// Where.
    pub path: PathBuf,
    _folder: Option<tempfile::TempDir>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        // One that the enclave took away itself is gone already.
        let _ = fs::remove_file(&self.path);
    }
}

/// Writes a file whole or not at all, readable by its owner only.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let doing = || format!("cannot write {}", path.display());
    let mut beside = path.to_owned().into_os_string();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    // Left by a process of the same number that did not end well.
    let _ = fs::remove_file(&beside);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).doing(doing)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).doing(doing)?;
    fs::rename(&beside, path).doing(doing)
}

/// Makes a folder that its owner only may enter.
pub fn make_private_dir(path: &Path) -> Result<(), Failure> {
    let doing = || format!("cannot make the folder {}", path.display());
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).doing(doing)?;
    fs::set_permissions(path, Permissions::from_mode(0o700)).doing(doing)
}

fn default_data_dir() -> Result<PathBuf, Failure> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || absolute("HOME").map(|home| home.join(".local/share"));
    absolute("XDG_DATA_HOME").or_else(home).map(|folder| folder.join("holdfast/sandbox")).ok_or_else(|| {
        Failure::new("there is no home folder to keep the sandbox in; say where with --data-dir")
    })
}

/// Makes the folder, or sees that it is a sandbox's.
fn claim(folder: &Path) -> Result<(), Failure> {
    let marker = folder.join(MARKER);
    if !marker.exists() {
        let doing = || format!("cannot read the folder {}", folder.display());
        if folder.exists() && fs::read_dir(folder).doing(doing)?.next().is_some() {
            return Err(Failure::new(format!(
                "{} holds other things than a sandbox; name an empty or a new folder with --data-dir",
                folder.display()
            )));
        }
        make_private_dir(folder)?;
        write_private(&marker, MARKER_TEXT.as_bytes())?;
    }
    make_private_dir(folder)
}

fn lock(folder: &Path) -> Result<File, Failure> {
    let path = folder.join(LOCK);
    let doing = || format!("cannot lock {}", path.display());
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(&path).doing(doing)?;
    match file.try_lock() {
        Ok(()) => {
            // For whoever is refused: who holds it.
            file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).doing(doing)?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            Err(Failure::new(format!(
                "another sandbox (process {}) runs on {}; end that one, or give this one its own folder with \
                 --data-dir",
                holder.trim(),
                folder.display()
            )))
        }
        Err(TryLockError::Error(error)) => Err(Failure::of(doing(), &error)),
    }
}

/// Removes everything but what says whose the folder is.
fn empty(folder: &Path) -> Result<(), Failure> {
    let doing = || format!("cannot empty {}", folder.display());
    for entry in fs::read_dir(folder).doing(doing)? {
        let entry = entry.doing(doing)?;
        if entry.file_name() == MARKER || entry.file_name() == LOCK {
            continue;
        }
        let path = entry.path();
        // A link is removed, never what it points at.
        if entry.file_type().doing(doing)?.is_dir() {
            fs::remove_dir_all(&path).doing(doing)?;
        } else {
            fs::remove_file(&path).doing(doing)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn folders_are_private_and_locked() {
        let parent = tempfile::tempdir().unwrap();
        let data = parent.path().join("a/sandbox");
        let folders = Folders::open(Some(&data), false).unwrap();
        assert_eq!(mode_of(folders.data()), 0o700);
        assert_eq!(mode_of(folders.cold()), 0o700);
        assert_eq!(folders.cold(), parent.path().join("a/sandbox-cold"));
        let refused = Folders::open(Some(&data), true).unwrap_err().to_string();
        assert!(refused.contains("another sandbox") && refused.contains("--data-dir"), "{refused}");
        drop(folders);
        Folders::open(Some(&data), false).unwrap();
    }

    #[test]
    fn the_provider_is_written_once() {
        let parent = tempfile::tempdir().unwrap();
        let folders = Folders::open(Some(&parent.path().join("s")), false).unwrap();
        let path = folders.ensure_provider().unwrap();
        let first = fs::read_to_string(&path).unwrap();
        assert_eq!(mode_of(&path), 0o600);
        assert!(first.starts_with("name=simulator\nformat=persona\nsecret="), "{first}");
        folders.ensure_provider().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), first);
    }

    #[test]
    fn fresh_empties_a_sandbox_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let data = parent.path().join("s");
        drop(Folders::open(Some(&data), false).unwrap());
        fs::create_dir(data.join("enclave")).unwrap();
        fs::write(data.join("enclave/state"), "x").unwrap();
        let folders = Folders::open(Some(&data), true).unwrap();
        assert!(!folders.enclave_state().exists());

        let home = parent.path().join("home");
        fs::create_dir(&home).unwrap();
        fs::write(home.join("thesis"), "x").unwrap();
        let refused = Folders::open(Some(&home), true).unwrap_err().to_string();
        assert!(refused.contains("other things than a sandbox"), "{refused}");
        assert!(home.join("thesis").exists());
    }

    #[test]
    fn a_long_path_gets_a_short_socket() {
        let parent = tempfile::tempdir().unwrap();
        let folders = Folders::open(Some(&parent.path().join("s")), false).unwrap();
        assert!(folders.socket().unwrap().path.starts_with(folders.data()));
        let long = parent.path().join("l".repeat(SOCKET_PATH_BYTES_MAX));
        let folders = Folders::open(Some(&long), false).unwrap();
        let socket = folders.socket().unwrap();
        assert!(socket.path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX);
        let folder = socket.path.parent().unwrap().to_owned();
        assert_eq!(mode_of(&folder), 0o700);
        drop(socket);
        assert!(!folder.exists());
    }
}
