//! Who looks at a page, found signed in, and the forms that he sends.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::Method;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use domain::access::{Deed, Principal};
use domain::control::Act;
use domain::limits::PROOF_LIFE;
use domain::person::Stage;
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;
use store::people::Person;
use store::sessions::Found;
use store::tenants::Tenant;

use super::look::{Clock, Section, Shell, Zone};
use super::{Fields, Stop, cookie};
use crate::app::App;
use crate::flows::people::{self, Arrival};
use crate::flows::{self, Ctx};
use crate::http::rate_limit;
use crate::http::request_id::RequestId;
use crate::http::same_origin::is_from_here;

/// Characters of what a browser calls itself that are kept.
const AGENT_CHARS_MAX: usize = 200;

/// Somebody who is signed in, at one of his calls.
pub struct Visitor {
    /// He.
    pub person: Person,
    /// His tenant.
    pub tenant: Tenant,
    /// What each of his forms must bring back.
    pub csrf: String,
    /// When; read once.
    pub now: Timestamp,
    /// In which call.
    pub request_id: String,
    /// Notices that he has not read.
    pub unread: i64,
    /// Until when the account is frozen, if it is.
    pub frozen_until: Option<Timestamp>,
    /// His session.
    pub found: Found,
    /// Whence he comes.
    pub arrival: Arrival,
    zone: Zone,
    is_sandbox: bool,
}

impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = Stop;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Stop> {
        let arrival = arrival(parts, app);
        let control = people::control(app)?;
        let found = match cookie::token(&parts.headers, control) {
            Some(token) => people::admit_visitor(app, token, arrival.now).await?,
            None => None,
        };
        let Some(found) = found else { return Err(Stop::to(&sign_in_path(parts))) };
        let visitor = Self {
            person: found.person.clone(),
            tenant: found.tenant.clone(),
            csrf: found.session.csrf.clone(),
            now: arrival.now,
            request_id: arrival.request_id.clone(),
            unread: flows::count_unread(app, &found.tenant.id, &found.person.id).await?,
            frozen_until: flows::find_freeze(app, &found.tenant.id, arrival.now).await?,
            zone: Zone::of_cookies(&parts.headers),
            is_sandbox: app.sandbox.is_some(),
            found,
            arrival,
        };
        let (_, admitted) = flows::count_call(app, &visitor.principal(), visitor.now);
        admitted.map(|()| visitor).map_err(Stop::from)
    }
}

impl Visitor {
    /// Who acts, when and in which call, doing what only Control has.
    pub fn ctx(&self) -> Ctx {
        let request_id = self.request_id.clone();
        Ctx { principal: self.principal(), deed: None, now: self.now, request_id, named: None }
    }

    /// The same, doing what programs do too.
    pub fn ctx_at(&self, deed: Deed) -> Ctx {
        Ctx { deed: Some(deed), ..self.ctx() }
    }

    /// What goes around a page of this section.
    pub fn shell(&self, section: Section) -> Shell {
        let role = self.person.role.as_str();
        let (first, rest) = role.split_at(1);
        Shell {
            section,
            tenant: self.tenant.name.clone(),
            name: self.person.name.clone(),
            email: self.person.email.clone(),
            role: first.to_uppercase() + rest,
            csrf: self.csrf.clone(),
            unread: self.unread,
            frozen_until: self.frozen_until,
            is_sandbox: self.is_sandbox,
            clock: Clock { now: self.now, zone: self.zone },
            trail: Vec::new(),
            notice: None,
        }
    }

    /// Whether his role does this. A page shows what it asks about only where this says yes.
    pub fn may(&self, act: Act) -> bool {
        act.is_open_to(self.person.role)
    }

    /// Stops whoever's role does not do this.
    pub fn permit(&self, act: Act) -> Result<(), Stop> {
        Ok(self.principal().permit_act(act)?)
    }

    /// Stops whoever has not proved lately who he is, and sends him to do so; then back to this page.
    pub fn permit_freshly(&self, act: Act, back_to: &str) -> Result<(), Stop> {
        self.permit(act)?;
        let proven_at = self.found.session.proven_at;
        if proven_at.is_some_and(|proven_at| self.now < proven_at + PROOF_LIFE) {
            return Ok(());
        }
        Err(Stop::to(&with_next("/control/prove", back_to)))
    }

    fn principal(&self) -> Principal {
        Principal::of_person(&self.person.id, self.person.role, &self.tenant.id, self.tenant.kind)
    }
}

/// A form of somebody who is signed in: sent from a page of ours, and of this session.
pub struct Posted(pub Visitor, pub Fields);

impl FromRequest<Arc<App>> for Posted {
    type Rejection = Stop;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Stop> {
        let (mut parts, body) = request.into_parts();
        permit_origin(&parts)?;
        let visitor = Visitor::from_request_parts(&mut parts, app).await?;
        let fields = Fields::read(&parts.headers, body).await?;
        permit_token(&fields, &visitor.csrf)?;
        Ok(Self(visitor, fields))
    }
}

/// Somebody whose session is not whole yet: the password was given, or an invitation taken up.
pub struct Unfinished<const ONBOARDING: bool> {
    /// His session.
    pub found: Found,
    /// Whence he comes.
    pub arrival: Arrival,
}

impl<const ONBOARDING: bool> FromRequestParts<Arc<App>> for Unfinished<ONBOARDING> {
    type Rejection = Stop;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Stop> {
        let arrival = arrival(parts, app);
        let control = people::control(app)?;
        let stage = if ONBOARDING { Stage::Onboarding } else { Stage::Password };
        let found = match cookie::token(&parts.headers, control) {
            Some(token) => people::find_session(app, token, &[stage], arrival.now).await?,
            None => None,
        };
        let found = found.ok_or_else(|| Stop::to("/control/sign-in"))?;
        Ok(Self { found, arrival })
    }
}

/// A form of such a one.
pub struct UnfinishedPosted<const ONBOARDING: bool>(pub Unfinished<ONBOARDING>, pub Fields);

impl<const ONBOARDING: bool> FromRequest<Arc<App>> for UnfinishedPosted<ONBOARDING> {
    type Rejection = Stop;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Stop> {
        let (mut parts, body) = request.into_parts();
        permit_origin(&parts)?;
        let unfinished = Unfinished::from_request_parts(&mut parts, app).await?;
        let fields = Fields::read(&parts.headers, body).await?;
        permit_token(&fields, &unfinished.found.session.csrf)?;
        Ok(Self(unfinished, fields))
    }
}

/// A form of nobody yet. There is no session that another site could use; that it came from a page of ours keeps
/// others from signing somebody in as one of them.
pub struct Stranger(pub Arrival, pub Fields);

impl FromRequest<Arc<App>> for Stranger {
    type Rejection = Stop;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Stop> {
        let (parts, body) = request.into_parts();
        permit_origin(&parts)?;
        people::control(app)?;
        let fields = Fields::read(&parts.headers, body).await?;
        Ok(Self(arrival(&parts, app), fields))
    }
}

fn arrival(parts: &Parts, app: &App) -> Arrival {
    let agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("");
    Arrival {
        now: app.clock.now(),
        request_id: parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default(),
        address: rate_limit::address(parts, app),
        agent: agent.chars().take(AGENT_CHARS_MAX).collect(),
    }
}

fn permit_origin(parts: &Parts) -> Result<(), Refusal> {
    if is_from_here(&parts.headers) {
        return Ok(());
    }
    let text = "The form came from another site, and nothing was done. Open Control itself, and do it there.";
    Err(Refusal::new(Kind::Forbidden, "foreign-form", text))
}

fn permit_token(fields: &Fields, csrf: &str) -> Result<(), Refusal> {
    if verify_slices_are_equal(fields.raw("csrf").as_bytes(), csrf.as_bytes()).is_ok() {
        return Ok(());
    }
    let text =
        "The form is not of this signing-in, and nothing was done. Load the page anew, and send it again.";
    Err(Refusal::new(Kind::Forbidden, "stale-form", text))
}

/// Where to sign in, and then back to what was asked for, if that was a page.
fn sign_in_path(parts: &Parts) -> String {
    let path = parts.uri.path_and_query().map_or("/control", |path| path.as_str());
    if parts.method == Method::GET {
        with_next("/control/sign-in", path)
    } else {
        "/control/sign-in".to_owned()
    }
}

/// A path that remembers where to go then.
pub fn with_next(path: &str, next: &str) -> String {
    let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
    format!("{path}?next={next}")
}

/// Where to go then: a page of Control's, or its first.
pub fn safe_next(next: &str) -> &str {
    let is_ours = next == "/control" || next.starts_with("/control/") || next.starts_with("/control?");
    let is_odd = next.contains(|c: char| c.is_control() || c == '\\' || !c.is_ascii()) || next.contains("//");
    if is_ours && !is_odd && next.len() <= 1_000 { next } else { "/control" }
}

#[cfg(test)]
impl Visitor {
    /// Somebody for the tests of pages, in a sandbox.
    pub fn of(found: Found, arrival: Arrival, unread: i64) -> Self {
        Self {
            person: found.person.clone(),
            tenant: found.tenant.clone(),
            csrf: found.session.csrf.clone(),
            now: arrival.now,
            request_id: arrival.request_id.clone(),
            unread,
            frozen_until: None,
            zone: Zone::parse("+02:00").unwrap(),
            is_sandbox: true,
            found,
            arrival,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_away_from_control() {
        for next in ["/control", "/control/team", "/control/team?a=b", "/control?x"] {
            assert_eq!(safe_next(next), next);
        }
        for next in [
            "",
            "//evil.example",
            "https://evil.example",
            "/controlx",
            "/control\\evil",
            "/v1/audit",
            "/control//evil.example",
            "/control/\n",
            "/control@evil",
            "javascript:alert(1)",
        ] {
            assert_eq!(safe_next(next), "/control", "{next}");
        }
    }
}
