//! Assigns a customer key: takes one from the pool, has the enclave bind it and sign the statement, and files
//! it. Of two assignments for the same user and organisation exactly one wins.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use boundary::batch::SignedBinding;
use boundary::cold::Entry;
use boundary::json::Value as Json;
use boundary::message::Bind;
use boundary::statement::Field;
use boundary::wire::Wire as _;
use domain::access::Deed;
use domain::ids::VerificationId;
use domain::key::{KeyEnvironment, KeyState, KeyType};
use domain::refusal::{Kind, Refusal};
use store::StoreError;
use store::audit::AuditEntry;
use store::keys::{self, CustomerKey};
use store::offline::OfflineRequest;
use store::users::User;

use super::key_shares::{hold_sealed, must_be_there, open_sealed};
use super::offline::told;
use super::take_pool_key::take_pool_key;
use super::{Ctx, Error, EventData, event, tell};
use crate::app::App;

/// What a partner, or an institution, asks for.
pub struct AssignKey {
    /// For whom.
    pub user_identifier: String,
    /// The organisation's id and name.
    pub customer: Option<(String, Option<String>)>,
    /// The package's id and name.
    pub package: Option<(String, Option<String>)>,
    /// Whether a user has one active key in an organisation, as with partners, or any number.
    pub one_each: bool,
    /// HOT or COLD.
    pub environment: KeyEnvironment,
    /// The kind of pair.
    pub key_type: KeyType,
    /// Fields to sign beside the public key.
    pub sign_with: Vec<Field>,
}

/// An assigned key.
pub type Assigned = CustomerKey;

/// Assigns a key to a user: a partner's, to one who has none in the organisation yet.
pub async fn assign_key(app: &App, ctx: &Ctx, command: AssignKey) -> Result<Assigned, Error> {
    ctx.permit_one_of(&[Deed::AssignKey, Deed::AssignOwnKey])?;
    let user = app.ensure_user(ctx, &command.user_identifier).await?;
    let slot = command.customer.as_ref().filter(|_| command.one_each).map(|(id, _)| id.clone());
    // Rivals in this process wait here, so that the losers do not each burn a pool key; rivals in other
    // processes lose at the unique index.
    let _turn = match &slot {
        Some(slot) => Some(app.turns.take(&[user.id.as_str(), slot]).await),
        None => None,
    };
    let (tenant, user_id, wanted) = (ctx.principal.tenant.clone(), user.id.clone(), slot.clone());
    let taken = app.db.read("find_active_key", move |rx| match &wanted {
        Some(slot) => keys::of(&tenant).find_active_in_slot(rx, &user_id, slot),
        None => Ok(None),
    });
    if taken.await.map_err(|error: StoreError| Error::from(error))?.is_some() {
        return Err(already_assigned().into());
    }
    let filing = Filing {
        assignment_slot: slot,
        customer: command.customer,
        package: command.package,
        verification_id: None,
    };
    let asked =
        Asked { environment: command.environment, key_type: command.key_type, sign_with: command.sign_with };
    bind_and_file(app, ctx, &user, asked, filing).await
}

/// Which key, and what to sign.
pub(super) struct Asked {
    pub environment: KeyEnvironment,
    pub key_type: KeyType,
    pub sign_with: Vec<Field>,
}

/// Where a key is filed.
#[derive(Default)]
pub(super) struct Filing {
    /// Taken by at most one active key of a user.
    pub assignment_slot: Option<String>,
    pub customer: Option<(String, Option<String>)>,
    pub package: Option<(String, Option<String>)>,
    pub verification_id: Option<VerificationId>,
}

/// Binds a pool key to the user, in the place of the key that is given, if one is. Nothing is written yet.
pub(super) async fn bind_key(
    app: &App,
    ctx: &Ctx,
    user: &User,
    asked: Asked,
    filing: Filing,
    predecessor: Option<&CustomerKey>,
) -> Result<CustomerKey, Error> {
    let names: Vec<_> = asked.sign_with.iter().map(|field| field.as_str().to_owned()).collect();
    let (customer_id, customer_name) = filing.customer.unzip();
    let (package_id, package_name) = filing.package.unzip();
    let bind = Bind {
        sealed: Vec::new(),
        tenant_id: ctx.principal.tenant.to_string(),
        user_identifier: user.user_identifier.clone(),
        user_id: user.id.to_string(),
        sign_with: names.clone(),
        external_customer_id: customer_id.clone(),
        external_package_id: package_id.clone(),
        pulled_by_id: ctx.principal.caller().to_owned(),
        pulled_by_type: ctx.principal.actor().0.to_string(),
    };
    let tenant = &ctx.principal.tenant;
    let sealed = match predecessor {
        Some(key) => Some(open_sealed(app, (tenant, &key.id), &key.held()).await?),
        None => None,
    };
    must_be_there(app).await?;
    let (pool_key, bound) =
        take_pool_key(app, ctx, (asked.environment, asked.key_type), &bind, sealed.as_deref()).await?;
    let (sealed, split_id) =
        hold_sealed(app, (tenant, &pool_key.key_id), bound.sealed, ctx.now).await?.columns();
    Ok(CustomerKey {
        id: pool_key.key_id,
        user_id: user.id.clone(),
        key_type: asked.key_type,
        key_environment: asked.environment,
        state: KeyState::Active,
        public_key_sha256: app.sha256(&pool_key.public_key),
        public_key: pool_key.public_key,
        sealed,
        split_id,
        binding: bound.binding,
        signature: STANDARD.encode(&bound.signature),
        // A list of plain words always has a JSON text.
        signed_fields: bound.signed_payload.is_some().then(|| serde_json::Value::from(names).to_string()),
        signed_payload: bound.signed_payload,
        kid: Some(bound.kid),
        assignment_slot: filing.assignment_slot,
        customer_id,
        customer_name: customer_name.flatten(),
        package_id,
        package_name: package_name.flatten(),
        verification_id: filing.verification_id,
        supersedes: predecessor.map(|key| key.id.clone()),
        assigned_at: ctx.now,
        acl_id: predecessor.and_then(|key| key.acl_id.clone()),
    })
}

/// Binds a pool key to the user and files it, with its audit entry and event.
pub(super) async fn bind_and_file(
    app: &App,
    ctx: &Ctx,
    user: &User,
    asked: Asked,
    filing: Filing,
) -> Result<Assigned, Error> {
    let key = bind_key(app, ctx, user, asked, filing, None).await?;
    let entry = AuditEntry {
        key_id: Some(key.id.clone()),
        customer_id: key.customer_id.clone(),
        package_id: key.package_id.clone(),
        verification_id: key.verification_id.clone(),
        ..ctx.entry(app, "key.assigned")
    };
    let event = event(&app.minter, ctx.now, "key.assigned", key_data(&key, user));
    let told = tie(app, ctx, &key)?;
    let (tenant, env, filed, owner) =
        (ctx.principal.tenant.clone(), app.env, key.clone(), app.instance.clone());
    app.db
        .write("assign_key", move |tx| {
            let slot = filed.assignment_slot.as_deref();
            let taken = match slot {
                Some(slot) => keys::of(&tenant).find_active_in_slot(tx, &filed.user_id, slot)?,
                None => None,
            };
            if taken.is_some() || !keys::of(&tenant).insert(tx, &filed)? {
                return Err(Error::from(already_assigned()));
            }
            store::pool::take(tx, &filed.id, &owner)?;
            told.iter().try_for_each(|told| store::offline::of(&tenant).append(tx, told))?;
            store::audit::of(&tenant).append(tx, &entry)?;
            Ok(tell(tx, &tenant, env, &event)?)
        })
        .await?;
    Ok(key)
}

/// Whose a COLD key is, for the offline enclave; nothing of a HOT one.
pub(super) fn tie(app: &App, ctx: &Ctx, key: &CustomerKey) -> Result<Option<OfflineRequest>, Error> {
    let binding = key.binding.as_deref().map(SignedBinding::from_bytes).transpose();
    let binding = binding.map_err(|_| Error::fault("reading a binding"))?;
    Ok(binding.map(|binding| told(app, ctx.now, &Entry::Tie(binding))))
}

/// The data of a key's event.
pub(super) fn key_data(key: &CustomerKey, user: &User) -> EventData {
    vec![
        ("key_id", Json::text(key.id.to_string())),
        ("user_identifier", Json::text(user.user_identifier.clone())),
        ("key_environment", Json::text(key.key_environment.to_string())),
        ("customer_id", Json::text_or_null(key.customer_id.as_deref())),
        ("package_id", Json::text_or_null(key.package_id.as_deref())),
    ]
}

fn already_assigned() -> Refusal {
    Refusal::new(
        Kind::Conflict,
        "key-already-assigned",
        "Key already assigned for this user and organisation",
    )
}
