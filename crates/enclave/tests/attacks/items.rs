//! Attacks on what is released: items, records, the intent.

use super::*;

pub const SCRIPTS: &[Script] = &[
    ("release what was stored under a session that was not approved", |world| {
        let mut case = world.case();
        let unapproved = world.open();
        let key = world.key.clone();
        let id = fresh("backup");
        case.stored.push(store(&mut world.client, &key, TENANT, USER, Some(&unapproved), &id));
        let stray = fresh("backup");
        case.stored.push(store(&mut world.client, &key, TENANT, USER, None, &stray));
        let owner = world.owner.clone();
        let bundle = world.again(&case, &owner, &case.stored);
        let released = expect!(bundle.send(&mut world.client), Released);
        let failed: Vec<bool> = released.items.iter().map(|item| *item == ItemOutcome::Failed).collect();
        assert_eq!(failed, [false, false, true, true]);
    }),
    ("bind a key twice", |world| {
        let request = |user: &str| Request::Bind(bind_request(&world.key.pool, TENANT, user));
        for user in [USER, OTHER] {
            assert_eq!(world.client.call(&request(user)), Reply::Refused(Refusal::AlreadyBound));
        }
        let bound = Bind { sealed: world.key.sealed.clone(), ..bind_request(&world.key.pool, TENANT, OTHER) };
        assert_eq!(world.client.call(&Request::Bind(bound)), Reply::Refused(Refusal::AlreadyBound));
        let make =
            Request::Generate(boundary::message::Generate { key_type: boundary::message::KeyType::Ed25519 });
        let pool = expect!(world.client.call(&make), Generated);
        let socket = world.enclave.socket.clone();
        let won: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|n| {
                    let (pool, socket) = (&pool, &socket);
                    scope.spawn(move || {
                        let request = Request::Bind(bind_request(pool, TENANT, &format!("racer-{n}")));
                        matches!(Client::connect(socket).call(&request), Reply::Bound(_))
                    })
                })
                .collect();
            threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
        });
        assert_eq!(won, 1);
    }),
    ("use the record of one key with another", |world| {
        let case = world.case();
        let spare = world.spare.clone();
        let twin =
            store(&mut world.client, &spare, TENANT, USER, Some(&case.session), &case.stored[0].backup_id);
        let mut bundle = case.bundle.clone();
        bundle.items[0].record = twin.item.record.clone();
        world.only_fails(&bundle, 0, "record of the other key");
        let mut bundle = case.bundle.clone();
        bundle.items[0].key = spare.sealed.clone();
        world.only_fails(&bundle, 0, "key of the other record");
        world.releases(&case);
    }),
    ("change a ciphertext, a checksum or a name", |world| {
        let case = world.case();
        let mut bundle = case.bundle.clone();
        bundle.items[0].ciphertext[7] ^= 1;
        world.only_fails(&bundle, 0, "ciphertext");
        world.releases(&case);
        let case = world.case();
        let mut bundle = case.bundle.clone();
        bundle.items[1].checksum[0] ^= 1;
        world.only_fails(&bundle, 1, "checksum");
        // Once something went out, a recovery is of these items, as they were named.
        world.refuses(&case.bundle, &Refusal::SessionUsed, "another checksum");
        let case = world.case();
        let mut bundle = case.bundle.clone();
        bundle.items[0].item_key.push('x');
        world.only_fails(&bundle, 0, "item key");
        world.refuses(&case.bundle, &Refusal::SessionUsed, "another name");
        let case = world.case();
        let mut bundle = case.bundle.clone();
        bundle.items.swap(0, 1);
        world.gives_nothing_but_used(&bundle);
    }),
    ("decrypt a foreign ciphertext by naming it in the intent", |world| {
        let case = world.case();
        let mut bundle = case.bundle.clone();
        bundle.items[0].ciphertext = encrypt(&world.key.pool.public_key, b"what nobody checked");
        bundle.items[0].checksum = sha256(b"what nobody checked");
        let forged = Stored { item: bundle.items[0].clone(), ..case.stored[0].clone() };
        bundle.intent.items[0].record_digest = hex(&forged.digest(TENANT, USER));
        world.only_fails(&bundle, 0, "no record of it");
    }),
    ("bend the intent", |world| {
        let case = world.case();
        let other = world.case();
        let bends: [fn(&mut Bundle, &Case); 11] = [
            |bundle, other| bundle.intent.session_nonce = other.bundle.intent.session_nonce.clone(),
            |bundle, _| bundle.intent.session_nonce.clear(),
            |bundle, _| bundle.intent.policy_hash = hex(&[0; 32]),
            |bundle, _| bundle.intent.policy_version = 1,
            |bundle, other| bundle.intent.verification_id = other.inquiry.clone(),
            |bundle, _| bundle.intent.expires_at_ms = now_ms() - 1,
            |bundle, _| bundle.intent.not_before_ms = now_ms() + 60_000,
            |bundle, _| bundle.intent.env = Env::Sandbox,
            |bundle, _| bundle.intent.items.reverse(),
            |bundle, _| drop(bundle.intent.items.pop()),
            |bundle, _| bundle.intent.items.clear(),
        ];
        for (n, bend) in bends.iter().enumerate() {
            let mut bundle = case.bundle.clone();
            bend(&mut bundle, &other);
            world.proof_fails(&bundle, &format!("bend {n}"));
        }
        let recipients: [fn(&mut Bundle); 3] = [
            |bundle| bundle.intent.recipient.openpgp_fpr = "0".repeat(40),
            |bundle| bundle.intent.recipient.enc_subkey_fpr = "0".repeat(40),
            |bundle| bundle.intent.recipient.cert_sha256 = "0".repeat(64),
        ];
        for (n, bend) in recipients.iter().enumerate() {
            let mut bundle = case.bundle.clone();
            bend(&mut bundle);
            world.proof_fails(&bundle, &format!("recipient {n}"));
        }
        world.releases(&case);
        world.releases(&other);
    }),
    ("send an intent that is not canonical", |world| {
        let case = world.case();
        let good = case.bundle.request();
        let text = String::from_utf8(good.intent.clone()).unwrap();
        let repeated = {
            let mut bundle = case.bundle.clone();
            bundle.intent.items[1] = bundle.intent.items[0].clone();
            bundle.intent.to_canonical()
        };
        for bad in [
            format!(" {text}"),
            format!("{text}\n"),
            text.replacen('{', r#"{"a":1,"#, 1),
            text.replacen(r#""v":1"#, r#""v":2"#, 1),
            text.replacen("plaintext", "private_key", 1),
            text.replacen("retail", "partner", 1),
            repeated,
            String::new(),
        ] {
            let request = boundary::message::Release { intent: bad.into_bytes(), ..good.clone() };
            let reply = world.client.call(&Request::Release(request));
            assert_eq!(reply, Reply::Refused(Refusal::ProofFailed));
        }
        world.releases(&case);
    }),
];
