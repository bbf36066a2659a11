//! Attacks on a tenant's own policy, and on the signature that it demands.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::KeyPair as _;
use boundary::approval::{Demand, TenantPolicy};
use boundary::policy;
use rig::control::*;
use rig::policy_of::*;

use super::*;

impl World {
    pub fn house(&mut self, alter: impl FnOnce(&mut TenantPolicy)) -> (House, UserKey) {
        let tenant = fresh("house");
        (House::new(&mut self.client, &tenant, alter), new_key(&mut self.client, &tenant, USER))
    }

    /// A release as an honest server would bring it.
    pub fn case_under(&mut self, house: &House, key: &UserKey) -> Case {
        let mut case = self.case_of(&house.tenant, USER, key);
        house.bring(&mut case.bundle);
        case
    }
}

const NO_PROOF: Refusal = Refusal::ProofFailed;

pub const SCRIPTS: &[Script] = &[
    ("release without the tenant's signature", |world| {
        let (house, key) = world.house(|_| ());
        let (case, other) = (world.case_under(&house, &key), world.case_under(&house, &key));
        let mut bare = case.bundle.clone();
        bare.request_signature = None;
        world.refuses(&bare, &Refusal::SignatureRequired, "none");
        let good = case.bundle.request_signature.clone().unwrap();
        let payload = House::payload(&case.bundle);
        let (signed, tail) = good.rsplit_once('.').unwrap();
        let (header, body) = signed.split_once('.').unwrap();
        let es256 = r#"{"alg":"ES256"}"#;
        let stranger = request_key();
        let public = house.signer.public_key();
        let mac = |alg: &str| {
            let head = base64url(format!(r#"{{"alg":"{alg}"}}"#).as_bytes());
            let signed = format!("{head}.{body}");
            let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, public.as_ref()), signed.as_bytes());
            format!("{signed}.{}", base64url(mac.as_ref()))
        };
        let of = |user: &str, inquiry: &str, fingerprint: &str| {
            jws(&house.signer, es256, &boundary::approval::request_payload(user, inquiry, fingerprint))
        };
        let fingerprint = &case.bundle.intent.recipient.openpgp_fpr;
        for (why, signature) in [
            ("nothing", String::new()),
            ("a word", "signature".into()),
            ("a stranger's", jws(&stranger, es256, &payload)),
            ("another verification's", other.bundle.request_signature.clone().unwrap()),
            ("another user's", of(OTHER, &case.inquiry, fingerprint)),
            ("for another recipient", of(USER, &case.inquiry, &"A".repeat(40))),
            ("in lower case", of(USER, &case.inquiry, &fingerprint.to_lowercase())),
            ("another algorithm's name", jws(&house.signer, r#"{"alg":"ES384"}"#, &payload)),
            ("none's name", jws(&house.signer, r#"{"alg":"none"}"#, &payload)),
            ("none", format!("{}.{body}.", base64url(br#"{"alg":"none"}"#))),
            ("HS256 with the public key", mac("HS256")),
            ("HS256 that calls itself ES256", mac("ES256")),
            ("no algorithm", jws(&house.signer, "{}", &payload)),
            ("two algorithms", jws(&house.signer, r#"{"alg":"ES256","alg":"ES256"}"#, &payload)),
            ("what is critical", jws(&house.signer, r#"{"alg":"ES256","crit":["exp"],"exp":1}"#, &payload)),
            ("another key's name", jws(&house.signer, r#"{"alg":"ES256","kid":"second"}"#, &payload)),
            ("a name that is none", jws(&house.signer, r#"{"alg":"ES256","kid":1}"#, &payload)),
            ("a key that it brings along", {
                let [x, y] = [1..33, 33..65].map(|half| base64url(&stranger.public_key().as_ref()[half]));
                let jwk = format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}"#);
                jws(&stranger, &format!(r#"{{"alg":"ES256","jwk":{jwk}}}"#), &payload)
            }),
            ("another form of the same", jws(&house.signer, es256, &payload.replace(',', ", "))),
            ("a member more", jws(&house.signer, es256, &payload.replace('{', r#"{"a":1,"#))),
            ("detached", format!("{header}..{tail}")),
            ("a fourth part", format!("{good}.{tail}")),
            ("padding", format!("{good}==")),
            ("DER", format!("{signed}.{}", base64url(&der(&house.signer, signed)))),
            ("half a signature", good[..good.len() - 43].to_owned()),
            ("without end", {
                jws(&house.signer, &format!(r#"{{"alg":"ES256","x":"{}"}}"#, "x".repeat(20_000)), &payload)
            }),
        ] {
            let bundle = Bundle { request_signature: Some(signature), ..bare.clone() };
            world.refuses(&bundle, &Refusal::SignatureInvalid, why);
        }
        let with_kid = jws(&house.signer, r#"{"alg":"ES256","kid":"first","typ":"JOSE"}"#, &payload);
        assert_eq!(world.releases_bundle(&Bundle { request_signature: Some(with_kid), ..bare }), 1);
        assert_eq!(world.releases_bundle(&case.bundle), 2);
    }),
    ("put in another recipient under the tenant's signature", |world| {
        let (house, key) = world.house(|_| ());
        let case = world.case_under(&house, &key);
        let mut thieves = Bundle { certificate: world.thief.clone(), ..case.bundle.clone() };
        world.refuses(&thieves, &NO_PROOF, "another certificate than the intent's");
        let theirs = world.gpg.fingerprints("thief");
        thieves.intent.recipient = boundary::intent::Recipient {
            openpgp_fpr: theirs[0].clone(),
            enc_subkey_fpr: theirs[1].clone(),
            cert_sha256: hex(&sha256(&world.thief)),
        };
        world.refuses(&thieves, &Refusal::SignatureInvalid, "another intent than the signature's");
        assert_eq!(world.releases_bundle(&case.bundle), 1);
    }),
    ("keep a tenant's policy to oneself, or bring another", |world| {
        let (house, key) = world.house(|_| ());
        let (lax, _) = world.house(|policy| policy.partner_signature = Demand::Optional);
        let case = world.case_under(&house, &key);
        let built_in = sha256(&policy::preimage(Env::Production, &house.tenant, 3_600));
        let altered = TenantPolicy { partner_signature: Demand::Optional, ..house.policy.clone() };
        let own = bytes_of(&house.policy);
        let spaced = [b" ", own.as_slice()].concat();
        for (why, policies) in [
            ("none", vec![]),
            ("another tenant's", vec![bytes_of(&lax.policy)]),
            ("one that nobody signed", vec![bytes_of(&altered)]),
            ("another form", vec![spaced]),
            ("too many", vec![bytes_of(&lax.policy), bytes_of(&altered), bytes_of(&altered), own]),
        ] {
            let mut bundle = Bundle { policies, request_signature: None, ..case.bundle.clone() };
            world.refuses(&bundle, &NO_PROOF, why);
            (bundle.intent.policy_hash, bundle.intent.policy_version) = (hex(&built_in), 0);
            world.refuses(&bundle, &NO_PROOF, why);
        }
        let mut bundle = case.bundle.clone();
        bundle.intent.policy_version = 0;
        world.refuses(&bundle, &NO_PROOF, "another version than the session's");
        let mut bundle = case.bundle.clone();
        bundle.intent.policy_hash = hex(&built_in);
        world.refuses(&bundle, &NO_PROOF, "another policy than the session's");
        assert_eq!(world.releases_bundle(&case.bundle), 1);
    }),
    ("release by a policy that is past, or not yet in force", |world| {
        let (house, key) = world.house(|policy| policy.partner_signature = Demand::Optional);
        let mut old = world.case_under(&house, &key);
        old.bundle.request_signature = None;
        let strict = House::next(&house.policy, |policy| policy.partner_signature = Demand::Required);
        let at_once = expect!(house.amend(&mut world.client, &strict, Some(&house.policy)), Amended);
        assert!(at_once.effective_at_ms <= now_ms());
        world.refuses(&old.bundle, &NO_PROOF, "the one of its opening alone");
        old.bundle.policies.push(bytes_of(&strict));
        world.refuses(&old.bundle, &Refusal::SignatureRequired, "a session of before");
        old.bundle.policies.remove(0);
        world.refuses(&old.bundle, &NO_PROOF, "the one in force alone");
        let weak = House::next(&strict, |policy| policy.partner_signature = Demand::Optional);
        let later = expect!(house.amend(&mut world.client, &weak, Some(&strict)), Amended);
        assert!(later.effective_at_ms > now_ms() + 3_500_000);
        let house = House { policy: strict.clone(), ..house };
        let mut case = world.case_under(&house, &key);
        let signed = case.bundle.request_signature.take();
        case.bundle.policies = vec![bytes_of(&weak)];
        world.refuses(&case.bundle, &NO_PROOF, "the one that waits alone");
        case.bundle.policies = vec![bytes_of(&weak), bytes_of(&strict)];
        world.refuses(&case.bundle, &Refusal::SignatureRequired, "the one that waits beside");
        case.bundle.request_signature = signed;
        assert_eq!(world.releases_bundle(&case.bundle), 1);
    }),
    ("finish what was opened before the tenant had a policy", |world| {
        let tenant = fresh("house");
        let key = new_key(&mut world.client, &tenant, USER);
        let mut case = world.case_of(&tenant, USER, &key);
        let house = House::new(&mut world.client, &tenant, |_| ());
        world.refuses(&case.bundle, &NO_PROOF, "without the policy");
        case.bundle.policies = vec![bytes_of(&house.policy)];
        world.refuses(&case.bundle, &Refusal::SignatureRequired, "without the signature");
        house.bring(&mut case.bundle);
        world.refuses(&case.bundle, &NO_PROOF, "as if it had been opened under it");
        case.bundle.intent.policy_version = policy::BUILT_IN_VERSION;
        assert_eq!(world.releases_bundle(&case.bundle), 1);
    }),
    ("sign a policy without an Owner", |world| {
        let (house, _) = world.house(|_| ());
        let (other, stranger) = (world.house(|_| ()).0, Person::new("mallory"));
        let thieves = roster(Env::Production, &house.tenant, &[&stranger]);
        let client = &mut world.client;
        let mut attempt = |policy: &TenantPolicy, current: Option<&TenantPolicy>, why: &str| {
            let (hash, current) = (hash_of(policy), current.map(bytes_of));
            for (who, roster, ballots) in [
                ("nobody", Some(&house.roster), vec![]),
                ("a stranger", Some(&house.roster), vec![stranger.yes(&hash)]),
                ("a roster of one's own", Some(&thieves), vec![stranger.yes(&hash)]),
                ("another tenant's Owner", Some(&other.roster), vec![other.owner.yes(&hash)]),
                ("an Owner's no", Some(&house.roster), vec![house.owner.no(&hash)]),
                ("another version", Some(&house.roster), vec![house.owner.yes(&hash_of(&house.policy))]),
                ("no roster", None, vec![house.owner.yes(&hash)]),
            ] {
                let reply = amend(client, policy, current.as_deref(), roster, ballots);
                assert_eq!(reply, Reply::Refused(NO_PROOF), "{why}: {who}");
            }
        };
        let second = House::next(&house.policy, |policy| policy.retail_delay_s = 60);
        attempt(&second, Some(&house.policy), "the second");
        let anew = TenantPolicy { request_keys: vec![named("mine", &request_key())], ..house.policy.clone() };
        attempt(&anew, None, "the first again");
        assert_eq!(house.amend(client, &anew, None), Reply::Refused(NO_PROOF), "a second first one");
        let elsewhere = House::next(&house.policy, |policy| policy.env = Env::Sandbox);
        let reply = house.amend(client, &elsewhere, Some(&house.policy));
        assert_eq!(reply, Reply::Refused(NO_PROOF), "another environment's");
        let leap = House::next(&house.policy, |policy| policy.version = 3);
        assert_eq!(house.amend(client, &leap, Some(&house.policy)), Reply::Refused(NO_PROOF), "a gap");
        let astray = House::next(&second, |policy| policy.version = 2);
        assert_eq!(house.amend(client, &astray, Some(&house.policy)), Reply::Refused(NO_PROOF), "a fork");
        expect!(house.amend(client, &second, Some(&house.policy)), Amended);
    }),
    ("weaken a policy at once, with an Owner's passkey", |world| {
        let (house, _) = world.house(|policy| policy.retail_delay_s = 600);
        let lax = |policy: &mut TenantPolicy| (policy.retail_delay_s, policy.change_delay_s) = (600, 0);
        let (other, _) = world.house(lax);
        let mut now = house.policy.clone();
        let weaker: [fn(&mut TenantPolicy); 4] = [
            |policy| policy.retail_delay_s = 599,
            |policy| policy.change_delay_s = 0,
            |policy| policy.partner_signature = Demand::Optional,
            |policy| policy.request_keys[0] = named("thief", &request_key()),
        ];
        for (n, alter) in weaker.into_iter().enumerate() {
            let weak = House::next(&now, alter);
            let by_another = house.amend(&mut world.client, &weak, Some(&other.policy));
            assert_eq!(
                by_another,
                Reply::Refused(NO_PROOF),
                "{n}: another tenant's in the place of the one in force"
            );
            assert_eq!(
                house.amend(&mut world.client, &weak, Some(&weak)),
                Reply::Refused(NO_PROOF),
                "{n}: itself"
            );
            let taken = expect!(house.amend(&mut world.client, &weak, Some(&now)), Amended);
            assert!(taken.effective_at_ms > now_ms() + 3_500_000, "{n}");
            let again = expect!(house.amend(&mut world.client, &weak, Some(&now)), Amended);
            assert_eq!(again, taken, "{n}: the same once more");
            let weaker = House::next(&weak, |_| ());
            let reply = house.amend(&mut world.client, &weaker, Some(&now));
            assert_eq!(reply, Reply::Refused(NO_PROOF), "{n}: as weak, on top of the one that waits");
            let beside = House::next(&now, |policy| policy.retail_delay_s += 1);
            let reply = house.amend(&mut world.client, &beside, Some(&now));
            assert_eq!(reply, Reply::Refused(NO_PROOF), "{n}: beside the one that waits");
            // An Owner takes it back: it never comes to be in force.
            let (version, prev_hash) = (weak.version + 1, Some(hex(&hash_of(&weak))));
            let back = TenantPolicy { version, prev_hash, ..now.clone() };
            let taken = expect!(house.amend(&mut world.client, &back, Some(&now)), Amended);
            assert!(taken.effective_at_ms <= now_ms(), "{n}");
            now = back;
        }
    }),
    ("keep an approval until its delay is over unseen, or have one from the future", |world| {
        let (house, key) = world.house(|policy| policy.retail_delay_s = 200);
        for (ahead_ms, expected) in [(-250_000, 190..=201), (200_000, 390..=401)] {
            let session = open(&mut world.client, &house.tenant, USER, None);
            let name = fresh("backup");
            let stored = store(&mut world.client, &key, &house.tenant, USER, Some(&session), &name);
            let inquiry = fresh("inq");
            let more = format!(r#""inquiry":"{inquiry}","at_ms":{}"#, now_ms() + ahead_ms);
            let event = world.provider.sign(&session.id, &more);
            let admission = expect!(world.admit(&session, &event), Admitted).admission.unwrap();
            let mut bundle = Bundle::new(
                &mut world.client,
                Env::Production,
                &house.tenant,
                USER,
                &session,
                &[admission],
                &inquiry,
                &world.owner,
                &[stored],
            );
            house.bring(&mut bundle);
            // The same event once more begins nothing anew, and ends nothing sooner.
            for again in [false, true] {
                if again {
                    expect!(world.admit(&session, &event), Admitted);
                }
                match bundle.send(&mut world.client) {
                    Reply::Refused(Refusal::RecoveryDelayed(seconds)) => {
                        assert!(expected.contains(&seconds), "{ahead_ms}: {seconds} s, {again}");
                    }
                    other => panic!("{ahead_ms}: {other:?}"),
                }
            }
        }
    }),
    ("have a signature that nobody can verify any more", |world| {
        let (house, key) = world.house(|policy| policy.change_delay_s = 0);
        let mut case = world.case_under(&house, &key);
        let lax = House::next(&house.policy, |policy| {
            policy.partner_signature = Demand::Optional;
            policy.request_keys.clear();
        });
        expect!(house.amend(&mut world.client, &lax, Some(&house.policy)), Amended);
        case.bundle.policies.push(bytes_of(&lax));
        world.refuses(&case.bundle, &Refusal::SignatureInvalid, "a key that the tenant took out");
        case.bundle.request_signature = None;
        world.refuses(&case.bundle, &Refusal::SignatureRequired, "a session of before");
        let mut later = world.case_of(&house.tenant, USER, &key);
        later.bundle.policies = vec![bytes_of(&lax)];
        later.bundle.intent.policy_version = lax.version;
        assert_eq!(world.releases_bundle(&later.bundle), 1, "as the tenant wants it by now");
    }),
    ("pass a policy off as a list, or a list as a policy", |world| {
        let (house, key) = world.house(|_| ());
        let (anna, ben) = (Person::new("anna"), Person::new("ben"));
        let made = list(Env::Production, &house.tenant, "\0policy", &[&anna, &ben]);
        let signed = vec![house.owner.yes(&hash_of(&made))];
        let reply = amend(&mut world.client, &made, None, Some(&house.roster), signed);
        assert_eq!(reply, Reply::Refused(Refusal::Malformed));
        let request = attach_request(&house.owner, &house.roster, &made, &[&key]);
        let request = boundary::message::Attach { acl: bytes_of(&house.policy), ..request };
        assert_eq!(world.client.call(&Request::Attach(request)), Reply::Refused(NO_PROOF));
    }),
];
