//! Listens: each connection on a task of its own, with bounded headers, until the service stops.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use domain::limits::{BODY_GRACE, HEADER_BYTES_MAX};
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::rate_limit::Peer;

/// How long running calls may still take when the service stops.
const DRAIN: Duration = Duration::from_secs(10);

/// The pause after a failed accept: too many open files pass when connections close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop` says so, then lets running calls finish.
pub async fn serve(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(BODY_GRACE).max_buf_size(HEADER_BYTES_MAX);
    loop {
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
        let connection = http.serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
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
