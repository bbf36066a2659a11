//! Shows which identity checks came to people.

use domain::control::Act;
use store::StoreError;
use store::listings::Seen;
use store::reviews::{self, ListedReview, ReviewFilter};

use super::super::{Ctx, Error};
use super::permitted;
use crate::app::App;

/// Which reviews.
pub struct ReviewQuery {
    /// Only those that match.
    pub filter: ReviewFilter,
    /// Only those after this one.
    pub after: Option<Seen>,
    /// At most so many.
    pub limit: u32,
}

/// A page of reviews, newest first, and whether there is more.
pub async fn list_reviews(
    app: &App,
    ctx: &Ctx,
    query: ReviewQuery,
) -> Result<(Vec<ListedReview>, bool), Error> {
    permitted(ctx, Act::SeeReviews)?;
    let (tenant, limit) = (ctx.principal.tenant.clone(), query.limit);
    let page = app.db.read("list_reviews", move |rx| {
        reviews::of(&tenant).list(rx, &query.filter, query.after.as_ref(), i64::from(limit) + 1)
    });
    let mut page: Vec<ListedReview> = page.await.map_err(|error: StoreError| Error::from(error))?;
    let more = page.len() > limit as usize;
    page.truncate(limit as usize);
    Ok((page, more))
}
