//! `holdfast-unseal`: a holder that is a machine. Its share is encrypted by a key in a PKCS#11 token, and is given to a
//! sealed enclave whenever there is one.
//!
//! Nothing of it is in the enclave, to which it is a holder as any other: with a threshold of three it opens alone only if
//! it was given three shares.

mod token;

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::{Parser, Subcommand};
use holder::door::Door;
use holder::{Env, Purpose, Share, Wire as _, paper};
use zeroize::Zeroizing;

use crate::token::{Place, Token};

/// How often it is looked whether the enclave is sealed.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The largest share, typed or wrapped, that is read, in bytes.
const SHARE_BYTES_MAX: u64 = 64 * 1024;

/// Why something was not done, for a person.
pub struct Failure(String);

impl From<holder::Fault> for Failure {
    fn from(fault: holder::Fault) -> Self {
        Self(fault.to_string())
    }
}

/// Gives a share that only a PKCS#11 token can read, so that an enclave opens without people.
#[derive(Debug, Parser)]
#[command(name = "holdfast-unseal", version)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Encrypts a share within the token; a key is made there, which cannot leave it, if there is none yet.
    Wrap {
        #[command(flatten)]
        place: Place,
        /// The decrypted share; `-` reads it from standard input.
        #[arg(long, value_name = "FILE")]
        share: PathBuf,
        /// Where the encrypted share goes; what is there already stays.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Looks every few seconds, and gives its shares to the enclave while it is sealed.
    Run {
        #[command(flatten)]
        place: Place,
        /// The enclave's socket.
        #[arg(long, value_name = "PATH")]
        socket: PathBuf,
        /// The environment that it must be of.
        #[arg(long, default_value = "production", value_parser = environment)]
        env: Env,
        /// An encrypted share; several give several.
        #[arg(long, value_name = "FILE", required = true)]
        wrapped: Vec<PathBuf>,
        /// Gives them once and ends.
        #[arg(long)]
        once: bool,
    },
}

fn environment(word: &str) -> Result<Env, String> {
    Env::parse(word).ok_or_else(|| "neither production nor sandbox".to_owned())
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
    let _ = writeln!(io::stderr(), "holdfast-unseal: {text}");
}

fn act(what: What) -> Result<(), Failure> {
    match what {
        What::Wrap { place, share, out } => wrap(&Token::open(&place)?, &share, &out),
        What::Run { place, socket, env, wrapped, once } => {
            let door = Door { socket, env };
            loop {
                // A token that is away, or an enclave, may come back.
                match give(&door, &place, &wrapped) {
                    Err(failure) if once => return Err(failure),
                    Err(Failure(text)) => say(&text),
                    Ok(()) if once => return Ok(()),
                    Ok(()) => {}
                }
                thread::sleep(LOOK_EVERY);
            }
        }
    }
}

fn wrap(token: &Token, share: &Path, out: &Path) -> Result<(), Failure> {
    let text = read(share)?;
    let text = str::from_utf8(&text).map_err(|_| Failure("this is no share".to_owned()))?;
    let bytes = Zeroizing::new(paper::read(text)?.to_bytes());
    let wrapped = token.wrap(&bytes)?;
    if *token.unwrap(&wrapped)? != *bytes {
        return Err(Failure("the token gives back something else than it was given".to_owned()));
    }
    let doing = |cause| Failure(format!("cannot write {}: {cause}", out.display()));
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(out).map_err(doing)?;
    file.write_all(&wrapped).and_then(|()| file.sync_all()).map_err(doing)
}

/// Gives the shares, if the enclave is sealed and asks for them.
fn give(door: &Door, place: &Place, wrapped: &[PathBuf]) -> Result<(), Failure> {
    let standing = door.stand()?;
    if standing.open.is_some() || standing.current.is_none() {
        return Ok(());
    }
    let token = Token::open(place)?;
    for path in wrapped {
        let bytes = token.unwrap(&read(path)?)?;
        let share =
            Share::from_bytes(&bytes).map_err(|_| Failure("what was wrapped is no share".to_owned()))?;
        let given = door.give_share(&Purpose::Unseal, &share)?;
        say(&format!("{} of {} shares are there", given.given, given.threshold));
        if given.done {
            break;
        }
    }
    Ok(())
}

/// A file's bytes, or those of standard input for `-`.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let doing = |cause: io::Error| Failure(format!("cannot read {}: {cause}", path.display()));
    let mut bytes = Zeroizing::new(Vec::new());
    let mut source: Box<dyn io::Read> = match path {
        path if path == Path::new("-") => Box::new(io::stdin()),
        path => Box::new(fs::File::open(path).map_err(doing)?),
    };
    source.by_ref().take(SHARE_BYTES_MAX).read_to_end(&mut bytes).map_err(doing)?;
    Ok(bytes)
}
