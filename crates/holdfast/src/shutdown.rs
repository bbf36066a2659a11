//! Ctrl-C and SIGTERM.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::failure::{Doing as _, Failure};

/// Knows whether the command was asked to end.
#[derive(Clone)]
pub struct Shutdown {
    asked: watch::Receiver<u8>,
}

impl Shutdown {
    /// Listens from now on.
    pub fn listen() -> Result<Self, Failure> {
        let doing = || "cannot listen for Ctrl-C";
        let mut interrupt = signal(SignalKind::interrupt()).doing(doing)?;
        let mut terminate = signal(SignalKind::terminate()).doing(doing)?;
        let (count, asked) = watch::channel(0_u8);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                count.send_modify(|times| *times = times.saturating_add(1));
            }
        });
        Ok(Self { asked })
    }

    /// Until the first time.
    pub async fn asked(&mut self) {
        self.times(1).await;
    }

    /// Until the second time: somebody does not want to wait.
    pub async fn insisted(&mut self) {
        self.times(2).await;
    }

    async fn times(&mut self, times: u8) {
        // The sender lives as long as the runtime does.
        let _ = self.asked.wait_for(|asked| *asked >= times).await;
    }
}
