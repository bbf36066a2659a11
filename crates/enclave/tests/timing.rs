//! What requests cost, over the socket, on this machine: figures, not limits. Run it alone, in a release build.

#![expect(clippy::disallowed_methods, reason = "a measurement is of real time")]

mod rig;

use std::time::Instant;

use boundary::Env;
use boundary::message::Request;
use rig::*;

const ITEMS: usize = 20;
const LAST: usize = ITEMS - 1;

#[test]
fn check_and_release() {
    let folder = Folder::new();
    let enclave = Enclave::start(&folder, &Settings { env: Env::Sandbox, ..Settings::default() });
    let gpg = Gpg::new(&folder);
    curve25519(&gpg, "curve25519");
    let rsa = "Key-Type: rsa\nKey-Length: 4096\nKey-Usage: sign,encrypt";
    gpg.generate("rsa4096", rsa);
    let mut client = enclave.connect();
    let mut provider = Provider::start();
    let key = new_key(&mut client, TENANT, USER);
    let session = open(&mut client, TENANT, USER, None);
    let requests: Vec<Request> = (0..ITEMS)
        .map(|_| check_request(&key, TENANT, USER, Some(&session), vec![check_item(&key, "b", &[7; 256])]))
        .collect();
    let began = Instant::now();
    for request in &requests {
        expect!(client.call(request), Checked);
    }
    println!("figure: check_of_one_item {} us", began.elapsed().as_micros() / ITEMS as u128);
    for name in ["curve25519", "rsa4096"] {
        let session = open(&mut client, TENANT, USER, None);
        let stored: Vec<Stored> = (0..ITEMS)
            .map(|n| store(&mut client, &key, TENANT, USER, Some(&session), &format!("backup-{n:04}")))
            .collect();
        let admission = approve(&mut client, &mut provider, &session, "inq_1");
        let certificate = gpg.export(name);
        let bundle = Bundle::new(
            &mut client,
            Env::Sandbox,
            TENANT,
            USER,
            &session,
            &[admission],
            "inq_1",
            &certificate,
            &stored,
        );
        let began = Instant::now();
        let released = expect!(bundle.send(&mut client), Released);
        println!("figure: release_to_{name}_of_one_item {} us", began.elapsed().as_micros() / ITEMS as u128);
        assert_eq!(gpg.decrypt(message(&released.items[LAST])), stored[LAST].plaintext);
    }
}
