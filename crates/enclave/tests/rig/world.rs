//! A session's one recovery, ready to go out.

use boundary::Env;

use super::*;

/// An enclave, and what it would release.
pub struct World {
    pub folder: Folder,
    pub provider: Provider,
    pub enclave: Enclave,
    pub bundle: Bundle,
    pub key: UserKey,
    pub session: Session,
}

impl World {
    pub fn new(settings: &Settings) -> Self {
        Self::at(Folder::new(), settings)
    }

    pub fn at(folder: Folder, settings: &Settings) -> Self {
        let enclave = Enclave::start(&folder, settings);
        let (mut client, mut provider, gpg) = (enclave.connect(), Provider::start(), Gpg::new(&folder));
        let recipient = curve25519(&gpg, "ada");
        let key = new_key(&mut client, TENANT, USER);
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
            &gpg.export(&recipient),
            &[stored],
        );
        Self { folder, provider, enclave, bundle, key, session }
    }

    pub fn restart(&mut self, settings: &Settings) -> Client {
        self.enclave.kill();
        self.enclave = Enclave::start(&self.folder, settings);
        self.enclave.connect()
    }

    /// Takes a copy of the log as it is now.
    pub fn copy(&self) {
        std::fs::copy(self.folder.path("state/state.log"), self.folder.path("copy")).expect("copied");
    }

    /// Puts the copy in the log's place; nobody may be writing that.
    pub fn put_back(&self) {
        std::fs::copy(self.folder.path("copy"), self.folder.path("state/state.log")).expect("copied");
    }

    pub fn release(&self, client: &mut Client) -> Reply {
        self.bundle.send(client)
    }
}
