//! `holdfast-counter`: a counter in a TPM 2.0, and a socket on which an enclave asks it.
//!
//! A counter goes up and never back, whatever is put back on a disk. The enclave counts what it lets out, and so knows an
//! old copy of its own state. Nothing of a TPM is in the enclave: it asks here, one byte and an answer to a connection.
//!
//! The byte is 0 to look, 1 to go up by one first. The answer is the counter's name, 32 bytes, and how far it has come, 8
//! bytes, big-endian. Where there is none, the connection is closed without.

mod tpm;

use std::fmt::Display;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::tpm::{Count, Place};

/// How long whoever is connected may take to ask, and to take the answer: the next one waits for it.
const STALL_MAX: Duration = Duration::from_millis(500);

/// Why something was not done, for a person.
#[derive(Debug)]
pub struct Failure(String);

fn failed<E: Display>(doing: &str) -> impl Fn(E) -> Failure {
    move |cause| Failure(format!("{doing}: {cause}"))
}

/// Keeps a counter in a TPM, by which an enclave knows an old copy of its state.
#[derive(Debug, Parser)]
#[command(name = "holdfast-counter", version)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Makes the counter, at 0; what has its index already stays.
    Define {
        #[command(flatten)]
        place: Place,
        /// The file with the password of the TPM's owner, where it has one.
        #[arg(long, value_name = "FILE")]
        owner_password: Option<PathBuf>,
    },
    /// Says how far the counter has come.
    Show {
        #[command(flatten)]
        place: Place,
    },
    /// Answers an enclave, which alone may ask: the socket is for this user only.
    Serve {
        #[command(flatten)]
        place: Place,
        /// The socket that the enclave is told by `--counter`.
        #[arg(long, value_name = "PATH")]
        socket: PathBuf,
    },
}

fn main() -> ExitCode {
    match act(Cli::parse().what) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(text)) => {
            say(&text);
            ExitCode::FAILURE
        }
    }
}

/// One line for the operator's log.
fn say(text: &str) {
    // Nobody reads standard error any more: nothing to be done about it.
    let _ = writeln!(io::stderr(), "holdfast-counter: {text}");
}

fn act(what: What) -> Result<(), Failure> {
    match what {
        What::Define { place, owner_password } => {
            let password = owner_password.map(fs::read).transpose();
            let password = password.map_err(failed("cannot read the owner's password"))?.unwrap_or_default();
            show(&place.define(password.trim_ascii_end())?)
        }
        What::Show { place } => show(&place.count(false)?),
        What::Serve { place, socket } => {
            let listener = listen(&socket).map_err(failed("cannot listen on the socket"))?;
            for stream in listener.incoming() {
                let answered =
                    stream.map_err(failed("cannot accept")).and_then(|stream| answer(&place, stream));
                if let Err(Failure(text)) = answered {
                    say(&text);
                }
            }
            Ok(())
        }
    }
}

fn show(count: &Count) -> Result<(), Failure> {
    let name = count.counter.iter().fold(String::new(), |name, byte| name + &format!("{byte:02x}"));
    writeln!(io::stdout(), "counter {name} is at {}", count.value).map_err(failed("cannot say"))
}

/// Listens for this user alone. A socket that nobody listens on is taken over; anything else that is there stays.
fn listen(path: &Path) -> io::Result<UnixListener> {
    match UnixStream::connect(path) {
        Ok(_) => return Err(io::Error::other("another process listens on it")),
        // A file of another kind refuses as a socket does that nobody listens on.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            if fs::metadata(path)?.file_type().is_socket() {
                fs::remove_file(path)?;
            }
        }
        Err(_) => {}
    }
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    UnixListener::bind(path)
}

fn answer(place: &Place, mut stream: UnixStream) -> Result<(), Failure> {
    let mut question = [0];
    let timeouts = [stream.set_read_timeout(Some(STALL_MAX)), stream.set_write_timeout(Some(STALL_MAX))];
    timeouts.into_iter().collect::<io::Result<()>>().map_err(failed("cannot limit the time"))?;
    // Whoever only looks whether somebody listens asks nothing.
    if stream.read(&mut question).map_err(failed("nothing is asked"))? == 0 {
        return Ok(());
    }
    let count = match question {
        [0] => place.count(false)?,
        [1] => place.count(true)?,
        _ => return Err(Failure("what is asked is neither to look nor to go up".to_owned())),
    };
    let answer = [count.counter.as_slice(), &count.value.to_be_bytes()].concat();
    stream.write_all(&answer).map_err(failed("cannot answer"))
}
