//! Puts keys under a list, for good, and by them all that they open: an Owner signs for exactly these keys.

use std::collections::BTreeSet;

use boundary::approval::{AclDocument, Attachment, Document as _};
use boundary::message::{Attach, Request};
use domain::audit::hex;
use domain::control::Act;
use domain::ids::{AclId, KeyId};
use domain::key::KeyState;
use domain::limits::CONTROL_KEYS_MAX;
use domain::refusal::{Kind, Refusal};
use store::acls::{self, Acl};
use store::audit::AuditEntry;
use store::keys::{self, CustomerKey};

use super::super::key_shares::open_each;
use super::super::offline::told_too;
use super::super::{Ctx, Error};
use super::found_roster::in_force;
use super::read_acls::find_acl;
use super::request_recovery::predecessors;
use super::{ToSign, ask_to_sign, ballot_of, control, hash_of, not_believed, permitted, recorded};
use crate::app::App;

/// Keys that are to be put under a list, and what an Owner signs for it.
#[derive(Clone, Debug)]
pub struct Attaching {
    /// The list's name.
    pub name: String,
    /// The keys, sorted.
    pub keys: Vec<KeyId>,
    /// What is signed.
    pub to_sign: ToSign,
}

/// What an Owner signs to put these keys under the list; nothing is kept yet.
pub async fn draft_attachment(app: &App, ctx: &Ctx, acl: &str, keys: &[String]) -> Result<Attaching, Error> {
    let person = permitted(ctx, Act::AttachKeys)?;
    let acl = find_acl(app, ctx, acl).await?;
    let drafted = async {
        let (attachment, keys) = look(app, ctx, &acl, keys).await?;
        let (_, _, mine) = in_force(app, ctx, &person).await?;
        let hash = hash_of(app, &attachment);
        let options = ask_to_sign(control(app)?, &mine, &hash);
        let to_sign = ToSign { document: attachment.to_canonical(), hash, options };
        Ok(Attaching { name: acl.name.clone(), keys: keys.into_iter().map(|key| key.id).collect(), to_sign })
    };
    recorded(app, ctx, ctx.entry(app, "acl.attachment-refused"), drafted.await).await
}

/// Puts them under it. Done again, it answers the same.
pub async fn attach_keys(
    app: &App,
    ctx: &Ctx,
    acl: &str,
    document: &str,
    credential: &str,
) -> Result<usize, Error> {
    permitted(ctx, Act::AttachKeys)?;
    let acl = find_acl(app, ctx, acl).await?;
    let attached = attach(app, ctx, &acl, document, credential).await;
    recorded(app, ctx, ctx.entry(app, "acl.attachment-refused"), attached).await
}

async fn attach(app: &App, ctx: &Ctx, acl: &Acl, document: &str, credential: &str) -> Result<usize, Error> {
    let person = permitted(ctx, Act::AttachKeys)?;
    let signed = Attachment::from_canonical(document.as_bytes()).ok_or_else(changed)?;
    let (attachment, found) = look(app, ctx, acl, &signed.key_ids).await?;
    if attachment != signed {
        return Err(changed().into());
    }
    let (roster, owner_keys, _) = in_force(app, ctx, &person).await?;
    let hash = hash_of(app, &attachment);
    let ballot = ballot_of(app, &person, &owner_keys, (&hash, true), credential).await?;
    let held = found.iter().map(|key| (key.id.clone(), key.held()));
    let opened = open_each(app, &ctx.principal.tenant, held).await?;
    let request = Attach {
        acl: acl.document.clone().into_bytes(),
        roster: roster.to_canonical().into_bytes(),
        keys: found.iter().map(|key| opened[&key.id].clone()).collect(),
        ballot,
    };
    app.enclave.attach(request.clone()).await.map_err(not_believed)?;
    let told = told_too(app, ctx.now, Request::Attach(request));
    let entries: Vec<_> = found
        .iter()
        .map(|key| AuditEntry {
            key_id: Some(key.id.clone()),
            customer_id: key.customer_id.clone(),
            package_id: key.package_id.clone(),
            reason: Some(format!("list {}", acl.id)),
            ..ctx.entry(app, "key.attached")
        })
        .collect();
    let (tenant, list) = (ctx.principal.tenant.clone(), acl.id.clone());
    app.db
        .write("attach_keys", move |tx| {
            let mut count = 0;
            for entry in &entries {
                let Some(key) = &entry.key_id else { continue };
                if keys::of(&tenant).set_acl(tx, key, &list)? {
                    store::audit::of(&tenant).append(tx, entry)?;
                    count += 1;
                }
            }
            if count > 0 {
                store::offline::of(&tenant).append(tx, &told)?;
            }
            Ok(count)
        })
        .await
}

/// The attachment of these keys, if they may be put under the list.
async fn look(
    app: &App,
    ctx: &Ctx,
    acl: &Acl,
    named: &[String],
) -> Result<(Attachment, Vec<CustomerKey>), Error> {
    let mut ids: Vec<KeyId> = named
        .iter()
        .map(|id| id.parse().map_err(|_| Refusal::field("keys", "name a key that there is not")))
        .collect::<Result<_, _>>()?;
    ids.sort();
    ids.dedup();
    let beyond = || {
        let text = format!("must be 1 to {CONTROL_KEYS_MAX}, with those that they replaced");
        Error::from(Refusal::field("keys", text))
    };
    if ids.len() > CONTROL_KEYS_MAX {
        return Err(beyond());
    }
    let (tenant, list) = (ctx.principal.tenant.clone(), acl.id.clone());
    let (found, genesis) = app
        .db
        .read("find_keys", move |rx| {
            let (mut found, mut replaced) = (Vec::new(), BTreeSet::new());
            for id in &ids {
                let key = keys::of(&tenant).find(rx, id)?;
                let key = key.ok_or_else(|| Refusal::field("keys", "name a key that there is not"))?;
                // Older files are encrypted to the keys that it replaced, which go where it goes.
                for before in predecessors(rx, &tenant, &key)? {
                    replaced.insert(before.id.clone());
                    found.push(before);
                }
                found.push(key);
            }
            found.sort_by(|a: &CustomerKey, b| a.id.cmp(&b.id));
            found.dedup_by(|a, b| a.id == b.id);
            if !(1..=CONTROL_KEYS_MAX).contains(&found.len()) {
                return Err(beyond());
            }
            for key in &found {
                may_be_attached(key, &list, replaced.contains(&key.id))?;
            }
            let versions = acls::of(&tenant).list_versions(rx, &list)?;
            let genesis = versions.first().map(|first| first.hash);
            Ok::<_, Error>((found, genesis.ok_or_else(|| Error::fault("finding a list's first version"))?))
        })
        .await?;
    let list: AclDocument = super::document_of(acl)?;
    let attachment = Attachment {
        env: app.env,
        tenant_id: list.tenant_id,
        acl_id: list.acl_id,
        genesis_hash: hex(&genesis),
        key_ids: found.iter().map(|key| key.id.to_string()).collect(),
    };
    Ok((attachment, found))
}

/// Refuses a key that another list guards, and one that takes no part in anything any more, unless it goes along with a
/// key that replaced it.
fn may_be_attached(key: &CustomerKey, acl: &AclId, goes_along: bool) -> Result<(), Refusal> {
    if key.acl_id.as_ref().is_some_and(|its| its != acl) {
        let text = format!("the key {} is under another list, for good", key.id);
        return Err(Refusal::new(Kind::Conflict, "key-guarded", text));
    }
    if !goes_along && !matches!(key.state, KeyState::Active | KeyState::Superseding | KeyState::Released) {
        let instead = match key.state {
            KeyState::DestroyPending => "stop its destruction first",
            KeyState::Destroyed => "there is nothing left to guard",
            _ => "put the key that replaced it under the list",
        };
        let text = format!("the key {} is {}: {instead}", key.id, key.state);
        return Err(Refusal::new(Kind::Conflict, "key-superseded", text));
    }
    Ok(())
}

fn changed() -> Refusal {
    let text = "what was signed is not what it would be by now; look at it again and sign anew";
    Refusal::new(Kind::Conflict, "attachment-changed", text)
}
