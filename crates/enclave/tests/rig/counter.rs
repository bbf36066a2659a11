//! A TPM in software, the program that keeps a counter in it, and a way between that and an enclave.

use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};
use std::thread;

use tpm::{Tpm, appears};

use super::*;

#[path = "../../../counter/tests/tpm/mod.rs"]
mod tpm;

/// A counter in a TPM of its own; both end when dropped.
pub struct TpmCounter {
    server: Option<Child>,
    tpm: Tpm,
    name: String,
    /// Where an enclave asks it.
    pub socket: PathBuf,
}

fn counter_program() -> Command {
    let path = program_path().with_file_name("holdfast-counter");
    assert!(path.exists(), "{} is not there: cargo build -p holdfast-counter", path.display());
    Command::new(path)
}

impl TpmCounter {
    /// Makes a TPM and a counter in it, and serves that.
    pub fn start(folder: &Folder, name: &str) -> Self {
        let (tpm, socket) = (Tpm::start(&folder.0, name), folder.path(&format!("{name}.counter")));
        run(counter_program().arg("define").arg("--tpm").arg(&tpm.path));
        let mut counter = Self { server: None, tpm, name: name.to_owned(), socket };
        counter.serve();
        counter
    }

    /// Serves it again.
    pub fn serve(&mut self) {
        let mut command = counter_program();
        command.arg("serve").arg("--tpm").arg(&self.tpm.path).arg("--socket").arg(&self.socket);
        self.server = Some(command.stderr(Stdio::null()).spawn().unwrap());
        appears(&self.socket);
    }

    /// It does not answer any more.
    pub fn away(&mut self) {
        let mut server = self.server.take().expect("it serves");
        server.kill().unwrap();
        server.wait().unwrap();
    }

    /// How far it has come.
    pub fn value(&self) -> u64 {
        let said = run(counter_program().arg("show").arg("--tpm").arg(&self.tpm.path));
        let said = String::from_utf8(said.stdout).unwrap();
        said.trim().rsplit_once(' ').and_then(|(_, value)| value.parse().ok()).expect("a number")
    }

    /// How an enclave is started with it.
    pub fn settings(&self) -> Settings {
        with(&self.socket)
    }
}

impl Drop for TpmCounter {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// How an enclave is started with the counter at that socket.
pub fn with(socket: &Path) -> Settings {
    Settings { extra: vec!["--counter".into(), socket.display().to_string()], ..Settings::default() }
}

/// The same, with what is given up.
pub fn giving_up(mut settings: Settings, count: u64) -> Settings {
    settings.extra.extend(["--give-up-to".into(), count.to_string()]);
    settings
}

/// What becomes of an increment on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It is done and answered.
    Open,
    /// It does not arrive.
    Shut,
    /// It is done, and the answer is lost.
    Mute,
    /// Somebody else's is done as well.
    Shared,
}

/// Stands before a counter.
pub struct Gate {
    /// Where an enclave asks it.
    pub socket: PathBuf,
    way: Arc<Mutex<Way>>,
}

impl Gate {
    pub fn before(counter: &TpmCounter, folder: &Folder) -> Self {
        let socket = folder.path(&format!("{}.gate", counter.name));
        let listener = UnixListener::bind(&socket).unwrap();
        let way = Arc::new(Mutex::new(Way::Open));
        let (to, its_way) = (counter.socket.clone(), Arc::clone(&way));
        thread::spawn(move || {
            for mut from in listener.incoming().map_while(Result::ok) {
                let mut question = [0];
                // Who goes away without asking has seen that somebody listens.
                if from.read_exact(&mut question).is_err() {
                    continue;
                }
                let way = if question == [1] { *its_way.lock().unwrap() } else { Way::Open };
                let times = [Way::Shut, Way::Open, Way::Shared].iter().position(|one| *one == way);
                let answers: Vec<_> = (0..times.unwrap_or(1)).map(|_| ask(&to, question)).collect();
                // An enclave that was killed meanwhile takes no answer.
                if let Some(answer) = answers.last().filter(|_| way != Way::Mute) {
                    let _ = from.write_all(answer);
                }
            }
        });
        Self { socket, way }
    }

    /// From now on.
    pub fn set(&self, way: Way) {
        *self.way.lock().unwrap() = way;
    }
}

fn ask(counter: &Path, question: [u8; 1]) -> Vec<u8> {
    let mut stream = UnixStream::connect(counter).unwrap();
    stream.write_all(&question).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}
