//! What the running process is protected from, as the kernel tells it.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

mod rig;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;

use boundary::message::{Hello, Request};
use rig::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn files_and_socket_are_their_owners() {
    let folder = Folder::new();
    let enclave = Enclave::start(&folder, &Settings::default());
    assert_eq!(mode(&enclave.socket), 0o600);
    assert_eq!(mode(&folder.path("state")), 0o700);
    for name in ["root.key", "signing.keys", "state.log"] {
        assert_eq!(mode(&folder.path("state").join(name)), 0o600, "{name}");
    }
    assert_eq!(fs::metadata(folder.path("state/root.key")).unwrap().len(), 32);
    let again = |command: &str| {
        let mut program = program();
        program.args([command, "--root", "disk", "--env", "production", "--state"]).arg(folder.path("state"));
        if command == "serve" {
            program.arg("--socket").arg(folder.path("second"));
        }
        program.output().unwrap()
    };
    assert!(!again("init").status.success(), "what exists is not overwritten");
    let second = again("serve");
    assert!(String::from_utf8_lossy(&second.stderr).contains("another enclave"), "one process to a state");
}

#[test]
fn a_file_that_is_no_socket_is_not_taken_over() {
    let folder = Folder::new();
    let (state, file) = (folder.path("state"), folder.path("file"));
    fs::write(&file, "no socket").unwrap();
    let mut serve = program();
    serve.args(["serve", "--env", "sandbox", "--end-with-stdin", "--state"]).arg(state);
    let ended = serve.arg("--socket").arg(&file).output().unwrap();
    assert!(!ended.status.success());
    assert_eq!(fs::read_to_string(&file).unwrap(), "no socket");
}

/// Neither one that answers nor one that is somebody else's, who may not be asked.
#[test]
fn a_socket_that_somebody_listens_on_is_not_taken_over() {
    let folder = Folder::new();
    let (state, taken) = (folder.path("state"), folder.path("taken"));
    let listener = UnixListener::bind(&taken).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    for may_connect in [true, false] {
        let own = folder.path("enclave");
        fs::copy(env!("CARGO_BIN_EXE_holdfast-enclave"), &own).unwrap();
        fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o777)).unwrap();
        fs::set_permissions(&taken, fs::Permissions::from_mode(if may_connect { 0o600 } else { 0 })).unwrap();
        let mut serve = Command::new(if is_root && !may_connect { Path::new("setpriv") } else { &own });
        if is_root && !may_connect {
            serve.args(["--reuid=65534", "--clear-groups"]).arg(&own);
        }
        serve.args(["serve", "--env", "sandbox", "--end-with-stdin", "--state"]).arg(&state);
        let ended = serve.arg("--socket").arg(&taken).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(said.contains("another process listens on this socket"), "{may_connect}: {said}");
        fs::remove_dir_all(&state).unwrap();
    }
    fs::set_permissions(&taken, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(UnixStream::connect(&taken).is_ok(), "it is where it was");
    drop(listener);
}

#[test]
fn a_root_key_that_others_may_read_is_not_used() {
    let folder = Folder::new();
    drop(Enclave::start(&folder, &Settings::default()));
    let start = || {
        let mut program = program();
        program.args(["batch", "--env", "production", "--ed25519", "1", "--state"]).arg(folder.path("state"));
        program.arg("--out").arg(folder.path("out")).output().unwrap().status.success()
    };
    assert!(start());
    fs::set_permissions(folder.path("state/root.key"), fs::Permissions::from_mode(0o640)).unwrap();
    assert!(!start());
}

#[test]
fn what_the_kernel_granted_is_true() {
    let folder = Folder::new();
    let enclave = Enclave::start(&folder, &Settings::default());
    let welcome = expect!(enclave.call(&Request::Hello(Hello { env: enclave.env })), Welcome);
    println!("protections: {:?}", welcome.protections);
    let granted = |words: &str| welcome.protections.iter().any(|protection| protection.starts_with(words));
    let process = format!("/proc/{}", enclave.child.id());
    let status = fs::read_to_string(format!("{process}/status")).unwrap();
    let limits = fs::read_to_string(format!("{process}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let none = core.split_whitespace().skip(4).take(2).all(|limit| limit == "0");
    assert_eq!(granted("no core dumps"), none, "{core}");
    assert_eq!(granted("no new privileges"), status.contains("NoNewPrivs:\t1"));
    let locked = status.lines().find(|line| line.starts_with("VmLck:")).unwrap();
    let locked_kb: usize = locked.split_whitespace().nth(1).unwrap().parse().unwrap();
    // Secret memory is locked in any case: a page for each root key.
    assert_eq!(granted("memory locked"), locked_kb > 64, "{locked}");
    assert_eq!(granted("root key in secret memory"), secretmem::Secret::copied(&[0; 32]).is_hidden());
    if granted("no network") {
        let interfaces = fs::read_to_string(format!("{process}/net/dev"));
        // Unreadable for whoever may not look into a process that is not dumpable.
        assert!(interfaces.is_ok_and(|text| text.lines().skip(2).all(|line| line.trim().starts_with("lo:"))));
    }
    assert!(granted("no core dumps") && granted("not dumpable"));
}

/// Another user cannot speak to it, even where the socket's mode would let him.
#[test]
fn another_user_is_not_answered() {
    let folder = Folder::new();
    let enclave = Enclave::start(&folder, &Settings::default());
    fs::set_permissions(&enclave.socket, fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o777)).unwrap();
    let script = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n\
        s.settimeout(5)\ns.sendall(bytes([0,0,0,3,1,1,1]))\nprint(len(s.recv(9)))";
    let ask = |user: &[&str]| {
        let mut command = Command::new(user[0]);
        command.args(&user[1..]).args(["/usr/bin/python3", "-c", script]).arg(&enclave.socket);
        let output = command.output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(ask(&["env"]).0, "9\n", "the owner is answered");
    if rustix::process::geteuid().is_root() {
        let (answer, error) = ask(&["setpriv", "--reuid=65534", "--clear-groups"]);
        let closed =
            answer == "0\n" || error.contains("ConnectionResetError") || error.contains("BrokenPipe");
        assert!(closed, "{answer} {error}");
    }
}

#[test]
fn it_ends_with_its_parent() {
    let folder = Folder::new();
    let mut enclave = Enclave::start(&folder, &Settings::default());
    drop(enclave.child.stdin.take());
    assert_eq!(enclave.child.wait().unwrap().code(), Some(0));
    // Nobody listens on the socket that is left behind; the next one takes it over.
    let enclave = Enclave::start(&folder, &Settings::default());
    expect!(enclave.call(&Request::Hello(Hello { env: enclave.env })), Welcome);
}
