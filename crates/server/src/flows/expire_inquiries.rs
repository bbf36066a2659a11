//! Ends inquiries that nobody finishes.

use domain::audit::ActorType;
use domain::time::Timestamp;
use domain::verification::InquiryState;
use store::{OfTenant, StoreError, verifications};

use super::Error;
use super::move_inquiry::Step;
use super::read_verification::Inquiry;
use crate::app::App;

/// How many are ended at a time.
const PAGE: i64 = 100;

/// Expires inquiries that are as old as an inquiry's life and still created or pending. Returns how many were
/// looked at.
pub async fn expire_inquiries(app: &App, now: Timestamp) -> Result<usize, Error> {
    let life = app.windows.inquiry_life;
    let overdue = app.db.read("list_overdue", move |rx| {
        let overdue = verifications::list_overdue(rx, now - life, PAGE)?;
        let with_user = overdue.into_iter().map(|OfTenant { tenant_id, row }| {
            let inquiry = Inquiry::of(rx, &tenant_id, row)?;
            Ok((tenant_id, inquiry))
        });
        with_user.collect::<Result<Vec<_>, StoreError>>()
    });
    let overdue = overdue.await?;
    let count = overdue.len();
    for (tenant, inquiry) in overdue {
        let step = Step {
            inquiry,
            next: Some(InquiryState::Expired),
            approval: None,
            reported: InquiryState::Expired.event_type().to_owned(),
            review: None,
            reason: None,
            notices: Vec::new(),
            actor: (ActorType::Service, "service".to_owned()),
            request_id: "service".to_owned(),
            now,
        };
        let (env, minter) = (app.env, app.minter.clone());
        // One that moved meanwhile is not overdue any more.
        app.db.write("expire_inquiry", move |tx| step.write(tx, &tenant, env, &minter)).await?;
    }
    Ok(count)
}
