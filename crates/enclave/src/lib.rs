//! The trusted process: makes, seals and uses customers' private keys, and releases only on proof.
//!
//! What is given up first, when something must give: speed, then availability; never a release to the wrong
//! person, and never a store that cannot be recovered.
//!
//! The server on the other side of the socket is not believed. A request is answered on what the enclave sealed
//! itself, on signatures under keys it was started with, and on its own clock and log; nothing else changes a
//! decision except to make it a no. Read in this order: [`service`] (the socket), [`assign`], [`check`],
//! [`session`], [`evidence`], [`release`], [`amend`], [`ballot`], [`attach`], [`package`], [`mark`], [`counter`], [`cosign`], [`record`], [`reseal`], and below them [`state`] and [`log`], [`seal`], [`root`],
//! [`generate`], [`openpgp`], [`secret`], [`digest`], [`clock`], [`guard`]. [`vault`] and [`shamir`] bring the
//! root key in when it lies with holders of shares. [`ceremony`] is the same program on a
//! machine without a network, [`cold`] the online side of that.

#![expect(
    clippy::disallowed_methods,
    reason = "a clock or a source of chance that can be passed in would be a door into the trusted core"
)]

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use boundary::Env;
use boundary::message::KeyType;
use boundary::policy::{RETAIL_WINDOW_DEFAULT_S, RETAIL_WINDOW_RANGE_S};

use crate::seal::Home;
use crate::service::{Enclave, Gate, Opener, ensure, note};

mod amend;
mod assign;
mod attach;
mod ballot;
mod ceremony;
mod check;
mod clock;
mod cold;
mod cosign;
mod counter;
mod digest;
mod evidence;
mod freeze;
mod generate;
mod guard;
mod judge;
mod log;
mod mark;
mod openpgp;
mod package;
mod policy;
mod prove;
mod record;
mod release;
mod reseal;
mod reset;
mod rewrap;
mod root;
mod seal;
mod secret;
mod service;
mod session;
mod shamir;
mod state;
#[cfg(holdfast_check_switch)]
mod switch;
mod tar;
mod vault;
#[cfg(test)]
mod wycheproof;

const USAGE: &str = "usage:
  serve --socket PATH --state DIR --env sandbox|production [--provider FILE]... [--offline-key FILE]...
        [--allow-uid N] [--recovery-limits on|off] [--retail-window-s N] [--root shares|disk|to-shares]
        [--counter SOCKET] [--give-up-to N] [--end-with-stdin]
  init  --state DIR --env sandbox|production [--root disk]
  offline-key --state DIR --env sandbox|production [--socket PATH]
  batch --state DIR --env sandbox|production --out FILE --rsa N --secp256k1 N --ed25519 N
        [--socket PATH] [--counter SOCKET] [--give-up-to N]
  batch --state DIR --env sandbox|production --in DIR --out DIR
        [--socket PATH] [--counter SOCKET] [--give-up-to N]
`offline-key` and `batch` wait at their socket for the holders of the root key's shares.";

/// Those of `serve`.
const SERVE_OPTIONS: &str = "--socket --state --env --provider --offline-key --allow-uid --recovery-limits --retail-window-s \
    --give-up-to --root --counter --end-with-stdin";
const END_WITH_STDIN: &str = "--end-with-stdin";

/// Runs one of the enclave's commands; `args` are those after the program's name.
pub fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.collect();
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        // Nobody reads standard output any more: nothing to be done about it.
        let _ = writeln!(io::stdout(), "{USAGE}");
        return ExitCode::SUCCESS;
    }
    match start(args.into_iter()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("enclave: {error}");
            let fault = error.get_ref().and_then(|cause| cause.downcast_ref::<ceremony::Fault>());
            fault.map_or(ExitCode::FAILURE, |fault| ExitCode::from(fault.0))
        }
    }
}

fn start(mut args: impl Iterator<Item = OsString>) -> io::Result<()> {
    let command = args.next().and_then(|word| word.into_string().ok()).unwrap_or_default();
    let known = match command.as_str() {
        "serve" => SERVE_OPTIONS,
        "init" => "--state --env --root",
        "offline-key" => "--state --env --socket",
        "batch" => "--state --env --socket --in --out --rsa --secp256k1 --ed25519 --counter --give-up-to",
        _ => return Err(io::Error::other(USAGE)),
    };
    let options = Options::read(args, known)?;
    let dir = PathBuf::from(options.one("--state")?);
    let env = Env::parse(options.one("--env")?)
        .ok_or_else(|| io::Error::other("--env is neither sandbox nor production"))?;
    match command.as_str() {
        "serve" => serve(&options, &dir, env),
        "init" if root_on_disk(&options, &dir, env)? => root::init(&dir, env),
        "init" => Err(io::Error::other(NO_ROOT)),
        _ => sit(&options, &dir, env, &command),
    }
}

/// `--name value` pairs; of `--end-with-stdin` the value is empty.
struct Options(Vec<(String, String)>);

impl Options {
    fn read(args: impl Iterator<Item = OsString>, known: &str) -> io::Result<Self> {
        let mut pairs = Vec::new();
        let mut words =
            args.map(|word| word.into_string().map_err(|_| io::Error::other("an argument is not UTF-8")));
        while let Some(name) = words.next().transpose()? {
            ensure(known.split(' ').any(|known| known == name), io::Error::other(USAGE))?;
            let value =
                if name == END_WITH_STDIN { Some(String::new()) } else { words.next().transpose()? };
            pairs.push((
                name.clone(),
                value.ok_or_else(|| io::Error::other(format!("{name} needs a value")))?,
            ));
        }
        Ok(Self(pairs))
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn maybe<'a>(&'a self, name: &'a str) -> io::Result<Option<&'a str>> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(io::Error::other(format!("{name} is given twice"))),
        }
    }

    fn one<'a>(&'a self, name: &'a str) -> io::Result<&'a str> {
        self.maybe(name)?.ok_or_else(|| io::Error::other(format!("{name} is missing\n{USAGE}")))
    }

    fn either<'a>(&'a self, name: &'a str, yes: &str, no: &str) -> io::Result<Option<bool>> {
        let Some(word) = self.maybe(name)? else { return Ok(None) };
        ensure(word == yes || word == no, io::Error::other(format!("{name} is neither {yes} nor {no}")))?;
        Ok(Some(word == yes))
    }

    fn number<'a, N: FromStr>(&'a self, name: &'a str) -> io::Result<Option<N>> {
        let parse =
            |text: &str| text.parse().map_err(|_| io::Error::other(format!("{name} is not a number")));
        self.maybe(name)?.map(parse).transpose()
    }
}

/// What is said where the root key is not where it should be, and to whom would put it there.
const NO_ROOT: &str = "root.key is there with --root disk, offline without --socket; it is not there where holders \
    have it: say --root shares, offline --socket PATH, and run `holdfast ceremony init`, then `unseal` or `hold`";

/// Whether the root key lies on the disk: a sandbox's does, production's only where that is said. One that is to go to
/// holders does until it has.
fn root_on_disk(options: &Options, dir: &Path, env: Env) -> io::Result<bool> {
    if options.maybe("--root")? == Some("to-shares") {
        return Ok(dir.join(root::ROOT_FILE).exists());
    }
    Ok(options.either("--root", "disk", "shares")?.unwrap_or(env == Env::Sandbox))
}

/// The state directory, for this process alone, with the root key where it is said to be. A sandbox makes its own keys at
/// its first start; production's are made on purpose, once.
fn directory(dir: &Path, env: Env, on_disk: bool) -> io::Result<File> {
    let [is_made, is_on_disk] = [root::SIGNING_FILE, root::ROOT_FILE].map(|name| dir.join(name).exists());
    match (on_disk, env) {
        (true, Env::Sandbox) if !is_made => root::init(dir, env)?,
        (true, _) if !is_made => {
            return Err(io::Error::other("the state directory is not initialised; run init first"));
        }
        _ if is_on_disk != on_disk => return Err(io::Error::other(NO_ROOT)),
        (true, _) => {}
        (false, _) => root::make_directory(dir)?,
    }
    guard::lock_directory(dir)
}

/// The identity providers of the files that are named.
fn providers(options: &Options, env: Env) -> io::Result<Vec<evidence::Provider>> {
    let mut providers = Vec::new();
    for path in options.all("--provider") {
        let text = zeroize::Zeroizing::new(std::fs::read_to_string(path)?);
        let provider = evidence::Provider::parse(&text, env).map_err(io::Error::other)?;
        let is_new = providers.iter().all(|other: &evidence::Provider| other.name != provider.name);
        ensure(is_new, io::Error::other("two providers have one name"))?;
        providers.push(provider);
    }
    Ok(providers)
}

/// What opens the enclave of these options with a root key.
fn opener(options: &Options, dir: &Path, env: Env, home: Home, granted: Vec<String>) -> io::Result<Opener> {
    let recovery_limits = options.either("--recovery-limits", "on", "off")?.unwrap_or(env == Env::Production);
    let retail_window_s = options.number("--retail-window-s")?.unwrap_or(RETAIL_WINDOW_DEFAULT_S);
    let beyond = io::Error::other(format!("--retail-window-s is not within {RETAIL_WINDOW_RANGE_S:?}"));
    ensure(RETAIL_WINDOW_RANGE_S.contains(&retail_window_s), beyond)?;
    let providers = providers(options, env)?;
    let mut offline_keys = Vec::new();
    for path in options.all("--offline-key") {
        let text = std::fs::read_to_string(path)?;
        let key = text.lines().next().and_then(digest::unhex).filter(|key| key.len() == 32);
        offline_keys
            .push(key.ok_or_else(|| io::Error::other("an offline key is not 32 bytes of hexadecimal"))?);
    }
    let give_up_to = options.number("--give-up-to")?;
    let counter = options.maybe("--counter")?.map(PathBuf::from);
    let state = dir.to_owned();
    let is_old = Arc::default();
    Ok(Box::new(move |root: &_| {
        let root::Opened { mut keyring, assignment, receipt } = root::open_with(&state, env, root)?;
        keyring.home = home;
        let ledger = log::Ledger::open(&state, &keyring)?;
        let generator = generate::Generator::start()?;
        let enclave = Enclave {
            keyring: keyring.in_generations(ledger.find(|state| state.generations.clone())),
            assignment,
            receipt,
            providers: providers.clone(),
            offline_keys: offline_keys.clone(),
            recovery_limits,
            retail_window_s,
            is_old: Arc::clone(&is_old),
            give_up_to,
            counter: counter.clone().map(Mutex::new),
            ledger,
            generator,
            protections: granted.clone(),
        };
        if home == Home::Cold {
            ceremony::settle(&state, &enclave.keyring)?;
        }
        // Where it is away, it is asked before anything leaves.
        let _ = counter::settle(&enclave, true);
        Ok(enclave)
    }))
}

fn serve(options: &Options, dir: &Path, env: Env) -> io::Result<()> {
    let own_uid = rustix::process::geteuid().as_raw();
    let peer = options.number("--allow-uid")?.filter(|&uid| uid != own_uid);
    let protections = guard::protect(peer.is_none());
    let on_disk = root_on_disk(options, dir, env)?;
    let leaves_disk = options.maybe("--root")? == Some("to-shares");
    let _directory = directory(dir, env, on_disk)?;
    let is_offline = dir.join(root::OFFLINE_FILE).exists();
    let home = if is_offline { Home::Cold } else { Home::Hot };
    let opener = opener(options, dir, env, home, protections)?;
    let gate = Arc::new(Gate::new(env, vault::Vault::at(dir, env, leaves_disk, None), is_offline, opener));
    if on_disk {
        gate.unlock(&root::read_root(dir)?)?;
    }
    let listener = guard::listen(Path::new(options.one("--socket")?), peer)?;
    if options.maybe(END_WITH_STDIN)?.is_some() {
        std::thread::Builder::new().name("stdin".into()).spawn(|| {
            // Whatever ends the reading, the parent is gone. All that was answered is on the disk.
            let _ = io::copy(&mut io::stdin(), &mut io::sink());
            std::process::exit(0);
        })?;
    }
    println!("ready");
    io::stdout().flush()?;
    service::serve(&gate, &listener, &[own_uid].into_iter().chain(peer).collect::<Vec<_>>())
}

/// An offline enclave, open, and its directory, held for this process alone. A root key that is not on the disk is brought
/// by the holders of its shares, who open for this bundle alone where there is one; where there is no root key yet, they may
/// have it made.
fn offline(options: &Options, dir: &Path, env: Env, sitting: vault::Sitting) -> io::Result<(File, Enclave)> {
    guard::protect(true);
    let opener = opener(options, dir, env, Home::Cold, Vec::new())?;
    let socket = options.maybe("--socket")?;
    let directory = directory(dir, env, socket.is_none())?;
    let Some(socket) = socket else { return Ok((directory, opener(&root::read_root(dir)?)?)) };
    let listener = guard::listen(Path::new(socket), None)?;
    note("sealed", &format!("the holders of shares are waited for at {socket}"));
    let gate = Gate::new(env, vault::Vault::at(dir, env, false, sitting), true, opener);
    Ok((directory, gate.opened(&listener, rustix::process::geteuid().as_raw())?))
}

/// What is done offline: a bundle is answered, keys are made, or no more than that the enclave is introduced.
fn sit(options: &Options, dir: &Path, env: Env, command: &str) -> io::Result<()> {
    let bundle = options.maybe("--in")?.map(ceremony::read).transpose()?;
    let (_directory, enclave) = offline(options, dir, env, bundle.as_ref().map(|(hash, _)| *hash))?;
    if command == "offline-key" {
        return ceremony::Offline::open(dir, enclave).map(drop);
    }
    counter::settle(&enclave, false)
        .map_err(|_| io::Error::other("the counter does not vouch for the log"))?;
    let offline = ceremony::Offline::open(dir, enclave)?;
    let out = Path::new(options.one("--out")?);
    if let Some((_, bundle)) = bundle {
        return offline.answer(&bundle, out);
    }
    let mut kinds = Vec::new();
    for (name, kind) in
        [("--rsa", KeyType::Rsa4096), ("--secp256k1", KeyType::Secp256k1), ("--ed25519", KeyType::Ed25519)]
    {
        kinds.extend(std::iter::repeat_n(kind, options.number(name)?.unwrap_or(0)));
    }
    offline.batch(&kinds, out)
}
