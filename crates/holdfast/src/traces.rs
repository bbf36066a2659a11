//! Spans of calls, sent to a collector of the operator's by OTLP over HTTP (protobuf).
//!
//! What is sent is chosen here once more: spans of ours alone, with these attributes alone. Sending never holds up a
//! call: spans wait in a bounded queue, and what has no room in it, or finds the collector away, is dropped and counted.

use std::pin::Pin;
use std::time::Duration;

use opentelemetry::trace::{SpanKind, TraceContextExt as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue, TraceId};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    Sampler, SamplingResult, SdkTracerProvider, ShouldSample, Span, SpanData, SpanExporter as _,
    SpanProcessor,
};
use server::config::TracingSettings;
use server::metrics::SpanCounts;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::failure::{Doing as _, Failure};

/// Spans that wait to be sent.
const QUEUE_MAX: usize = 4_096;
/// Spans sent at once.
const BATCH_MAX: usize = 512;
/// How long a batch is waited for to fill.
const LINGER: Duration = Duration::from_millis(500);
/// A collector that has not answered by then is away.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long the last spans may take when the program ends.
const LAST: Duration = Duration::from_secs(2);

/// Crates whose spans are sent.
const OURS: [&str; 2] = ["server", "store"];
/// Attributes that are sent: words of ours and the call's own name, never what a call held.
const ATTRIBUTES: [&str; 6] = ["request_id", "method", "route", "status", "request", "closure"];

/// Spans on their way, until [`Traces::send`] sends them.
pub struct Traces {
    provider: SdkTracerProvider,
    spans: mpsc::Receiver<SpanData>,
    exporter: SpanExporter,
    counts: SpanCounts,
}

/// The sending, until [`Sending::finish`].
pub struct Sending {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Traces {
    /// Prepares it; nothing is sent yet.
    pub fn open(settings: &TracingSettings) -> Result<Self, Failure> {
        let doing = || "cannot prepare the export of traces";
        let redirect = reqwest::redirect::Policy::none();
        let client = reqwest::Client::builder().redirect(redirect).timeout(DEADLINE).build().doing(doing)?;
        let exporter = SpanExporter::builder().with_http().with_http_client(Collector(client));
        let exporter = exporter.with_endpoint(&settings.endpoint).with_timeout(DEADLINE);
        let mut exporter = exporter.build().doing(doing)?;
        let attributes = [KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))];
        let resource = Resource::builder_empty().with_service_name(settings.service_name.clone());
        let resource = resource.with_attributes(attributes).build();
        exporter.set_resource(&resource);
        let (sender, spans) = mpsc::channel(QUEUE_MAX);
        let counts = SpanCounts::default();
        let provider = SdkTracerProvider::builder()
            .with_sampler(Ratio(Sampler::TraceIdRatioBased(settings.sampling_ratio)))
            .with_span_processor(Queue { sender, counts: counts.clone() })
            .with_resource(resource)
            .build();
        Ok(Self { provider, spans, exporter, counts })
    }

    /// Takes the spans of ours, and nothing else: neither others' spans nor log lines.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: tracing::Subscriber + for<'s> LookupSpan<'s>,
    {
        let layer = tracing_opentelemetry::layer().with_tracer(self.provider.tracer("holdfast"));
        let layer = layer.with_location(false).with_threads(false).with_target(false);
        layer.with_tracked_inactivity(false).with_filter(filter_fn(|metadata| {
            let crate_name = metadata.target().split("::").next().unwrap_or_default();
            metadata.is_span() && OURS.contains(&crate_name)
        }))
    }

    /// What becomes of the spans.
    pub fn counts(&self) -> SpanCounts {
        self.counts.clone()
    }

    /// Sends from now on, on a task of its own.
    pub fn send(self) -> Sending {
        let (stop, stopped) = oneshot::channel();
        Sending { stop, task: tokio::spawn(self.run(stopped)) }
    }

    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        let (mut batch, mut was_taken) = (Vec::new(), true);
        let mut is_last = false;
        while !is_last {
            tokio::select! {
                _ = &mut stopped => is_last = true,
                count = self.spans.recv_many(&mut batch, BATCH_MAX) => if count == 0 { return },
            }
            if !is_last && batch.len() < BATCH_MAX {
                // An error means that the program ends, which is seen in the next round.
                let _ = tokio::time::timeout(LINGER, self.fill(&mut batch)).await;
            }
            while is_last
                && batch.len() < QUEUE_MAX
                && let Ok(span) = self.spans.try_recv()
            {
                batch.push(span);
            }
            let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
            let sent = tokio::time::timeout(DEADLINE, self.exporter.export(std::mem::take(&mut batch))).await;
            let is_taken = matches!(sent, Ok(Ok(())));
            if is_taken { &self.counts.exported } else { &self.counts.dropped }.inc_by(count);
            if was_taken && !is_taken {
                tracing::warn!("the collector takes no spans; they are dropped until it does");
            }
            was_taken = is_taken;
        }
    }

    async fn fill(&mut self, batch: &mut Vec<SpanData>) {
        while batch.len() < BATCH_MAX {
            let Some(span) = self.spans.recv().await else { return };
            batch.push(span);
        }
    }
}

impl Sending {
    /// Sends what waits, for a moment, and ends.
    pub async fn finish(self) {
        // An error means that it has ended by itself.
        let _ = self.stop.send(());
        let _ = tokio::time::timeout(LAST, self.task).await;
    }
}

/// Where spans are put at their end.
#[derive(Debug)]
struct Queue {
    sender: mpsc::Sender<SpanData>,
    counts: SpanCounts,
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, mut span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        span.attributes.retain(|attribute| ATTRIBUTES.contains(&attribute.key.as_str()));
        if span.name == "call" {
            span.span_kind = SpanKind::Server;
        }
        if self.sender.try_send(span).is_err() {
            self.counts.dropped.inc();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Samples by the trace's id. A caller who says that his trace is not sampled is heeded; one who says that it is gets
/// no more than the ratio, since strangers say so too.
#[derive(Clone, Debug)]
struct Ratio(Sampler);

impl ShouldSample for Ratio {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[opentelemetry::trace::Link],
    ) -> SamplingResult {
        let caller = parent.map(|parent| parent.span().span_context().clone());
        let caller = caller.filter(opentelemetry::trace::SpanContext::is_valid);
        let sampler = match caller {
            Some(caller) if !caller.is_sampled() => &Sampler::AlwaysOff,
            // A span within a call goes with it.
            Some(caller) if !caller.is_remote() => &Sampler::AlwaysOn,
            _ => &self.0,
        };
        sampler.should_sample(parent, trace_id, name, kind, attributes, links)
    }
}

/// The way to the collector.
#[derive(Debug)]
struct Collector(reqwest::Client);

impl HttpClient for Collector {
    // Written out as the trait's macro writes it.
    fn send_bytes<'c, 'f>(
        &'c self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        'c: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            let answer = self.0.execute(reqwest::Request::try_from(request)?).await?;
            // Of the answer only its status counts.
            Ok(Response::builder().status(answer.status()).body(Bytes::new())?)
        })
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::SpanId;
    use opentelemetry::trace::{SpanContext, TraceFlags, TraceState};
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn traces(sampling_ratio: f64) -> Traces {
        let to_nobody = TracingSettings::to("http://127.0.0.1:9").unwrap();
        Traces::open(&TracingSettings { sampling_ratio, ..to_nobody }).unwrap()
    }

    #[test]
    fn what_has_no_room_is_dropped_and_counted() {
        let traces = traces(1.0);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(traces.layer()), || {
            for _ in 0..QUEUE_MAX + 7 {
                drop(tracing::error_span!(target: "server::http", "call"));
            }
        });
        assert_eq!((traces.spans.len(), traces.counts.dropped.get()), (QUEUE_MAX, 7));
    }

    #[test]
    fn only_what_was_chosen_is_sent() {
        let mut traces = traces(1.0);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(traces.layer()), || {
            drop(tracing::error_span!(target: "hyper::proto", "theirs"));
            let span = tracing::error_span!(target: "server", "call", route = "/", user = "ada");
            span.in_scope(|| tracing::error!(target: "server", cause = "secret", "a line"));
        });
        let span = traces.spans.try_recv().unwrap();
        let keys: Vec<_> = span.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
        assert_eq!((&*span.name, keys, span.events.len()), ("call", vec!["route"], 0));
        assert!(traces.spans.try_recv().is_err(), "and nothing else");
    }

    #[test]
    fn a_caller_can_ask_for_less_and_not_for_more() {
        let asked = |sampling_ratio, flags| {
            let mut traces = traces(sampling_ratio);
            tracing::subscriber::with_default(tracing_subscriber::registry().with(traces.layer()), || {
                let (trace, span) = (TraceId::from_bytes([7; 16]), SpanId::from_bytes([7; 8]));
                let caller = SpanContext::new(trace, span, flags, true, TraceState::NONE);
                let call = tracing::error_span!(target: "server", "call");
                call.set_parent(Context::new().with_remote_span_context(caller)).unwrap();
                drop(call.in_scope(|| tracing::debug_span!(target: "store", "database")));
            });
            std::iter::from_fn(|| traces.spans.try_recv().ok()).count()
        };
        assert_eq!(asked(1.0, TraceFlags::SAMPLED), 2);
        assert_eq!(asked(1.0, TraceFlags::NOT_SAMPLED), 0);
        assert_eq!(asked(0.0, TraceFlags::SAMPLED), 0);
    }
}
