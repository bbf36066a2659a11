//! Ceremonies of the offline enclave: a bundle goes out of the service, is answered on a machine without a network, and
//! its answers come back in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::thread;

use holder::door::Door;
use holder::transcript::{code, hash_of_bundle, transcript};
use holder::{ANSWER_FILE, Attempt, Env, Epochs, KeyType, Purpose, REQUEST_FILE, Wire as _};
use serde_json::json;
use server::admin::{Admin, OfflineResealed, Order};
use server::config::Settings;

use super::{LOOK_EVERY, environment, qr};
use crate::failure::{Doing as _, Failure};
use crate::page::Page;
use crate::sandbox::own_program;

/// What people read and sign.
const TRANSCRIPT_FILE: &str = "transcript.txt";
/// What `import` writes down when nothing of an epoch is left.
const OVER_FILE: &str = "epoch-over.json";

/// The service that a bundle leaves, and comes back to.
#[derive(Debug, clap::Args)]
pub struct Service {
    /// The service's settings, as TOML.
    #[arg(long, value_name = "FILE", env = "HOLDFAST_CONFIG")]
    config: PathBuf,
}

/// What leaves.
#[derive(Debug, clap::Args)]
pub struct Export {
    #[command(flatten)]
    service: Service,
    /// The offline enclave's public key, `offline.pub` in its folder: the file that the online enclave was started with.
    #[arg(long, value_name = "FILE")]
    offline_key: PathBuf,
    /// The folder that is carried; no bundle may be in it yet.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How many RSA-4096 keys are to be made.
    #[arg(long, value_name = "N", default_value_t = 0)]
    rsa: usize,
    /// How many secp256k1 keys.
    #[arg(long, value_name = "N", default_value_t = 0)]
    secp256k1: usize,
    /// How many Ed25519 keys.
    #[arg(long, value_name = "N", default_value_t = 0)]
    ed25519: usize,
    /// Takes along the records of all checks made offline, to be sealed anew: after `rekey --new-root` of the offline
    /// enclave, whose root key of before can then be forgotten.
    #[arg(long)]
    reseal: bool,
    /// What the offline enclave answered last, `answer.cold`, where the database was put back from a copy that is older
    /// than the bundle: the next one goes behind that. What it answered then is asked for again.
    #[arg(long, value_name = "FILE")]
    after: Option<PathBuf>,
    /// Writes a small bundle as QR codes too, into the folder `qr` in that one: pictures, and `request.html` to print.
    #[arg(long)]
    qr: bool,
}

/// What is answered offline.
#[derive(Debug, clap::Args)]
pub struct Hold {
    /// The offline enclave's folder.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Its environment.
    #[arg(long, default_value = "production", value_parser = environment)]
    env: Env,
    /// The folder with the bundle.
    #[arg(long = "in", value_name = "DIR")]
    from: PathBuf,
    /// The folder that the answers go into; the same one, unless another is named.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Writes small answers as QR codes too, into the folder `qr` in that one: pictures, and `answer.html` to print.
    #[arg(long)]
    qr: bool,
    /// The socket of this machine's counter, where it has one.
    #[arg(long, value_name = "PATH")]
    counter: Option<PathBuf>,
    /// Where the holders of the root key's shares open the enclave for this bundle, by `holdfast ceremony approve`; left
    /// out where the root key lies on this machine's disk.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

/// What was scanned.
#[derive(Debug, clap::Args)]
pub struct Scan {
    /// Pictures of the codes (PNG), or files with what a scanner said, a code a line; in any order, as often as may be.
    #[arg(required = true, value_name = "FILE")]
    from: Vec<PathBuf>,
    /// The folder that the bundle, or the answers, go into.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// What comes back.
#[derive(Debug, clap::Args)]
pub struct Import {
    #[command(flatten)]
    service: Service,
    /// The folder with the answers.
    #[arg(long = "in", value_name = "DIR")]
    from: PathBuf,
}

async fn admin(service: &Service) -> Result<Admin, Failure> {
    let config = &service.config;
    let settings =
        Settings::load(config).doing(|| format!("the settings in {} cannot be used", config.display()))?;
    Admin::open(settings).await.doing(|| "cannot open the installation")
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Runtime::new().doing(|| "cannot start threads")
}

/// Puts what waits into a bundle.
pub fn export(page: Page, export: &Export) -> Result<(), Failure> {
    const DOING: &str = "nothing was exported";
    let key = read(&export.offline_key)?;
    let offline = String::from_utf8(key).ok().and_then(|text| key_of(&text));
    let offline = offline.ok_or_else(|| {
        Failure::new(format!("{} does not begin with 32 bytes of hexadecimal", export.offline_key.display()))
    })?;
    let path = export.out.join(REQUEST_FILE);
    if path.exists() {
        return Err(Failure::new(format!("{} is there already; name another folder", path.display())));
    }
    let counts = [
        (KeyType::Rsa4096, export.rsa),
        (KeyType::Secp256k1, export.secp256k1),
        (KeyType::Ed25519, export.ed25519),
    ];
    let keys = counts.into_iter().flat_map(|(kind, count)| std::iter::repeat_n(kind, count)).collect();
    let after = export.after.as_deref().map(read).transpose()?;
    let order = Order { offline, keys, reseal: export.reseal, after };
    let exported = runtime()?.block_on(async {
        let admin = admin(&export.service).await?;
        let exported = admin.export_bundle(&order).await.doing(|| DOING);
        admin.close().await;
        exported
    })?;
    fs::create_dir_all(&export.out).doing(|| format!("cannot make the folder {}", export.out.display()))?;
    super::write_new(&path, &exported.file)?;
    let (sequence, code) = (exported.sequence, code(&exported.hash));
    page.line(&format!("{}  bundle {sequence}, {} entries", path.display(), exported.entries));
    page.line(&format!("Code: {}", page.bold(&code)));
    page.event("exported", json!({ "sequence": sequence, "code": code, "entries": exported.entries }));
    if export.qr { draw(page, &export.out, REQUEST_FILE, &exported.file) } else { Ok(()) }
}

/// Writes what is carried as QR codes, or says that it is too large for them.
fn draw(page: Page, folder: &Path, name: &str, file: &[u8]) -> Result<(), Failure> {
    let codes = qr::write(folder, name, file)?.map(|pictures| pictures.len());
    match codes {
        Some(codes) => page.line(&format!("{codes} QR codes are in {}", folder.join(qr::FOLDER).display())),
        None => page.line(&format!(
            "{name} has {} bytes, and codes are made of {} at most: carry the folder {} itself",
            file.len(),
            qr::QR_BYTES_MAX,
            folder.display()
        )),
    }
    page.event("drawn", json!({ "file": name, "codes": codes }));
    Ok(())
}

/// Puts scanned codes together again.
pub fn scan(page: Page, scan: &Scan) -> Result<(), Failure> {
    let (name, file) = qr::scan(&scan.from)?;
    fs::create_dir_all(&scan.out).doing(|| format!("cannot make the folder {}", scan.out.display()))?;
    let path = scan.out.join(name);
    super::write_new(&path, &file)?;
    page.line(&format!("{}  {} bytes, complete", path.display(), file.len()));
    page.event("scanned", json!({ "file": name, "bytes": file.len() }));
    Ok(())
}

/// The Ed25519 public key of an `offline.pub`: its first line, in hexadecimal.
pub fn key_of(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u32> =
        text.lines().next()?.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    let bytes: Vec<u8> =
        digits.chunks_exact(2).filter_map(|pair| u8::try_from(pair[0] << 4 | pair[1]).ok()).collect();
    <[u8; 32]>::try_from(bytes).ok().filter(|_| digits.len() == 64)
}

/// Has the offline enclave of this machine answer a bundle, and writes down what it did. What the enclave refuses has its
/// own exit code.
pub fn hold(page: Page, hold: &Hold) -> Result<ExitCode, Failure> {
    let out = hold.out.as_ref().unwrap_or(&hold.from);
    let request = read(&hold.from.join(REQUEST_FILE))?;
    fs::create_dir_all(out).doing(|| format!("cannot make the folder {}", out.display()))?;
    let mut command = Command::new(own_program()?);
    command.args(["enclave", "batch", "--env", hold.env.as_str(), "--state"]).arg(&hold.state);
    command.arg("--in").arg(&hold.from).arg("--out").arg(out);
    if let Some(counter) = &hold.counter {
        command.arg("--counter").arg(counter);
    }
    let mut sitting = None;
    if let Some(socket) = &hold.socket {
        command.arg("--socket").arg(socket);
        let bundle = hash_of_bundle(&request).doing(|| "nobody was asked for a share")?;
        sitting = Some((Door { socket: socket.clone(), env: hold.env }, Purpose::Sit(bundle)));
        let code = code(&bundle);
        page.line(&format!(
            "Bundle {}: waits until its holders have opened the offline enclave:",
            page.bold(&code)
        ));
        page.line(&format!(
            "  holdfast ceremony approve --socket {} --share - --code {code}",
            socket.display()
        ));
        page.event("waits-for-holders", json!({ "code": code, "socket": socket }));
    }
    let child = command.spawn().doing(|| "cannot start the offline enclave")?;
    let status = wait(page, child, sitting.as_ref()).doing(|| "cannot wait for the offline enclave")?;
    if !status.success() {
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        return Ok(code.map_or(ExitCode::FAILURE, ExitCode::from));
    }
    let text = transcript(&request, &read(&out.join(ANSWER_FILE))?);
    let text = text.doing(|| "the answers cannot be read")?;
    let path = out.join(TRANSCRIPT_FILE);
    fs::write(&path, &text).doing(|| format!("cannot write {}", path.display()))?;
    page.line(&text);
    page.event("held", json!({ "transcript": text }));
    if hold.qr {
        draw(page, out, ANSWER_FILE, &read(&out.join(ANSWER_FILE))?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits for the offline enclave to end. Until it is open, its holders find that shares are asked for this bundle, and
/// until when.
fn wait(page: Page, mut child: Child, sitting: Option<&(Door, Purpose)>) -> std::io::Result<ExitStatus> {
    let Some((door, purpose)) = sitting else { return child.wait() };
    let mut until_ms = None;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        // Nobody answers before it waits, and after it is open.
        let attempt = door.begin(purpose.clone()).ok();
        let attempt = attempt.and_then(|begun| Attempt::from_bytes(&begun.attempt).ok());
        if let Some(until) = attempt.map(|attempt| attempt.expires_at_ms).filter(|is| until_ms != Some(*is)) {
            if until_ms.replace(until).is_some() {
                page.line(
                    "The time is over: shares that were given so far are forgotten, and all give anew.",
                );
            }
            let until = client::vote::utc(until);
            page.line(&format!("Shares are taken until {until}."));
            page.event("takes-shares", json!({ "until": until }));
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Takes the answers in.
pub fn import(page: Page, import: &Import) -> Result<(), Failure> {
    let file = read(&import.from.join(ANSWER_FILE))?;
    let imported = runtime()?.block_on(async {
        let admin = admin(&import.service).await?;
        let imported = admin.import_answers(&file).await.doing(|| "nothing was imported");
        admin.close().await;
        imported
    })?;
    for line in &imported.lines {
        page.line(line);
    }
    let (sequence, record) = (imported.sequence, imported.log_sequence);
    let again = if imported.is_repeated { ", imported before" } else { "" };
    page.line(&format!("Bundle {sequence}{again}; record {record} of the offline log"));
    if let Some(resealed) = &imported.resealed {
        tell_resealed(page, &import.from, resealed)?;
    }
    page.event(
        "imported",
        json!({ "sequence": sequence, "offline_record": record, "entries": imported.lines }),
    );
    Ok(())
}

/// Says what came of records that were to be sealed anew, and writes down which epoch is over, for those who are asked to
/// have it forgotten.
fn tell_resealed(page: Page, folder: &Path, resealed: &OfflineResealed) -> Result<(), Failure> {
    let OfflineResealed { epochs, moved, unchecked, left } = resealed;
    page.line(&format!(
        "Records of checks: {moved} sealed anew, {unchecked} to be checked again, {left} left"
    ));
    page.event("records-resealed", json!({ "moved": moved, "unchecked": unchecked, "left": left }));
    let path = folder.join(OVER_FILE);
    // What an import before this one found may be so no more.
    if path.exists() {
        fs::remove_file(&path).doing(|| format!("cannot remove {}", path.display()))?;
    }
    let (Some(Epochs { current, former }), over) = (epochs, resealed.over()) else {
        page.line("The offline enclave sealed nothing anew: export with --reseal again.");
        return Ok(());
    };
    match (former, over) {
        (None, _) => page.line(&format!("The offline enclave has one root key, of epoch {current}.")),
        (Some(former), None) => page.line(&format!(
            "The root key of epoch {former} is still needed: export with --reseal again, and hold another ceremony."
        )),
        (Some(_), Some(over)) => {
            fs::write(&path, format!("{}\n", json!({ "offline_epoch_over": over })))
                .doing(|| format!("cannot write {}", path.display()))?;
            page.line(&format!("Nothing of the offline enclave's epoch {over} is left: its root key may be retired there, with {}", path.display()));
            page.event("epoch-over", json!({ "epoch": over, "file": path }));
        }
    }
    Ok(())
}

/// Whether a folder that came back from an import says that an epoch of the offline enclave is over.
pub fn is_over(folder: &Path, epoch: u32) -> Result<bool, Failure> {
    let said: serde_json::Value = serde_json::from_slice(&read(&folder.join(OVER_FILE))?)
        .doing(|| format!("{OVER_FILE} is not what `import` writes"))?;
    Ok(said["offline_epoch_over"] == epoch)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).doing(|| format!("cannot read {}", path.display()))
}
