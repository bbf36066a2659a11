//! The way from a sandbox's service to whoever runs its offline enclave.
//!
//! The service starts no process and has no way to the offline enclave: it hands on that a ceremony is wanted, and
//! who started the service holds it and says what came of it. Without such a one nobody can be asked.

use tokio::sync::{mpsc, oneshot};

/// Calls that may wait for their ceremony; one more waits at the desk.
const CALLS_MAX: usize = 16;

/// Where a ceremony is asked for.
#[derive(Clone, Debug)]
pub struct CeremonyDesk(mpsc::Sender<CeremonyCall>);

/// Somebody waits for a ceremony. Dropping it tells him that there was none.
#[derive(Debug)]
pub struct CeremonyCall(oneshot::Sender<u64>);

impl CeremonyDesk {
    /// A desk, and what comes in at it.
    pub fn open() -> (Self, mpsc::Receiver<CeremonyCall>) {
        let (desk, calls) = mpsc::channel(CALLS_MAX);
        (Self(desk), calls)
    }

    /// Has a ceremony held that begins after this call, and says how many keys it brought. None: there was none,
    /// for the reason in the log of whoever should have held it.
    pub async fn ask(&self) -> Option<u64> {
        let (done, held) = oneshot::channel();
        self.0.send(CeremonyCall(done)).await.ok()?;
        held.await.ok()
    }
}

impl CeremonyCall {
    /// The ceremony was held and brought so many keys into the pool.
    pub fn held(self, keys_added: u64) {
        // Whoever asked may have gone: the ceremony was held all the same.
        let _ = self.0.send(keys_added);
    }
}
