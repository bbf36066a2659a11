//! Identity providers: who checks that a person is who he says he is.
//!
//! A provider's word reaches the service as a signed event: raw bytes and a signature header. What they prove
//! is decided in the enclave; what is read here is only where they belong.

pub mod persona;
pub mod simulated;

use boundary::json;
use domain::entropy::Entropy;
use domain::ids::VerificationId;
use domain::limits::PROVIDER_RETRY_AFTER_S;
use reqwest::Url;

use persona::Persona;

/// Who checks a person.
pub enum Provider {
    /// The sandbox itself.
    Simulated,
    /// <https://withpersona.com>
    Persona(Box<Persona>),
}

/// An inquiry was not opened, or not led to: the provider is away, asks for patience, or does not want us.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct NotCreated {
    cause: String,
    /// When to come back, seconds.
    pub retry_after_s: u32,
}

impl NotCreated {
    fn new(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), retry_after_s: *PROVIDER_RETRY_AFTER_S.start() }
    }
}

impl Provider {
    /// Its name, in its inquiries and in the enclave's configuration.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Simulated => simulated::NAME,
            Self::Persona(_) => persona::NAME,
        }
    }

    /// Opens an inquiry whose reference is the enclave's session, and returns the provider's id of it.
    pub async fn create_inquiry(
        &self,
        session_id: &str,
        chance: &mut (dyn Entropy + Send),
    ) -> Result<VerificationId, NotCreated> {
        match self {
            Self::Simulated => Ok(VerificationId::simulated(chance)),
            Self::Persona(persona) => persona.create_inquiry(session_id).await,
        }
    }

    /// The provider's own page of an inquiry, which leads to `back_to` afterwards; none: it is played here. One that
    /// its person has begun opens to nobody else.
    pub async fn page(
        &self,
        inquiry: &VerificationId,
        is_begun: bool,
        back_to: &str,
    ) -> Result<Option<Url>, NotCreated> {
        match self {
            Self::Simulated => Ok(None),
            Self::Persona(persona) => persona.page(inquiry, is_begun, back_to).await.map(Some),
        }
    }
}

/// An event as it came from a provider, byte for byte.
#[derive(Clone, Debug)]
pub struct SignedEvent {
    /// The provider's name in the enclave's configuration.
    pub provider: String,
    /// The body.
    pub body: Vec<u8>,
    /// The signature header.
    pub signature: String,
}

/// Where an event says it belongs; not to be believed until the enclave has admitted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The provider's id of the event.
    pub event_id: String,
    /// The event's name.
    pub name: String,
    /// The provider's id of the inquiry.
    pub verification_id: String,
}

impl SignedEvent {
    /// Reads where the event claims to belong; none when it is not an event about an inquiry.
    pub fn claimed(&self) -> Option<Claimed> {
        let document = json::parse(str::from_utf8(&self.body).ok()?).ok()?;
        let text = |path: &[&str]| document.at(path).and_then(json::Value::as_text).map(str::to_owned);
        let inquiry = match document.at(&["data", "attributes", "payload", "data", "type"])?.as_text()? {
            "inquiry" => text(&["data", "attributes", "payload", "data", "id"]),
            _ => text(&["data", "attributes", "payload", "data", "relationships", "inquiry", "data", "id"]),
        };
        Some(Claimed {
            event_id: text(&["data", "id"])?,
            name: text(&["data", "attributes", "name"])?,
            verification_id: inquiry?,
        })
    }
}
