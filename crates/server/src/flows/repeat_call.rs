//! Answers the repeat of a call that its caller named as the first was answered.

use domain::access::Deed;
use domain::audit::hex;
use domain::entropy::Entropy as _;
use domain::idempotency::{CallState, Keeping, is_kept};
use domain::ids::TenantId;
use domain::limits::{IDEMPOTENCY_LEASE, IDEMPOTENCY_LIFE};
use domain::refusal::{Kind, Refusal};
use store::idempotency::{self, Claim, NamedCall};
use store::seal::Place;
use store::{StoreError, Tx};

use super::{Ctx, Error};
use crate::app::App;

/// A call with its name.
pub struct NamedRequest<'a> {
    /// What the caller named it.
    pub name: &'a [u8],
    /// What it is.
    pub deed: Deed,
    /// Method, path with query, and what of the body counts: of JSON every byte, of a form its parts.
    pub parts: &'a [&'a [u8]],
}

/// What is to be done with a named call.
pub enum Repeat {
    /// Run it, and end the run with what it was answered.
    Run(Run),
    /// Give this answer again.
    Again(KeptAnswer),
}

/// An answer as it was given: status and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The status.
    pub status: u16,
    /// The body; JSON, or empty.
    pub body: Vec<u8>,
}

/// A run that has claimed its name.
#[derive(Clone, Debug)]
pub struct Run {
    tenant: TenantId,
    key_hash: [u8; 32],
    owner: String,
    keeping: Keeping,
}

/// Claims the name for a run, or finds out how the call of this name ended.
pub async fn begin_named(app: &App, ctx: &Ctx, request: &NamedRequest<'_>) -> Result<Repeat, Error> {
    let tenant = ctx.principal.tenant.clone();
    let key_hash = app.keys.idempotency_hash(&[b"name", request.name]);
    let claim = Claim {
        key_hash,
        fingerprint: app.keys.idempotency_hash(&[&[&b"call"[..]], request.parts].concat()),
        owner: hex(&app.chance().bytes::<16>()),
        lease_until: ctx.now + IDEMPOTENCY_LEASE,
        expires_at: ctx.now + IDEMPOTENCY_LIFE,
        now: ctx.now,
    };
    let run = Run { tenant, key_hash, owner: claim.owner.clone(), keeping: request.deed.keeping() };
    let (owner, sought) = (run.tenant.clone(), claim.clone());
    let found: Result<_, StoreError> =
        app.db.write("claim_name", move |tx| idempotency::of(&owner).claim(tx, &sought)).await;
    let Some(call) = found? else { return Ok(Repeat::Run(run)) };
    if call.fingerprint != claim.fingerprint {
        let text = "this `Idempotency-Key` was used for another call; each call needs its own";
        return Err(Refusal::new(Kind::Mismatch, "idempotency-mismatch", text).into());
    }
    again(app, &run, &call).map(Repeat::Again)
}

/// The answer that is kept of a call.
fn again(app: &App, run: &Run, call: &NamedCall) -> Result<KeptAnswer, Error> {
    let conflict = |code, text: String| Err(Refusal::new(Kind::Conflict, code, text).into());
    let opened = || match &call.answer {
        Some(sealed) => Ok(app.keys.open(run.place(&run.row()), sealed)?),
        None => Err(Error::fault("reading a kept answer")),
    };
    match call.state {
        CallState::Running => {
            let text = "the call of this `Idempotency-Key` is still running; ask again a little later";
            conflict("idempotency-in-progress", text.to_owned())
        }
        CallState::SecretShown => {
            let id = String::from_utf8_lossy(&opened()?).into_owned();
            let text = format!(
                "this call was answered with the secret of {id}, which was shown then and is not kept"
            );
            conflict("idempotency-secret-shown", text)
        }
        CallState::Answered => {
            let opened = opened()?;
            let (status, body) =
                opened.split_first_chunk::<2>().ok_or_else(|| Error::fault("reading a kept answer"))?;
            Ok(KeptAnswer { status: u16::from_be_bytes(*status), body: body.to_vec() })
        }
    }
}

/// The end of a named call that shows a secret, written with what it does: the call is never run again, even if
/// this process dies before it answers.
pub struct SecretShown(Option<(Run, Vec<u8>)>);

impl SecretShown {
    /// To be written by whoever makes the secret of the thing with this id. Nothing, for a call without a name.
    pub fn of(app: &App, run: Option<&Run>, id: &str) -> Result<Self, Error> {
        let Some(run) = run else { return Ok(Self(None)) };
        let sealed = app.keys.seal(run.place(&run.row()), id.as_bytes())?;
        Ok(Self(Some((run.clone(), sealed))))
    }

    /// Writes it; an error, with the act to be given up, when the name is no longer this run's.
    pub fn write(&self, tx: &mut Tx<'_>) -> Result<(), Error> {
        let Some((run, sealed)) = &self.0 else { return Ok(()) };
        let name = (&run.key_hash, run.owner.as_str());
        if idempotency::of(&run.tenant).set_answer(tx, name, CallState::SecretShown, sealed)? {
            return Ok(());
        }
        let text = "the call of this `Idempotency-Key` took too long and is run again by another";
        Err(Refusal::new(Kind::Conflict, "idempotency-in-progress", text).into())
    }
}

/// Ends a run: keeps its answer where that is final, and otherwise frees the name. What showed a secret has ended
/// its run itself.
pub async fn end_named(app: &App, run: Run, answer: &KeptAnswer) -> Result<(), Error> {
    if run.keeping == Keeping::Id && answer.status == 200 {
        return Ok(());
    }
    let bytes = || [&answer.status.to_be_bytes(), answer.body.as_slice()].concat();
    let kept = is_kept(answer.status).then(|| (CallState::Answered, bytes()));
    let row = run.row();
    let sealed = kept.map(|(state, bytes)| Ok::<_, Error>((state, app.keys.seal(run.place(&row), &bytes)?)));
    let sealed = sealed.transpose()?;
    let written = app.db.write("end_named_call", move |tx| {
        let (calls, name) = (idempotency::of(&run.tenant), (&run.key_hash, run.owner.as_str()));
        match &sealed {
            Some((state, answer)) => calls.set_answer(tx, name, *state, answer),
            None => calls.free(tx, name),
        }
    });
    let is_ours: bool = written.await.map_err(|error: StoreError| Error::from(error))?;
    if !is_ours {
        tracing::warn!("a named call took longer than its lease; its answer is not kept");
    }
    Ok(())
}

impl Run {
    fn row(&self) -> String {
        format!("{} {}", self.tenant, hex(&self.key_hash))
    }

    #[expect(clippy::unused_self, reason = "a place is of a run's row")]
    fn place<'a>(&self, row: &'a str) -> Place<'a> {
        Place { table: "idempotency_keys", row, column: "answer" }
    }
}
