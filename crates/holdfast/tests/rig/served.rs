//! A sandbox as a process of its own.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use client::api::sandbox::Credentials;

use crate::rig::group::{Group, PROGRAM, wait_for};

/// The first start makes RSA keys.
const START_PATIENCE: Duration = Duration::from_mins(3);

/// A sandbox in this folder, new or as it was.
pub fn start(group: &Group, folder: &Path) -> (Child, Credentials) {
    let path = folder.join("credentials.json");
    // The address is another one at each start.
    let _ = fs::remove_file(&path);
    let mut command = Command::new(PROGRAM);
    command.args(["sandbox", "--listen", "127.0.0.1:0", "--data-dir"]).arg(folder.join("data"));
    command.arg("--credentials").arg(&path).stdin(Stdio::null());
    let mut server = group.start(&mut command, &folder.join("output.txt"));
    let credentials = wait_for("a sandbox", START_PATIENCE, || {
        let ended = server.try_wait().expect("a child");
        assert!(ended.is_none(), "{}", fs::read_to_string(folder.join("output.txt")).unwrap_or_default());
        serde_json::from_slice(&fs::read(&path).ok()?).ok()
    });
    (server, credentials)
}
