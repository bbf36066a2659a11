//! One installation in one folder: the server and the enclave, each a process that can be killed alone.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::rig::chance::Chance;
use crate::rig::group::{Group, PROGRAM, now, wait_for};

/// Whoever is not ready by then never will be.
const READY_PATIENCE: Duration = Duration::from_mins(1);
/// Outside of the ports that systems give to whoever asks for any, so that it is still free after a restart.
const PORTS: (usize, usize) = (20_000, 12_000);

/// How an installation is set up.
pub struct Setup<'a> {
    /// Everything is in it.
    pub folder: &'a Path,
    /// Empty for `SQLite`, else the address of a `PostgreSQL` database.
    pub database: &'a str,
    /// The stock of RSA keys.
    pub rsa_keys: u64,
}

/// The processes, and where they are.
pub struct Installation {
    folder: PathBuf,
    address: SocketAddr,
    server: Option<Child>,
    enclave: Option<Child>,
    group: Group,
}

impl Installation {
    /// Writes the settings; starts nothing.
    pub fn new(setup: &Setup<'_>, chance: &mut Chance) -> Self {
        let Setup { folder, database, rsa_keys } = setup;
        let address = free_address(chance);
        let data = data_dir(folder);
        let settings = format!(
            "environment = 'sandbox'\nlisten = '{address}'\ndata_dir = '{}'\ndatabase = '{database}'\n\
             enclave_socket = '{}'\nsimulator_file = '{}'\n\
             [pool]\nrsa4096 = {rsa_keys}\nsecp256k1 = 48\ned25519 = 48\n\
             [limits]\ncalls_per_s = 1000000\nfailures_per_min = 1000000\n\
             # Two of them run at once, and the usual port is one.\n[metrics]\nlisten = ''\n",
            data.display(),
            data.join("enclave.sock").display(),
            data.join("simulator.provider").display(),
        );
        fs::write(folder.join("holdfast.toml"), settings).expect("the settings");
        Self { folder: folder.to_path_buf(), address, server: None, enclave: None, group: Group::new() }
    }

    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn start_server(&mut self) {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--config"]).arg(self.folder.join("holdfast.toml"));
        command.stdin(Stdio::null()).env_remove("RUST_LOG");
        self.server = Some(self.group.start(&mut command, &self.folder.join("server.log")));
    }

    pub fn start_enclave(&mut self) {
        let data = data_dir(&self.folder);
        let mut command = Command::new(PROGRAM);
        command.args(["enclave", "serve", "--env", "sandbox", "--end-with-stdin", "--socket"]);
        command.arg(data.join("enclave.sock")).arg("--state").arg(data.join("enclave"));
        command.arg("--provider").arg(data.join("simulator.provider"));
        let offline = data.join("offline.pub");
        if offline.exists() {
            command.arg("--offline-key").arg(offline);
        }
        command.stdin(Stdio::piped());
        self.enclave = Some(self.group.start(&mut command, &self.folder.join("enclave.log")));
    }

    /// Starts what does not run, and returns how long it took until calls were served.
    pub fn start(&mut self) -> Duration {
        let begun = now();
        self.start_missing();
        self.wait_until_ready();
        now().duration_since(begun)
    }

    /// Starts what does not run, and does not wait for it.
    pub fn start_missing(&mut self) {
        if self.enclave.is_none() {
            self.start_enclave();
        }
        if self.server.is_none() {
            self.start_server();
        }
    }

    pub fn wait_until_ready(&mut self) {
        wait_for("readiness", READY_PATIENCE, || {
            for (name, child) in [("server", &mut self.server), ("enclave", &mut self.enclave)] {
                let ended = child.as_mut().and_then(|child| child.try_wait().expect("a child"));
                assert!(ended.is_none(), "the {name} ended by itself:\n{}", last_lines(&self.folder, name));
            }
            is_ready(self.address).then_some(())
        });
    }

    /// SIGKILL: not a word of farewell.
    pub fn kill_server(&mut self) {
        kill(&mut self.server);
    }

    /// SIGKILL: not a word of farewell.
    pub fn kill_enclave(&mut self) {
        kill(&mut self.enclave);
    }

    /// Ends both as an operator would, the server first.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let told = Command::new("kill").args(["-TERM", &server.id().to_string()]).status();
            assert!(told.expect("kill runs").success());
            assert!(server.wait().expect("an end").success(), "{}", last_lines(&self.folder, "server"));
        }
        if let Some(mut enclave) = self.enclave.take() {
            drop(enclave.stdin.take());
            assert!(enclave.wait().expect("an end").success(), "{}", last_lines(&self.folder, "enclave"));
        }
    }

    /// What the processes said last, for whoever must find out what went wrong.
    pub fn last_words(&self) -> String {
        ["server", "enclave"].map(|name| last_lines(&self.folder, name)).join("\n")
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        self.kill_server();
        self.kill_enclave();
    }
}

/// The server's folder.
pub fn data_dir(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn kill(child: &mut Option<Child>) {
    if let Some(mut child) = child.take() {
        let _ = child.kill();
        child.wait().expect("a killed child");
    }
}

fn free_address(chance: &mut Chance) -> SocketAddr {
    let (first, count) = PORTS;
    loop {
        let port = u16::try_from(first + chance.below(count)).expect("a port");
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

fn is_ready(address: SocketAddr) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200"))
}

fn last_lines(folder: &Path, name: &str) -> String {
    let text = fs::read_to_string(folder.join(format!("{name}.log"))).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    format!("-- {name}\n{}", lines[lines.len().saturating_sub(30)..].join("\n"))
}
