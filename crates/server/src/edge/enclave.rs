//! The enclave, as the server sees it: one typed call for each request of [`boundary::message`].
//!
//! One request travels on one connection at a time; connections are kept and reused. An enclave that is away
//! makes a call fail at once, and the next call finds it again when it is back.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use boundary::ceremony::{Reseal, Resealed};
use boundary::checkpoint::{Cosign, Cosigned};
use boundary::cold::{Dispatch, Signed};
use boundary::freeze::{Freeze, Frozen, Thaw};
use boundary::message::{
    Admit, Admitted, Adopt, Adopted, Amend, Amended, Attach, Attached, Bind, Bound, Check, Checked, Generate,
    HasReset, Hello, Inspect, Judge, Judged, Mark, Marked, Open, Opened, Package, Packaged, PoolKey, Prove,
    Proven, Recall, Recalled, Recipient, Refusal, Release, Released, Reply, Request, Reset, Rewrap,
    Rewrapped, Succeed, Verified, Verify, Weigh, Welcome,
};
use boundary::wire::{FRAME_BYTES_MAX, Malformed, PACKAGE_FRAME_BYTES_MAX, frame, frame_length, unframe};
use domain::limits::{ENCLAVE_CONNECTIONS_MAX, ENCLAVE_DEADLINE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tracing::Instrument as _;

use super::clock::instant;
use crate::metrics::{Answered, Asked, EnclaveCalls};

/// The way to one enclave.
pub struct Enclave {
    socket: PathBuf,
    permits: Semaphore,
    idle: Mutex<Vec<UnixStream>>,
    /// The latest mark of its log that is kept.
    mark: Mutex<Option<Vec<u8>>>,
    counts: EnclaveCalls,
}

/// What comes of a recovery that an access list has approved.
#[derive(Clone, Debug, PartialEq)]
pub enum Parcel {
    /// It goes out.
    Ready(Packaged),
    /// It waits out the list's delay.
    Waits(u32),
}

/// A call did not end as it should.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The enclave said no.
    #[error("the enclave refuses: {0:?}")]
    Refused(Refusal),
    /// The enclave cannot be reached, or went away during the call: it may have acted or not.
    #[error("the enclave is away")]
    Away(#[source] std::io::Error),
    /// Its root key is with the holders of its shares, and until they give them it does nothing.
    #[error("the enclave is sealed")]
    Sealed,
    /// The enclave answered something that does not belong to the request.
    #[error("the enclave answers out of protocol")]
    OutOfProtocol,
}

impl From<Malformed> for CallError {
    fn from(_: Malformed) -> Self {
        Self::OutOfProtocol
    }
}

/// Writes a typed call for each request: its own reply, or the refusal.
macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident: $request:ident => $reply:ident($body:ty);)*) => {$(
        $(#[$doc])*
        pub async fn $name(&self, request: $request) -> Result<$body, CallError> {
            match self.call(stringify!($name), &Request::$request(request)).await? {
                Reply::$reply(body) => Ok(body),
                Reply::Refused(refusal) => Err(CallError::Refused(refusal)),
                _ => Err(CallError::OutOfProtocol),
            }
        }
    )*};
}

impl Enclave {
    /// The enclave behind this socket; nothing is opened yet.
    pub fn at(socket: &Path, counts: EnclaveCalls) -> Self {
        Self {
            counts,
            socket: socket.to_owned(),
            permits: Semaphore::new(ENCLAVE_CONNECTIONS_MAX),
            idle: Mutex::new(Vec::new()),
            mark: Mutex::new(None),
        }
    }

    calls! {
        /// Who are you?
        hello: Hello => Welcome(Welcome);
        /// A new key pair for the pool.
        generate: Generate => Generated(PoolKey);
        /// Keys made offline, for the pool.
        adopt: Adopt => Adopted(Adopted);
        /// A pool key, tied to one user for good.
        bind: Bind => Bound(Bound);
        /// Yes or no to items and their checksums.
        check: Check => Checked(Checked);
        /// An identity session.
        open: Open => Opened(Opened);
        /// What a provider's event proves.
        admit: Admit => Admitted(Admitted);
        /// Whether a certificate may receive.
        inspect: Inspect => Inspected(Recipient);
        /// Items, encrypted to a recipient, on proof.
        release: Release => Released(Released);
        /// Yes or no to a key, or to an item that was checked before.
        prove: Prove => Proven(Proven);
        /// A pool key, tied to the user of another key, in that one's place.
        succeed: Succeed => Bound(Bound);
        /// Items, encrypted anew to the key that replaces theirs.
        rewrap: Rewrap => Rewrapped(Rewrapped);
        /// Seals of the epoch before, in the one in force.
        reseal: Reseal => Resealed(Resealed);
        /// The enclave's own log of a session.
        recall: Recall => Recalled(Recalled);
        /// Whether a provider signed an event.
        verify: Verify => Verified(Verified);
        /// Nothing that was sealed for a tenant before (sandbox).
        reset: Reset => HasReset(HasReset);
        /// A new version of a roster or of an access list.
        amend: Amend => Amended(Amended);
        /// Keys, put under an access list for good.
        attach: Attach => Attached(Attached);
        /// People's decision on a session that is in review.
        judge: Judge => Judged(Judged);
        /// Nothing leaves of a tenant for a time; or how it stands.
        freeze: Freeze => Frozen(Frozen);
        /// It goes on, on an Owner's word.
        thaw: Thaw => Frozen(Frozen);
        /// A bundle for the offline enclave, signed.
        dispatch: Dispatch => Signed(Signed);
        /// How far its log has come, and whether it has all that is remembered of it.
        mark: Mark => Marked(Marked);
        /// Its signature under a checkpoint that goes on from the last.
        cosign: Cosign => Cosigned(Cosigned);
    }

    /// From now on each connection begins with this mark of the enclave's log: one whose log is older answers nothing.
    pub fn remember(&self, mark: Vec<u8>) {
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner) = Some(mark);
    }

    /// What [`Enclave::remember`] was told last.
    pub fn remembered(&self) -> Option<Vec<u8>> {
        self.mark.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether somebody on a list has signed a ballot.
    pub async fn weigh(&self, request: Weigh) -> Result<bool, CallError> {
        match self.call("weigh", &Request::Weigh(request)).await? {
            Reply::Verified(_) => Ok(true),
            Reply::Refused(Refusal::ProofFailed) => Ok(false),
            Reply::Refused(refusal) => Err(CallError::Refused(refusal)),
            _ => Err(CallError::OutOfProtocol),
        }
    }

    /// An identity session for a person of Control, who is named in the user's place.
    pub async fn open_person(&self, request: Open) -> Result<Opened, CallError> {
        match self.call("open_person", &Request::OpenPerson(request)).await? {
            Reply::Opened(body) => Ok(body),
            Reply::Refused(refusal) => Err(CallError::Refused(refusal)),
            _ => Err(CallError::OutOfProtocol),
        }
    }

    /// What an access list has approved: one OpenPGP message, or how long it still waits.
    pub async fn package(&self, request: Package) -> Result<Parcel, CallError> {
        match self.call("package", &Request::Package(request)).await? {
            Reply::Packaged(body) => Ok(Parcel::Ready(body)),
            Reply::Waiting(body) => Ok(Parcel::Waits(body)),
            Reply::Refused(refusal) => Err(CallError::Refused(refusal)),
            _ => Err(CallError::OutOfProtocol),
        }
    }

    /// Its word to the offline enclave on a recovery.
    pub async fn vouch(&self, request: Package) -> Result<Signed, CallError> {
        match self.call("vouch", &Request::Vouch(request)).await? {
            Reply::Signed(body) => Ok(body),
            Reply::Refused(refusal) => Err(CallError::Refused(refusal)),
            _ => Err(CallError::OutOfProtocol),
        }
    }

    /// The version of a list that waits, stopped for good by one member's no.
    pub async fn stop(&self, request: Weigh) -> Result<Verified, CallError> {
        match self.call("stop", &Request::Stop(request)).await? {
            Reply::Verified(body) => Ok(body),
            Reply::Refused(refusal) => Err(CallError::Refused(refusal)),
            _ => Err(CallError::OutOfProtocol),
        }
    }

    /// Yes or no to items whose checksum nobody gave.
    pub async fn try_items(&self, request: Check) -> Result<Checked, CallError> {
        match self.call("try_items", &Request::Try(request)).await? {
            Reply::Checked(body) => Ok(body),
            Reply::Refused(refusal) => Err(CallError::Refused(refusal)),
            _ => Err(CallError::OutOfProtocol),
        }
    }

    /// Asks, and counts how it went under this name.
    async fn call(&self, name: &'static str, request: &Request) -> Result<Reply, CallError> {
        let begun = instant();
        // Within a call alone: what jobs ask for is nobody's trace.
        let is_within = !tracing::Span::current().is_none();
        let span =
            if is_within { tracing::debug_span!("enclave", request = name) } else { tracing::Span::none() };
        let reply = match self.ask(request).instrument(span).await {
            Ok(Reply::Refused(Refusal::Sealed)) | Err(CallError::Refused(Refusal::Sealed)) => {
                Err(CallError::Sealed)
            }
            reply => reply,
        };
        let outcome = match &reply {
            Ok(Reply::Refused(_)) => "refused",
            Ok(_) => "ok",
            Err(CallError::Away(_)) => "away",
            Err(CallError::Sealed) => "sealed",
            Err(_) => "out-of-protocol",
        };
        self.counts.calls.get_or_create(&Answered { request: name, outcome }).inc();
        let seconds = self.counts.seconds.get_or_create(&Asked { request: name });
        seconds.observe(instant().duration_since(begun).as_secs_f64());
        reply
    }

    async fn ask(&self, request: &Request) -> Result<Reply, CallError> {
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await.map_err(|_| CallError::OutOfProtocol)?;
        let converse = async {
            let mut stream = self.connection().await?;
            let reply = exchange(&mut stream, request).await?;
            Ok::<_, CallError>((stream, reply))
        };
        let (stream, reply) = match tokio::time::timeout(ENCLAVE_DEADLINE, converse).await {
            Ok(conversed) => conversed?,
            Err(_) => return Err(CallError::Away(std::io::ErrorKind::TimedOut.into())),
        };
        // Kept only after a whole exchange: a half-read connection would answer the next caller.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
        Ok(reply)
    }

    /// An idle connection that the enclave has not closed, or a new one to an enclave whose log is no older than what
    /// is remembered of it: it may have been started anew.
    async fn connection(&self) -> Result<UnixStream, CallError> {
        loop {
            let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(stream) = kept else {
                let mut stream = UnixStream::connect(&self.socket).await.map_err(CallError::Away)?;
                let Some(latest) = self.remembered() else { return Ok(stream) };
                return match exchange(&mut stream, &Request::Mark(Mark { latest: Some(latest) })).await? {
                    Reply::Marked(_) => Ok(stream),
                    Reply::Refused(refusal) => Err(CallError::Refused(refusal)),
                    _ => Err(CallError::OutOfProtocol),
                };
            };
            match stream.try_read(&mut [0]) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(stream),
                // Closed by the enclave, or bytes nobody asked for.
                _ => drop(stream),
            }
        }
    }
}

async fn exchange(stream: &mut UnixStream, request: &Request) -> Result<Reply, CallError> {
    let bytes = frame(request);
    let most = if matches!(request, Request::Package(_)) { PACKAGE_FRAME_BYTES_MAX } else { FRAME_BYTES_MAX };
    if bytes.len() > most {
        return Err(CallError::OutOfProtocol);
    }
    stream.write_all(&bytes).await.map_err(CallError::Away)?;
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).await.map_err(CallError::Away)?;
    let mut body = vec![0; frame_length(prefix)?];
    stream.read_exact(&mut body).await.map_err(CallError::Away)?;
    Ok(unframe(&body)?)
}
