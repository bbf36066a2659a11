//! Settings: one commented TOML file that is at once the manual and the built-in default.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use boundary::Env;

/// Everything that may be set, validated.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `sandbox` or `production`.
    pub environment: Env,
    /// Where the API listens; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The service's own folder.
    pub data_dir: PathBuf,
    /// The enclave's socket.
    pub enclave_socket: PathBuf,
}

impl Settings {
    /// The settings of a sandbox in one folder: SQLite, everything embedded.
    pub fn sandbox(data_dir: &Path, listen: SocketAddr, enclave_socket: &Path) -> Self {
        Self {
            environment: Env::Sandbox,
            listen,
            data_dir: data_dir.to_owned(),
            enclave_socket: enclave_socket.to_owned(),
        }
    }
}
