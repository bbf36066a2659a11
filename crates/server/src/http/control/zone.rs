//! `/control/zone`: the zone that instants are told in. It is the browser's, kept in a cookie, as a reader travels.

use std::sync::Arc;

use axum::Router;
use axum::http::header::SET_COOKIE;
use axum::response::{AppendHeaders, IntoResponse, Redirect};
use axum::routing::get;
use domain::refusal::Refusal;
use maud::html;

use super::look::parts::{self, Choice, Field};
use super::look::{Page, Section, Shell, Zone, page};
use super::{Posted, Stop, Visitor};
use crate::app::App;

const PATH: &str = "/control/zone";

/// The routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/control/zone", get(show).post(set))
}

async fn show(visitor: Visitor) -> Page {
    view(&visitor.shell(Section::Account))
}

async fn set(Posted(_, fields): Posted) -> Result<impl IntoResponse, Stop> {
    let zone = Zone::parse(fields.text("zone"));
    let zone = zone.ok_or_else(|| Refusal::field("zone", "must be one of those offered"))?;
    Ok((AppendHeaders([(SET_COOKIE, zone.set_cookie())]), Redirect::to(PATH)))
}

/// The choice.
pub fn view(shell: &Shell) -> Page {
    let name = |zone: Zone| if zone == Zone::UTC { "UTC".to_owned() } else { zone.name() };
    let choices: Vec<_> =
        Zone::all().into_iter().map(|zone| Choice::new(zone.to_string(), name(zone))).collect();
    let chosen = shell.clock.zone.to_string();
    let field = Field::text("zone", "Offset from UTC").holding(&chosen);
    let content = html! {
        (parts::lead("Instants on these pages are told with this offset, in this browser. What is signed, exported or logged stays in UTC."))
        (parts::facts(&[("Now", html! { (parts::moment(shell.clock, shell.clock.now)) })]))
        (shell.form(PATH, &html! {
            (parts::select(&field.hinting("Summer time is not known here: choose anew when clocks change."), &choices))
            (parts::deeds(&parts::main_button("Save")))
        }))
    };
    page(shell, "Your zone", &content)
}
