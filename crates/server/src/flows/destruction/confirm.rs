//! Confirms what another person asked for: from now on the key waits to be destroyed.

use domain::control::Act;
use domain::destruction::{CONFIRMED, DestructionState, days, is_second, may_be_destroyed, wrong_state};
use domain::ids::PersonId;
use domain::key::KeyState;
use domain::refusal::Refusal;
use domain::time::Timestamp;
use store::audit::AuditEntry;
use store::destructions::{self, Destruction};
use store::keys;

use super::super::approvals::{permitted, recorded};
use super::super::{Ctx, Error, event, tell};
use super::ask::must_be_spare;
use super::facts::is_owner;
use super::owners::Settling;
use super::{Found, about, data, find, news};
use crate::app::App;

/// Confirms the request that was asked for at that instant, as the page showed it. Every refusal is recorded.
pub async fn confirm_destruction(app: &App, ctx: &Ctx, id: &str, seen: &str) -> Result<(), Error> {
    let found = find(app, ctx, id).await?;
    let refused = about(&found.key, ctx.entry(app, "key.destruction-refused"));
    let confirmed = match permitted(ctx, Act::DestroyKey) {
        Ok(person) => confirm(app, ctx, found, person, seen).await,
        Err(error) => Err(error),
    };
    recorded(app, ctx, refused, confirmed).await
}

async fn confirm(app: &App, ctx: &Ctx, found: Found, person: PersonId, seen: &str) -> Result<(), Error> {
    let asked = may_be_confirmed(found.destruction.as_ref(), &person, seen, ctx.now)?;
    let due_at = ctx.now + days(asked.days);
    let entry = AuditEntry {
        reason: Some(format!("asked by {}, to be destroyed from {}", asked.asked_by, due_at.rfc3339())),
        ..about(&found.key, ctx.entry(app, CONFIRMED))
    };
    let text = format!(
        "It and all that it guards are destroyed from {}. Until then an owner, or a member of the list that guards it, \
         stops that with one click.",
        due_at.rfc3339()
    );
    let (tenant, env, now, seen) = (ctx.principal.tenant.clone(), app.env, ctx.now, seen.to_owned());
    let notices = news(app, now, &tenant, &found, ("A key will be destroyed", &text)).await?;
    let event = event(&app.minter, now, "key.destroy-pending", data(&found, Some(due_at)));
    let settling = Settling::of(app);
    app.db
        .write("confirm_destruction", move |tx| {
            let key = keys::of(&tenant).find_locked(tx, &found.key.id)?.ok_or_else(Refusal::not_found)?;
            let destruction = destructions::of(&tenant).find_locked(tx, &key.id)?;
            let asked = may_be_confirmed(destruction.as_ref(), &person, &seen, now)?;
            if !is_owner(tx, &tenant, &asked.asked_by)? {
                return Err(Error::from(wrong_state("whoever asked for it is no owner any more: ask anew")));
            }
            settling.permit(tx, (&tenant, &key), &person, now)?;
            may_be_destroyed(key.state)?;
            must_be_spare(tx, &tenant, &key)?;
            keys::of(&tenant).set_state(tx, &key.id, key.state, KeyState::DestroyPending)?;
            destructions::of(&tenant).set_confirmed(tx, (&key.id, key.state), &person, due_at, now)?;
            store::audit::of(&tenant).append(tx, &entry)?;
            notices.iter().try_for_each(|notice| store::notices::of(&tenant).append(tx, notice))?;
            Ok(tell(tx, &tenant, env, &event)?)
        })
        .await
}

/// The request, if this person may say yes to it now, and it is the one that he saw.
fn may_be_confirmed<'d>(
    destruction: Option<&'d Destruction>,
    person: &PersonId,
    seen: &str,
    now: Timestamp,
) -> Result<&'d Destruction, Refusal> {
    let asked = destruction.filter(|found| found.state == DestructionState::Asked && now < found.due_at);
    let asked = asked.ok_or_else(|| wrong_state("there is no request to confirm"))?;
    is_second(&asked.asked_by, person)?;
    if asked.asked_at.rfc3339() == seen {
        return Ok(asked);
    }
    Err(wrong_state("it is another request by now: look at it, and confirm that one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_seen_and_has_not_lapsed_is_confirmed_by_another() {
        let at = Timestamp::from_ms;
        let person =
            |number| format!("00000000-0000-7000-8000-00000000000{number}").parse::<PersonId>().unwrap();
        let asked = Destruction {
            key_id: "00000000-0000-7000-8000-000000000009".parse().unwrap(),
            state: DestructionState::Asked,
            key_state: KeyState::Active,
            reason: "gone".to_owned(),
            days: 7,
            asked_by: person(1),
            confirmed_by: None,
            due_at: at(100),
            asked_at: at(10),
            confirmed_at: None,
            ended_at: None,
        };
        let seen = at(10).rfc3339();
        let code = |asked: Option<&Destruction>, by, seen: &str, now| {
            may_be_confirmed(asked, &person(by), seen, at(now)).map_err(|refusal| refusal.code).err()
        };
        assert_eq!(code(Some(&asked), 2, &seen, 99), None);
        assert_eq!(code(Some(&asked), 2, &seen, 100), Some("destruction-state"), "to the millisecond");
        assert_eq!(code(Some(&asked), 2, &at(11).rfc3339(), 99), Some("destruction-state"));
        assert_eq!(code(Some(&asked), 1, &seen, 99), Some("second-person-needed"));
        assert_eq!(code(None, 2, &seen, 99), Some("destruction-state"));
        for state in DestructionState::ALL.iter().filter(|state| **state != DestructionState::Asked) {
            let other = Destruction { state: *state, ..asked.clone() };
            assert_eq!(code(Some(&other), 2, &seen, 99), Some("destruction-state"), "{state}");
        }
    }
}
