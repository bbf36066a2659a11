//! Identity checks that came to people.

use domain::review::{ReviewState, ReviewWhy};
use domain::verification::InquiryState;
use store::backups;
use store::listings::Seen;
use store::reviews::{self, ReviewFilter, Signed};
use store::{Db, Tx, keys, reset, users, verifications};

use crate::fixture::*;
use crate::support::Bench;

crate::on_both_engines! {
    a_review_is_signed_once_and_a_decline_displaces_it,
    a_second_signature_is_another_persons_and_one,
    what_is_not_believed_is_open_again,
    a_review_ends_once,
    reviews_are_listed_newest_first,
    what_waits_for_a_review_is_counted,
    what_is_signed_is_found_again_and_a_reset_forgets_it,
}

async fn begin(db: &Db, names: &'static [&'static str]) {
    seed(db).await;
    write(db, |tx| {
        for (name, came) in names.iter().zip(10..) {
            let row = verification(name);
            verifications::of(&id(1)).insert(tx, &row)?;
            verifications::of(&id(1)).set_state(
                tx,
                &row.id,
                InquiryState::Created,
                InquiryState::NeedsReview,
                at(came),
            )?;
            reviews::of(&id(1)).insert(tx, &row.id, ReviewWhy::IdentityDiffers, at(came))?;
        }
        Ok(())
    })
    .await;
}

fn signed(by: u64, document: &str) -> Signed {
    Signed { document: document.to_owned(), by: id(by), ballot: vec![1, 2], at: at(50) }
}

type Write = Box<dyn Fn(&mut Tx<'_>) -> Result<bool, store::StoreError> + Send + Sync>;

fn sign(tenant: u64, by: u64, document: &'static str, declines: bool) -> Write {
    Box::new(move |tx| {
        reviews::of(&id(tenant)).set_signed(tx, &inquiry("inq_1"), &signed(by, document), declines)
    })
}

fn second(tenant: u64, by: u64, document: &'static str) -> Write {
    Box::new(move |tx| reviews::of(&id(tenant)).set_seconded(tx, &inquiry("inq_1"), &signed(by, document)))
}

async fn found(db: &Db) -> reviews::Review {
    read(db, |rx| reviews::of(&id(1)).find(rx, &inquiry("inq_1"))).await.expect("a review")
}

async fn a_review_is_signed_once_and_a_decline_displaces_it(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    begin(&db, &["inq_1"]).await;
    let open = found(&db).await;
    assert_eq!((open.state, open.came_at, open.first_by), (ReviewState::Open, at(10), None));
    assert!(read(&db, |rx| reviews::of(&id(2)).find(rx, &inquiry("inq_1"))).await.is_none());
    assert!(!write(&db, sign(2, 70, "a", false)).await, "another tenant's");
    assert_eq!(wins(&race([&db, &other], 16, |_| sign(1, 70, "a", false)).await), 1);
    assert!(!write(&db, sign(1, 71, "b", false)).await, "an approval displaces nothing");
    assert!(write(&db, second(1, 71, "a")).await);
    assert!(write(&db, sign(1, 71, "b", true)).await);
    let review = found(&db).await;
    assert_eq!((review.document.as_deref(), &review.first_by), (Some("b"), &Some(id(71))));
    assert_eq!((review.second_by, review.second_ballot), (None, None), "nor is the second left");
}

async fn a_second_signature_is_another_persons_and_one(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    begin(&db, &["inq_1"]).await;
    assert!(!write(&db, second(1, 71, "a")).await, "nobody has signed");
    assert!(write(&db, sign(1, 70, "a", false)).await);
    assert!(!write(&db, second(1, 70, "a")).await, "the same person");
    assert!(!write(&db, second(1, 71, "b")).await, "something else");
    assert!(!write(&db, second(2, 71, "a")).await, "another tenant's");
    assert_eq!(wins(&race([&db, &other], 16, |_| second(1, 71, "a")).await), 1);
    assert_eq!(found(&db).await.second_by, Some(id(71)));
}

async fn what_is_not_believed_is_open_again(bench: &Bench) {
    let db = bench.open().await;
    begin(&db, &["inq_1"]).await;
    let reopen = |tenant: u64, document: &'static str| {
        move |tx: &mut Tx<'_>| reviews::of(&id(tenant)).set_reopened(tx, &inquiry("inq_1"), document)
    };
    let fresh = found(&db).await;
    assert!(write(&db, sign(1, 70, "a", false)).await);
    assert!(!write(&db, reopen(1, "b")).await && !write(&db, reopen(2, "a")).await);
    assert!(write(&db, reopen(1, "a")).await);
    assert_eq!(found(&db).await, fresh);
}

async fn a_review_ends_once(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    begin(&db, &["inq_1"]).await;
    let end = |tenant: u64, state| {
        move |tx: &mut Tx<'_>| reviews::of(&id(tenant)).set_ended(tx, &inquiry("inq_1"), state, at(60))
    };
    assert!(!write(&db, end(2, ReviewState::Approved)).await);
    assert_eq!(wins(&race([&db, &other], 16, |_| end(1, ReviewState::Declined)).await), 1);
    assert!(!write(&db, end(1, ReviewState::Approved)).await);
    assert!(!write(&db, sign(1, 70, "a", true)).await, "nothing is added");
    let review = found(&db).await;
    assert_eq!((review.state, review.ended_at), (ReviewState::Declined, Some(at(60))));
}

async fn reviews_are_listed_newest_first(bench: &Bench) {
    let db = bench.open().await;
    begin(&db, &["inq_1", "inq_2", "inq_3"]).await;
    write(&db, |tx| users::of(&id(1)).ensure_person(tx, &user(1, "anna"), &id(70)).map(drop)).await;
    assert!(write(&db, sign(1, 70, "a", false)).await);
    let list = |tenant: u64, filter: ReviewFilter, after: Option<Seen>, limit| {
        let db = &db;
        async move {
            let found = read(db, move |rx| reviews::of(&id(tenant)).list(rx, &filter, after.as_ref(), limit));
            let ids = found.await.into_iter().map(|review| review.verification_id.to_string());
            ids.collect::<Vec<_>>()
        }
    };
    let any = ReviewFilter::default;
    assert_eq!(list(1, any(), None, 9).await, ["inq_3", "inq_2", "inq_1"]);
    assert_eq!(list(1, any(), None, 2).await, ["inq_3", "inq_2"]);
    let after = Seen { at: at(11), id: "inq_2".to_owned() };
    assert_eq!(list(1, any(), Some(after), 9).await, ["inq_1"]);
    assert!(list(2, any(), None, 9).await.is_empty(), "another tenant's");
    let signed = ReviewFilter { state: Some(ReviewState::Signed), ..any() };
    assert_eq!(list(1, signed, None, 9).await, ["inq_1"]);
    let asked = ReviewFilter { why: Some(ReviewWhy::ProviderAsked), ..any() };
    assert!(list(1, asked, None, 9).await.is_empty());
    let nobody = ReviewFilter { user_identifier: Some("nobody".to_owned()), ..any() };
    assert!(list(1, nobody, None, 9).await.is_empty());
}

async fn what_waits_for_a_review_is_counted(bench: &Bench) {
    let db = bench.open().await;
    begin(&db, &["inq_1"]).await;
    let count = |tenant: u64| {
        let db = &db;
        async move { read(db, move |rx| reviews::of(&id(tenant)).count_waiting(rx, &inquiry("inq_1"))).await }
    };
    assert_eq!(count(1).await, 0);
    write(&db, |tx| {
        keys::of(&id(1)).insert(tx, &key(1, None))?;
        let row = backups::Backup {
            state: domain::backup::BackupState::Unconfirmed,
            verification_id: Some(inquiry("inq_1")),
            ..backup(1)
        };
        backups::of(&id(1)).insert(tx, &row)
    })
    .await;
    assert_eq!((count(1).await, count(2).await), (1, 0));
    write(&db, |tx| backups::of(&id(1)).confirm_of_verification(tx, &inquiry("inq_1"), at(70)).map(drop))
        .await;
    assert_eq!(count(1).await, 0);
}

async fn what_is_signed_is_found_again_and_a_reset_forgets_it(bench: &Bench) {
    let db = bench.open().await;
    begin(&db, &["inq_1", "inq_2"]).await;
    let signed = || async {
        let found = read(&db, |rx| reviews::list_signed(rx, 9)).await;
        found.into_iter().map(|of| (of.tenant_id, of.row.verification_id)).collect::<Vec<_>>()
    };
    assert!(signed().await.is_empty());
    assert!(write(&db, sign(1, 70, "a", false)).await);
    assert_eq!(signed().await, [(id(1), inquiry("inq_1"))]);
    write(&db, |tx| reset::forget(tx, &id(1)).map(drop)).await;
    assert!(signed().await.is_empty());
    assert!(read(&db, |rx| reviews::of(&id(1)).find(rx, &inquiry("inq_2"))).await.is_none());
}
