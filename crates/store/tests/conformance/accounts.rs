//! People who sign in: their passkeys, codes, sessions, invitations and half-done ceremonies.

use domain::person::{InvitationPurpose, PersonState, Purpose, Role, Stage};
use store::invitations::{self, Invitation};
use store::passkeys::{self, Passkey};
use store::people::{self, Person};
use store::sessions::{self, Session};
use store::{ceremonies, tenants};

use crate::fixture::*;
use crate::support::Bench;

crate::on_both_engines! {
    a_person_is_his_tenants_and_his_address_is_his_alone,
    secrets_are_set_and_taken_away,
    sixty_four_at_once_use_a_code_once,
    a_passkey_is_one_persons_and_ends,
    a_session_finds_its_person_and_takes_its_ceremonies_along,
    sixty_four_at_once_claim_one_ceremony,
    an_invitation_is_replaced_by_the_next,
}

fn person(number: u64, email: &str) -> Person {
    Person {
        id: id(number),
        email: email.to_owned(),
        name: "Ada".to_owned(),
        role: Role::Owner,
        state: PersonState::Active,
        created_at: at(1),
        removed_at: None,
    }
}

fn session(number: u8) -> Session {
    Session {
        token_hash: [number; 32],
        id: id(number.into()),
        tenant_id: id(1),
        person_id: id(50),
        stage: Stage::Whole,
        csrf: "csrf".to_owned(),
        agent: "a browser".to_owned(),
        created_at: at(1),
        seen_at: at(1),
        expires_at: at(1_000),
        proven_at: None,
    }
}

async fn with_person(bench: &Bench) -> store::Db {
    let db = bench.open().await;
    seed(&db).await;
    assert!(write(&db, |tx| people::of(&id(1)).insert(tx, &person(50, "ada@x.example"))).await);
    db
}

async fn a_person_is_his_tenants_and_his_address_is_his_alone(bench: &Bench) {
    let db = with_person(bench).await;
    let ada = person(50, "ada@x.example");
    assert_eq!(read(&db, |rx| people::of(&id(1)).find(rx, &id(50))).await, Some(ada.clone()));
    assert_eq!(read(&db, |rx| people::of(&id(2)).find(rx, &id(50))).await, None, "another tenant's");
    assert_eq!(read(&db, |rx| people::of(&id(2)).list(rx)).await, []);
    assert!(read(&db, |rx| people::of(&id(2)).find_known(rx, &id(50))).await.is_none());
    assert!(!write(&db, |tx| people::of(&id(2)).insert(tx, &person(51, "ada@x.example"))).await, "taken");
    assert!(!write(&db, |tx| people::of(&id(2)).set_role(tx, &id(50), Role::Auditor)).await);
    let known = read(&db, |rx| people::find_by_email(rx, "ada@x.example")).await.expect("found");
    assert_eq!((known.tenant_id, known.person), (id(1), ada));
    assert_eq!(read(&db, |rx| people::of(&id(1)).count_other_owners(rx, &id(50))).await, 0);
    assert_eq!(read(&db, |rx| people::of(&id(1)).count_other_owners(rx, &id(51))).await, 1);
    let removed =
        |tx: &mut store::Tx<'_>| people::of(&id(1)).set_state(tx, &id(50), PersonState::Removed, Some(at(9)));
    assert!(write(&db, removed).await);
    assert!(!write(&db, removed).await, "once");
    assert!(read(&db, |rx| people::find_by_email(rx, "ada@x.example")).await.is_none());
    assert_eq!(read(&db, |rx| people::of(&id(1)).list(rx)).await, []);
    assert!(write(&db, |tx| people::of(&id(2)).insert(tx, &person(51, "ada@x.example"))).await, "free again");
    assert_eq!(read(&db, |rx| people::of(&id(1)).count_ever(rx)).await, 1);
}

async fn secrets_are_set_and_taken_away(bench: &Bench) {
    let db = with_person(bench).await;
    write(&db, |tx| {
        let tenant = id(1);
        let people = people::of(&tenant);
        people.lock_all(tx)?;
        people.set_password(tx, &id(50), Some("$argon2id$"))?;
        people.set_totp(tx, &id(50), Some((&[7; 40], 3)))?;
        people.set_failures(tx, &id(50), 4, Some(at(20)))
    })
    .await;
    let known = write(&db, |tx| people::of(&id(1)).find_locked(tx, &id(50))).await.expect("found");
    let secrets = &known.secrets;
    assert_eq!((secrets.password.as_deref(), secrets.totp_step), (Some("$argon2id$"), 3));
    assert_eq!((secrets.totp_sealed.as_deref(), secrets.failures), (Some(&[7; 40][..]), 4));
    assert_eq!(secrets.locked_until, Some(at(20)));
    assert!(!write(&db, |tx| people::of(&id(1)).set_totp_step(tx, &id(50), 3)).await, "the same step again");
    assert!(write(&db, |tx| people::of(&id(1)).set_totp_step(tx, &id(50), 4)).await);
    write(&db, |tx| people::of(&id(1)).set_totp(tx, &id(50), None)).await;
    let known = read(&db, |rx| people::of(&id(1)).find_known(rx, &id(50))).await.expect("found");
    assert_eq!((known.secrets.totp_sealed, known.secrets.totp_step), (None, 0));
}

async fn sixty_four_at_once_use_a_code_once(bench: &Bench) {
    let db = with_person(bench).await;
    let other = bench.open().await;
    write(&db, |tx| people::insert_codes(tx, &id(50), &[[1; 32], [2; 32]], at(1))).await;
    assert!(!write(&db, |tx| people::delete_code(tx, &id(51), &[1; 32])).await, "another person's");
    let uses =
        race([&db, &other], 64, |_| |tx: &mut store::Tx<'_>| people::delete_code(tx, &id(50), &[1; 32]))
            .await;
    assert_eq!(wins(&uses), 1);
    let steps = race([&db, &other], 64, |_| {
        |tx: &mut store::Tx<'_>| people::of(&id(1)).set_totp_step(tx, &id(50), 9)
    })
    .await;
    assert_eq!(wins(&steps), 1);
    assert_eq!(read(&db, |rx| people::count_codes(rx, &id(50))).await, 1);
    write(&db, |tx| people::insert_codes(tx, &id(50), &[[3; 32]], at(1))).await;
    assert_eq!(read(&db, |rx| people::count_codes(rx, &id(50))).await, 1, "in the place of the others");
}

async fn a_passkey_is_one_persons_and_ends(bench: &Bench) {
    let db = with_person(bench).await;
    write(&db, |tx| people::of(&id(2)).insert(tx, &person(51, "bob@x.example"))).await;
    let passkey = |number: u64, of: u64, credential: u8| Passkey {
        id: id(number),
        person_id: id(of),
        credential_id: vec![credential; 20],
        data: "{}".to_owned(),
        point: [4; 65],
        name: "key".to_owned(),
        counts_from: at(2),
        created_at: at(1),
        revoked_at: None,
    };
    let (first, second, stolen) = (passkey(60, 50, 1), passkey(61, 50, 2), passkey(62, 51, 1));
    let rows = (first.clone(), second.clone());
    assert!(write(&db, move |tx| Ok(passkeys::insert(tx, &rows.0)? && passkeys::insert(tx, &rows.1)?)).await);
    assert!(!write(&db, move |tx| passkeys::insert(tx, &stolen)).await, "known already, as another's");
    assert_eq!(read(&db, |rx| passkeys::list(rx, &id(50))).await, [first.clone(), second.clone()]);
    assert_eq!(read(&db, |rx| passkeys::list_of_tenant(rx, &id(1))).await, [first, second.clone()]);
    assert_eq!(read(&db, |rx| passkeys::list_of_tenant(rx, &id(2))).await, []);
    assert!(!write(&db, |tx| passkeys::set_revoked(tx, &id(51), &id(60), at(5))).await, "another person's");
    assert!(write(&db, |tx| passkeys::set_revoked(tx, &id(50), &id(60), at(5))).await);
    assert!(!write(&db, |tx| passkeys::set_data(tx, &id(50), &[1; 20], "{}")).await, "revoked");
    assert!(write(&db, |tx| passkeys::set_data(tx, &id(50), &[2; 20], "{}")).await);
    assert_eq!(read(&db, |rx| passkeys::list(rx, &id(50))).await, [second]);
    write(&db, |tx| passkeys::set_all_revoked(tx, &id(50), at(6))).await;
    assert_eq!(read(&db, |rx| passkeys::list(rx, &id(50))).await, []);
}

async fn a_session_finds_its_person_and_takes_its_ceremonies_along(bench: &Bench) {
    let db = with_person(bench).await;
    let rows = [session(1), session(2), Session { stage: Stage::Password, ..session(3) }];
    write(&db, move |tx| rows.iter().try_for_each(|row| sessions::insert(tx, row))).await;
    let found = read(&db, |rx| sessions::find(rx, &[1; 32])).await.expect("found");
    assert_eq!((found.session, found.person), (session(1), person(50, "ada@x.example")));
    assert_eq!(Some(found.tenant), read(&db, |rx| tenants::find(rx, &id(1))).await);
    let listed: Vec<_> =
        read(&db, |rx| sessions::list(rx, &id(50))).await.into_iter().map(|row| row.id).collect();
    assert_eq!(listed, [id(1), id(2)], "those that are whole");
    write(&db, |tx| sessions::set_seen(tx, &[1; 32], at(40))).await;
    assert!(write(&db, |tx| sessions::set_proven(tx, &[1; 32], at(41))).await);
    assert!(!write(&db, |tx| sessions::set_proven(tx, &[3; 32], at(41))).await, "not whole");
    let after = read(&db, |rx| sessions::find(rx, &[1; 32])).await.expect("found").session;
    assert_eq!((after.seen_at, after.proven_at), (at(40), Some(at(41))));
    write(&db, |tx| ceremonies::insert_or_replace(tx, &[1; 32], Purpose::Prove, &[9], at(100))).await;
    assert!(!write(&db, |tx| sessions::delete_one(tx, &id(51), &id(1))).await, "another person's");
    assert!(write(&db, |tx| sessions::delete_one(tx, &id(50), &id(1))).await);
    assert_eq!(write(&db, |tx| ceremonies::claim(tx, &[1; 32], Purpose::Prove, at(50))).await, None);
    assert_eq!(write(&db, |tx| sessions::delete_over(tx, at(10), at(0))).await, 0);
    assert_eq!(write(&db, |tx| sessions::delete_over(tx, at(10), at(1))).await, 1, "unused since");
    assert_eq!(write(&db, |tx| sessions::delete_over(tx, at(1_000), at(0))).await, 1, "past its end");
    write(&db, |tx| sessions::insert(tx, &session(4))).await;
    write(&db, |tx| sessions::delete_all(tx, &id(50))).await;
    assert!(read(&db, |rx| sessions::find(rx, &[4; 32])).await.is_none());
    assert!(!write(&db, |tx| sessions::delete(tx, &[4; 32])).await);
}

async fn sixty_four_at_once_claim_one_ceremony(bench: &Bench) {
    let db = with_person(bench).await;
    let other = bench.open().await;
    write(&db, |tx| sessions::insert(tx, &session(1))).await;
    let keep = |sealed: u8| {
        move |tx: &mut store::Tx<'_>| {
            ceremonies::insert_or_replace(tx, &[1; 32], Purpose::SignIn, &[sealed], at(100))
        }
    };
    write(&db, keep(1)).await;
    write(&db, keep(2)).await;
    assert_eq!(
        write(&db, |tx| ceremonies::claim(tx, &[1; 32], Purpose::Prove, at(50))).await,
        None,
        "for something else"
    );
    let claim = |_| |tx: &mut store::Tx<'_>| ceremonies::claim(tx, &[1; 32], Purpose::SignIn, at(50));
    let claimed: Vec<_> = race([&db, &other], 64, claim).await.into_iter().flatten().collect();
    assert_eq!(claimed, [vec![2]], "the last that was kept, once");
    write(&db, keep(3)).await;
    assert_eq!(
        write(&db, |tx| ceremonies::claim(tx, &[1; 32], Purpose::SignIn, at(100))).await,
        None,
        "too old"
    );
    assert_eq!(
        write(&db, |tx| ceremonies::claim(tx, &[1; 32], Purpose::SignIn, at(50))).await,
        None,
        "and gone"
    );
}

async fn an_invitation_is_replaced_by_the_next(bench: &Bench) {
    let db = with_person(bench).await;
    let invitation = |token: u8| Invitation {
        token_hash: [token; 32],
        person_id: id(50),
        purpose: InvitationPurpose::Join,
        created_at: at(1),
        expires_at: at(100),
    };
    for token in [1, 2] {
        write(&db, move |tx| invitations::insert_or_replace(tx, &invitation(token))).await;
    }
    assert!(read(&db, |rx| invitations::find(rx, &[1; 32])).await.is_none(), "ended by the next");
    let found = read(&db, |rx| invitations::find(rx, &[2; 32])).await.expect("found");
    assert_eq!((found.tenant_id, found.tenant_name.as_str()), (id(1), "tenant 1"));
    assert_eq!((found.person, found.invitation), (person(50, "ada@x.example"), invitation(2)));
    assert_eq!(read(&db, |rx| invitations::find_of(rx, &id(50))).await, Some(invitation(2)));
    assert_eq!(read(&db, |rx| invitations::list_of_tenant(rx, &id(1))).await, [invitation(2)]);
    assert_eq!(read(&db, |rx| invitations::list_of_tenant(rx, &id(2))).await, []);
    assert!(write(&db, |tx| invitations::delete_of(tx, &id(50))).await);
    assert!(!write(&db, |tx| invitations::delete_of(tx, &id(50))).await);
}
