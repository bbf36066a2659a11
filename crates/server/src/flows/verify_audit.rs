//! Hashes a tenant's whole log anew, and says whether the chain is whole.

use domain::access::Deed;
use domain::ids::TenantId;
use domain::limits::AUDIT_EXPORT_PAGE_ENTRIES;
use store::StoreError;
use store::audit::{self, Filter, Hash, Head, Sequenced};

use super::sequence_audit::{leaf_hash, sequence_audit};
use super::{Ctx, Error};
use crate::app::App;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The place of the last entry that was hashed.
    pub entries: i64,
    /// The hash of the last of them.
    pub head: Option<Hash>,
    /// The place of the first entry that is not as it was written, or not there.
    pub broken_at: Option<i64>,
}

/// Hashes every entry that was answered before this call, page after page.
pub async fn verify_audit(app: &App, ctx: &Ctx) -> Result<Chain, Error> {
    ctx.principal.permit(Deed::ReadAudit)?;
    let tenant = ctx.principal.tenant.clone();
    let head = sequence_audit(app, &tenant, ctx.now).await?;
    follow_audit(app, &tenant, (&START, &head), &mut |_| {}).await
}

/// The link before a log's first entry.
pub(crate) const START: Head = Head { seq: 0, entry_hash: None };

/// Hashes the entries after the first link up to this head, page after page, and shows all there are to `see`, those
/// behind a break too.
pub(crate) async fn follow_audit(
    app: &App,
    tenant: &TenantId,
    (from, head): (&Head, &Head),
    see: &mut (dyn FnMut(&Sequenced) + Send),
) -> Result<Chain, Error> {
    let (mut chain, mut after_seq) =
        (Chain { entries: from.seq, head: from.entry_hash, broken_at: None }, from.seq);
    let last_seq = head.seq;
    while after_seq < last_seq {
        let of = tenant.clone();
        let page = app.db.read("verify_audit", move |rx| {
            audit::of(&of).list(rx, &Filter::default(), (after_seq, last_seq), AUDIT_EXPORT_PAGE_ENTRIES)
        });
        let page: Vec<Sequenced> = page.await.map_err(|error: StoreError| Error::from(error))?;
        let Some(last) = page.last() else { break };
        after_seq = last.seq;
        for row in &page {
            see(row);
            if chain.broken_at.is_some() {
                continue;
            }
            let hash = leaf_hash(tenant, &row.entry, row.seq, chain.head.as_ref());
            let follows = row.seq == chain.entries + 1 && row.prev_hash == chain.head;
            if follows && hash == row.entry_hash {
                (chain.entries, chain.head) = (row.seq, Some(hash));
            } else {
                chain.broken_at = Some(chain.entries + 1);
            }
        }
    }
    if chain.broken_at.is_none() && chain.entries < head.seq {
        chain.broken_at = Some(chain.entries + 1);
    } else if chain.broken_at.is_none() && chain.head != head.entry_hash {
        chain.broken_at = Some(head.seq);
    }
    Ok(chain)
}
