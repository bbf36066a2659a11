//! What people are told.

use domain::notice::{MailState, NoticeKind};
use domain::person::{PersonState, Role};
use store::notices::{self, Notice};
use store::people::{self, Person};
use store::{Db, reset};

use crate::fixture::*;
use crate::support::Bench;

crate::on_both_engines! {
    somebody_reads_his_own_notices_and_no_others,
    a_mail_is_taken_up_once_until_its_lease_ends,
    how_a_try_went_is_written_once,
    a_reset_takes_the_notices_and_leaves_the_people,
}

fn person(number: u64) -> Person {
    Person {
        id: id(number),
        email: format!("p{number}@example.org"),
        name: format!("Person {number}"),
        role: Role::Owner,
        state: PersonState::Active,
        created_at: at(1),
        removed_at: None,
    }
}

fn notice(number: u64, to: u64, due: i64) -> Notice {
    Notice {
        id: id(number),
        person_id: id(to),
        kind: NoticeKind::VoteWanted,
        title: format!("notice {number}"),
        text: "é".to_owned(),
        link: vec![1, 2, 3],
        created_at: at(5),
        read_at: None,
        mail_state: MailState::Waiting,
        mail_tries: 0,
        due_at: at(due),
    }
}

/// Two people of the first tenant, one of the second; notices to each.
async fn people(db: &Db) {
    seed(db).await;
    write(db, |tx| {
        for (tenant, number) in [(1, 50), (1, 51), (2, 52)] {
            assert!(people::of(&id(tenant)).insert(tx, &person(number))?);
        }
        for (number, to, due) in [(60, 50, 10), (61, 50, 20), (62, 51, 10)] {
            notices::of(&id(1)).append(tx, &notice(number, to, due))?;
        }
        notices::of(&id(2)).append(tx, &notice(63, 52, 10))
    })
    .await;
}

async fn somebody_reads_his_own_notices_and_no_others(bench: &Bench) {
    let db = bench.open().await;
    people(&db).await;
    let list = |tenant, person, before: Option<u64>, limit| {
        let before = before.map(id);
        read(&db, move |rx| notices::of(&id(tenant)).list(rx, &id(person), before.as_ref(), limit))
    };
    let unread = |tenant, person| read(&db, move |rx| notices::of(&id(tenant)).count_unread(rx, &id(person)));
    assert_eq!(list(1, 50, None, 9).await, [notice(61, 50, 20), notice(60, 50, 10)]);
    assert_eq!(list(1, 50, None, 1).await, [notice(61, 50, 20)]);
    assert_eq!(list(1, 50, Some(61), 9).await, [notice(60, 50, 10)]);
    assert_eq!(list(2, 50, None, 9).await, []);
    assert_eq!((unread(1, 50).await, unread(1, 51).await, unread(2, 50).await), (2, 1, 0));
    // Another's, by its id; another tenant's; then his own.
    for (tenant, person, one, ms) in [(1, 50, Some(62), 28), (2, 50, Some(60), 29), (1, 50, Some(60), 30)] {
        write(&db, move |tx| {
            notices::of(&id(tenant)).set_read(tx, &id(person), one.map(id).as_ref(), at(ms))
        })
        .await;
    }
    assert_eq!((unread(1, 50).await, unread(1, 51).await), (1, 1));
    write(&db, |tx| notices::of(&id(1)).set_read(tx, &id(50), None, at(40))).await;
    let read_at: Vec<_> = list(1, 50, None, 9).await.into_iter().map(|notice| notice.read_at).collect();
    assert_eq!(read_at, [Some(at(40)), Some(at(30))], "one that was read keeps its instant");
}

async fn a_mail_is_taken_up_once_until_its_lease_ends(bench: &Bench) {
    let db = bench.open().await;
    people(&db).await;
    let take = |now, limit| write(&db, move |tx| notices::take_up(tx, at(now), at(now + 100), limit));
    assert!(take(9, 9).await.is_empty());
    let mut first = take(10, 2).await;
    first.extend(take(10, 2).await);
    first.sort_by_key(|mail| mail.row.id.clone());
    let seen: Vec<_> =
        first.iter().map(|mail| (&mail.tenant_id, mail.row.email.as_str(), mail.row.mail_tries)).collect();
    let (one, two) = (id(1), id(2));
    assert_eq!(
        seen,
        [(&one, "p50@example.org", 1), (&one, "p51@example.org", 1), (&two, "p52@example.org", 1)]
    );
    assert_eq!((first[2].row.tenant_name.as_str(), first[2].row.name.as_str()), ("tenant 2", "Person 52"));
    assert_eq!(first[0].row.link, [1, 2, 3]);
    assert_eq!(take(20, 9).await.len(), 1, "only what has become due");
    let again = take(110, 9).await;
    assert_eq!(again.len(), 3);
    assert!(again.iter().all(|mail| mail.row.mail_tries == 2));
}

async fn how_a_try_went_is_written_once(bench: &Bench) {
    let db = bench.open().await;
    people(&db).await;
    write(&db, |tx| notices::take_up(tx, at(10), at(100), 9)).await;
    let tried = |tenant, tries, state, due| {
        write(&db, move |tx| notices::of(&id(tenant)).set_tried(tx, &id(60), tries, state, at(due)))
    };
    assert!(!tried(2, 1, MailState::Sent, 10).await, "another tenant's");
    assert!(!tried(1, 2, MailState::Sent, 10).await, "another try");
    assert!(tried(1, 1, MailState::Waiting, 15).await);
    let taken = write(&db, |tx| notices::take_up(tx, at(15), at(100), 9)).await;
    assert_eq!((taken.len(), taken[0].row.mail_tries), (1, 2));
    assert!(!tried(1, 1, MailState::Parked, 15).await, "the one before is over");
    assert!(tried(1, 2, MailState::Sent, 15).await);
    assert!(!tried(1, 2, MailState::Waiting, 15).await, "what is sent stays sent");
    assert_eq!(write(&db, |tx| notices::take_up(tx, at(99), at(200), 9)).await.len(), 1, "the fourth alone");
}

async fn a_reset_takes_the_notices_and_leaves_the_people(bench: &Bench) {
    let db = bench.open().await;
    people(&db).await;
    assert_eq!(read(&db, |rx| notices::list_kept(rx, None, 9)).await.len(), 4);
    write(&db, |tx| reset::forget(tx, &id(1))).await;
    let kept = read(&db, |rx| notices::list_kept(rx, None, 9)).await;
    assert_eq!((kept.len(), kept[0].email.as_str()), (1, "p52@example.org"));
    assert_eq!(read(&db, |rx| people::of(&id(1)).list(rx)).await.len(), 2);
}
