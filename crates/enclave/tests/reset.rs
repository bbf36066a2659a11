//! `Reset`: what was sealed for a tenant before it neither opens nor is believed, for good; others lose nothing.

mod rig;

use boundary::Env;
use boundary::message::{Prove, Recall, Refusal, Reply, Request, Reset};
use rig::*;

fn reset(client: &mut Client, tenant: &str) -> Reply {
    client.call(&Request::Reset(Reset { tenant_id: tenant.into() }))
}

fn holds(client: &mut Client, tenant: &str, key: &UserKey) -> bool {
    let asked = Prove {
        tenant_id: tenant.into(),
        user_identifier: USER.into(),
        key: key.sealed.clone(),
        public_key: key.pool.public_key.clone(),
        item: None,
    };
    expect!(client.call(&Request::Prove(asked)), Proven).record.is_some()
}

fn recall(client: &mut Client, session: &Session) -> Reply {
    client.call(&Request::Recall(Recall { ticket: session.ticket.clone() }))
}

fn sandbox() -> Settings {
    Settings { env: Env::Sandbox, ..Settings::default() }
}

#[test]
fn nothing_of_before_opens_and_neighbours_keep_everything() {
    let folder = Folder::new();
    let mut enclave = Enclave::start(&folder, &sandbox());
    let mut client = enclave.connect();
    let mine = new_key(&mut client, TENANT, USER);
    let theirs = new_key(&mut client, "neighbour", USER);
    let (session, neighbours) =
        (open(&mut client, TENANT, USER, None), open(&mut client, "neighbour", USER, None));
    let item = check_item(&mine, "backup-1", b"sample");
    let check = |ticket| check_request(&mine, TENANT, USER, ticket, vec![item.clone()]);
    expect!(client.call(&check(Some(&session))), Checked);

    assert_eq!(expect!(reset(&mut client, TENANT), HasReset).generation, 2);
    for restarted in [false, true] {
        if restarted {
            enclave.kill();
            enclave = Enclave::start(&folder, &sandbox());
            client = enclave.connect();
        }
        assert!(!holds(&mut client, TENANT, &mine) && holds(&mut client, "neighbour", &theirs));
        assert_eq!(client.call(&check(None)), Reply::Refused(Refusal::SealBroken));
        assert_eq!(recall(&mut client, &session), Reply::Refused(Refusal::SealBroken));
        expect!(recall(&mut client, &neighbours), Recalled);
    }
    let anew = new_key(&mut client, TENANT, USER);
    assert!(holds(&mut client, TENANT, &anew));
    assert_eq!(expect!(reset(&mut client, TENANT), HasReset).generation, 3);
    assert!(!holds(&mut client, TENANT, &anew));
}

#[test]
fn a_user_of_before_is_nobody_yet() {
    let folder = Folder::new();
    let enclave = Enclave::start(&folder, &sandbox());
    let (mut client, mut provider) = (enclave.connect(), Provider::start());
    let other = r#""person":{"name-first":"Mallory"},"inquiry":"inq_2""#;
    let session = open(&mut client, TENANT, USER, None);
    approve(&mut client, &mut provider, &session, "inq_1");
    let differs = |client: &mut Client, provider: &mut Provider| {
        let session = open(client, TENANT, USER, None);
        let event = provider.sign(&session.id, other);
        expect!(client.call(&admit_request(&session, &event)), Admitted).identity_differs
    };
    assert!(differs(&mut client, &mut provider));
    expect!(reset(&mut client, TENANT), HasReset);
    assert!(!differs(&mut client, &mut provider));
}

#[test]
fn production_has_no_reset() {
    let folder = Folder::new();
    let enclave = Enclave::start(&folder, &Settings::default());
    let mut client = enclave.connect();
    let key = new_key(&mut client, TENANT, USER);
    assert_eq!(reset(&mut client, TENANT), Reply::Refused(Refusal::Malformed));
    assert!(holds(&mut client, TENANT, &key));
}
