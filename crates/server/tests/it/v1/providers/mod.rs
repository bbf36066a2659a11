//! `/v1/providers`, and what else there is to a real identity provider: a stand-in for Persona, in production.

mod forgeries;
mod reviews;
mod start;
mod webhook;

use domain::credential::{Scope, TenantKind};
use reqwest::Method;
use serde_json::Value;
use testkit::persona::{self, Persona};
use testkit::{Actor, Answer, App, Plan};

/// Where Persona's events go.
const PATH: &str = "/v1/providers/persona/webhook";

/// A production installation with its provider.
struct World {
    app: App,
    persona: Persona,
    retail: Actor,
}

impl World {
    async fn new() -> Self {
        Self::of(Plan::default()).await
    }

    async fn of(plan: Plan) -> Self {
        let persona = Persona::start().await;
        let app = plan.production().with_persona(&persona).start().await;
        let retail = app.new_tenant(TenantKind::Retail, Scope::ALL).await;
        Self { app, persona, retail }
    }

    /// Now, as the provider counts.
    fn now_s(&self) -> i64 {
        self.persona_now().ms() / 1_000
    }

    /// The provider's clock: the test's, at its beginning.
    fn persona_now(&self) -> domain::time::Timestamp {
        use server::edge::clock::Clock as _;
        self.app.clock.now()
    }

    /// An event of an inquiry.
    fn event(&self, id: &str, name: &str, inquiry: &str) -> Value {
        self.persona.event(id, name, inquiry, self.persona_now())
    }

    /// Sends these bytes under this header.
    async fn send_raw(&self, body: &[u8], signature: &str) -> Answer {
        let call = self.app.anonymous().call(&Method::POST, PATH).header("persona-signature", signature);
        call.raw("application/json", body.to_vec()).send().await
    }

    /// Sends an event, signed with these secrets.
    async fn send_signed(&self, event: &Value, secrets: &[&str]) -> Answer {
        let body = event.to_string().into_bytes();
        self.send_raw(&body, &persona::sign(secrets, self.now_s(), &body)).await
    }

    /// Sends an event as Persona does.
    async fn send(&self, event: &Value) -> Answer {
        self.send_signed(event, &[persona::SECRET]).await
    }

    /// Reports an event of a name to an inquiry.
    async fn report(&self, name: &str, inquiry: &str) {
        let event = self.event(&format!("evt_{name}_{inquiry}"), name, inquiry);
        self.send(&event).await.ok();
    }
}
