//! Memory dumps of running processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Dumps the memory of a process into a file of that folder; an error is what the program said.
pub fn dump(pid: u32, folder: &Path, name: &str) -> Result<PathBuf, String> {
    ensure_gcore();
    let prefix = folder.join(name);
    let Output { status, stdout, stderr } =
        Command::new("gcore").arg("-o").arg(&prefix).arg(pid.to_string()).output().expect("gcore runs");
    let path = folder.join(format!("{name}.{pid}"));
    if status.success() && path.exists() {
        return Ok(path);
    }
    Err([stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat())
}

/// Whether a dump lacks what lies in secret memory: before Linux 6.5 that is there only where the machine was started
/// with `secretmem.enable`.
pub fn lacks_secret_memory() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("a kernel");
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|n| n.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(5))
}

/// The files that a process holds open, those with no name any more among them.
pub fn open_files(pid: u32) -> Vec<PathBuf> {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).expect("its files can be listed");
    let links = links.filter_map(|link| Some(link.ok()?.path()));
    links.filter(|link| fs::metadata(link).is_ok_and(|metadata| metadata.is_file())).collect()
}

/// This test does not pass without a look into memory.
fn ensure_gcore() {
    if runs("gcore") {
        return;
    }
    let install = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq gdb";
    let _ = Command::new("sh").args(["-c", install]).output();
    assert!(runs("gcore"), "gcore is missing and could not be installed: install gdb");
}

fn runs(program: &str) -> bool {
    // Without arguments it says how it is used, and fails.
    Command::new(program).output().is_ok()
}
