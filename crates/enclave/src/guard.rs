//! What the process asks the kernel to protect it from. Each protection that is granted is reported to the
//! server, for the operator to see; none is taken for granted.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getegid, geteuid, getrlimit, set_dumpable_behavior, setrlimit,
};
use rustix::thread::UnshareFlags;
use secretmem::Secret;

use crate::service::ensure;

/// Asks for every protection; the words for those that were granted. To be called while the process has one
/// thread.
pub fn protect(only_own_uid: bool) -> Vec<String> {
    let core = Rlimit { current: Some(0), maximum: Some(0) };
    [
        (setrlimit(Resource::Core, core).is_ok(), "no core dumps"),
        (set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok(), "not dumpable, not traceable"),
        (rustix::thread::set_no_new_privs(true).is_ok(), "no new privileges"),
        (lock_memory(), "memory locked"),
        (Secret::copied(&[0; 32]).is_hidden(), "root key in secret memory"),
        (leave_network(only_own_uid).is_ok(), "no network"),
    ]
    .into_iter()
    .filter(|(granted, _)| *granted)
    .map(|(_, words)| words.to_owned())
    .collect()
}

/// Keeps memory out of swap. Under a limit, memory that is locked ahead of need would make a later allocation
/// fail, so it is locked only where there is none.
fn lock_memory() -> bool {
    let without_limit = Rlimit { current: None, maximum: None };
    // Granted only to the privileged; what counts is the limit in force.
    let _ = setrlimit(Resource::Memlock, without_limit);
    getrlimit(Resource::Memlock).current.is_none()
        && mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT).is_ok()
}

/// Moves into a network namespace without any interface. Sockets with a path work across namespaces. Without
/// privilege this takes a user namespace, in which only our own user id has a name: not when a peer of another
/// user id is to be told apart from the rest.
fn leave_network(only_own_uid: bool) -> io::Result<()> {
    match unshare(UnshareFlags::NEWNET) {
        Err(Errno::PERM) if only_own_uid => {
            let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
            unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNET)?;
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
            fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))
        }
        result => Ok(result?),
    }
}

#[expect(deprecated, reason = "deprecated for the sake of CLONE_FILES, which is never asked for here")]
fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    rustix::thread::unshare(flags)
}

/// Takes the state directory for this process alone, until it ends.
pub fn lock_directory(dir: &Path) -> io::Result<File> {
    let file = File::create(dir.join("lock"))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| io::Error::other("another enclave is using this state directory"))?;
    Ok(file)
}

/// Listens on a socket that only its owner may open. A socket that nobody listens on is taken over; any other file that
/// is there stays.
pub fn listen(path: &Path, owner: Option<u32>) -> io::Result<UnixListener> {
    if fs::metadata(path).is_ok_and(|about| about.file_type().is_socket()) {
        let is_taken = io::Error::other("another process listens on this socket");
        let answer = UnixStream::connect(path).map_err(|error| error.kind());
        ensure(answer.is_err_and(|kind| kind == ErrorKind::ConnectionRefused), is_taken)?;
        fs::remove_file(path)?;
    }
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    rustix::process::umask(before);
    let listener = listener?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    if let Some(uid) = owner {
        chown(path, Some(uid), None)?;
    }
    Ok(listener)
}

/// Whether the process at the other end is one of these users' (`SO_PEERCRED`).
pub fn peer_allowed(stream: &UnixStream, allowed: &[u32]) -> bool {
    rustix::net::sockopt::socket_peercred(stream).is_ok_and(|peer| allowed.contains(&peer.uid.as_raw()))
}
