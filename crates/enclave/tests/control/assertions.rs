//! Attacks on signatures: assertions that are not quite one, and votes that were never cast.

use std::process::Command;

use boundary::approval::{KeyKind, SigningKey, vote_message};
use boundary::message::{Assertion, Ballot, Signature};

use super::*;

/// A change to the data that a browser signs.
fn client(assertion: &mut Assertion, from: &str, to: &str) {
    let text = String::from_utf8(assertion.client_data_json.clone()).unwrap();
    let altered = text.replacen(from, to, 1);
    assert_ne!(altered, text, "{from}");
    assertion.client_data_json = altered.into_bytes();
}

type Alter = fn(&mut Assertion);

/// Signed by the right passkey, and each wrong in one thing.
const MALFORMED: &[(&str, Alter)] = &[
    ("type of a registration", |a| client(a, "webauthn.get", "webauthn.create")),
    ("no type", |a| client(a, r#""type":"webauthn.get","#, "")),
    ("no challenge", |a| client(a, r#""challenge""#, r#""challenge2""#)),
    ("padded challenge", |a| client(a, r#"","origin""#, r#"=","origin""#)),
    ("challenge as a number", |a| client(a, r#""challenge":""#, r#""challenge":1,"x":""#)),
    ("empty challenge", |a| client(a, r#""challenge":""#, r#""challenge":"","x":""#)),
    ("no origin", |a| client(a, r#""origin""#, r#""origin2""#)),
    ("plain HTTP", |a| client(a, "https:", "http:")),
    ("another host", |a| client(a, HOST, "evil.example")),
    ("a host below", |a| client(a, HOST, "login.control.example")),
    ("a host above", |a| client(a, HOST, "example")),
    ("a host that begins so", |a| client(a, HOST, "control.example.evil")),
    ("a host that ends so", |a| client(a, HOST, "evilcontrol.example")),
    ("a user before the host", |a| client(a, "https://", "https://control.example:1@")),
    ("a host behind a user", |a| client(a, HOST, "control.example@evil.example")),
    ("a path", |a| client(a, HOST, "control.example/x")),
    ("a port that is none", |a| client(a, HOST, "control.example:https")),
    ("a port too many", |a| client(a, HOST, "control.example:443:1")),
    ("a signed port", |a| client(a, HOST, "control.example:+443")),
    ("an upper-case host", |a| client(a, HOST, "Control.Example")),
    ("this machine, in production", |a| client(a, "https://control.example", "http://localhost")),
    ("in a frame of another", |a| client(a, r#""crossOrigin":false"#, r#""crossOrigin":true"#)),
    ("in a frame, in words", |a| client(a, r#""crossOrigin":false"#, r#""crossOrigin":"false""#)),
    ("below another page", |a| client(a, r#""crossOrigin":false"#, r#""topOrigin":"https://evil.example""#)),
    ("a member twice", |a| client(a, r#"{"type""#, r#"{"type":"webauthn.get","type""#)),
    ("more after it", |a| a.client_data_json.push(b'x')),
    ("a mark before it", |a| drop(a.client_data_json.splice(..0, "\u{feff}".bytes()))),
    ("no JSON", |a| a.client_data_json = b"webauthn.get".to_vec()),
    ("no text", |a| a.client_data_json = vec![0xff]),
    ("too much of it", |a| client(a, r#"{"type""#, &format!(r#"{{"x":"{}","type""#, "x".repeat(4_096)))),
    ("another relying party", |a| a.authenticator_data[..32].copy_from_slice(&sha256(b"evil.example"))),
    ("its name unhashed", |a| a.authenticator_data[..15].copy_from_slice(HOST.as_bytes())),
    ("nobody there", |a| a.authenticator_data[32] = 0x04),
    ("nobody verified", |a| a.authenticator_data[32] = 0x01),
    ("no flag", |a| a.authenticator_data[32] = 0),
    ("a new key inside", |a| a.authenticator_data[32] = 0x45),
    ("extensions announced and missing", |a| a.authenticator_data[32] = 0x85),
    ("extensions that nobody announced", |a| a.authenticator_data.push(0xa0)),
    ("cut short", |a| a.authenticator_data.truncate(36)),
    ("empty", |a| a.authenticator_data.clear()),
];

/// Good, although not of the plainest form.
const WELL_FORMED: &[(&str, Alter)] = &[
    ("no word of frames", |a| client(a, r#","crossOrigin":false"#, "")),
    ("its port", |a| client(a, HOST, "control.example:8443")),
    ("members that nobody knows", |a| {
        client(a, r#"{"type""#, r#"{"other_keys_can_be_added_here":"x","type""#);
    }),
    ("an extension that nobody reads", |a| {
        a.authenticator_data[32] = 0x85;
        a.authenticator_data.push(0xa0);
    }),
    ("a passkey that is backed up", |a| a.authenticator_data[32] = 0x1d),
];

fn with_assertion(world: &World, parcel: &mut Parcel, alter: Alter) {
    parcel.ballots[1].signature = Signature::WebAuthn(world.ben.asserts(&parcel.hash(), alter));
}

/// A certificate with its revocation, which only the world knows: its owner's GnuPG goes on signing.
fn revoked(world: &World, name: &str, certificate: &[u8]) -> Vec<u8> {
    let reason = world.gpg.home.join(format!("openpgp-revocs.d/{}.rev", world.gpg.fingerprint(name)));
    let reason = std::fs::read_to_string(reason).unwrap().replace(":-----BEGIN", "-----BEGIN");
    let home = world.folder.path("world/gnupg");
    std::fs::create_dir_all(&home).unwrap();
    run(Command::new("chmod").arg("700").arg(&home));
    let others = Gpg { home };
    for (file, bytes) in [("certificate", certificate), ("revocation", reason.as_bytes())] {
        std::fs::write(world.folder.path(file), bytes).unwrap();
        run(others.command().arg("--import").arg(world.folder.path(file)));
    }
    run(others.command().args(["--export", &format!("={name}")])).stdout
}

pub const SCRIPTS: &[Script] = &[
    ("bring assertions that are not quite one", |world| {
        let (good, stored) = world.case();
        let mut accepted = 0;
        for (why, alter) in MALFORMED {
            let mut bad = good.clone();
            with_assertion(world, &mut bad, *alter);
            let reply = bad.send(&mut world.client);
            accepted += u32::from(reply != Reply::Refused(Refusal::ProofFailed));
            assert_eq!(reply, Reply::Refused(Refusal::ProofFailed), "{why}");
        }
        println!("figure: malformed_assertions {} tried, {accepted} accepted", MALFORMED.len());
        world.releases(&good, &stored);
        for (why, alter) in WELL_FORMED {
            let (mut parcel, _) = world.case();
            with_assertion(world, &mut parcel, *alter);
            let reply = parcel.send(&mut world.client);
            assert!(matches!(reply, Reply::Packaged(_)), "{why}: {reply:?}");
        }
    }),
    ("forge the votes of others", |world| {
        world.altered("no signature", |_, parcel| {
            let Signature::WebAuthn(assertion) = &mut parcel.ballots[1].signature else { panic!() };
            assertion.signature.clear();
        });
        world.altered("an altered one", |_, parcel| {
            let Signature::WebAuthn(assertion) = &mut parcel.ballots[1].signature else { panic!() };
            let last = assertion.signature.len() - 1;
            assertion.signature[last] ^= 1;
        });
        world.altered("one's own under another's name", |world, parcel| {
            parcel.ballots[1] = Ballot { person_id: "ben".into(), ..world.anna.yes(&parcel.hash()) };
        });
        world.altered("one kind as another", |world, parcel| {
            let offline = world.ben.yes_offline(&parcel.hash());
            let Signature::Ed25519(signature) = offline.signature else { panic!() };
            parcel.ballots[1].signature = Signature::OpenPgp(signature);
        });
        world.altered("the offline tool's, of another domain", |world, parcel| {
            let bare = world.ben.offline.sign(&parcel.hash()).as_ref().to_vec();
            parcel.ballots[1].signature = Signature::Ed25519(bare);
        });
    }),
    ("vote for somebody who is not on the list", |world| {
        world.altered("a stranger", |world, parcel| {
            parcel.ballots[1] = world.stranger.yes(&parcel.hash());
        });
        world.altered("an Owner", |world, parcel| parcel.ballots[1] = world.owner.yes(&parcel.hash()));
    }),
    ("count one person twice, with two keys", |world| {
        world.altered("twice", |world, parcel| {
            let hash = parcel.hash();
            parcel.ballots = vec![world.ben.yes(&hash), world.ben.yes_offline(&hash)];
        });
        world.altered("a third ballot of one who voted", |world, parcel| {
            parcel.ballots.push(world.ben.yes_offline(&parcel.hash()));
        });
    }),
    ("let the one who asks decide alone", |world| {
        world.altered("alone", |_, parcel| parcel.ballots.truncate(1));
        world.altered("nobody", |_, parcel| parcel.ballots.clear());
        let (owner, anna, ben) = (&world.owner, &world.anna, &world.ben);
        let alone =
            AclDocument { rule: Rule::Exact(1), ..list(Env::Production, TENANT, "list-any", &[anna, ben]) };
        let genesis = vec![owner.yes(&hash_of(&alone))];
        expect!(amend(&mut world.client, &alone, None, Some(&world.roster), genesis), Amended);
        let key = new_key_of(&mut world.client, KeyType::Ed25519, TENANT, USER);
        attach(&mut world.client, &world.owner, &world.roster, &alone, &[&key]);
        let parcel = world.asked_of(&alone, &[], &[key]);
        let own = parcel.clone().voted(&[&world.anna]);
        world.proof_fails(&own, "one approval is enough, and not one's own");
        let anothers = parcel.voted(&[&world.ben]);
        world.releases(&anothers, &[]);
    }),
    ("pass a rejection off as an approval", |world| {
        world.altered("as approval", |world, parcel| {
            parcel.ballots[1] = Ballot { approve: true, ..world.ben.no(&parcel.hash()) };
        });
        world.altered("as rejection", |world, parcel| {
            parcel.ballots.push(Ballot { approve: false, ..world.cora.yes(&parcel.hash()) });
        });
        world.altered("a rejection counts as one", |world, parcel| {
            let hash = parcel.hash();
            parcel.ballots = vec![world.anna.yes(&hash), world.ben.no(&hash), world.cora.no(&hash)];
        });
    }),
    ("bring votes for something else", |world| {
        let (other, _) = world.case();
        world.altered("another recovery", |_, parcel| parcel.ballots.clone_from(&other.ballots));
        world.altered("the list itself", |world, parcel| {
            parcel.ballots[1] = world.ben.yes(&hash_of(&parcel.list));
        });
    }),
    ("sign with OpenPGP, well and otherwise", |world| {
        const SIGNS: &str = "Key-Type: eddsa\nKey-Curve: ed25519\nKey-Usage: cert\n\
            Subkey-Type: eddsa\nSubkey-Curve: ed25519\nSubkey-Usage: sign";
        const ITSELF: &str = "Key-Type: rsa\nKey-Length: 2048\nKey-Usage: sign";
        for (name, lines) in
            [("signs", SIGNS), ("signs itself", ITSELF), ("another", SIGNS), ("revoked", SIGNS)]
        {
            world.gpg.generate(name, lines);
        }
        let long_ago = ["--faked-system-time", "20250101T000000!"];
        let parameters = format!("{SIGNS}\nExpire-Date: 30\nName-Real: expired\n%no-protection\n%commit\n");
        std::fs::write(world.folder.path("parameters"), parameters).unwrap();
        run(world.gpg.command().args(long_ago).arg("--gen-key").arg(world.folder.path("parameters")));
        // A good signature each, over the roster of a tenant of their own.
        for (name, more, good) in [
            ("signs", &[][..], true),
            ("signs", &["--armor"], true),
            ("signs itself", &[], true),
            ("signs", &["--textmode"], false),
            ("signs itself", &["--digest-algo", "SHA1"], false),
            ("signs itself", &["--faked-system-time", "20990101T000000!"], false),
            ("expired", &long_ago, false),
            ("revoked", &[], false),
        ] {
            let by = |world: &World, name: &str, hash: &[u8; 32]| {
                std::fs::write(world.folder.path("vote"), vote_message(hash)).unwrap();
                let mut command = world.gpg.command();
                command.args(if name == "another" { &[][..] } else { more }).args([
                    "--local-user",
                    &format!("={name}"),
                    "--output",
                    "-",
                    "--detach-sign",
                ]);
                let signature = run(command.arg(world.folder.path("vote"))).stdout;
                world.owner.ballot(true, Signature::OpenPgp(signature))
            };
            let tenant = world.fresh("tenant");
            let mut roster = roster(Env::Production, &tenant, &[&world.owner]);
            let mut certificate = run(world.gpg.command().args(["--export", &format!("={name}")])).stdout;
            if name == "revoked" {
                certificate = revoked(world, name, &certificate);
            }
            let public_key = hex(&certificate);
            roster.owners[0].keys = vec![SigningKey { kind: KeyKind::OpenPgp, public_key, rp_id: None }];
            let hash = hash_of(&roster);
            for wrong in [by(world, "another", &hash), by(world, name, &[1; 32])] {
                let reply = amend(&mut world.client, &roster, None, None, vec![wrong]);
                assert_eq!(reply, Reply::Refused(Refusal::ProofFailed), "{name} {more:?}");
            }
            let ballot = by(world, name, &hash);
            let reply = amend(&mut world.client, &roster, None, None, vec![ballot]);
            assert_eq!(matches!(reply, Reply::Amended(_)), good, "{name} {more:?}: {reply:?}");
        }
    }),
];
