//! A passphrase, from a file or from a terminal that does not show it; never from the command line, which others read.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

use client::Secret;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::connection::usage;
use crate::exit::Exit;
use crate::failure::{Doing as _, Failure};
use crate::input::read_at_most;

/// No passphrase is longer.
const BYTES_MAX: u64 = 4 * 1024;

/// The first line of the file; without one, what somebody types behind `question`.
pub fn read(file: Option<&Path>, question: &str) -> Result<Secret, Failure> {
    let line = match file {
        Some(path) => Zeroizing::new(read_at_most(path, BYTES_MAX).map_err(|fault| fault.exit(Exit::Local))?),
        None => ask(question)?,
    };
    let first = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(Secret::from(first.strip_suffix(b"\r").unwrap_or(first)))
}

fn ask(question: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(usage(format!("{question}: there is no terminal to ask on"))
            .next("give --passphrase-file FILE, a file that nobody else may read"));
    }
    let doing = || "cannot read a passphrase from the terminal";
    let silence = Silence::begin().doing(doing)?;
    // What cannot be shown is not waited for: an end of the input ends the question too.
    let _ = write!(std::io::stderr().lock(), "{question}: ").and_then(|()| std::io::stderr().flush());
    // Reserved at once: a buffer that grows leaves copies behind.
    let mut line = Zeroizing::new(Vec::with_capacity(usize::try_from(BYTES_MAX).unwrap_or(usize::MAX)));
    let read = stdin.lock().read_until(b'\n', &mut line);
    drop(silence);
    let _ = writeln!(std::io::stderr().lock());
    read.doing(doing).map(|_| line)
}

/// As long as it lives, the terminal does not show what is typed.
struct Silence(Termios);

impl Silence {
    fn begin() -> rustix::io::Result<Self> {
        let before = tcgetattr(std::io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // Where the terminal is gone, nobody needs it as it was.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}
