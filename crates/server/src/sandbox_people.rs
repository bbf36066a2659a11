//! The people of a sandbox's tenants: ready to sign in, with a password, an app's secret and a passkey that stay the
//! same from start to start.
//!
//! All of it is derived from the server's own keys, so that it can be shown again without being stored.

use api::sandbox::{Passkey as ShownPasskey, Person as ShownPerson};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use boundary::message::Assertion;
use domain::ids::{Order, PasskeyId, PersonId};
use domain::person::{PersonState, Role};
use store::StoreError;
use store::passkeys::{self, Passkey};
use store::people::{self, Person};
use store::seal::Place;
use store::tenants::Tenant;

use crate::app::App;
use crate::control::Control;
use crate::edge::passkeys::data_of;
use crate::edge::passwords::hash_of_strong;
use crate::edge::totp::base32;
use crate::flows::Error;

/// Who there is: the beginning of the address, the name, the role.
const PEOPLE: [(&str, &str, Role); 5] = [
    ("owner", "Olivia Owens", Role::Owner),
    ("member-1", "Mara Lind", Role::Member),
    ("member-2", "Milo Brandt", Role::Member),
    ("officer", "Oskar Weiss", Role::Officer),
    ("auditor", "Aida Novak", Role::Auditor),
];

/// What comes before a private key in its PKCS #8 form, on P-256 (RFC 5208, RFC 5915): a sequence of fixed lengths.
const PKCS8_HEAD: [u8; 36] = [
    0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01,
    0x04, 0x20,
];

/// What stands between it and the public point.
const PKCS8_MIDDLE: [u8; 5] = [0xa1, 0x44, 0x03, 0x42, 0x00];

/// What somebody signs in with.
struct Kit {
    email: String,
    name: &'static str,
    role: Role,
    password: String,
    totp: [u8; 20],
    credential_id: [u8; 32],
    scalar: [u8; 32],
    point: [u8; 65],
}

/// The people of one tenant, made where it never had any.
pub async fn ensure(app: &App, tenant: &Tenant) -> Result<Vec<ShownPerson>, Error> {
    let kits = PEOPLE.iter().map(|person| kit(app, tenant, *person)).collect::<Result<Vec<_>, _>>()?;
    let id = tenant.id.clone();
    let ever = app.db.read("count_people", move |rx| people::of(&id).count_ever(rx)).await;
    if ever.map_err(|error: StoreError| Error::from(error))? == 0 {
        make(app, tenant, &kits).await?;
    }
    let id = tenant.id.clone();
    let there = app.db.read("list_people", move |rx| people::of(&id).list(rx)).await;
    let there = there.map_err(|error: StoreError| Error::from(error))?;
    // Who was taken out since has nothing left to sign in with.
    let shown = kits.iter().filter_map(|kit| {
        let person = there.iter().find(|person| person.email == kit.email)?;
        Some(kit.shown(app, &person.id))
    });
    Ok(shown.collect())
}

async fn make(app: &App, tenant: &Tenant, kits: &[Kit]) -> Result<(), Error> {
    let now = app.clock.now();
    let (mut rows, mut order) = (Vec::new(), Order::default());
    for kit in kits {
        let person = Person {
            id: PersonId::in_order(&mut order, now, &mut app.chance()),
            email: kit.email.clone(),
            name: kit.name.to_owned(),
            role: kit.role,
            state: PersonState::Active,
            created_at: now,
            removed_at: None,
        };
        let place = Place { table: "people", row: person.id.as_str(), column: "totp_sealed" };
        let totp = app.keys.seal(place, &kit.totp)?;
        let password = hash_of_strong(&kit.password, &mut app.chance())?;
        let passkey = Passkey {
            id: PasskeyId::new(now, &mut app.chance()),
            person_id: person.id.clone(),
            credential_id: kit.credential_id.to_vec(),
            data: data_of(&kit.credential_id, &kit.point).map_err(|_| Error::fault("making a passkey"))?,
            point: kit.point,
            name: "Software passkey of the sandbox".to_owned(),
            counts_from: now,
            created_at: now,
            revoked_at: None,
        };
        rows.push((person, password, totp, passkey));
    }
    let id = tenant.id.clone();
    let made = app.db.write("make_people", move |tx| {
        let people = people::of(&id);
        people.lock_all(tx)?;
        // Another process of this installation may have been first.
        if people.count_ever(tx)? > 0 {
            return Ok(());
        }
        for (person, password, totp, passkey) in &rows {
            people.insert(tx, person)?;
            people.set_password(tx, &person.id, Some(password))?;
            people.set_totp(tx, &person.id, Some((totp, 0)))?;
            passkeys::insert(tx, passkey)?;
        }
        Ok(())
    });
    made.await.map_err(|error: StoreError| error.into())
}

fn kit(app: &App, tenant: &Tenant, (word, name, role): (&str, &'static str, Role)) -> Result<Kit, Error> {
    let email = format!("{word}@{}.example", tenant.name);
    let derive = |what: &str| app.keys.person_hash(&[b"sandbox", what.as_bytes(), email.as_bytes()]);
    let (scalar, point) = key_pair(derive)?;
    let mut totp = [0; 20];
    totp.copy_from_slice(&derive("totp")[..20]);
    let password = base32(&derive("password")[..15]).to_lowercase();
    Ok(Kit { credential_id: derive("credential id"), email, name, role, password, totp, scalar, point })
}

/// A tenant's ready-made owner signs that hash with his passkey: its point, and what it answers. So a sandbox begins
/// with its owners on record, and nobody need know of it to rehearse.
pub fn sign_as_owner(
    app: &App,
    tenant: &Tenant,
    control: &Control,
    hash: &[u8; 32],
) -> Result<([u8; 65], Assertion), Error> {
    let owner = kit(app, tenant, PEOPLE[0])?;
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &owner.pkcs8());
    let key = key.map_err(|_| Error::fault("reading a sandbox's passkey"))?;
    let client_data_json = serde_json::json!({
        "type": "webauthn.get", "challenge": URL_SAFE_NO_PAD.encode(hash), "origin": control.origin,
        "crossOrigin": false,
    });
    let client_data_json = client_data_json.to_string().into_bytes();
    // Whose page it is; that somebody was there, verified; a counter that stays at nought.
    let rp_id = app.sha256(control.passkeys.rp_id.as_bytes());
    let authenticator_data = [&rp_id[..], &[0x05, 0, 0, 0, 0]].concat();
    let signed = [&authenticator_data[..], &app.sha256(&client_data_json)].concat();
    #[expect(clippy::disallowed_methods, reason = "the library signs with its own chance")]
    let signature = key.sign(&SystemRandom::new(), &signed);
    let signature =
        signature.map_err(|_| Error::fault("signing with a sandbox's passkey"))?.as_ref().to_vec();
    Ok((owner.point, Assertion { authenticator_data, client_data_json, signature }))
}

/// A private key of P-256 and its point. A number that is no private key is passed over, which nobody will see.
fn key_pair(derive: impl Fn(&str) -> [u8; 32]) -> Result<([u8; 32], [u8; 65]), Error> {
    for round in 0..8 {
        let scalar = derive(&format!("passkey {round}"));
        let Ok(key) = PrivateKey::from_private_key(&ECDH_P256, &scalar) else { continue };
        let point = key.compute_public_key().map_err(|_| Error::fault("making a passkey"))?;
        let point = point.as_ref().try_into().map_err(|_| Error::fault("making a passkey"))?;
        return Ok((scalar, point));
    }
    Err(Error::fault("making a passkey"))
}

impl Kit {
    fn pkcs8(&self) -> Vec<u8> {
        [&PKCS8_HEAD[..], &self.scalar, &PKCS8_MIDDLE, &self.point].concat()
    }

    fn shown(&self, app: &App, id: &PersonId) -> ShownPerson {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let rp_id = app.control.as_ref().map_or_else(String::new, |control| control.passkeys.rp_id.clone());
        ShownPerson {
            email: self.email.clone(),
            password: self.password.clone(),
            totp_secret: base32(&self.totp),
            role: self.role.to_string(),
            passkey: ShownPasskey {
                credential_id: encode(&self.credential_id),
                user_handle: encode(&id.bytes()),
                private_key_pkcs8: encode(&self.pkcs8()),
                rp_id,
                sign_count: 0,
            },
        }
    }
}
