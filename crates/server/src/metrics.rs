//! What the process counts about itself, for whoever watches it.
//!
//! A label takes its values from a list that the program knows: templates of paths, names of jobs, words for
//! outcomes. Never a path as it was sent, nor an id: the series would be as many as the callers chose, and would
//! tell who they are. What each series means is in `docs/METRICS.md`.

use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use domain::audit::witness::WitnessState;
use domain::webhook::AttemptOutcome;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::flows::key_shares::Remade;

/// What each series' name begins with.
pub const PREFIX: &str = "holdfast";

/// Upper bounds in seconds: from a read of the database to the longest that a call may take.
const BOUNDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// What a call asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Route {
    /// The template of its path; `none` where no route has this path.
    pub route: String,
    /// Its method; `other` for one that no route takes.
    pub method: &'static str,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Ended {
    /// As [`Route::route`].
    pub route: String,
    /// As [`Route::method`].
    pub method: &'static str,
    /// The answer's status; `none` where the caller had gone before there was one.
    pub status: String,
}

/// A request to the enclave.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Asked {
    /// Its name.
    pub request: &'static str,
}

/// How a request to the enclave ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Answered {
    /// Its name.
    pub request: &'static str,
    /// `ok`, `refused`, `away`, or `out-of-protocol`.
    pub outcome: &'static str,
}

/// One word for how something went.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Outcome {
    /// The word.
    pub outcome: &'static str,
}

/// A round of a job that did not do its work.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FailedRound {
    /// The job's name.
    pub job: &'static str,
    /// `waits`: something is away, and the job tries again; `failed`: somebody should look.
    pub outcome: &'static str,
}

/// A store of key shares that gave no share.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ShareLack {
    /// The store, as the settings name it.
    pub store: String,
    /// `missing`, `damaged` or `away`.
    pub lack: &'static str,
}

/// How keys are held.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct HeldAs {
    /// `whole`, `complete`, `lacking` or `lost`.
    pub held: &'static str,
}

/// Histograms of durations in seconds, by these labels.
pub type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

/// Calls over HTTP.
#[derive(Clone, Debug)]
pub struct Http {
    /// Calls that ended.
    pub calls: Family<Ended, Counter>,
    /// From the head of a call to the head of its answer.
    pub seconds: Durations<Route>,
    /// Calls without an answer yet.
    pub running: Gauge,
    /// Open connections of the API.
    pub connections: Gauge,
    /// Calls refused because their credential calls too often.
    pub rate_limited: Counter,
    /// Calls without a valid credential.
    pub unauthenticated: Counter,
}

/// Requests to the enclave.
#[derive(Clone, Debug)]
pub struct EnclaveCalls {
    /// Those that ended.
    pub calls: Family<Answered, Counter>,
    /// Waiting for a connection included.
    pub seconds: Durations<Asked>,
}

/// What became of spans that were to be exported: counted by whoever exports them.
#[derive(Clone, Debug, Default)]
pub struct SpanCounts {
    /// Taken by the collector.
    pub exported: Counter<u64, AtomicU64>,
    /// Dropped: the queue was full, or the collector away.
    pub dropped: Counter<u64, AtomicU64>,
}

/// All series that the process keeps. Those that are looked up at a scrape are in `http/metrics.rs`.
pub struct Metrics {
    registry: Mutex<Registry>,
    /// Calls over HTTP.
    pub http: Http,
    /// Requests to the enclave.
    pub enclave: EnclaveCalls,
    /// Tries of webhook deliveries.
    pub deliveries: Family<Outcome, Counter>,
    /// Tries of mails.
    pub mails: Family<Outcome, Counter>,
    /// Checkpoints that were shown to witnesses.
    pub witnessings: Family<Outcome, Counter>,
    /// Rounds of jobs that did not do their work.
    pub failed_rounds: Family<FailedRound, Counter>,
    /// Shares that were asked for and not to be had.
    pub share_lacks: Family<ShareLack, Counter>,
    /// How keys are held, as of the last look at all of them.
    pub held_keys: Family<HeldAs, Gauge>,
}

fn durations<L: Clone + std::hash::Hash + Eq>() -> Durations<L> {
    Family::new_with_constructor(|| Histogram::new(BOUNDS))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let metrics = Self {
            http: Http::register(&mut registry),
            enclave: EnclaveCalls::register(&mut registry),
            deliveries: Family::default(),
            mails: Family::default(),
            witnessings: Family::default(),
            failed_rounds: Family::default(),
            share_lacks: Family::default(),
            held_keys: Family::default(),
            registry: Mutex::default(),
        };
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The running program", version);
        let (deliveries, rounds) = (metrics.deliveries.clone(), metrics.failed_rounds.clone());
        registry.register("webhook_deliveries", "Tries of webhook deliveries, by how they went", deliveries);
        registry.register("mails", "Tries of mails, by how they went", metrics.mails.clone());
        let help = "Checkpoints that were shown to witnesses, by how they answered";
        registry.register("audit_witnessings", help, metrics.witnessings.clone());
        registry.register("job_failures", "Rounds of jobs that did not do their work", rounds);
        let help = "Key shares that were asked for and not to be had";
        registry.register("key_share_lacks", help, metrics.share_lacks.clone());
        let help = "Keys, by how they are held; none before the first look, or where there are no shares";
        registry.register("held_keys", help, metrics.held_keys.clone());
        Self { registry: Mutex::new(registry), ..metrics }
    }
}

impl Metrics {
    /// Shows these counts too.
    pub fn add_spans(&self, counts: &SpanCounts) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let SpanCounts { exported, dropped } = counts.clone();
        registry.register("trace_spans_exported", "Spans that the collector took", exported);
        registry.register("trace_spans_dropped", "Spans that were dropped instead of waiting", dropped);
    }

    /// Writes all series, in the text form of `OpenMetrics` 1.0 without its end.
    pub fn write(&self, out: &mut String) -> std::fmt::Result {
        encode_registry(out, &self.registry.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts a try of a delivery.
    pub fn count_delivery(&self, outcome: AttemptOutcome) {
        self.deliveries.get_or_create(&Outcome { outcome: outcome.as_str() }).inc();
    }

    /// Counts a try of a mail.
    pub fn count_mail(&self, outcome: &'static str) {
        self.mails.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts a checkpoint that was shown to a witness.
    pub fn count_witnessing(&self, state: WitnessState) {
        self.witnessings.get_or_create(&Outcome { outcome: state.as_str() }).inc();
    }

    /// Counts a share that was not to be had.
    pub fn count_share_lack(&self, store: &str, lack: &'static str) {
        self.share_lacks.get_or_create(&ShareLack { store: store.to_owned(), lack }).inc();
    }

    /// Shows how keys are held.
    pub fn show_held_keys(&self, found: &Remade) {
        let Remade { whole, complete, lacking, lost, .. } = *found;
        for (held, count) in [("whole", whole), ("complete", complete), ("lacking", lacking), ("lost", lost)]
        {
            self.held_keys.get_or_create(&HeldAs { held }).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// Counts a round of a job that did not do its work.
    pub fn count_failed_round(&self, job: &'static str, outcome: &'static str) {
        self.failed_rounds.get_or_create(&FailedRound { job, outcome }).inc();
    }
}

impl Http {
    fn register(registry: &mut Registry) -> Self {
        let http = Self {
            calls: Family::default(),
            seconds: durations(),
            running: Gauge::default(),
            connections: Gauge::default(),
            rate_limited: Counter::default(),
            unauthenticated: Counter::default(),
        };
        let Self { calls, seconds, running, connections, rate_limited, unauthenticated } = http.clone();
        registry.register("http_requests", "Calls that ended", calls);
        registry.register(
            "http_request_duration_seconds",
            "From the head of a call to the head of its answer",
            seconds,
        );
        registry.register("http_requests_running", "Calls without an answer yet", running);
        registry.register("http_connections", "Open connections of the API", connections);
        registry.register("rate_limited_calls", "Calls of credentials that call too often", rate_limited);
        registry.register("authentication_failures", "Calls without a valid credential", unauthenticated);
        http
    }
}

impl EnclaveCalls {
    fn register(registry: &mut Registry) -> Self {
        let enclave = Self { calls: Family::default(), seconds: durations() };
        let Self { calls, seconds } = enclave.clone();
        registry.register("enclave_calls", "Requests to the enclave that ended", calls);
        registry.register(
            "enclave_call_duration_seconds",
            "Requests to the enclave, waiting included",
            seconds,
        );
        enclave
    }
}
