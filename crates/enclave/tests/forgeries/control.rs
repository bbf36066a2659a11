//! What a list has approved: its members sign by passkey, by the offline tool or by OpenPGP.

use boundary::Env;
use boundary::approval::{AclDocument, KeyKind, SigningKey, vote_message};
use boundary::message::{Assertion, Ballot, Package, Release, Request, Signature};

use super::alter::{bytes, document};
use super::retail::{text, texts, twice};
use super::rig::control::*;
use super::rig::*;
use super::{Matrix, World, fresh};

/// What the second of two voters signs with.
#[derive(Clone, Copy)]
pub enum By {
    Passkey,
    Offline,
    OpenPgp,
}

/// A tenant with a list of three.
struct House {
    list: AclDocument,
    anna: Person,
    ben: Person,
    stranger: Person,
    owner: Person,
    key: UserKey,
    /// Of the same list, another key.
    second: UserKey,
    unattached: UserKey,
}

impl House {
    fn new(world: &mut World) -> Self {
        let tenant = fresh("house");
        let [owner, anna, ben, cora, stranger] = ["olga", "anna", "ben", "cora", "mallory"].map(Person::new);
        let mut list = list(Env::Production, &tenant, "list-1", &[&anna, &ben, &cora]);
        if world.gpg.command().args(["--list-keys", "=ben"]).output().is_ok_and(|it| !it.status.success()) {
            curve25519(&world.gpg, "ben");
        }
        let public_key = hex(&run(world.gpg.command().args(["--export", "=ben"])).stdout);
        list.members[1].keys.push(SigningKey { kind: KeyKind::OpenPgp, public_key, rp_id: None });
        let roster = found(&mut world.client, &owner, &list);
        let [key, second, unattached] = [(); 3].map(|()| new_key(&mut world.client, &tenant, USER));
        attach(&mut world.client, &owner, &roster, &list, &[&key, &second]);
        Self { list, anna, ben, stranger, owner, key, second, unattached }
    }

    fn asked(&self, world: &mut World, keys: &[UserKey]) -> Parcel {
        let (tenant, client) = (self.list.tenant_id.as_str(), &mut world.client);
        let session = open_person(client, tenant, "anna");
        let stored = store(client, &self.key, tenant, USER, None, &fresh("backup"));
        let items = if keys.is_empty() { std::slice::from_ref(&stored) } else { &[] };
        let asks = (&self.anna, &session);
        let mut parcel = Parcel::new(client, &self.list, asks, USER, &world.owner, (items, keys));
        let inquiry = fresh("inq");
        parcel.bundle.intent.verification_id.clone_from(&inquiry);
        parcel.bundle.admissions = vec![approve(client, &mut world.provider, &session, &inquiry)];
        parcel
    }

    fn voted(&self, world: &World, mut parcel: Parcel, by: By) -> Parcel {
        let hash = parcel.hash();
        let second = match by {
            By::Passkey => self.ben.yes(&hash),
            By::Offline => self.ben.yes_offline(&hash),
            By::OpenPgp => self.ben.ballot(true, Signature::OpenPgp(by_gpg(world, "ben", &hash))),
        };
        parcel.ballots = vec![self.anna.yes(&hash), second];
        parcel
    }
}

fn by_gpg(world: &World, name: &str, hash: &[u8; 32]) -> Vec<u8> {
    let vote = world.gpg.home.join("vote");
    std::fs::write(&vote, vote_message(hash)).unwrap();
    let mut command = world.gpg.command();
    command.args(["--local-user", &format!("={name}"), "--output", "-", "--detach-sign"]);
    run(command.arg(vote)).stdout
}

pub fn matrix(world: &mut World, by: By) -> Matrix {
    let (house, abroad) = (House::new(world), House::new(world));
    let [good, twin] = [(); 2].map(|()| {
        let parcel = house.asked(world, &[]);
        house.voted(world, parcel, by)
    });
    let theirs = abroad.asked(world, &[]);
    let theirs = abroad.voted(world, theirs, by);
    let mut forgeries = ballots(world, &house, &good, [&twin, &theirs]);
    // What does not differ by how the second votes is altered once.
    if matches!(by, By::Passkey) {
        forgeries.extend(parts(world, &good, [&twin, &theirs]));
        forgeries.extend(by_hand(world, &house, &good, &twin));
    }
    let forgeries = forgeries.into_iter().map(|(name, it)| (name, Request::Package(it))).collect();
    let [twin, good] = [twin, good].map(|parcel| Request::Package(parcel.request()));
    Matrix { twin, good, forgeries }
}

/// A private key, and nothing beside it that could go out in its place.
pub fn of_a_key(world: &mut World) -> Matrix {
    let (house, abroad) = (House::new(world), House::new(world));
    let keys = std::slice::from_ref(&house.key);
    let [good, twin] = [(); 2].map(|()| {
        let parcel = house.asked(world, keys);
        house.voted(world, parcel, By::Passkey)
    });
    let request = good.request();
    let others = [
        ("another of the list", house.second.sealed.clone()),
        ("one that is under no list", house.unattached.sealed.clone()),
        ("another tenant's", abroad.key.sealed.clone()),
        ("the pool's", house.key.pool.sealed.clone()),
    ];
    let mut forgeries: Vec<(String, Package)> = Vec::new();
    for (name, bad) in bytes("sealed key", &request.keys[0], &others) {
        forgeries.push((name, Package { keys: vec![bad], ..request.clone() }));
    }
    let release = &request.release;
    for (name, bad) in
        document("intent", &release.intent, &[("another session's", twin.request().release.intent)])
    {
        let release = Release { intent: bad, ..release.clone() };
        forgeries.push((name, Package { release, ..request.clone() }));
    }
    for (name, keys) in [("none", vec![]), ("twice", twice(&request.keys))] {
        forgeries.push((format!("keys: {name}"), Package { keys, ..request.clone() }));
    }
    let forgeries = forgeries.into_iter().map(|(name, it)| (name, Request::Package(it))).collect();
    Matrix { twin: Request::Package(twin.request()), good: Request::Package(request), forgeries }
}

/// Everything but the ballots.
fn parts(world: &World, good: &Parcel, [twin, theirs]: [&Parcel; 2]) -> Vec<(String, Package)> {
    let (request, twin, theirs) = (good.request(), twin.request(), theirs.request());
    let of = |part: fn(&Package) -> Vec<u8>| {
        [("another session's", part(&twin)), ("another tenant's", part(&theirs))]
    };
    let mut forgeries: Vec<(String, Package)> = Vec::new();
    let mut take = |altered: Vec<(String, Vec<u8>)>, put: fn(&mut Package, Vec<u8>)| {
        for (name, bad) in altered {
            let mut forged = request.clone();
            put(&mut forged, bad);
            forgeries.push((name, forged));
        }
    };
    let release = &request.release;
    take(document("intent", &release.intent, &of(|it| it.release.intent.clone())), |it, bad| {
        it.release.intent = bad;
    });
    take(document("list", &request.acl, &of(|it| it.acl.clone())), |it, bad| it.acl = bad);
    take(bytes("ticket", &release.ticket, &of(|it| it.release.ticket.clone())), |it, bad| {
        it.release.ticket = bad;
    });
    let admissions = of(|it| it.release.admissions[0].clone());
    take(bytes("admission", &release.admissions[0], &admissions), |it, bad| it.release.admissions[0] = bad);
    take(bytes("certificate", &release.certificate, &[("the thief's", world.thief.clone())]), |it, bad| {
        it.release.certificate = bad;
    });
    let item = &release.items[0];
    let records = of(|it| it.release.items[0].record.clone());
    take(bytes("record", &item.record, &records), |it, bad| it.release.items[0].record = bad);
    let mut keys = of(|it| it.release.items[0].key.clone()).to_vec();
    keys.retain(|(whose, _)| *whose != "another session's");
    take(bytes("item's key", &item.key, &keys), |it, bad| it.release.items[0].key = bad);
    let ciphertexts = of(|it| it.release.items[0].ciphertext.clone());
    take(bytes("ciphertext", &item.ciphertext, &ciphertexts), |it, bad| it.release.items[0].ciphertext = bad);
    let names = of(|it| it.release.items[0].item_key.clone().into_bytes());
    take(texts("item key", &item.item_key, &names), |it, bad| it.release.items[0].item_key = text(bad));
    let users = [("another person's", b"ben".to_vec()), ("a user's", USER.as_bytes().to_vec())];
    take(texts("requester", &release.user_identifier, &users), |it, bad| {
        it.release.user_identifier = text(bad);
    });
    forgeries
}

/// The second voter's ballot, in all its parts.
fn ballots(
    world: &World,
    house: &House,
    good: &Parcel,
    [twin, theirs]: [&Parcel; 2],
) -> Vec<(String, Package)> {
    let (request, ballot) = (good.request(), &good.ballots[1]);
    let mut altered: Vec<(String, Option<Ballot>)> = vec![("absent".into(), None)];
    let mut with = |name: String, signature: Signature| {
        altered.push((name, Some(Ballot { signature, ..ballot.clone() })));
    };
    let plain = |signature: &Signature| match signature {
        Signature::Ed25519(it) | Signature::OpenPgp(it) => it.clone(),
        Signature::WebAuthn(it) => it.signature.clone(),
    };
    let others = [
        ("another vote's", plain(&twin.ballots[1].signature)),
        ("another tenant's", plain(&theirs.ballots[1].signature)),
    ];
    for (name, bad) in bytes("signature", &plain(&ballot.signature), &others) {
        with(
            name,
            match &ballot.signature {
                Signature::Ed25519(_) => Signature::Ed25519(bad),
                Signature::OpenPgp(_) => Signature::OpenPgp(bad),
                Signature::WebAuthn(it) => Signature::WebAuthn(Assertion { signature: bad, ..it.clone() }),
            },
        );
    }
    let signed = plain(&ballot.signature);
    let hash = good.hash();
    for (name, signature) in [
        ("as Ed25519", Signature::Ed25519(signed.clone())),
        ("as OpenPGP", Signature::OpenPgp(signed.clone())),
        ("wrong key, a passkey", house.stranger.yes(&hash).signature),
        ("wrong key, Ed25519", house.stranger.yes_offline(&hash).signature),
        ("wrong key, OpenPGP", Signature::OpenPgp(by_gpg(world, "thief", &hash))),
        ("wrong key, the other voter's", good.ballots[0].signature.clone()),
        ("a no", house.ben.no(&hash).signature),
    ] {
        with(format!("signature: {name}"), signature);
    }
    if let Signature::WebAuthn(it) = &ballot.signature {
        let Signature::WebAuthn(other) = &twin.ballots[1].signature else { unreachable!("votes alike") };
        let other = [("another vote's", other.client_data_json.clone())];
        for (name, bad) in document("client data", &it.client_data_json, &other) {
            with(name, Signature::WebAuthn(Assertion { client_data_json: bad, ..it.clone() }));
        }
        for (name, bad) in bytes("authenticator data", &it.authenticator_data, &[]) {
            with(name, Signature::WebAuthn(Assertion { authenticator_data: bad, ..it.clone() }));
        }
    }
    for (name, bad) in
        texts("person", &ballot.person_id, &[("another", b"cora".to_vec()), ("the first", b"anna".to_vec())])
    {
        altered.push((name, Some(Ballot { person_id: text(bad), ..ballot.clone() })));
    }
    altered.push(("turned to a no".into(), Some(Ballot { approve: false, ..ballot.clone() })));
    altered.push(("of a stranger".into(), Some(house.stranger.yes(&hash))));
    altered.push(("of an Owner".into(), Some(house.owner.yes(&hash))));
    altered.push(("of the first, again".into(), Some(house.anna.yes_offline(&hash))));
    let forgeries = altered.into_iter().filter(|(_, bad)| bad.as_ref() != Some(ballot)).map(|(name, bad)| {
        let ballots = std::iter::once(request.ballots[0].clone()).chain(bad).collect();
        (format!("ballot: {name}"), Package { ballots, ..request.clone() })
    });
    forgeries.collect()
}

/// What no table makes: what both have signed so, and still must not go out; other numbers of pieces.
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn by_hand(world: &mut World, house: &House, good: &Parcel, twin: &Parcel) -> Vec<(String, Package)> {
    type Alter<'a> = Box<dyn Fn(&mut Parcel) + 'a>;
    let tenant = house.list.tenant_id.as_str();
    let outside = store(&mut world.client, &house.unattached, tenant, USER, None, &fresh("backup"));
    let digest = hex(&outside.digest(tenant, USER));
    let tag = hex(&sha256(&boundary::token::person_tag_preimage(tenant, "ben")));
    let users = open(&mut world.client, tenant, "anna", None);
    let signed: Vec<(&str, Alter<'_>)> = vec![
        ("expired", Box::new(|it| it.bundle.intent.expires_at_ms = now_ms() - 1)),
        ("future", Box::new(|it| it.bundle.intent.not_before_ms = now_ms() + 600_000)),
        ("its vote is closed", Box::new(|it| it.bundle.intent.not_before_ms -= 604_900_000)),
        ("env sandbox", Box::new(|it| it.bundle.intent.env = Env::Sandbox)),
        ("flow retail", Box::new(|it| it.bundle.intent.flow = boundary::intent::Flow::Retail)),
        ("another list", Box::new(|it| it.bundle.intent.acl_id = "list-2".into())),
        ("another version", Box::new(|it| it.bundle.intent.policy_version = 2)),
        ("another document", Box::new(|it| it.bundle.intent.policy_hash = "ab".repeat(32))),
        ("another tenant", Box::new(|it| it.bundle.intent.tenant_id = "tenant-b".into())),
        ("another requester", Box::new(|it| it.bundle.intent.requested_by = "ben".into())),
        ("another's tag", Box::new(|it| it.bundle.intent.user_tag.clone_from(&tag))),
        ("another inquiry", Box::new(|it| it.bundle.intent.verification_id = "inq_0".into())),
        (
            "nothing",
            Box::new(|it| {
                it.bundle.intent.items.clear();
                it.bundle.items.clear();
            }),
        ),
        (
            "a key that is not sent",
            Box::new(|it| it.bundle.intent.keys = vec![house.second.pool.key_id.clone()]),
        ),
        ("an item that is not sent", Box::new(|it| it.bundle.items.clear())),
        (
            "a user's ticket",
            Box::new(|it| {
                it.bundle.ticket.clone_from(&users.ticket);
                it.bundle.intent.session_nonce = hex(&users.ticket().nonce);
            }),
        ),
        (
            "an item of a key under no list",
            Box::new(|it| {
                it.bundle.items = vec![outside.item.clone()];
                let item = &mut it.bundle.intent.items[0];
                (item.backup_id, item.key_id) = (outside.backup_id.clone(), outside.key_id.clone());
                item.record_digest.clone_from(&digest);
            }),
        ),
    ];
    let sent: Vec<(&str, Alter<'_>)> = vec![
        ("ballots: none", Box::new(|it| it.ballots.clear())),
        ("ballots: one twice", Box::new(|it| it.ballots[1] = it.ballots[0].clone())),
        ("ballots: the first again", Box::new(|it| it.ballots.push(it.ballots[0].clone()))),
        ("ballots: a veto's copy", Box::new(|it| it.ballots.push(house.ben.no(&it.hash())))),
        ("ballots: another vote's", Box::new(|it| it.ballots.clone_from(&twin.ballots))),
        ("admissions: none", Box::new(|it| it.bundle.admissions.clear())),
        (
            "admissions: twice, another's first",
            Box::new(|it| {
                it.bundle.admissions.insert(0, twin.bundle.admissions[0].clone());
            }),
        ),
        ("keys: one that nobody named", Box::new(|it| it.keys.push(house.key.clone()))),
        ("items: twice", Box::new(|it| it.bundle.items = twice(&it.bundle.items))),
        ("items: another's", Box::new(|it| it.bundle.items.clone_from(&twin.bundle.items))),
        (
            "certificate: the thief's, and the intent with it",
            Box::new(|it| {
                it.bundle.certificate.clone_from(&world.thief);
                it.bundle.intent.recipient.cert_sha256 = hex(&sha256(&world.thief));
            }),
        ),
        ("certificate: expired", Box::new(|it| it.bundle.certificate.clone_from(&world.expired))),
    ];
    let altered = |alter: Alter<'_>, anew: bool| {
        let mut parcel = good.clone();
        alter(&mut parcel);
        let again = |parcel: Parcel| parcel.voted(&[&house.anna, &house.ben]);
        if anew { again(parcel).request() } else { parcel.request() }
    };
    let signed = signed.into_iter().map(|(name, alter)| (format!("signed so: {name}"), altered(alter, true)));
    let sent = sent.into_iter().map(|(name, alter)| (name.to_owned(), altered(alter, false)));
    signed.chain(sent).collect()
}
