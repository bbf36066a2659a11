//! Sends what is due at webhook endpoints: many at once, few to the same, so that one that hangs slows nobody
//! else.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::ids::WebhookId;
use domain::limits::{WEBHOOK_AT_ONCE, WEBHOOK_AT_ONCE_ALL, WEBHOOK_AT_ONCE_FAILING};
use store::webhook_deliveries::Due;
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};

use crate::app::App;
use crate::flows::{self, Error};

/// The job's name.
const JOB: &str = "deliver_webhook";

/// How often it is looked whether something is due.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The pause after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// How long what is on its way may take when the service stops; what is not through by then is sent again.
const DRAIN: Duration = Duration::from_millis(500);

/// How many endpoints are looked at in one go.
const ENDPOINTS_MAX: i64 = 200;

/// What is on its way.
#[derive(Default)]
struct OnTheWay {
    tasks: JoinSet<()>,
    /// To whom each task sends.
    whom: HashMap<Id, WebhookId>,
    /// How many tasks send to each.
    count: HashMap<WebhookId, usize>,
}

/// Delivers until the service stops.
pub async fn deliver(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut on_the_way = OnTheWay::default();
    while !*stop.borrow() {
        let pause = match send_due(&app, &mut on_the_way).await {
            Ok(()) => LOOK_EVERY,
            Err(Error::Refused(refusal)) => {
                app.metrics.count_failed_round(JOB, "waits");
                tracing::debug!(%refusal, "webhooks wait");
                AFTER_FAILURE
            }
            Err(Error::Fault(fault)) => {
                app.metrics.count_failed_round(JOB, "failed");
                tracing::error!(
                    doing = fault.doing,
                    cause = fault.chain(),
                    "webhooks could not be looked at"
                );
                AFTER_FAILURE
            }
        };
        let _ = tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await;
    }
    // What is not through is given back with this process's leases.
    let _ =
        tokio::time::timeout(DRAIN, async { while on_the_way.tasks.join_next().await.is_some() {} }).await;
}

/// Sends what is due as far as there is room.
async fn send_due(app: &Arc<App>, on_the_way: &mut OnTheWay) -> Result<(), Error> {
    let now = app.clock.now();
    let mut after = None;
    loop {
        on_the_way.reap();
        let page = flows::list_due_webhooks(app, after.take(), now, ENDPOINTS_MAX).await?;
        let is_last = page.len() < usize::try_from(ENDPOINTS_MAX).unwrap_or(usize::MAX);
        after = page.last().map(|due| due.id.clone());
        for due in page {
            let room = on_the_way.room(&due);
            if room == 0 {
                continue;
            }
            let limit = i64::try_from(room).unwrap_or(i64::MAX);
            for parcel in flows::claim_deliveries(app, due.id.clone(), now, limit).await? {
                let app = Arc::clone(app);
                let task = on_the_way.tasks.spawn(async move {
                    match flows::deliver_webhook(&app, parcel).await {
                        Ok(()) => {}
                        // Its lease lapses, and it is sent again.
                        Err(Error::Refused(refusal)) => {
                            tracing::debug!(%refusal, "a delivery is not recorded");
                        }
                        Err(Error::Fault(fault)) => {
                            app.metrics.count_failed_round(JOB, "failed");
                            tracing::error!(
                                doing = fault.doing,
                                cause = fault.chain(),
                                "a delivery failed inside"
                            );
                        }
                    }
                });
                on_the_way.whom.insert(task.id(), due.id.clone());
                *on_the_way.count.entry(due.id.clone()).or_default() += 1;
            }
        }
        if is_last {
            return Ok(());
        }
    }
}

impl OnTheWay {
    /// How much more may be sent to an endpoint now.
    fn room(&self, due: &Due) -> usize {
        let bound = if due.failing_since.is_some() { WEBHOOK_AT_ONCE_FAILING } else { WEBHOOK_AT_ONCE };
        let busy = self.count.get(&due.id).copied().unwrap_or(0);
        bound.saturating_sub(busy).min(WEBHOOK_AT_ONCE_ALL.saturating_sub(self.tasks.len()))
    }

    /// Forgets what has ended.
    fn reap(&mut self) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
            let Some(whom) = self.whom.remove(&id) else { continue };
            if let Some(count) = self.count.get_mut(&whom) {
                *count -= 1;
                if *count == 0 {
                    self.count.remove(&whom);
                }
            }
        }
    }
}
