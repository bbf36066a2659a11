//! Has witnesses outside sign a log's last checkpoint too (C2SP tlog-witness). Whoever holds the service, its keys and
//! its enclave makes no second history that such a witness signs. One who is away stops nothing.

use std::time::Duration;

use domain::audit::checkpoint::Checkpoint as Told;
use domain::audit::cosignature::Cosigner;
use domain::audit::witness::{ADD_CHECKPOINT, AddCheckpoint, WitnessState};
use domain::ids::TenantId;
use domain::time::Timestamp;
use store::StoreError;
use store::audit_witnesses::{self, Witnessed};
use store::checkpoints::{self, Checkpoint};

use super::Error;
use super::cosign_checkpoint::prove;
use crate::app::App;

/// How many logs are looked at in one round.
const TENANTS_MAX: i64 = 100;

/// How long a witness who was away, or knows another history, is left alone.
const AGAIN_AFTER: Duration = Duration::from_mins(1);

/// How long one who does not follow a log is left alone with it.
const STRANGER_AFTER: Duration = Duration::from_hours(1);

/// A witness, as the settings name him.
#[derive(Clone, Debug)]
pub struct Witness {
    /// Where he is; `/add-checkpoint` is below it.
    pub url: String,
    /// His key.
    pub key: Cosigner,
}

/// What came of asking.
enum Answer {
    Signed(String),
    /// He is at this size.
    At(i64),
    NotShown,
    Stranger,
    Away,
}

/// A round over the checkpoints that witnesses have not signed; true when there may be more to do at once.
pub async fn witness_all(app: &App, now: Timestamp) -> Result<bool, Error> {
    let mut has_more = false;
    for witness in &app.witnesses {
        let name = witness.key.vkey();
        let due =
            app.db.read("list_unwitnessed", move |rx| audit_witnesses::list_due(rx, &name, now, TENANTS_MAX));
        let due: Vec<TenantId> = due.await.map_err(|error: StoreError| Error::from(error))?;
        has_more |= i64::try_from(due.len()) == Ok(TENANTS_MAX);
        for tenant in &due {
            if witness_checkpoint(app, witness, tenant, now).await? == Some(WitnessState::Away) {
                // He would hold up the others for as long as each of them waits for him.
                break;
            }
        }
    }
    Ok(has_more)
}

/// Asks one witness for one log; how he answered, if there was anything to ask.
async fn witness_checkpoint(
    app: &App,
    witness: &Witness,
    tenant: &TenantId,
    now: Timestamp,
) -> Result<Option<WitnessState>, Error> {
    let (of, name) = (tenant.clone(), witness.key.vkey());
    let found = app.db.read("find_to_witness", move |rx| {
        Ok::<_, StoreError>((checkpoints::of(&of).find_last(rx)?, audit_witnesses::of(&of).find(rx, &name)?))
    });
    let (Some(last), asked) = found.await? else { return Ok(None) };
    let mut old = asked.as_ref().map_or(0, |asked| asked.size);
    // He may have signed one of which this database was not told: then he says which.
    for _ in 0..2 {
        let known = find(app, tenant, old).await?;
        let answer = match (&known, old) {
            (None, 1..) => Answer::NotShown,
            _ => ask(app, witness, &last, old, prove(app, tenant, known.as_ref(), &last).await?).await,
        };
        match answer {
            Answer::Signed(line) => return keep(app, witness, tenant, (&last, &line), now).await.map(Some),
            Answer::At(size) if size != old && size <= last.size => old = size,
            // Another process was ahead with a later one.
            Answer::At(size) if size > last.size && find(app, tenant, size).await?.is_some() => {
                return Ok(None);
            }
            Answer::At(_) | Answer::NotShown => break,
            Answer::Stranger => {
                return note(app, witness, tenant, (&asked, WitnessState::Stranger), now).await;
            }
            Answer::Away => return note(app, witness, tenant, (&asked, WitnessState::Away), now).await,
        }
    }
    tracing::error!(
        %tenant,
        witness = witness.url,
        checkpoint = Told::line(last.size, &last.root),
        "the audit log does not go on from what a witness signed of it: its history was written anew, cut or put back"
    );
    note(app, witness, tenant, (&asked, WitnessState::Forked), now).await
}

async fn find(app: &App, tenant: &TenantId, size: i64) -> Result<Option<Checkpoint>, Error> {
    let of = tenant.clone();
    let found = app.db.read("find_checkpoint", move |rx| checkpoints::of(&of).find(rx, size)).await;
    found.map_err(|error: StoreError| error.into())
}

async fn ask(app: &App, witness: &Witness, last: &Checkpoint, old: i64, proof: Vec<[u8; 32]>) -> Answer {
    let request = AddCheckpoint { old, proof, note: last.note.clone() };
    let Ok((status, body)) =
        app.outbound.ask(&format!("{}{ADD_CHECKPOINT}", witness.url), request.text()).await
    else {
        return Answer::Away;
    };
    match status {
        // Among the lines of others only his own counts.
        200 => {
            let own = body.lines().map(|line| format!("{line}\n"));
            let own = own.into_iter().find(|line| witness.key.check(&(last.note.clone() + line)).is_ok());
            own.map_or(Answer::Away, Answer::Signed)
        }
        409 => body.trim_end().parse().map_or(Answer::Away, Answer::At),
        422 => Answer::NotShown,
        403 | 404 => Answer::Stranger,
        _ => Answer::Away,
    }
}

async fn keep(
    app: &App,
    witness: &Witness,
    tenant: &TenantId,
    (last, line): (&Checkpoint, &str),
    now: Timestamp,
) -> Result<WitnessState, Error> {
    app.metrics.count_witnessing(WitnessState::Signed);
    let (of, name, size, line) = (tenant.clone(), witness.key.vkey(), last.size, line.to_owned());
    let kept = app.db.write("keep_witnessed", move |tx| {
        audit_witnesses::of(&of).set_signed(tx, &name, (size, &line), now)
    });
    kept.await.map_err(|error: StoreError| Error::from(error))?;
    Ok(WitnessState::Signed)
}

async fn note(
    app: &App,
    witness: &Witness,
    tenant: &TenantId,
    (asked, state): (&Option<Witnessed>, WitnessState),
    now: Timestamp,
) -> Result<Option<WitnessState>, Error> {
    app.metrics.count_witnessing(state);
    if asked.as_ref().is_none_or(|asked| asked.state != state) && state != WitnessState::Forked {
        tracing::warn!(%tenant, witness = witness.url, %state, "a witness signs no checkpoints of an audit log");
    }
    let wait = if state == WitnessState::Stranger { STRANGER_AFTER } else { AGAIN_AFTER };
    let (of, name) = (tenant.clone(), witness.key.vkey());
    let noted = app
        .db
        .write("note_witness", move |tx| audit_witnesses::of(&of).set_state(tx, &name, state, now + wait));
    noted.await.map_err(|error: StoreError| Error::from(error))?;
    Ok(Some(state))
}
