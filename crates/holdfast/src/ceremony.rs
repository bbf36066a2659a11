//! `holdfast ceremony`: the root key of a production enclave, split among people, and how they bring it back.

mod cold;
mod qr;
mod retire;
mod tell;

pub use self::cold::key_of;
pub use self::qr::carry;

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Subcommand;
use holder::door::{self, Door, PrinterKey};
use holder::{Begun, Ceremony, Dealt, Env, Holder, Plan, Purpose, Share, Wire as _, paper};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use serde_json::json;
use zeroize::Zeroizing;

use self::tell::{code_of, hex};
use crate::failure::{Doing as _, Failure};
use crate::page::{Page, print_failure};
use crate::sandbox;

/// The largest file of a share, a certificate or a question that is read, in bytes.
const FILE_BYTES_MAX: u64 = 128 * 1024;
/// How often it is looked whether the holders have given their shares.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Splits the root key of an enclave among people, and lets them open the enclave together.
///
/// docs/CEREMONY.md leads through it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Prints JSON for programs.
    #[arg(long, global = true)]
    pub json: bool,
    /// What is to be done.
    #[command(subcommand)]
    pub what: What,
}

/// Which enclave.
#[derive(Debug, clap::Args)]
pub struct At {
    /// The enclave's socket.
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// The environment that it must be of.
    #[arg(long, default_value = "production", value_parser = environment)]
    env: Env,
}

/// Among whom.
#[derive(Debug, clap::Args)]
pub struct Among {
    /// How many shares put the key together.
    #[arg(long, default_value_t = 3)]
    threshold: u32,
    /// A holder's OpenPGP certificate, armoured; once for each of them.
    #[arg(long, value_name = "FILE")]
    holder: Vec<PathBuf>,
    /// So many further shares are printed here, to be kept on paper.
    #[arg(long, value_name = "N", default_value_t = 0)]
    print: usize,
    /// The folder that the encrypted shares are written into, as `share-1.asc` and so on.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// What is done about the root key.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Makes a root key in an enclave that has none, or the next one where it is to leave the disk, and its shares.
    Init {
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        among: Among,
    },
    /// Gives a share, to open the enclave.
    Unseal {
        #[command(flatten)]
        at: At,
        /// The decrypted share; `-` reads it from standard input.
        #[arg(long, value_name = "FILE")]
        share: PathBuf,
    },
    /// Asks the holders for new shares in the place of theirs, and waits until enough of them have agreed.
    Rekey {
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        among: Among,
        /// How many shares are known to be lost.
        #[arg(long, value_name = "N", default_value_t = 0)]
        lost: u32,
        /// The new shares are of a new root key, of the next epoch, and not of the same one.
        #[arg(long)]
        new_root: bool,
    },
    /// Asks the holders to have the root key of the epoch before forgotten, when nothing is sealed under it any more, and
    /// waits until enough of them have agreed.
    Retire {
        #[command(flatten)]
        at: At,
        /// The number of that epoch.
        #[arg(long, value_name = "N")]
        epoch: u32,
        #[command(flatten)]
        service: retire::Service,
    },
    /// Gives a share, to agree to what is asked for by its code.
    Approve {
        #[command(flatten)]
        at: At,
        /// The decrypted share; `-` reads it from standard input.
        #[arg(long, value_name = "FILE")]
        share: PathBuf,
        /// The code that you were told; nothing else is agreed to.
        #[arg(long, value_name = "ABCD-EFGH")]
        code: String,
    },
    /// Shows a share, so that it is known to be there: new ones come into force when enough have been shown.
    Verify {
        #[command(flatten)]
        at: At,
        /// The decrypted share; `-` reads it from standard input.
        #[arg(long, value_name = "FILE")]
        share: PathBuf,
    },
    /// Writes down who asks for shares and what for, to be answered on another machine.
    Question {
        #[command(flatten)]
        at: At,
        /// Where it goes; what is there already stays.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Answers a question with a share, encrypted to its enclave; needs no enclave and no network.
    Answer {
        /// The question.
        question: PathBuf,
        /// The decrypted share; `-` reads it from standard input.
        #[arg(long, value_name = "FILE")]
        share: PathBuf,
        /// Where a rekey, a retirement, or the opening for a bundle is asked for: its code.
        #[arg(long, value_name = "ABCD-EFGH")]
        code: Option<String>,
        /// Where the answer goes; what is there already stays.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Hands in an answer.
    Give {
        #[command(flatten)]
        at: At,
        /// The answer.
        answer: PathBuf,
    },
    /// Puts what waits for the offline enclave into a bundle: keys to be made, and who has which; lists, checks,
    /// recoveries that were approved.
    Export(cold::Export),
    /// Has the offline enclave of this machine answer a bundle; needs no network and no service.
    Hold(cold::Hold),
    /// Takes in what the offline enclave answered.
    Import(cold::Import),
    /// Puts a bundle, or answers, together from their QR codes: says which are missing, and refuses others.
    Scan(cold::Scan),
    /// Plays it all on this machine, in a folder that is removed: keys are made, a backup is stored, checked and encrypted to
    /// a new key, people vote on its recovery, it is released offline and opened. What is carried goes by QR codes.
    Rehearse,
    /// Says how things stand with the root key.
    Status {
        #[command(flatten)]
        at: At,
        /// The service's settings: says also how far it has come with what is to be sealed anew.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

fn environment(word: &str) -> Result<Env, String> {
    Env::parse(word).ok_or_else(|| "neither production nor sandbox".to_owned())
}

impl From<At> for Door {
    fn from(at: At) -> Self {
        Self { socket: at.socket, env: at.env }
    }
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    // A share is in here for a moment: nobody of the same account may look. Where that is not granted, it is not there.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let page = Page::new(args.json);
    match act(page, args.what) {
        Ok(code) => code,
        Err(failure) => {
            print_failure(page, &failure);
            ExitCode::FAILURE
        }
    }
}

fn act(page: Page, what: What) -> Result<ExitCode, Failure> {
    let done = match what {
        What::Init { at, among } => init(page, &at.into(), &among),
        What::Unseal { at, share } => give_for(page, &at.into(), &Purpose::Unseal, &share),
        What::Rekey { at, among, lost, new_root } => {
            rekey(page, &at.into(), &among, lost, if new_root { Purpose::Renew } else { Purpose::Rekey })
        }
        What::Retire { at, epoch, service } => retire::retire(page, &at.into(), epoch, &service),
        What::Approve { at, share, code } => {
            let door = Door::from(at);
            let purpose = running(&door)?;
            check_code(&purpose, Some(&code))?;
            give_for(page, &door, &purpose, &share)
        }
        What::Verify { at, share } => give_for(page, &at.into(), &Purpose::Verify, &share),
        What::Question { at, out } => {
            let door = Door::from(at);
            let begun = door.begin(running(&door)?).doing(|| "nothing was asked")?;
            write_new(&out, &begun.to_bytes())?;
            tell::purpose(page, &door::purpose_of(&begun).doing(|| "nothing was asked")?);
            Ok(())
        }
        What::Answer { question, share, code, out } => {
            let begun = Begun::from_bytes(&read_file(&question)?).doing(|| "this is no question")?;
            let purpose = door::purpose_of(&begun).doing(|| "this is no question")?;
            tell::purpose(page, &purpose);
            check_code(&purpose, code.as_deref())?;
            let answer = door::answer(&begun, &read_share(&share)?).doing(|| "the share was not given")?;
            write_new(&out, &answer)
        }
        What::Give { at, answer } => {
            let given = Door::from(at).give(read_file(&answer)?.to_vec());
            tell::given(page, &given.doing(|| "the share was not taken")?);
            Ok(())
        }
        What::Export(export) => cold::export(page, &export),
        What::Import(import) => cold::import(page, &import),
        What::Scan(scan) => cold::scan(page, &scan),
        What::Rehearse => sandbox::rehearse(page),
        What::Hold(hold) => return cold::hold(page, &hold),
        What::Status { at, config } => {
            tell::standing(page, &Door::from(at).stand().doing(|| "cannot tell how things stand")?);
            config.map_or(Ok(()), |config| retire::progress(page, &config))
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// What shares are asked for now: the attempt that runs, or else the opening of a sealed enclave.
fn running(door: &Door) -> Result<Purpose, Failure> {
    let standing = door.stand().doing(|| "cannot tell how things stand")?;
    match standing.attempt {
        Some(attempt) => Ok(attempt.purpose),
        None if standing.open.is_none() => Ok(Purpose::Unseal),
        None => Err(Failure::new("the enclave is open, and nobody asks for shares")),
    }
}

fn check_code(purpose: &Purpose, code: Option<&str>) -> Result<(), Failure> {
    let deed = match purpose {
        Purpose::Rekey(_) => "a rekey",
        Purpose::Renew(_) => "a new root key",
        Purpose::Retire(_) => "that the root key of the epoch before is forgotten",
        Purpose::Sit(_) => "the opening for a bundle",
        Purpose::Unseal | Purpose::Verify if code.is_some() => {
            return Err(Failure::new("no rekey is asked for: your share was not given"));
        }
        Purpose::Unseal | Purpose::Verify => return Ok(()),
    };
    let right = code_of(purpose);
    if code.is_some_and(|code| code.eq_ignore_ascii_case(&right)) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{deed} with the code {right} is asked for; compare it with whoever asks, and say --code {right} if it is the same"
    )))
}

fn give_for(page: Page, door: &Door, purpose: &Purpose, share: &Path) -> Result<(), Failure> {
    let given = door.give_share(purpose, &read_share(share)?).doing(|| "the share was not given")?;
    tell::given(page, &given);
    Ok(())
}

fn plan_of(among: &Among, printer: &PrinterKey) -> Result<Plan, Failure> {
    let read = |path: &PathBuf| Ok::<_, Failure>(Holder::OpenPgp(read_file(path)?.to_vec()));
    let mut holders = among.holder.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    if among.print > 0 {
        let printer = Holder::Rsa(printer.public_half().doing(|| "no key could be made")?);
        holders.extend(std::iter::repeat_n(printer, among.print));
    }
    let threshold = among.threshold;
    if threshold < holder::THRESHOLD_MIN
        || holders.len() > holder::HOLDERS_MAX
        || u32::try_from(holders.len()).is_ok_and(|count| count < threshold)
    {
        return Err(Failure::new(format!(
            "of {} shares {threshold} cannot put the key together: name {} to {} holders (--holder, --print), and a \
             threshold from {} to their number",
            holders.len(),
            holder::THRESHOLD_MIN,
            holder::HOLDERS_MAX,
            holder::THRESHOLD_MIN,
        )));
    }
    fs::create_dir_all(&among.out).doing(|| format!("cannot make the folder {}", among.out.display()))?;
    if let Some(there) =
        (1..=among.holder.len()).map(|number| file_of(among, number)).find(|path| path.exists())
    {
        return Err(Failure::new(format!("{} is there already; name another folder", there.display())));
    }
    Ok(Plan { threshold, holders })
}

/// Where the encrypted share of this number goes.
fn file_of(among: &Among, number: usize) -> PathBuf {
    among.out.join(format!("share-{number}.asc"))
}

fn init(page: Page, door: &Door, among: &Among) -> Result<(), Failure> {
    let printer = PrinterKey::generate().doing(|| "no root key was made")?;
    let plan = plan_of(among, &printer)?;
    let dealt = door.found(plan).doing(|| "no root key was made")?;
    hand_out(page, &dealt, among, printer)?;
    let threshold = among.threshold;
    let next = match door.stand().doing(|| "cannot tell how things stand")?.open {
        None => format!(
            "The enclave is sealed. It opens when {threshold} holders have each run `holdfast ceremony unseal`; until it \
             has been opened once, `ceremony init` may be run again, should a share not be readable."
        ),
        Some(_) => format!(
            "The root key on the disk is in force until {threshold} holders have each run `holdfast ceremony verify`: then \
             the new one is, and the file is destroyed. Until then `ceremony init` may be run again. Copies of the file \
             open what was sealed before, until `holdfast ceremony retire` has ended its epoch."
        ),
    };
    page.prose("", &next);
    Ok(())
}

fn rekey(
    page: Page,
    door: &Door,
    among: &Among,
    lost: u32,
    deed: fn(Plan) -> Purpose,
) -> Result<(), Failure> {
    const NOT_MADE: &str = "no new shares were made";
    let current = door.stand().doing(|| NOT_MADE)?.current;
    let current =
        current.ok_or_else(|| Failure::new("the enclave's root key is not with holders of shares"))?;
    check_lost(&current, lost)?;
    let printer = PrinterKey::generate().doing(|| NOT_MADE)?;
    let purpose = deed(plan_of(among, &printer)?);
    door.begin(purpose.clone()).doing(|| NOT_MADE)?;
    tell::purpose(page, &purpose);
    page.prose("", "Each holder of an old share now runs `holdfast ceremony approve` with this code.");
    let mut given = 0;
    let dealt = loop {
        if let Some(dealt) = door.collect().doing(|| NOT_MADE)? {
            break dealt;
        }
        match door.stand().doing(|| NOT_MADE)?.attempt {
            Some(attempt) if attempt.purpose == purpose => given = attempt.given,
            _ => return Err(too_few(&current, given)),
        }
        thread::sleep(LOOK_EVERY);
    };
    hand_out(page, &dealt, among, printer)?;
    page.prose(
        "",
        &format!(
            "The old shares are in force until {} of the new ones have been shown: each holder of a new share runs \
             `holdfast ceremony verify`. Old shares are destroyed only after that.",
            among.threshold
        ),
    );
    Ok(())
}

/// Says before anything is asked that what is left cannot put the key together.
fn check_lost(current: &Ceremony, lost: u32) -> Result<(), Failure> {
    let count = u32::try_from(current.holders.len()).unwrap_or(u32::MAX);
    let left = count.saturating_sub(lost);
    if left >= current.threshold {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{left} of {count} shares are left and {} are needed: nobody can make new ones, and once this enclave stops, what \
         it sealed is lost for good. Do not stop it; recover now what must not be lost, and look for the shares",
        current.threshold
    )))
}

fn too_few(current: &Ceremony, given: u32) -> Failure {
    Failure::new(format!(
        "the time is over or another attempt was begun: {given} of the {} shares that are needed were given, and nothing \
         was changed. If no more are to be found, run this again with --lost to see what that means",
        current.threshold
    ))
}

/// Writes the encrypted shares, and prints those that are meant for paper.
fn hand_out(page: Page, dealt: &Dealt, among: &Among, key: PrinterKey) -> Result<(), Failure> {
    let mut files = Vec::new();
    for (number, share) in (1..).zip(dealt.shares.iter().take(among.holder.len())) {
        let path = file_of(among, number);
        write_new(&path, share)?;
        page.line(&format!("{}  for {}", path.display(), among.holder[number - 1].display()));
        files.push(path.display().to_string());
    }
    let printed: Vec<&Vec<u8>> = dealt.shares.iter().skip(among.holder.len()).collect();
    let printed = key.open(&printed).doing(|| "the shares to be printed cannot be opened")?;
    for share in &printed {
        page.line("");
        page.line(&page.bold(&format!("Share {} of {}", share.index[0], dealt.shares.len())));
        page.line(&paper::print(share));
    }
    let ceremony = hex(&dealt.ceremony_id);
    page.line(&format!("Ceremony {ceremony} of the enclave {}", hex(&dealt.identity)));
    let printed: Vec<_> = printed.iter().map(|share| paper::print(share).to_string()).collect();
    page.event(
        "shares-made",
        json!({ "ceremony": ceremony, "enclave": hex(&dealt.identity), "files": files, "printed": printed }),
    );
    Ok(())
}

fn read_share(path: &Path) -> Result<Share, Failure> {
    let bytes = read_file(path)?;
    let text = str::from_utf8(&bytes).doing(|| "this is no share")?;
    paper::read(text).doing(|| "this share cannot be used")
}

/// A file's bytes, or those of standard input for `-`.
fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let doing = || format!("cannot read {}", path.display());
    let mut bytes = Zeroizing::new(Vec::new());
    let mut source: Box<dyn std::io::Read> = match path {
        path if path == Path::new("-") => Box::new(std::io::stdin()),
        path => Box::new(fs::File::open(path).doing(doing)?),
    };
    source.by_ref().take(FILE_BYTES_MAX).read_to_end(&mut bytes).doing(doing)?;
    Ok(bytes)
}

/// Writes a new file that nobody else may read.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let doing = || format!("cannot write {}", path.display());
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).doing(doing)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).doing(doing)
}

#[cfg(test)]
mod tests;
