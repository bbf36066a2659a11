//! A TPM in software, for tests of this program and of those that ask it.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// Twenty seconds of looks, for what comes by itself.
const LOOKS_MAX: u32 = 400;

/// A TPM; ended when dropped.
pub struct Tpm {
    child: Child,
    /// Its socket.
    pub path: PathBuf,
}

impl Tpm {
    /// Starts one whose socket and state are in that folder.
    pub fn start(folder: &Path, name: &str) -> Self {
        let (path, state) = (folder.join(format!("{name}.tpm")), folder.join(format!("{name}.tpmstate")));
        std::fs::create_dir_all(&state).expect("a folder");
        let child = Command::new("swtpm")
            .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear", "--tpmstate"])
            .arg(format!("dir={}", state.display()))
            .arg("--server")
            .arg(format!("type=unixio,path={}", path.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("swtpm runs: install swtpm");
        let tpm = Self { child, path };
        appears(&tpm.path);
        tpm
    }
}

impl Drop for Tpm {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until somebody listens there.
pub fn appears(path: &Path) {
    let looks = (0..LOOKS_MAX).any(|_| {
        let listens = UnixStream::connect(path).is_ok();
        if !listens {
            thread::sleep(Duration::from_millis(50));
        }
        listens
    });
    assert!(looks, "nobody listens on {}", path.display());
}
