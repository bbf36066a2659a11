//! The program with a TPM in software: what it makes, what it says, whom it answers, and what it leaves alone.

mod tpm;

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;
use tpm::{Tpm, appears};

const PROGRAM: &str = env!("CARGO_BIN_EXE_holdfast-counter");
/// The counter's index where nothing else is said, as a TPM writes it.
const INDEX: [u8; 4] = [0x01, 0x80, 0x48, 0x46];
/// `TPM_RS_PW` with an empty password (part 1, 19.4), behind its length.
const NO_PASSWORD: [u8; 13] = [0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0];
/// `TPM_RH_OWNER`.
const OWNER: [u8; 4] = [0x40, 0, 0, 1];

/// A TPM and a folder.
struct House {
    tpm: Tpm,
    // Removed last.
    folder: TempDir,
}

/// The program while it serves; ended when dropped.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program as somebody whom the modes of files bind: root they do not.
fn program() -> Command {
    if fs::metadata("/proc/self").expect("itself").uid() != 0 {
        return Command::new(PROGRAM);
    }
    let mut command = Command::new("setpriv");
    let modes = "-dac_override,-dac_read_search";
    command.args([format!("--bounding-set={modes}"), format!("--inh-caps={modes}"), PROGRAM.to_owned()]);
    command
}

/// What it says of a counter: its name, and how far it has come.
fn said(output: &Output) -> (String, u64) {
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let (name, value) =
        text.strip_prefix("counter ").and_then(|rest| rest.split_once(" is at ")).expect("so");
    assert!(name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{text}");
    (name.to_owned(), value.parse().expect("a number"))
}

/// It refuses, gives that reason, and says nothing else.
fn refuses(output: &Output, why: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.starts_with("holdfast-counter: ") && text.contains(why), "{text}");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{output:?}");
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

/// What the program answers on its socket; nothing where it closes the connection without.
fn asks(socket: &Path, question: &[u8]) -> Option<(String, u64)> {
    let mut stream = UnixStream::connect(socket).expect("it listens");
    stream.write_all(question).expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers or closes");
    let (name, value) = answer.split_first_chunk::<32>()?;
    let name = name.iter().fold(String::new(), |name, byte| name + &format!("{byte:02x}"));
    Some((name, u64::from_be_bytes(value.try_into().expect("eight bytes"))))
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { tpm: Tpm::start(folder.path(), "own"), folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn does(&self, words: &[&str]) -> Output {
        program().args(words).arg("--tpm").arg(&self.tpm.path).output().expect("it runs")
    }

    fn serve(&self, socket: &Path) -> Serving {
        let serving = Serving(self.serving(socket).stderr(Stdio::null()).spawn().expect("it runs"));
        appears(socket);
        serving
    }

    /// With everything allowed that the umask could forbid.
    fn serving(&self, socket: &Path) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "umask 0; exec \"$@\"", "sh", PROGRAM, "serve", "--tpm"]).arg(&self.tpm.path);
        command.arg("--socket").arg(socket);
        command
    }

    /// Has the TPM itself do something under the owner's password or the index's, which are empty (part 3).
    fn tells(&self, code: [u8; 4], handles: &[[u8; 4]], parameters: &[u8]) -> Vec<u8> {
        let body = [&code, handles.concat().as_slice(), &NO_PASSWORD, parameters].concat();
        let length = u32::try_from(body.len() + 6).expect("short");
        let command = [&[0x80, 0x02], length.to_be_bytes().as_slice(), &body].concat();
        let mut stream = UnixStream::connect(&self.tpm.path).expect("it listens");
        stream.write_all(&command).expect("it reads");
        let mut response = [0; 64];
        let length = stream.read(&mut response).expect("it answers");
        assert_eq!(response[6..10], [0; 4], "TPM_RC_SUCCESS");
        response[..length].to_vec()
    }

    /// Puts something else where the counter would be: `TPM2_NV_DefineSpace`.
    fn define_other(&self, attributes: [u8; 4], policy: &[u8]) {
        let sized =
            |bytes: &[u8]| [&u16::try_from(bytes.len()).expect("short").to_be_bytes(), bytes].concat();
        let public = [&INDEX, [0, 0x0b].as_slice(), &attributes, &sized(policy), &[0, 8]].concat();
        self.tells([0, 0, 1, 0x2a], &[OWNER], &[sized(&[]), sized(&public)].concat());
    }
}

#[test]
fn a_counter_is_made_once_and_stays() {
    let house = House::new();
    let socket = house.path("socket");
    refuses(&house.does(&["show"]), "the TPM refuses");
    let _serving = house.serve(&socket);
    assert_eq!((asks(&socket, &[0]), asks(&socket, &[1])), (None, None), "there is none");
    let (name, value) = said(&house.does(&["define"]));
    assert_eq!((value, said(&house.does(&["show"]))), (0, (name.clone(), 0)));
    assert_eq!(asks(&socket, &[1]), Some((name.clone(), 1)));
    refuses(&house.does(&["define"]), "the TPM refuses");
    assert_eq!(asks(&socket, &[0]), Some((name.clone(), 1)), "it is what it was");
    assert_eq!(said(&house.does(&["show"])), (name, 1));
}

#[test]
fn counters_of_one_tpm_know_nothing_of_each_other() {
    let house = House::new();
    let (first, second) = (house.path("first"), house.path("second"));
    let (name, _) = said(&house.does(&["define"]));
    let _serving = house.serve(&first);
    for value in 1..=3 {
        assert_eq!(asks(&first, &[1]), Some((name.clone(), value)));
    }
    let index = ["--index", "0x01804847"];
    let (other, value) = said(&house.does(&["define", index[0], index[1]]));
    assert_eq!(value, 0, "it begins where the TPM does not");
    assert_ne!(other, name);
    let _also = Serving(house.serving(&second).args(index).spawn().expect("it runs"));
    appears(&second);
    assert_eq!(asks(&second, &[1]), Some((other, 1)));
    assert_eq!(asks(&first, &[0]), Some((name, 3)));
    assert_eq!(house.does(&["show", "--index", "own"]).status.code(), Some(2));
}

#[test]
fn what_is_no_counter_of_ours_neither_speaks_nor_goes_up() {
    // Read and written without a password, and not locked out (part 2, 13.4): what has a name as ours have and is no
    // counter, and a counter that has none.
    for (attributes, name, is_counter) in
        [([0x02, 0x04, 0x00, 0x04], &[0; 32][..], false), ([0x02, 0x04, 0x00, 0x14], &[], true)]
    {
        let house = House::new();
        house.define_other(attributes, name);
        let read = || house.tells([0, 0, 1, 0x4e], &[INDEX; 2], &[0, 8, 0, 0]);
        if is_counter {
            house.tells([0, 0, 1, 0x34], &[INDEX; 2], &[]);
        } else {
            house.tells([0, 0, 1, 0x37], &[INDEX; 2], &[0, 8, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0]);
        }
        let before = read();
        let socket = house.path("socket");
        let _serving = house.serve(&socket);
        refuses(&house.does(&["show"]), "no counter of ours");
        assert_eq!((asks(&socket, &[0]), asks(&socket, &[1])), (None, None));
        assert_eq!(read(), before);
        refuses(&house.does(&["define"]), "the TPM refuses");
        assert_eq!(read(), before);
    }
}

#[test]
fn the_owner_of_a_tpm_says_whether_a_counter_is_made() {
    let house = House::new();
    // TPM2_HierarchyChangeAuth.
    house.tells([0, 0, 1, 0x29], &[OWNER], b"\0\x06secret");
    let file = house.path("password");
    let define = |text: &str| {
        fs::write(&file, text).expect("written");
        house.does(&["define", "--owner-password", file.to_str().expect("text")])
    };
    refuses(&house.does(&["define"]), "the TPM refuses");
    refuses(&define("other"), "the TPM refuses");
    mode(&file, 0);
    let unread = house.does(&["define", "--owner-password", file.to_str().expect("text")]);
    refuses(&unread, "cannot read the owner's password");
    refuses(&house.does(&["show"]), "the TPM refuses");
    mode(&file, 0o600);
    let made = said(&define("secret\n"));
    assert_eq!(said(&house.does(&["show"])), made, "to look takes no password");
}

#[test]
fn only_its_own_user_asks_it_and_whoever_listens_already_stays() {
    let house = House::new();
    let socket = house.path("socket");
    let made = said(&house.does(&["define"]));
    let first = house.serve(&socket);
    let about = fs::metadata(&socket).expect("it is there");
    assert_eq!(about.mode() & 0o777, 0o600, "whatever the umask");
    refuses(&house.serving(&socket).output().expect("it runs"), "another process listens on it");
    assert_eq!(asks(&socket, &[0]).as_ref(), Some(&made));
    drop(first);
    assert!(socket.exists() && UnixStream::connect(&socket).is_err(), "what is left of it");
    let _second = house.serve(&socket);
    assert_eq!(asks(&socket, &[0]), Some(made));
}

#[test]
fn what_it_may_not_touch_it_leaves_alone() {
    let house = House::new();
    said(&house.does(&["define"]));
    let serves = |socket: &Path| {
        let mut command = program();
        command.arg("serve").arg("--tpm").arg(&house.tpm.path).arg("--socket").arg(socket).output()
    };
    let file = house.path("file");
    fs::write(&file, "no socket").expect("written");
    refuses(&serves(&file).expect("it runs"), "cannot listen on the socket");
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "no socket");
    // Somebody listens who does not let this user ask.
    let (closed, folder) = (house.path("closed"), house.path("folder"));
    let listener = UnixListener::bind(&closed).expect("bound");
    mode(&closed, 0);
    refuses(&serves(&closed).expect("it runs"), "cannot listen on the socket");
    mode(&closed, 0o600);
    assert!(UnixStream::connect(&closed).is_ok(), "it still listens");
    drop(listener);
    fs::create_dir(&folder).expect("made");
    mode(&folder, 0o500);
    refuses(&serves(&folder.join("socket")).expect("it runs"), "cannot listen on the socket");
    mode(&house.tpm.path, 0);
    refuses(&house.does(&["show"]), "cannot speak to the TPM");
}

#[test]
fn whoever_asks_nothing_or_nonsense_keeps_nobody_from_asking() {
    let house = House::new();
    let socket = house.path("socket");
    let made = said(&house.does(&["define"]));
    let _serving = house.serve(&socket);
    assert_eq!(asks(&socket, &[2]), None);
    drop(UnixStream::connect(&socket).expect("it listens"));
    let _silent = UnixStream::connect(&socket).expect("it listens");
    assert_eq!(asks(&socket, &[0]), Some(made), "nothing has gone up");
}
