//! Attacks on the proof of identity.

use super::*;

pub const SCRIPTS: &[Script] = &[
    ("replay an event in another session", |world| {
        let (first, second) = (world.open(), world.open());
        let event = world.provider.sign(&first.id, "");
        assert!(expect!(world.admit(&first, &event), Admitted).admission.is_some());
        assert_eq!(world.admit(&second, &event), Reply::Refused(Refusal::EventNotAuthentic));
        let one_id = r#""event":"evt_shared""#;
        let event = world.provider.sign(&first.id, one_id);
        expect!(world.admit(&first, &event), Admitted);
        world.unauthentic(&second, one_id);
        let case = world.case();
        world.releases(&case);
    }),
    ("sign an event with a wrong, an old or an empty secret", |world| {
        let session = world.open();
        for secret in ["old", "empty", "unheard of"] {
            world.unauthentic(&session, &format!(r#""secrets":["{secret}"]"#));
        }
        world.unauthentic(&session, r#""secrets":[]"#);
        let mut event = world.provider.sign(&session.id, "");
        event.signature.clear();
        assert_eq!(world.admit(&session, &event), Reply::Refused(Refusal::EventNotAuthentic));
        let event = world.provider.sign(&session.id, r#""secrets":["old","next"]"#);
        assert!(expect!(world.admit(&session, &event), Admitted).admission.is_some());
    }),
    ("alter a signed body", |world| {
        let session = world.open();
        world.unauthentic(&session, r#""reserialise":true"#);
        let event = world.provider.sign(&session.id, r#""name":"inquiry.declined""#);
        let body =
            String::from_utf8(event.body.clone()).unwrap().replace("declined", "approved").into_bytes();
        let altered = Signed { body, ..event };
        assert_eq!(world.admit(&session, &altered), Reply::Refused(Refusal::EventNotAuthentic));
        let event = world.provider.sign(&session.id, "");
        let cut = Signed { body: event.body[..event.body.len() - 1].to_vec(), ..event };
        assert_eq!(world.admit(&session, &cut), Reply::Refused(Refusal::EventNotAuthentic));
    }),
    ("sign an event ahead of time", |world| {
        let session = world.open();
        world.unauthentic(&session, r#""skew":400"#);
        for at_ms in [now_ms() + 400_000, now_ms() - 400_000, 0] {
            world.unauthentic(&session, &format!(r#""at_ms":{at_ms}"#));
        }
        let event = world.provider.sign(&session.id, r#""skew":-864000"#);
        assert!(expect!(world.admit(&session, &event), Admitted).admission.is_some(), "late is not forged");
    }),
    ("send a duplicate name past the reader", |world| {
        let session = world.open();
        world.unauthentic(
            &session,
            r#""replace":["\"status\": \"approved\"","\"status\": \"declined\", \"status\": \"approved\""]"#,
        );
    }),
    ("pass off another outcome as an approval", |world| {
        let session = world.open();
        for name in
            ["declined", "failed", "marked-for-review", "completed", "created", "expired", "transitioned"]
        {
            let event = world.provider.sign(&session.id, &format!(r#""name":"inquiry.{name}""#));
            assert_eq!(expect!(world.admit(&session, &event), Admitted).admission, None, "{name}");
        }
        let event = world.provider.sign(&session.id, r#""status":"declined""#);
        assert_eq!(expect!(world.admit(&session, &event), Admitted).admission, None);
        let event = world.provider.sign(&session.id, r#""name":"verification.passed""#);
        let admitted = expect!(world.admit(&session, &event), Admitted);
        assert_eq!((admitted.admission, admitted.verification_id.as_str()), (None, "inq_1"));
    }),
    ("bring an event of another template, kind or provider", |world| {
        let session = world.open();
        world.unauthentic(&session, r#""template":"itmpl_other""#);
        world.unauthentic(&session, r#""type":"account""#);
        world.unauthentic(&session, r#""name":"account.created","status":"x""#);
        let event = world.provider.sign("", "");
        assert_eq!(world.admit(&session, &event), Reply::Refused(Refusal::EventNotAuthentic));
        let event = world.provider.sign(&session.id, "");
        let request = Request::Admit(Admit {
            ticket: session.ticket.clone(),
            provider: "nobody".into(),
            body: event.body.clone(),
            signature: event.signature.clone(),
        });
        assert_eq!(world.client.call(&request), Reply::Refused(Refusal::EventNotAuthentic));
    }),
    ("have events of no session called genuine", |world| {
        let verify = |world: &mut World, event: &Signed, provider: &str| {
            world.client.call(&Request::Verify(Verify {
                provider: provider.into(),
                body: event.body.clone(),
                signature: event.signature.clone(),
            }))
        };
        let event = world.provider.sign("nobody's", r#""name":"account.created""#);
        expect!(verify(world, &event, "idp"), Verified);
        for more in [r#""secrets":["old"]"#, r#""secrets":[]"#, r#""reserialise":true"#, r#""skew":400"#] {
            let event = world.provider.sign("nobody's", more);
            assert_eq!(verify(world, &event, "idp"), Reply::Refused(Refusal::EventNotAuthentic), "{more}");
        }
        assert_eq!(verify(world, &event, "nobody"), Reply::Refused(Refusal::EventNotAuthentic));
        let long = Signed { signature: format!("{} {}", event.signature, "x".repeat(4_096)), ..event };
        assert_eq!(verify(world, &long, "idp"), Reply::Refused(Refusal::Malformed));
        // What was called genuine proves nothing yet, and is not remembered.
        let session = world.open();
        let event = world.provider.sign(&session.id, r#""event":"evt_looked_at""#);
        expect!(verify(world, &event, "idp"), Verified);
        assert!(expect!(world.admit(&session, &event), Admitted).admission.is_some());
    }),
    ("move an approval by a second one", |world| {
        let session = world.open();
        let at_ms = now_ms() - 200_000;
        let event = world.provider.sign(&session.id, &format!(r#""inquiry":"inq_a","at_ms":{at_ms}"#));
        let first = expect!(world.admit(&session, &event), Admitted);
        let event = world.provider.sign(&session.id, r#""inquiry":"inq_b""#);
        let second = expect!(world.admit(&session, &event), Admitted);
        assert_eq!((second.event_at_ms, &second.verification_id), (at_ms, &"inq_a".to_owned()));
        assert_eq!(first.admission, second.admission);
    }),
    ("pass the check as oneself for the victim", |world| {
        let case = world.case();
        let session = world.open();
        let thief = r#""person":{"name-first":"Mallory"},"inquiry":"inq_m""#;
        let event = world.provider.sign(&session.id, thief);
        let admitted = expect!(world.admit(&session, &event), Admitted);
        assert!(admitted.identity_differs);
        let sealed = admitted.admission.unwrap();
        assert_eq!(Admission::from_bytes(bare(&sealed)).unwrap().outcome, Outcome::IdentityDiffers);
        let mut bundle = case.bundle.clone();
        bundle.ticket = session.ticket.clone();
        bundle.intent.session_nonce = hex(&session.ticket().nonce);
        bundle.intent.verification_id = "inq_m".into();
        bundle.admissions = vec![sealed, case.admission.clone()];
        world.proof_fails(&bundle, "differs");
        // The server presents what the victim stored as stored by the thief: same user, same key, same checksum.
        let items: Vec<_> = (case.stored.iter())
            .map(|stored| CheckItem {
                backup_id: stored.backup_id.clone(),
                item_key: stored.item.item_key.clone(),
                ciphertext: stored.item.ciphertext.clone(),
                checksum: stored.item.checksum,
            })
            .collect();
        let key = world.key.clone();
        let check = check_request(&key, TENANT, USER, Some(&session), items);
        let records = expect!(world.client.call(&check), Checked).records;
        let mut bundle = bundle.clone();
        for (item, record) in bundle.items.iter_mut().zip(records) {
            item.record = record;
        }
        world.gives_nothing(&bundle, "the thief's session is not the owner's");
        world.releases(&case);
    }),
    ("pass the check as nobody", |world| {
        let session = world.open();
        let event = world.provider.sign(&session.id, r#""nobody":true"#);
        let admitted = expect!(world.admit(&session, &event), Admitted);
        assert!(admitted.identity_differs);
        let outcome = Admission::from_bytes(bare(&admitted.admission.unwrap())).unwrap().outcome;
        assert_eq!(outcome, Outcome::IdentityDiffers);
    }),
    ("be approved first after a restart", |world| {
        let case = world.case();
        world.enclave.kill();
        world.enclave = Enclave::start(&world.folder, &unlimited());
        world.client = world.enclave.connect();
        let session = world.open();
        let event = world.provider.sign(&session.id, r#""person":{"name-first":"Mallory"}"#);
        assert!(expect!(world.admit(&session, &event), Admitted).identity_differs);
        world.releases(&case);
    }),
];
