//! The tenants of a sandbox: one of each kind, with API keys that stay the same from start to start.
//!
//! The keys are derived from the server's own, so that they can be shown again without being stored.

use api::sandbox::{ApiKeys, Tenant};
use boundary::Env;
use domain::credential::{ApiKeyText, Scope, TenantKind};
use domain::ids::{CredentialId, TenantId};
use domain::time::Timestamp;
use store::credentials::{self, ApiCredential, Scopes};
use store::tenants;

use crate::app::App;
use crate::flows::Error;
use crate::sandbox_people;

/// When the expired key of each tenant expired.
const LONG_AGO: Timestamp = Timestamp::from_ms(1_000);

/// The scopes of a tenant's full key; the first is that of its kind.
const fn scopes(kind: TenantKind) -> &'static [Scope] {
    match kind {
        TenantKind::Retail => &[Scope::Retail, Scope::Audit, Scope::Webhooks, Scope::Sandbox],
        TenantKind::Partner => {
            &[Scope::Partner, Scope::Keys, Scope::Audit, Scope::Webhooks, Scope::Sandbox, Scope::Credentials]
        }
        TenantKind::Institution => &[Scope::Keys, Scope::Audit, Scope::Webhooks, Scope::Sandbox],
    }
}

/// The sandbox's tenants and their keys, made at the first call.
pub async fn ensure(app: &App) -> Result<Vec<Tenant>, Error> {
    let known = app.db.read("list_tenants", tenants::list_all).await?;
    let mut out = Vec::new();
    for kind in TenantKind::ALL {
        let keys = ["full", "no-scope", "expired"].map(|role| api_key(app, *kind, role));
        let there = known.iter().find(|tenant| tenant.kind == *kind).cloned();
        let tenant = match there {
            Some(tenant) => tenant,
            None => make(app, *kind, &keys).await?,
        };
        let control = sandbox_people::ensure(app, &tenant).await?;
        let [full, no_partner_scope, expired] = keys.map(|key| key.expose().to_owned());
        out.push(Tenant {
            name: name(*kind),
            kind: kind.to_string(),
            api_keys: ApiKeys { full, no_partner_scope, expired },
            control,
        });
    }
    Ok(out)
}

fn name(kind: TenantKind) -> String {
    format!("sandbox-{kind}")
}

fn api_key(app: &App, kind: TenantKind, role: &str) -> ApiKeyText {
    let seed = app.keys.credential_hash(&format!("sandbox api key {kind} {role}"));
    ApiKeyText::from_seed(Env::Sandbox, &seed)
}

async fn make(app: &App, kind: TenantKind, keys: &[ApiKeyText; 3]) -> Result<tenants::Tenant, Error> {
    let now = app.clock.now();
    let tenant = tenants::Tenant {
        id: TenantId::new(now, &mut app.chance()),
        name: name(kind),
        kind,
        created_at: now,
    };
    let all = scopes(kind);
    let plans = [("full", all, None), ("no-scope", &all[1..], None), ("expired", all, Some(LONG_AGO))];
    let credentials = plans.into_iter().zip(keys).map(|((role, scopes, expires_at), key)| {
        let credential = ApiCredential {
            id: CredentialId::new(now, &mut app.chance()),
            name: role.to_owned(),
            hint: key.hint(),
            scopes: Scopes::new(scopes),
            expires_at,
            revoked_at: None,
            created_at: now,
        };
        (credential, app.keys.credential_hash(key.expose()))
    });
    let credentials: Vec<_> = credentials.collect();
    let row = tenant.clone();
    let made = app.db.write("make_tenant", move |tx| {
        tenants::insert(tx, &row)?;
        for (credential, hash) in &credentials {
            credentials::of(&row.id).insert(tx, credential, hash)?;
        }
        Ok::<_, Error>(())
    });
    made.await?;
    Ok(tenant)
}
