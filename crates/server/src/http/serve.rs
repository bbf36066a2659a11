//! Listens: each connection on a task of its own, with bounded headers, until the service stops.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use domain::limits::{BODY_GRACE, HEADER_BYTES_MAX};
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::patient::Patient;
use super::rate_limit::Peer;

/// How long running calls may still take when the service stops.
const DRAIN: Duration = Duration::from_secs(10);

/// The pause after a failed accept: too many open files pass when connections close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How many may be in at once.
pub struct Doors {
    /// Connections served at once; more wait until one of them ends.
    pub room: usize,
    /// How many there are.
    pub open: Gauge,
}

/// A connection's place, until it ends.
struct Place {
    open: Gauge,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    fn take(open: &Gauge, permit: OwnedSemaphorePermit) -> Self {
        open.inc();
        Self { open: open.clone(), _permit: permit }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// Serves until `stop` says so, then lets running calls finish.
pub async fn serve(listener: TcpListener, router: Router, doors: Doors, mut stop: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(doors.room));
    let mut was_full = false;
    let graceful = GracefulShutdown::new();
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(BODY_GRACE).max_buf_size(HEADER_BYTES_MAX);
    loop {
        let is_full = room.available_permits() == 0;
        if is_full && !was_full {
            tracing::warn!(connections = doors.room, "as many connections are open as may be; more wait");
        }
        was_full = is_full;
        // Not taken in before there is room, so that whoever waits costs this process nothing.
        let permit = tokio::select! {
            // The semaphore is never closed.
            permit = Arc::clone(&room).acquire_owned() => match permit { Ok(permit) => permit, Err(_) => break },
            () = stopped(&mut stop) => break,
        };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => (stream, peer.ip()),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = stopped(&mut stop) => break,
        };
        // Small answers go out at once; a socket that refuses is slower, not wrong.
        let _ = stream.set_nodelay(true);
        let router = TowerToHyperService::new(router.clone());
        let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            router.call(request.map(Body::new))
        });
        let place = Place::take(&doors.open, permit);
        let connection = http.serve_connection(TokioIo::new(Patient::new(stream)), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            let _place = place;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("calls were still running when the service stopped");
    }
}

/// Returns when the service is to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that whoever could say so is gone: stop too.
    drop(stop.wait_for(|stop| *stop).await);
}
