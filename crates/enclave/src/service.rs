//! The socket: frames in, one request at a time on each connection, frames out.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::thread;
use std::time::Duration;

use boundary::Env;
use boundary::message::{Refusal, Reply, Request, Welcome};
use boundary::wire::{FRAME_BYTES_MAX, frame, frame_length, is_package, unframe};

use crate::evidence::Provider;
use crate::generate::Generator;
use crate::log::Ledger;
use crate::release::demand;
use crate::root::{Keyring, SigningPair};
use crate::secret::SymmetricKey;
use crate::vault::Vault;
use crate::{
    amend, assign, attach, ballot, check, cold, cosign, evidence, freeze, guard, judge, mark, openpgp,
    package, prove, release, reseal, reset, rewrap, session,
};

/// Connections at once; one more is closed at once.
const CONNECTIONS_MAX: usize = 64;
/// How long a connection may be silent between requests.
const IDLE_MAX: Duration = Duration::from_mins(15);
/// How long a request may pause while it arrives, and an answer while it is taken.
const STALL_MAX: Duration = Duration::from_secs(10);

/// Held by the one request that may be larger than the others: memory is locked, and so is bounded.
static LARGE: Mutex<()> = Mutex::new(());

/// Everything that answering takes.
pub struct Enclave {
    /// What is derived from the root key.
    pub keyring: Keyring,
    /// Signs statements about public keys.
    pub assignment: SigningPair,
    /// Signs bindings and records.
    pub receipt: SigningPair,
    /// The identity providers that are believed.
    pub providers: Vec<Provider>,
    /// Ed25519 public keys of the offline enclaves that are believed.
    pub offline_keys: Vec<Vec<u8>>,
    /// Whether recoveries and releases are counted against limits.
    pub recovery_limits: bool,
    /// How long after an approval a recovery is open, in seconds.
    pub retail_window_s: u32,
    /// The record, or the count, up to which the operator gives up what an older copy of the log lacks.
    pub give_up_to: Option<u64>,
    /// The socket of a counter outside; held while it is asked.
    pub counter: Option<Mutex<PathBuf>>,
    /// Somebody remembers more than the log has: nothing is answered any more.
    pub is_old: Arc<AtomicBool>,
    /// What is remembered.
    pub ledger: Arc<Ledger>,
    /// Makes pool keys.
    pub generator: Generator,
    /// What the kernel granted.
    pub protections: Vec<String>,
}

/// What makes an enclave of a root key.
pub type Opener = Box<dyn Fn(&SymmetricKey) -> io::Result<Enclave> + Send + Sync>;

/// The way in: before the root key is here, nobody is answered but the holders of its shares.
pub struct Gate {
    env: Env,
    vault: Vault,
    /// Of an offline enclave: nobody else is answered afterwards either.
    is_offline: bool,
    open: RwLock<Option<Enclave>>,
    opener: Opener,
}

impl Gate {
    /// A closed gate.
    pub fn new(env: Env, vault: Vault, is_offline: bool, opener: Opener) -> Self {
        Self { env, vault, is_offline, open: RwLock::default(), opener }
    }

    /// Waits at a socket until holders have opened the gate, and takes away what was behind it: for one sitting, in which
    /// the socket answers nobody. One asks at a time; who gave the last share has his answer by then.
    pub fn opened(self, listener: &UnixListener, uid: u32) -> io::Result<Enclave> {
        loop {
            let (stream, _) = listener.accept()?;
            if guard::peer_allowed(&stream, &[uid]) {
                let _ = exchange(&self, &stream, STALL_MAX);
            }
            if let Some(enclave) = self.open.write().unwrap_or_else(PoisonError::into_inner).take() {
                return Ok(enclave);
            }
        }
    }

    /// Opens it, for as long as the process lives; an open one goes over to this root key between two answers, and is
    /// sealed where it cannot.
    pub fn unlock(&self, root: &SymmetricKey) -> io::Result<()> {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        open.take().iter().for_each(|enclave| enclave.ledger.close());
        *open = Some((self.opener)(root)?);
        Ok(())
    }

    fn enclave(&self) -> RwLockReadGuard<'_, Option<Enclave>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, request: &Request) -> Result<Reply, Refusal> {
        let open = || self.enclave().as_ref().map(|enclave| enclave.keyring.numbers());
        let said = match request {
            Request::Hello(hello) | Request::Collect(hello) | Request::Stand(hello) => hello.env,
            _ => self.env,
        };
        demand(said == self.env, "2 caller is configured for another environment", Refusal::Malformed)?;
        Ok(match request {
            Request::Found(plan) => Reply::Dealt(self.vault.found(plan, open().is_some())?),
            Request::Begin(purpose) => Reply::Begun(self.vault.begin(purpose, open)?),
            Request::Give(share) => Reply::Given(self.vault.give(share, |root| self.unlock(root))?),
            Request::Collect(_) => Reply::Dealt(self.vault.collect()?),
            Request::Stand(_) => Reply::Stands(self.vault.stand(open())?),
            _ if self.is_offline => return Err(Refusal::Sealed),
            _ => dispatch(self.enclave().as_ref().ok_or(Refusal::Sealed)?, request)?,
        })
    }
}

/// Writes to the enclave's own log which step of a request failed. No value of a request is ever part of it.
pub fn note(request: &str, step: &str) {
    eprintln!("enclave: {request}: {step}");
}

/// Goes on only if that holds.
pub fn ensure<E>(holds: bool, or: E) -> Result<(), E> {
    if holds { Ok(()) } else { Err(or) }
}

/// Answers connections until the process ends.
pub fn serve(gate: &Arc<Gate>, listener: &UnixListener, allowed: &[u32]) -> ! {
    let connections = Arc::new(());
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, most likely: leave the others time to finish.
                eprintln!("enclave: cannot accept: {error}");
                thread::sleep(Duration::from_millis(50));
                continue;
            }
        };
        if !guard::peer_allowed(&stream, allowed) {
            note("connect", "peer is another user");
            continue;
        }
        // Each connection has one, and this loop.
        if Arc::strong_count(&connections) > CONNECTIONS_MAX {
            note("connect", "too many connections");
            continue;
        }
        let (gate, counted) = (Arc::clone(gate), Arc::clone(&connections));
        // Where there is no thread to be had, it is closed. One that breaks is the peer's to make again.
        let _ = thread::Builder::new().name("connection".into()).spawn(move || {
            while exchange(&gate, &stream, IDLE_MAX).is_ok() {}
            drop(counted);
        });
    }
}

/// Takes one request, for the beginning of which there is so much patience, and answers it. Fails when nothing more can
/// come of the connection.
fn exchange(gate: &Gate, mut stream: &UnixStream, patience: Duration) -> io::Result<()> {
    stream.set_write_timeout(Some(STALL_MAX))?;
    let mut prefix = [0; 4];
    stream.set_read_timeout(Some(patience))?;
    stream.read_exact(&mut prefix[..1])?;
    stream.set_read_timeout(Some(STALL_MAX))?;
    stream.read_exact(&mut prefix[1..])?;
    // Grows with what arrives, not with what was announced.
    let mut body = Vec::new();
    let length = frame_length(prefix).unwrap_or(0);
    let is_large = length > FRAME_BYTES_MAX;
    stream.take(if is_large { 2 } else { length as u64 }).read_to_end(&mut body)?;
    if length == 0 || is_large && !is_package(&body) {
        // What follows cannot be told apart any more.
        stream.write_all(&frame(&Reply::Refused(Refusal::Malformed)))?;
        return Err(io::ErrorKind::InvalidData.into());
    }
    let _alone = is_large.then(|| LARGE.lock().unwrap_or_else(PoisonError::into_inner));
    stream.take((length - body.len()) as u64).read_to_end(&mut body)?;
    ensure(body.len() == length, io::ErrorKind::UnexpectedEof)?;
    let request = unframe::<Request>(&body);
    drop(body);
    let reply = match request {
        Ok(request) => answer(|| gate.answer(&request)),
        Err(_) => Reply::Refused(Refusal::Malformed),
    };
    stream.write_all(&frame(&reply))
}

/// One request's reply. A panic is a refusal: nothing goes out that was not logged, and the others go on.
pub fn answer(answer: impl FnOnce() -> Result<Reply, Refusal>) -> Reply {
    let reply = catch_unwind(AssertUnwindSafe(answer)).unwrap_or(Err(Refusal::Crashed));
    wipe_stack();
    reply.unwrap_or_else(Reply::Refused)
}

/// Overwrites what the answer has left of secrets on this thread's stack: the ciphers below work on copies of
/// whole blocks there, and do not wipe them.
#[inline(never)]
#[expect(clippy::large_stack_arrays, reason = "the stack is what is to be overwritten")]
fn wipe_stack() {
    std::hint::black_box(&mut [0_u8; 256 * 1024]);
}

/// A request's reply, from an open enclave.
pub fn dispatch(enclave: &Enclave, request: &Request) -> Result<Reply, Refusal> {
    let is_old = enclave.is_old.load(Ordering::SeqCst) && !matches!(request, Request::Hello(_));
    ensure(!is_old, Refusal::RolledBack)?;
    Ok(match request {
        Request::Hello(_) => Reply::Welcome(welcome(enclave)),
        Request::Generate(request) => Reply::Generated(assign::generate(enclave, request.key_type)?),
        Request::Adopt(request) => Reply::Adopted(assign::adopt(enclave, request)?),
        Request::Bind(request) => Reply::Bound(assign::bind(enclave, request)?),
        Request::Check(request) => Reply::Checked(check::check(enclave, request, false)?),
        Request::Open(request) => Reply::Opened(session::open(enclave, request, session::user_tag)?),
        Request::Admit(request) => Reply::Admitted(evidence::admit(enclave, request)?),
        Request::Inspect(request) => {
            let found = openpgp::inspect(&request.certificate, enclave.ledger.now_ms());
            Reply::Inspected(found.map_err(Refusal::Recipient)?.recipient)
        }
        Request::Release(request) => Reply::Released(release::release(enclave, request)?),
        Request::Recall(request) => Reply::Recalled(session::recall(enclave, request)?),
        Request::Prove(request) => Reply::Proven(prove::prove(enclave, request)?),
        Request::Reset(request) => Reply::HasReset(reset::reset(enclave, request)?),
        Request::Try(request) => Reply::Checked(check::check(enclave, request, true)?),
        Request::Succeed(request) => Reply::Bound(assign::succeed(enclave, request)?),
        Request::Rewrap(request) => Reply::Rewrapped(rewrap::rewrap(enclave, request)?),
        Request::Verify(request) => Reply::Verified(evidence::verify(enclave, request)?),
        Request::Amend(request) => Reply::Amended(amend::amend(enclave, request)?),
        Request::Attach(request) => Reply::Attached(attach::attach(enclave, request)?),
        Request::OpenPerson(request) => Reply::Opened(session::open(enclave, request, session::person_tag)?),
        Request::Mark(request) => Reply::Marked(mark::mark(enclave, request)?),
        Request::Cosign(request) => Reply::Cosigned(cosign::cosign(enclave, request)?),
        Request::Package(request) => package::package(enclave, request)?,
        Request::Stop(request) => Reply::Verified(amend::stop(enclave, request)?),
        Request::Weigh(request) => Reply::Verified(ballot::weigh(enclave, request)?),
        Request::Judge(request) => Reply::Judged(judge::judge(enclave, request)?),
        Request::Freeze(request) => Reply::Frozen(freeze::freeze(enclave, request)?),
        Request::Thaw(request) => Reply::Frozen(freeze::thaw(enclave, request)?),
        Request::Reseal(request) => Reply::Resealed(reseal::reseal(enclave, request)?),
        Request::Vouch(request) => Reply::Signed(cold::vouch(enclave, request)?),
        Request::Dispatch(request) => Reply::Signed(cold::dispatch(enclave, request.clone())),
        // The others are answered at the gate.
        _ => return Err(Refusal::Malformed),
    })
}

fn welcome(enclave: &Enclave) -> Welcome {
    Welcome {
        env: enclave.keyring.env,
        signing_keys: vec![enclave.assignment.public.clone(), enclave.receipt.public.clone()],
        log_sequence: enclave.ledger.end().1,
        protections: enclave.protections.clone(),
        retail_window_s: enclave.retail_window_s,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_refusal() {
        assert_eq!(answer(|| Err(Refusal::KeyLocked)), Reply::Refused(Refusal::KeyLocked));
        assert_eq!(answer(|| panic!("in a test")), Reply::Refused(Refusal::Crashed));
    }
}
