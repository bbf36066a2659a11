//! Sends the mails that are due, a few at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::App;
use crate::flows::{self, Error};

/// The job's name.
const JOB: &str = "send_mail";

/// How often it is looked whether something is due.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The pause after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// Sends until the service stops. A mail on its way is dropped then: it is due again when its lease ends.
pub async fn send(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    if app.mailer.is_none() {
        return;
    }
    tokio::select! {
        () = repeat(&app) => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

async fn repeat(app: &Arc<App>) {
    loop {
        let pause = match round(app).await {
            Ok(0) => LOOK_EVERY,
            Ok(_) => continue,
            Err(error) => {
                told(app, error);
                AFTER_FAILURE
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Sends what is due; how many there were.
async fn round(app: &Arc<App>) -> Result<usize, Error> {
    let taken = flows::take_up_mails(app, app.clock.now()).await?;
    let count = taken.len();
    let mut sending = JoinSet::new();
    for mail in taken {
        let app = Arc::clone(app);
        sending.spawn(async move {
            match &app.mailer {
                Some(mailer) => flows::send_mail(&app, mailer, mail).await,
                None => Ok(()),
            }
        });
    }
    while let Some(sent) = sending.join_next().await {
        sent.map_err(|_| Error::fault("sending a mail"))??;
    }
    Ok(count)
}

fn told(app: &App, error: Error) {
    match error {
        Error::Refused(refusal) => {
            app.metrics.count_failed_round(JOB, "waits");
            tracing::debug!(%refusal, "mails wait");
        }
        Error::Fault(fault) => {
            app.metrics.count_failed_round(JOB, "failed");
            tracing::error!(doing = fault.doing, cause = fault.chain(), "mails could not be sent");
        }
    }
}
