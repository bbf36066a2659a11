//! `Cosign`: of each log one history is signed, whatever the server says, and by nothing that is signed elsewhere.

mod rig;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use boundary::Env;
use boundary::checkpoint::{Cosign, Cosigned, TreeHead};
use boundary::message::{Refusal, Reply, Request, Reset};
use boundary::wire::FRAME_BYTES_MAX;
use rig::*;

type Hash = [u8; 32];

const ORIGIN: &str = "holdfast-production-0011223344556677/tenant-a";

fn node(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left.as_slice(), right].concat())
}

/// The largest power of two below a number.
fn split(size: usize) -> usize {
    size.next_power_of_two() / 2
}

/// MTH of RFC 9162 §2.1.1 over hashes of leaves.
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha256(b""),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node(&root(left), &root(right))
        }
    }
}

/// SUBPROOF of RFC 9162 §2.1.4.1, as it is written there; PROOF is that of a tree all of which is looked at.
fn subproof(old: usize, leaves: &[Hash], is_whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if is_whole { Vec::new() } else { vec![root(leaves)] };
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut proof, beside) = if old <= left.len() {
        (subproof(old, left, is_whole), root(right))
    } else {
        (subproof(old - left.len(), right, false), root(left))
    };
    proof.push(beside);
    proof
}

fn leaves(count: u8) -> Vec<Hash> {
    (0..count).map(|at| sha256(&[0, at])).collect()
}

fn head(origin: &str, leaves: &[Hash]) -> TreeHead {
    TreeHead { origin: origin.to_owned(), size: leaves.len() as u64, root: root(leaves) }
}

fn ask(client: &mut Client, head: &TreeHead, proof: Vec<Hash>) -> Reply {
    client.call(&Request::Cosign(Cosign { head: head.clone(), proof }))
}

/// What has to be signed, whatever was signed before.
fn signed(client: &mut Client, head: &TreeHead, proof: Vec<Hash>) -> Cosigned {
    expect!(ask(client, head, proof), Cosigned)
}

fn begin(settings: &Settings) -> (Folder, Enclave) {
    let folder = Folder::new();
    let enclave = Enclave::start(&folder, settings);
    (folder, enclave)
}

#[test]
fn every_log_goes_on_from_every_size_and_no_altered_proof_passes() {
    let (_folder, enclave) = begin(&Settings::default());
    let mut client = enclave.connect();
    for old in 1..=17_u8 {
        for new in old..=17_u8 {
            let (before, after) = (leaves(old), leaves(new));
            let origin = format!("log/{old}-{new}");
            signed(&mut client, &head(&origin, &before), Vec::new());
            let (newest, proof) = (head(&origin, &after), subproof(before.len(), &after, true));
            if old < new {
                let refused = Reply::Refused(Refusal::Forked(u64::from(old)));
                for at in 0..proof.len() {
                    let mut altered = proof.clone();
                    altered[at][at % 32] ^= 1;
                    assert_eq!(ask(&mut client, &newest, altered), refused, "{origin} {at}");
                    let short = [&proof[..at], &proof[at + 1..]].concat();
                    assert_eq!(ask(&mut client, &newest, short), refused, "{origin} without {at}");
                }
                let long = [&proof[..], &[[7; 32]]].concat();
                assert_eq!(ask(&mut client, &newest, long), refused, "{origin}");
                let first = [&[[7; 32]], &proof[..]].concat();
                assert_eq!(ask(&mut client, &newest, first), refused, "{origin}");
            }
            signed(&mut client, &newest, proof);
        }
    }
}

#[test]
fn another_history_is_refused_after_a_restart_too() {
    let (folder, mut enclave) = begin(&Settings::default());
    let (eight, twelve) = (leaves(8), leaves(12));
    let mut other = twelve.clone();
    other[3] = [9; 32];
    let mut client = enclave.connect();
    signed(&mut client, &head(ORIGIN, &eight), Vec::new());
    signed(&mut client, &head(ORIGIN, &twelve), subproof(8, &twelve, true));
    for restarted in [false, true] {
        if restarted {
            enclave.kill();
            enclave = Enclave::start(&folder, &Settings::default());
            client = enclave.connect();
        }
        let mut longer = other.clone();
        longer.push([8; 32]);
        for (head, proof) in [
            // Rewritten, at the same size and longer; cut; and what was signed once, which is not the last.
            (head(ORIGIN, &other), Vec::new()),
            (head(ORIGIN, &longer), subproof(12, &longer, true)),
            (head(ORIGIN, &longer), Vec::new()),
            (head(ORIGIN, &twelve[..11]), Vec::new()),
            (head(ORIGIN, &eight), Vec::new()),
        ] {
            let answer = ask(&mut client, &head, proof);
            assert_eq!(answer, Reply::Refused(Refusal::Forked(12)), "{head:?}");
        }
        // The last is signed again, with no proof and with any.
        signed(&mut client, &head(ORIGIN, &twelve), Vec::new());
        signed(&mut client, &head(ORIGIN, &twelve), vec![[1; 32]]);
        // Another log is another log.
        signed(&mut client, &head("elsewhere/tenant-a", &other), Vec::new());
    }
}

/// The two are compared node by node, on one stack: a path without end would be its end.
#[test]
fn a_smaller_size_is_refused_however_long_its_path_is() {
    let (_folder, enclave) = begin(&Settings::default());
    let mut client = enclave.connect();
    let path = vec![[7; 32]; FRAME_BYTES_MAX / 33];
    for (old, new) in [(2, 1), (17, 9)] {
        let (origin, refused) = (format!("log/{old}"), Reply::Refused(Refusal::Forked(u64::from(old))));
        signed(&mut client, &head(&origin, &leaves(old)), Vec::new());
        assert_eq!(ask(&mut client, &head(&origin, &leaves(new)), path.clone()), refused);
    }
}

#[test]
fn a_signature_is_a_cosignature_of_c2sp_and_of_one_key() {
    let (folder, mut enclave) = begin(&Settings::default());
    let head = head(ORIGIN, &leaves(5));
    let made = signed(&mut enclave.connect(), &head, Vec::new());
    let (time, signature) = made.signature.split_at(8);
    let seconds = u64::from_be_bytes(time.try_into().unwrap());
    assert!(seconds * 1_000 + 1_000 > u64::try_from(now_ms()).unwrap() - 600_000, "the enclave's own time");
    let body = format!("{ORIGIN}\n5\n{}\n", STANDARD.encode(head.root));
    let verify = |text: &str| UnparsedPublicKey::new(&ED25519, made.key).verify(text.as_bytes(), signature);
    assert!(verify(&format!("cosignature/v1\ntime {seconds}\n{body}")).is_ok());
    assert!(verify(&format!("cosignature/v1\ntime {}\n{body}", seconds + 1)).is_err());
    assert!(verify(&body).is_err(), "never what the log's own key signs");
    enclave.kill();
    enclave = Enclave::start(&folder, &Settings::default());
    assert_eq!(signed(&mut enclave.connect(), &head, Vec::new()).key, made.key);
    let (_elsewhere, other) = begin(&Settings::default());
    assert_ne!(signed(&mut other.connect(), &head, Vec::new()).key, made.key, "each enclave has its own");
}

#[test]
fn an_origin_is_one_line() {
    let (_folder, enclave) = begin(&Settings::default());
    let mut client = enclave.connect();
    for origin in ["", "a\nb", "a\n5\nAAAA", "a\0b", &"x".repeat(1_025)] {
        assert_eq!(
            ask(&mut client, &head(origin, &leaves(1)), Vec::new()),
            Reply::Refused(Refusal::Malformed)
        );
    }
    let none = head(ORIGIN, &[]);
    assert_eq!(ask(&mut client, &none, Vec::new()), Reply::Refused(Refusal::Malformed), "nothing to sign");
    let most = TreeHead { size: u64::MAX, ..head(ORIGIN, &leaves(1)) };
    signed(&mut client, &head(ORIGIN, &leaves(1)), Vec::new());
    let answer = ask(&mut client, &most, vec![[1; 32]; 64]);
    assert_eq!(answer, Reply::Refused(Refusal::Forked(1)));
}

#[test]
fn a_reset_lets_no_log_begin_anew_under_its_old_origin() {
    let sandbox = Settings { env: Env::Sandbox, ..Settings::default() };
    let (_folder, enclave) = begin(&sandbox);
    let mut client = enclave.connect();
    signed(&mut client, &head(ORIGIN, &leaves(3)), Vec::new());
    expect!(client.call(&Request::Reset(Reset { tenant_id: "tenant-a".into() })), HasReset);
    let mut other = leaves(4);
    other[0] = [9; 32];
    assert_eq!(ask(&mut client, &head(ORIGIN, &other), Vec::new()), Reply::Refused(Refusal::Forked(3)));
    // The log that a reset begins has an origin of its own.
    signed(&mut client, &head(&format!("{ORIGIN}/log-2"), &other), Vec::new());
}
