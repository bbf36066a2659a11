//! A mail server, as other people wrote one.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::Value;
use server::config::{MailSecurity, MailSettings};

use crate::foreign::{openssl, python_program};

const PROGRAM: &str = include_str!("mail.py");

/// How long a mail may be on its way. Nothing is asserted about how long it was.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a mail server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailMode {
    /// It takes what comes, without TLS.
    Plain,
    /// The same, once TLS was asked for.
    StartTls,
    /// The same, with TLS from the first byte on.
    Tls,
    /// It knows nobody.
    Refuse,
    /// It says nothing.
    Hang,
}

/// A running mail server, ended with the test.
pub struct MailSink {
    child: Child,
    port: u16,
    mails: Receiver<Value>,
    ca_file: PathBuf,
}

impl MailSink {
    /// Starts one on a free port; its certificate, and the authority that vouches for it, are made in this folder.
    pub fn start(mode: MailMode, folder: &Path) -> Self {
        Self::at(mode, 0, folder)
    }

    /// Another of the same port, after the one before.
    #[must_use]
    pub fn replaced_by(mut self, mode: MailMode, folder: &Path) -> Self {
        self.end();
        Self::at(mode, self.port, folder)
    }

    fn at(mode: MailMode, port: u16, folder: &Path) -> Self {
        let (certificate, key) = (folder.join("mail.pem"), folder.join("mail.key"));
        let word = match mode {
            MailMode::Plain => "plain",
            MailMode::StartTls => "starttls",
            MailMode::Tls => "tls",
            MailMode::Refuse => "refuse",
            MailMode::Hang => "hang",
        };
        let has_tls = matches!(mode, MailMode::StartTls | MailMode::Tls);
        if has_tls {
            certify(folder);
        }
        let shown = |path: &Path| if has_tls { path.display().to_string() } else { String::new() };
        let mut command = Command::new(python_program());
        command.args(["-c", PROGRAM, word, &port.to_string(), &shown(&certificate), &shown(&key)]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child =
            command.spawn().expect("python is installed: `scripts/test` installs what is missing");
        let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        out.read_line(&mut line).expect("a line");
        let port = line.trim().parse().unwrap_or_else(|_| {
            unreachable!("the mail server does not start: `scripts/test` installs what is missing ({line:?})")
        });
        let (sender, mails) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(serde_json::from_str(&line).expect("JSON")).is_err() {
                    return;
                }
            }
        });
        Self { child, port, mails, ca_file: folder.join("mail-ca.pem") }
    }

    /// The settings of whoever sends mail to it.
    pub fn settings(&self, security: MailSecurity) -> MailSettings {
        MailSettings {
            host: "localhost".to_owned(),
            port: self.port,
            security,
            ca_file: (security != MailSecurity::None).then(|| self.ca_file.clone()),
            login: None,
            from: "Holdfast <control@holdfast.example>".parse().expect("an address"),
            patience: PATIENCE,
        }
    }

    /// The next mail that it took. The test's runtime must have more than one thread.
    pub fn mail(&mut self) -> Value {
        tokio::task::block_in_place(|| self.mails.recv_timeout(PATIENCE)).expect("a mail comes")
    }

    /// Whether nothing came by now.
    pub fn is_empty(&self) -> bool {
        self.mails.recv_timeout(Duration::from_millis(300)) == Err(RecvTimeoutError::Timeout)
    }

    /// Ends it at once.
    pub fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.child.wait().expect("an end");
    }
}

impl Drop for MailSink {
    fn drop(&mut self) {
        self.end();
    }
}

/// A certificate for `localhost`, and an authority that vouches for it.
fn certify(folder: &Path) {
    std::fs::write(folder.join("mail.ext"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n")
        .expect("a file");
    for line in [
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=Authority -keyout mail-ca.key -out mail-ca.pem",
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout mail.key -out mail.csr",
        "x509 -req -in mail.csr -CA mail-ca.pem -CAkey mail-ca.key -CAcreateserial -days 2 -extfile mail.ext -out mail.pem",
    ] {
        openssl(folder, &line.split(' ').collect::<Vec<_>>(), b"");
    }
}
