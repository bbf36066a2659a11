//! `holdfast witness`: signs the checkpoints of others' audit logs, for whoever does not leave that to those others.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;
use server::audit::VerifierKey;
use server::witness::{Witness, load_or_create_key, serve};
use tokio::net::TcpListener;

use crate::failure::{Doing as _, Failure};
use crate::page::{Page, print_failure};
use crate::serve::start_log;
use crate::shutdown::Shutdown;

/// Signs the checkpoints of audit logs of a service that somebody else runs, each only if it goes on from the last that
/// was signed here: then nobody can show this log with two histories, the service itself among them.
///
/// The service asks it by C2SP tlog-witness. Run it where those who run the service cannot write; TLS is a proxy's work.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where it listens; port 0 picks a free one.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// The folder that keeps what was signed. Without it a witness knows nothing: keep it as long as the key.
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
    /// The file of its key, made if it is not there.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// What the witness is called, such as `witness.example.org`: needed where the key is made.
    #[arg(long)]
    pub name: Option<String>,
    /// The key of a log that it follows, as `holdfast admin log-key` prints it; as often as there are logs.
    #[arg(long = "log", value_name = "VKEY", required = true)]
    pub logs: Vec<String>,
    /// Prints JSON for programs.
    #[arg(long)]
    pub json: bool,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    match witness(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            print_failure(Page::new(args.json), &failure);
            ExitCode::FAILURE
        }
    }
}

fn witness(args: &Args) -> Result<(), Failure> {
    let log = |text: &String| {
        let text_of = || format!("{text:?} is no key of a log: it looks like NAME+12345678+AbCd...");
        VerifierKey::parse(text).ok_or_else(|| Failure::new(text_of()))
    };
    let logs = args.logs.iter().map(log).collect::<Result<Vec<_>, _>>()?;
    let key = load_or_create_key(&args.key, args.name.as_deref());
    let key = key.doing(|| format!("the key in {} cannot be used", args.key.display()))?;
    let witness = Witness::open(&args.state, key, logs);
    let witness = witness.doing(|| format!("the folder {} cannot be used", args.state.display()))?;
    start_log(None);
    let runtime = tokio::runtime::Runtime::new().doing(|| "cannot start threads")?;
    runtime.block_on(async {
        let mut shutdown = Shutdown::listen()?;
        let listener =
            TcpListener::bind(args.listen).await.doing(|| format!("cannot listen on {}", args.listen))?;
        let address = listener.local_addr().doing(|| "cannot tell the address")?;
        let (page, vkey) = (Page::new(args.json), witness.vkey());
        page.line(&format!("listening on {address}, and signing as\n{vkey}"));
        page.event("listening", json!({ "address": address.to_string(), "key": vkey }));
        serve(witness, listener, async move { shutdown.asked().await }).await.doing(|| "the witness ended")
    })
}
