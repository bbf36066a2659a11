//! Runs the jobs until the service stops.

use std::sync::Arc;
use std::time::Duration;

use domain::key::KeyType;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::deliver_webhook::deliver;
use super::fill_key_pool::fill_one;
use super::look_after_key_shares::Look;
use super::send_mail;
use super::sweep_blobs::Sweep;
use crate::app::App;
use crate::flows::{self, Error};
use crate::running::Duty;

/// The pause of a job that found nothing to do.
const IDLE: Duration = Duration::from_secs(1);

/// The pause of a job that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// The running jobs.
pub struct Workers(JoinSet<()>);

impl Workers {
    /// Waits until each has finished what it is at.
    pub async fn finish(mut self) {
        while self.0.join_next().await.is_some() {}
    }
}

/// Starts every job; where others work, the one that each process needs: it shows the enclave the mark that it
/// remembers itself.
pub fn start(
    app: &Arc<App>,
    pool_targets: Vec<(KeyType, u64)>,
    duty: Duty,
    stop: &watch::Receiver<bool>,
) -> Workers {
    let mut jobs = JoinSet::new();
    let run = |jobs: &mut JoinSet<()>, job| jobs.spawn(repeat(Arc::clone(app), job, stop.clone()));
    run(&mut jobs, Job::KeepMark);
    if duty == Duty::Calls {
        return Workers(jobs);
    }
    run(&mut jobs, Job::FillKeyPool(pool_targets));
    run(&mut jobs, Job::SequenceAudit);
    run(&mut jobs, Job::CosignCheckpoints);
    run(&mut jobs, Job::WitnessCheckpoints);
    run(&mut jobs, Job::ExpireInquiries);
    run(&mut jobs, Job::AdmitEvents);
    run(&mut jobs, Job::CloseRecoveries);
    run(&mut jobs, Job::ForgetOld);
    run(&mut jobs, Job::ResealKeys);
    run(&mut jobs, Job::PrepareRecoveries);
    run(&mut jobs, Job::ExpirePackages);
    run(&mut jobs, Job::ExpireChanges);
    run(&mut jobs, Job::SettleReviews);
    jobs.spawn(deliver(Arc::clone(app), stop.clone()));
    jobs.spawn(send_mail::send(Arc::clone(app), stop.clone()));
    run(&mut jobs, Job::EndDeletions);
    run(&mut jobs, Job::EndDestructions);
    run(&mut jobs, Job::EndFreezes);
    run(&mut jobs, Job::SweepBlobs(Sweep::default()));
    run(&mut jobs, Job::LookAfterKeyShares(Look::default()));
    Workers(jobs)
}

/// One job.
enum Job {
    FillKeyPool(Vec<(KeyType, u64)>),
    SequenceAudit,
    CosignCheckpoints,
    WitnessCheckpoints,
    ExpireInquiries,
    AdmitEvents,
    CloseRecoveries,
    ForgetOld,
    KeepMark,
    ResealKeys,
    PrepareRecoveries,
    ExpirePackages,
    ExpireChanges,
    SettleReviews,
    EndDeletions,
    EndDestructions,
    EndFreezes,
    SweepBlobs(Sweep),
    LookAfterKeyShares(Look),
}

impl Job {
    const fn name(&self) -> &'static str {
        match self {
            Self::FillKeyPool(_) => "fill_key_pool",
            Self::SequenceAudit => "sequence_audit",
            Self::CosignCheckpoints => "cosign_checkpoints",
            Self::WitnessCheckpoints => "witness_checkpoints",
            Self::ExpireInquiries => "expire_inquiries",
            Self::AdmitEvents => "admit_events",
            Self::CloseRecoveries => "close_recoveries",
            Self::ForgetOld => "forget_old",
            Self::KeepMark => "keep_mark",
            Self::ResealKeys => "reseal_keys",
            Self::PrepareRecoveries => "prepare_recoveries",
            Self::ExpirePackages => "expire_packages",
            Self::ExpireChanges => "expire_changes",
            Self::SettleReviews => "settle_reviews",
            Self::EndDeletions => "end_deletions",
            Self::EndDestructions => "end_destructions",
            Self::EndFreezes => "end_freezes",
            Self::SweepBlobs(_) => "sweep_blobs",
            Self::LookAfterKeyShares(_) => "look_after_key_shares",
        }
    }

    /// Does a round; true when there may be more to do at once.
    async fn round(&self, app: &App) -> Result<bool, Error> {
        let now = app.clock.now();
        match self {
            Self::FillKeyPool(targets) => fill_one(app, targets, now).await,
            Self::SequenceAudit => flows::sequence_all(app, now).await,
            Self::CosignCheckpoints => flows::cosign_all(app, now).await,
            Self::WitnessCheckpoints => flows::witness_all(app, now).await,
            Self::ExpireInquiries => flows::expire_inquiries(app, now).await.map(|count| count > 0),
            Self::AdmitEvents => flows::admit_waiting(app, now).await.map(|_| false),
            Self::CloseRecoveries => flows::close_recoveries(app, now).await.map(|_| false),
            Self::ForgetOld => flows::forget_old(app, now).await,
            Self::KeepMark => flows::keep_mark(app, now).await.map(|()| false),
            Self::ResealKeys => flows::reseal_keys(app, now).await,
            Self::PrepareRecoveries => {
                flows::approvals::advance_recoveries(app, now).await.map(|count| count > 0)
            }
            Self::ExpirePackages => flows::approvals::end_packages(app, now).await.map(|count| count > 0),
            Self::ExpireChanges => flows::approvals::settle_changes(app, now).await.map(|count| count > 0),
            Self::SettleReviews => flows::approvals::settle_reviews(app, now).await.map(|count| count > 0),
            Self::EndDeletions => flows::end_deletions(app, now).await.map(|count| count > 0),
            Self::EndDestructions => {
                flows::destruction::end_destructions(app, now).await.map(|count| count > 0)
            }
            Self::EndFreezes => flows::end_freezes(app, now).await.map(|count| count > 0),
            Self::SweepBlobs(sweep) => sweep.round(app, now).await.map(|()| false),
            Self::LookAfterKeyShares(look) => look.round(app, now).await.map(|()| false),
        }
    }
}

async fn repeat(app: Arc<App>, job: Job, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let pause = match job.round(&app).await {
            Ok(true) => continue,
            Ok(false) => IDLE,
            Err(Error::Refused(refusal)) => {
                app.metrics.count_failed_round(job.name(), "waits");
                tracing::debug!(job = job.name(), %refusal, "a job waits");
                AFTER_FAILURE
            }
            Err(Error::Fault(fault)) => {
                app.metrics.count_failed_round(job.name(), "failed");
                tracing::error!(job = job.name(), doing = fault.doing, cause = fault.chain(), "a job failed");
                AFTER_FAILURE
            }
        };
        let _ = tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await;
    }
}
