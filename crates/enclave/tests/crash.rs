//! `kill -9` at random moments under load: what was answered holds.

mod rig;

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use boundary::Env;
use boundary::message::{Generate, KeyType, PoolKey, Recall, Refusal, Reply, Request};
use rig::*;

const ROUNDS: u64 = 12;

fn settings() -> Settings {
    Settings { extra: vec!["--recovery-limits".into(), "off".into()], ..Settings::default() }
}

#[test]
fn bound_keys_stay_bound() {
    let folder = Folder::new();
    let acknowledged: Mutex<Vec<PoolKey>> = Mutex::new(Vec::new());
    let ids: Mutex<HashMap<String, Vec<u8>>> = Mutex::new(HashMap::new());
    for round in 0..ROUNDS {
        let mut enclave = Enclave::start(&folder, &settings());
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (stop, acknowledged, ids, socket) = (&stop, &acknowledged, &ids, enclave.socket.clone());
                scope.spawn(move || {
                    let mut client = Client::connect(&socket);
                    while !stop.load(Ordering::SeqCst) {
                        let make = Request::Generate(Generate { key_type: KeyType::Ed25519 });
                        let Some(Reply::Generated(pool)) = client.try_call(&make) else { return };
                        let twice = ids.lock().unwrap().insert(pool.key_id.clone(), pool.public_key.clone());
                        assert!(twice.is_none(), "a key id was given twice");
                        let bind = Request::Bind(bind_request(&pool, TENANT, &format!("user-{thread}")));
                        match client.try_call(&bind) {
                            Some(Reply::Bound(_)) => acknowledged.lock().unwrap().push(pool),
                            Some(other) => panic!("a fresh key is not bindable: {other:?}"),
                            None => return,
                        }
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(30 + 17 * round));
            enclave.kill();
            stop.store(true, Ordering::SeqCst);
        });
    }
    let enclave = Enclave::start(&folder, &settings());
    let mut client = enclave.connect();
    let acknowledged = acknowledged.into_inner().unwrap();
    println!("figure: keys_bound_and_killed {} keys", acknowledged.len());
    assert!(acknowledged.len() > 20);
    for pool in &acknowledged {
        let reply = client.call(&Request::Bind(bind_request(pool, TENANT, "thief")));
        assert_eq!(reply, Reply::Refused(Refusal::AlreadyBound));
    }
}

#[test]
fn releases_stay_counted() {
    let folder = Folder::new();
    let gpg = Gpg::new(&folder);
    curve25519(&gpg, "owner");
    let owner = gpg.export("owner");
    let mut provider = Provider::start();
    let mut enclave = Enclave::start(&folder, &settings());
    let mut client = enclave.connect();
    let key = new_key(&mut client, TENANT, USER);
    let mut torn = 0;
    for round in 0..ROUNDS {
        let session = open(&mut client, TENANT, USER, None);
        let stored = store(&mut client, &key, TENANT, USER, Some(&session), "backup-1");
        let admission = approve(&mut client, &mut provider, &session, "inq_1");
        let bundle = Bundle::new(
            &mut client,
            Env::Production,
            TENANT,
            USER,
            &session,
            &[admission],
            "inq_1",
            &owner,
            std::slice::from_ref(&stored),
        );
        let mut delivered: u32 = 0;
        for attempt in 0_u64..4 {
            let answer = std::thread::scope(|scope| {
                let release = scope.spawn(|| client.try_call(&Request::Release(bundle.request())));
                if attempt % 2 == 0 {
                    std::thread::sleep(Duration::from_micros(2_000 + 900 * round));
                    enclave.kill();
                }
                release.join().unwrap()
            });
            match answer {
                Some(Reply::Released(released)) => delivered = released.delivery,
                Some(Reply::Refused(Refusal::SessionUsed)) => assert!(delivered <= 3),
                None => {}
                Some(other) => panic!("{other:?}"),
            }
            if attempt % 2 == 0 {
                enclave = Enclave::start(&folder, &settings());
                client = enclave.connect();
            }
            let recall = Request::Recall(Recall { ticket: session.ticket.clone() });
            let recalled = expect!(client.call(&recall), Recalled).deliveries;
            let out = recalled.iter().filter(|delivery| delivery.items_released.is_some()).count();
            torn += recalled.len() - out;
            assert!(out >= delivered as usize, "an acknowledged release is not in the log");
            assert!(out <= 3);
        }
        while delivered < 3 {
            match bundle.send(&mut client) {
                Reply::Released(released) => delivered = released.delivery,
                Reply::Refused(Refusal::SessionUsed) => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(bundle.send(&mut client), Reply::Refused(Refusal::SessionUsed));
    }
    println!("figure: releases_cut_between_intent_and_end {torn} records");
}

/// The log's file may grow no further: the write fails, nobody is told that it did not, and the process ends.
#[test]
fn a_failed_write_ends_the_process_before_anyone_is_answered() {
    let folder = Folder::new();
    drop(Enclave::start(&folder, &settings()));
    let wrapper = ["env", "--ignore-signal=XFSZ", "prlimit", "--fsize=6000"].map(str::to_owned).to_vec();
    let mut enclave = Enclave::start(&folder, &Settings { wrapper, ..settings() });
    let mut client = enclave.connect();
    let make = Request::Generate(Generate { key_type: KeyType::Ed25519 });
    let mut bound = Vec::new();
    for _ in 0..1_000 {
        let Some(Reply::Generated(pool)) = client.try_call(&make) else { break };
        let Some(Reply::Bound(_)) = client.try_call(&Request::Bind(bind_request(&pool, TENANT, USER))) else {
            break;
        };
        bound.push(pool);
    }
    assert_eq!(enclave.child.wait().unwrap().code(), Some(74));
    assert!((10..900).contains(&bound.len()), "{}", bound.len());
    let enclave = Enclave::start(&folder, &settings());
    let mut client = enclave.connect();
    for pool in &bound {
        let reply = client.call(&Request::Bind(bind_request(pool, TENANT, "thief")));
        assert_eq!(reply, Reply::Refused(Refusal::AlreadyBound));
    }
}
