//! `holdfast webhooks`: events as they arrive, verified.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use clap::Subcommand;
use client::api::webhook::CreateWebhookRequest;
use client::{Client, TOLERANCE_S, WebhookEvent, WebhookFault, WebhookInput, verify_webhook};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::connection::{self, run as run_async};
use crate::failure::{Calling as _, Doing as _, Failure};
use crate::page::Page;
use crate::shutdown::Shutdown;

/// Shows what the service sends.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the service is, and as whom one calls it.
    #[command(flatten)]
    pub service: connection::Args,
    /// What is to be done.
    #[command(subcommand)]
    pub what: What,
}

/// What is done about webhooks.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Receives events here until Ctrl-C, and prints those that are genuine.
    ///
    /// Registers an endpoint for as long as it runs. A sandbox reaches this machine by itself; a production service
    /// needs --url, an https address that leads here.
    Listen(Listen),
}

/// How it listens.
#[derive(Debug, clap::Args)]
pub struct Listen {
    /// Where to listen; port 0 takes a free one.
    #[arg(long = "listen", value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub address: SocketAddr,
    /// The address under which the service reaches this; the one listened on when left out.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Only events of this type, such as inquiry.approved; may be given more than once.
    #[arg(long = "event", value_name = "TYPE")]
    pub events: Vec<String>,
    /// Ends by itself after so many events.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Has the service send an event `webhook.test` at once.
    #[arg(long)]
    pub test: bool,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    let page = args.service.page();
    let What::Listen(how) = &args.what;
    run_async(page, async { listen(page, &args.service.client()?, how).await })
}

/// What the receiver needs to judge what arrives.
struct Receiver {
    secret: String,
    seen: Mutex<HashSet<String>>,
    arrived: mpsc::UnboundedSender<Arrival>,
}

/// What arrived.
enum Arrival {
    Genuine { event: WebhookEvent, is_repeat: bool },
    Refused(WebhookFault),
}

async fn listen(page: Page, client: &Client, how: &Listen) -> Result<(), Failure> {
    let mut shutdown = Shutdown::listen()?;
    let doing = || format!("cannot listen on {}", how.address);
    let listener = TcpListener::bind(how.address).await.doing(doing)?;
    let here = listener.local_addr().doing(doing)?;
    let url = how.url.clone().unwrap_or_else(|| format!("http://{here}/"));
    let request = CreateWebhookRequest {
        url: url.clone(),
        events: (!how.events.is_empty()).then(|| how.events.clone()),
        description: Some("holdfast webhooks listen".to_owned()),
    };
    let made = client.webhooks().create(&request).await.map_err(|error| {
        let failure = Failure::of_call("no endpoint was made", &error);
        if how.url.is_some() {
            failure
        } else {
            failure.next("give --url with an https address that leads here")
        }
    })?;
    let id = made.webhook.id;
    page.line(&format!("Listening on {}, as endpoint {id}. Ctrl-C ends it.", page.cyan(&url)));
    page.event("listening", json!({ "url": url, "webhook_id": id }));
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let receiver = Arc::new(Receiver { secret: made.secret, seen: Mutex::default(), arrived });
    let app = Router::new().fallback(post(receive)).with_state(receiver);
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });
    let outcome = tokio::select! {
        done = show(page, client, &id, how, &mut arrivals) => done,
        () = shutdown.asked() => Ok(()),
    };
    serving.abort();
    let removed = client.webhooks().delete(&id).await;
    let removed = removed
        .calling(|| format!("the endpoint {id} is still there"))
        .map_err(|failure| failure.next(format!("remove it in Control, or with DELETE /v1/webhooks/{id}")));
    if removed.is_ok() {
        page.line(&format!("Endpoint {id} is removed."));
        page.event("removed", json!({ "webhook_id": id }));
    }
    outcome.and(removed)
}

/// Prints what arrives, until there was enough.
async fn show(
    page: Page,
    client: &Client,
    id: &str,
    how: &Listen,
    arrivals: &mut mpsc::UnboundedReceiver<Arrival>,
) -> Result<(), Failure> {
    if how.test {
        client.webhooks().test(id).await.calling(|| "no event is sent")?;
    }
    let mut count = 0;
    while let Some(arrival) = arrivals.recv().await {
        match arrival {
            Arrival::Genuine { event, is_repeat } => {
                let again = if is_repeat { " (again)" } else { "" };
                page.line(&format!("{}  {}{again}", event.created_at, page.bold(&event.event_type)));
                for (name, value) in &event.data {
                    page.line(&format!("  {name:<18} {}", client::vote::plain(&text_of(value))));
                }
                page.event("event", json!({ "repeat": is_repeat, "body": event }));
                count += u64::from(!is_repeat);
                if how.count.is_some_and(|enough| count >= enough) {
                    return Ok(());
                }
            }
            Arrival::Refused(fault) => {
                page.line(&format!("{}: {fault}", page.red("not genuine")));
                page.event("not-genuine", json!({ "code": fault.code(), "message": fault.to_string() }));
            }
        }
    }
    Ok(())
}

fn text_of(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

async fn receive(State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    // A header that is no text is none of the service's.
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .filter_map(|(name, value)| value.to_str().ok().map(|value| (name.as_str(), value)))
        .collect();
    let judged = verify_webhook(&WebhookInput {
        body: &body,
        headers: &headers,
        secrets: &[&receiver.secret],
        tolerance_s: TOLERANCE_S,
        now_s: None,
    });
    let (status, arrival) = match judged {
        Ok(event) => {
            let mut seen = receiver.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let is_repeat = !seen.insert(event.id.clone());
            (StatusCode::OK, Arrival::Genuine { event, is_repeat })
        }
        Err(fault) => (StatusCode::BAD_REQUEST, Arrival::Refused(fault)),
    };
    // The other end is gone when the command is ending: the service sends it again, to nobody.
    let _ = receiver.arrived.send(arrival);
    status
}
