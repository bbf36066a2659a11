//! `/metrics`, on an address of its own: what the process counted, and what it finds out at the scrape.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use boundary::message::Hello;
use domain::key::{KeyEnvironment, KeyType};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use store::backlog::{self, Backlog};
use store::reseals::{self, Reseal};
use store::{Stats, StoreError};

use crate::app::App;
use crate::metrics::PREFIX;

/// Database and enclave count as away when they have not answered by then: below the usual patience of a scrape.
const PROBE_DEADLINE: Duration = Duration::from_secs(2);

const CONTENT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What a key is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    environment: &'static str,
    key_type: &'static str,
}

/// What a scrape calls.
pub fn router(app: &Arc<App>) -> Router {
    Router::new().route("/metrics", get(scrape)).with_state(Arc::clone(app))
}

/// Everything that is known. What cannot be found out is left out, and `database_up` or `enclave_up` says why.
async fn scrape(State(app): State<Arc<App>>) -> impl IntoResponse {
    let look = app.db.read("scrape", |rx| Ok((backlog::find(rx)?, reseals::find_latest(rx)?)));
    let look = async {
        let looked: Result<(Backlog, Option<Reseal>), StoreError> =
            tokio::time::timeout(PROBE_DEADLINE, look).await.ok()?;
        looked.ok()
    };
    let ask = tokio::time::timeout(PROBE_DEADLINE, app.enclave.hello(Hello { env: app.env }));
    let (backlog, enclave) = tokio::join!(look, ask);
    let mut found = Registry::with_prefix(PREFIX);
    let up = |is_up: bool| ConstGauge::new(i64::from(is_up));
    let database_up = backlog.is_some() && !app.db.is_failed();
    found.register("database_up", "Whether the database answered this scrape", up(database_up));
    found.register(
        "enclave_up",
        "Whether the enclave answered this scrape",
        up(matches!(enclave, Ok(Ok(_)))),
    );
    add_stats(&mut found, app.db.stats());
    add_targets(&mut found, &app.pool_targets);
    if let Some((backlog, reseal)) = backlog {
        add_backlog(&mut found, &backlog, &app);
        add_reseal(&mut found, reseal);
    }
    let mut text = String::new();
    // Writing to a String cannot fail, and what is registered here always has a text form.
    let _ = app.metrics.write(&mut text).and_then(|()| encode_registry(&mut text, &found));
    let _ = encode_eof(&mut text);
    ([(CONTENT_TYPE, CONTENT)], text)
}

fn add_stats(found: &mut Registry, stats: Stats) {
    let waiting = i64::try_from(stats.waiting).unwrap_or(i64::MAX);
    found.register("database_closures", "Pieces of work of the database", ConstCounter::new(stats.closures));
    found.register("database_commits", "Transactions committed", ConstCounter::new(stats.commits));
    found.register("database_reruns", "Pieces of work that were run again", ConstCounter::new(stats.reruns));
    found.register("database_waiting", "Pieces of work that wait", ConstGauge::new(waiting));
}

fn add_targets(found: &mut Registry, targets: &[(KeyType, u64)]) {
    let family: Family<Kind, Gauge> = Family::default();
    for (key_type, target) in targets {
        let kind = Kind { environment: KeyEnvironment::Hot.as_str(), key_type: key_type.as_str() };
        family.get_or_create(&kind).set(i64::try_from(*target).unwrap_or(i64::MAX));
    }
    found.register("pool_keys_target", "What the stock of unassigned keys is filled up to", family);
}

/// Nothing as long as there was one root key only.
fn add_reseal(found: &mut Registry, reseal: Option<Reseal>) {
    let Some(reseal) = reseal else { return };
    for (name, help, count) in [
        ("reseal_epoch", "The epoch of the root key that seals are moved to, or were", reseal.epoch),
        ("reseal_moved", "Seals that were moved there", reseal.moved),
        ("reseal_broken", "Seals that did not hold, in the last whole pass", reseal.broken),
        (
            "reseal_finished",
            "Whether a whole pass found nothing left to move",
            i64::from(reseal.finished_at.is_some()),
        ),
    ] {
        found.register(name, help, ConstGauge::new(count));
    }
}

fn add_backlog(found: &mut Registry, backlog: &Backlog, app: &App) {
    let stock: Family<Kind, Gauge> = Family::default();
    for environment in KeyEnvironment::ALL {
        for key_type in KeyType::ALL {
            // A kind of which there is none is shown as none.
            let kind = Kind { environment: environment.as_str(), key_type: key_type.as_str() };
            stock.get_or_create(&kind).set(backlog.pool_keys(*environment, *key_type));
        }
    }
    found.register("pool_keys", "Unassigned keys in stock", stock);
    let waiting = &backlog.waiting;
    let age = |since| app.clock.now().since(since).as_secs_f64();
    let oldest = waiting.oldest_pending.map_or(0.0, age);
    for (name, help, count) in [
        ("webhook_deliveries_pending", "Deliveries on their way", waiting.deliveries),
        (
            "provider_events_waiting",
            "Events of identity providers that nobody has judged",
            waiting.provider_events,
        ),
        (
            "audit_entries_unnumbered",
            "Audit entries without their place in the log yet",
            waiting.audit_entries,
        ),
        (
            "audit_entries_refused",
            "Audit entries that the service did not write, which get no place in the log",
            waiting.audit_entries_refused,
        ),
        (
            "audit_logs_foreign",
            "Audit logs whose head the service did not write, to which nothing is added",
            waiting.foreign_logs,
        ),
        (
            "audit_logs_forked",
            "Audit logs that do not go on from what the enclave signed of them",
            waiting.forked_logs,
        ),
        ("audit_witnesses_away", "Witnesses of audit logs who did not answer", waiting.witnesses_away),
        (
            "audit_witnesses_forked",
            "Witnesses of audit logs who know another history",
            waiting.witnesses_forked,
        ),
    ] {
        found.register(name, help, ConstGauge::new(count));
    }
    let help = "Age of the event of the oldest delivery on its way; 0 without one";
    found.register("webhook_oldest_pending_seconds", help, ConstGauge::new(oldest));
}
