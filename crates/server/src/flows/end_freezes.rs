//! Ends what was frozen for a time, once the enclave says that the time is over, and tells everybody: by its clocks a
//! freeze may last longer than its page says, never shorter.

use boundary::json::Value;
use domain::audit::ActorType;
use domain::notice::NoticeKind;
use domain::time::Timestamp;
use store::audit::AuditEntry;
use store::freezes::{self, TenantFreeze};
use store::{OfTenant, StoreError};

use super::freeze_tenant::{FREEZE_PATH, stands};
use super::notify::notify_everybody;
use super::{Error, News, entry, event, tell};
use crate::app::App;

/// How many freezes are looked at in one round.
const ROUND_MAX: i64 = 200;
/// Who ends what nobody has ended before.
const SERVICE: &str = "service";

/// Comes back to every freeze whose time is over by our clock; says how many have ended.
pub async fn end_freezes(app: &App, now: Timestamp) -> Result<usize, Error> {
    let over = app.db.read("list_over_freezes", move |rx| freezes::list_over(rx, now, ROUND_MAX));
    let over: Vec<OfTenant<TenantFreeze>> = over.await.map_err(|error: StoreError| Error::from(error))?;
    let mut ended = 0;
    for OfTenant { tenant_id, row } in over {
        if stands(app, &tenant_id).await?.left_ms > 0 {
            continue;
        }
        let news = News {
            kind: NoticeKind::AccountFrozen,
            title: "The account is frozen no more".to_owned(),
            text: "The time for which it was frozen is over: recoveries go on.".to_owned(),
            link: FREEZE_PATH.to_owned(),
        };
        let notices = notify_everybody(app, now, &tenant_id, &news).await?;
        let about = entry(&app.minter, now, (ActorType::Service, SERVICE), "tenant.freeze-ended", SERVICE);
        let about = AuditEntry { reason: Some(format!("freeze {}", row.number)), ..about };
        let event = event(&app.minter, now, "tenant.thawed", vec![("changed_by", Value::text(SERVICE))]);
        let (env, tenant) = (app.env, tenant_id);
        let written = app.db.write("end_freeze", move |tx| {
            if !freezes::of(&tenant).end(tx, row.number, SERVICE, now)? {
                return Ok(0);
            }
            store::audit::of(&tenant).append(tx, &about)?;
            notices.iter().try_for_each(|notice| store::notices::of(&tenant).append(tx, notice))?;
            tell(tx, &tenant, env, &event).map(|()| 1)
        });
        ended += written.await.map_err(|error: StoreError| Error::from(error))?;
    }
    Ok(ended)
}
