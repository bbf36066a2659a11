//! Attack scripts of a captured server against a production enclave.

mod rig;

use rig::*;

#[test]
fn end_to_end() {
    let folder = Folder::new();
    let enclave = Enclave::start(&folder, &Settings::default());
    let gpg = Gpg::new(&folder);
    curve25519(&gpg, "owner");
    let mut provider = Provider::start();
    let mut client = enclave.connect();
    let welcome = expect!(
        client.call(&boundary::message::Request::Hello(boundary::message::Hello { env: enclave.env })),
        Welcome
    );
    eprintln!("{:?}", welcome.protections);
    let key = new_key(&mut client, TENANT, USER);
    let session = open(&mut client, TENANT, USER, None);
    let stored = store(&mut client, &key, TENANT, USER, Some(&session), "backup-1");
    let admission = approve(&mut client, &mut provider, &session, "inq_1");
    let bundle = Bundle::new(
        &mut client,
        enclave.env,
        TENANT,
        USER,
        &session,
        &[admission],
        "inq_1",
        &gpg.export("owner"),
        std::slice::from_ref(&stored),
    );
    let released = expect!(bundle.send(&mut client), Released);
    assert_eq!(released.delivery, 1);
    assert_eq!(gpg.decrypt(message(&released.items[0])), stored.plaintext);
}
