//! The drill of the book's chapter on backups, by its own two scripts: an installation is copied while it runs, lost
//! with everything on it, and put back on an empty machine. Then everything that was stored comes back.
//!
//! `HOLDFAST_CAMPAIGN=1` makes it 1,000 backups.

#![expect(dead_code, reason = "uses its part of the rig")]

mod rig {
    pub mod chance;
    pub mod draw;
    pub mod group;
    pub mod hex;
    pub mod installation;
    pub mod rows;
    pub mod stock;
}

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::api::institution::{NewKeyRequest, StoreOwnRequest};
use client::api::retail::StartRequest;
use client::api::sandbox::{Credentials, Tenant};
use client::{BackupRequest, Client, RecipientKey, RecoverAllRequest, Secret};
use cluster::Cluster;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::rig::chance::{self, Chance};
use crate::rig::installation::{Installation, Setup, data_dir};
use crate::rig::rows::Rows;
use crate::rig::stock::in_stock;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/book/samples/operate");
/// What a user stores.
const ITEMS_PER_USER: usize = 10;
/// Of every so many backups one is a file.
const BACKUPS_PER_FILE: usize = 10;
/// Random bytes, as a file that somebody encrypted.
const FILE_BYTES: usize = 20_000;
/// So many checks of a key may fail in a day.
const FAILED_CHECKS_MAX: usize = 20;
/// An RSA key takes a core a second, and each user has one.
const RSA_KEYS: u64 = 4;

#[tokio::test]
async fn restore_drill_sqlite() {
    drill(None).await;
}

#[tokio::test]
async fn restore_drill_postgres() {
    drill(Some(Cluster::start())).await;
}

/// One installation in one folder, and calls to it.
struct World {
    installation: Installation,
    address: String,
    retail: Client,
    institution: Client,
    key: String,
}

impl World {
    /// Starts what lies in the folder; the old one is gone by then.
    fn start(folder: &Path, database: &str, tenants: &[Tenant], chance: &mut Chance) -> Self {
        let setup = Setup { folder, database, rsa_keys: RSA_KEYS };
        let mut installation = Installation::new(&setup, chance);
        installation.start();
        let address = installation.base_url();
        let key = |kind: &str| {
            let tenant = tenants.iter().find(|tenant| tenant.kind == kind).expect("a tenant of each kind");
            tenant.api_keys.full.clone()
        };
        let client = |kind: &str| {
            let builder = Client::builder(&address, &key(kind)).timeout(Duration::from_mins(1));
            builder.build().expect("a client")
        };
        let (retail, institution) = (client("retail"), client("institution"));
        Self { installation, retail, institution, key: key("institution"), address }
    }

    async fn check(&self, user: &str) -> String {
        let request = StartRequest { user_identifier: user.to_owned(), gpg_fingerprint: None };
        let started = self.retail.retail().start_verification_with(&request, "approve_inquiry").await;
        started.expect("a check").verification_id
    }

    /// Stores a user's items; the key that guards them.
    async fn store(&self, user: &str, items: &Items) -> String {
        let check = self.check(user).await;
        let secrets: Vec<_> = items.iter().map(|(name, bytes)| (name, Secret::from(bytes.clone()))).collect();
        let secrets: Vec<_> = secrets.iter().map(|(name, secret)| (name.as_str(), secret)).collect();
        let request = BackupRequest {
            user_identifier: user,
            verification_id: &check,
            items: &secrets,
            ..BackupRequest::default()
        };
        let kept = in_stock(|| self.retail.backup(&request)).await.expect("stored");
        assert_eq!(kept.items.len(), items.len());
        kept.key.public_key().to_owned()
    }

    async fn recover(&self, user: &str) -> Items {
        self.recover_if_any(user).await.expect("there is something")
    }

    /// What a user gets back on a new device; none where nothing is known.
    async fn recover_if_any(&self, user: &str) -> Option<Items> {
        let device = RecipientKey::generate().expect("a key");
        let verification_id = &self.check(user).await;
        let request = RecoverAllRequest {
            user_identifier: user,
            verification_id,
            device: &device,
            request_signature: None,
        };
        let recovered = match self.retail.recover(&request).await {
            Err(error) if error.code() == "no-backup" => return None,
            recovered => recovered.expect("recovered"),
        };
        assert!(recovered.failed.is_empty(), "{user}: {:?}", recovered.failed);
        let secrets = recovered.secrets.into_iter();
        Some(secrets.map(|item| (item.name, item.secret.expose().to_vec())).collect())
    }

    /// Stores a file under a key of the institution's: its id.
    async fn store_file(&self, public_key: &str, bytes: &[u8]) -> String {
        let mut form = format!(
            "--part\r\nContent-Disposition: form-data; name=\"public_key\"\r\n\r\n{public_key}\r\n--part\r\n\
             Content-Disposition: form-data; name=\"file\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        )
        .into_bytes();
        form.extend_from_slice(bytes);
        form.extend_from_slice(b"\r\n--part--\r\n");
        let request = reqwest::Client::new().post(format!("{}/v1/secure/file", self.address)).body(form);
        let request = request.header("Content-Type", "multipart/form-data; boundary=part");
        let answer = request.header("X-API-Key", &self.key).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.status());
        let stored: Value = answer.json().await.expect("JSON");
        stored["backup_id"].as_str().expect("an id").to_owned()
    }

    /// Whether a file is still what was stored.
    async fn is_whole(&self, backup_id: &str) -> bool {
        let url = format!("{}/v1/backups/{backup_id}/verify", self.address);
        let answer = reqwest::Client::new().get(url).header("X-API-Key", &self.key).send().await;
        let answer: Value = answer.expect("an answer").json().await.expect("JSON");
        answer["is_backup_valid"] == true
    }

    /// The code by which a store is refused that opens to nothing.
    async fn refused_store(&self, public_key: &str) -> String {
        let request = StoreOwnRequest {
            public_key: public_key.to_owned(),
            checksum: None,
            data: STANDARD.encode([1; 512]),
            padding_type: None,
            metadata: None,
        };
        let refused = self.institution.institution().store_data(&request).await;
        refused.expect_err("it opens to nothing").code().to_owned()
    }

    async fn new_key(&self) -> String {
        let request = NewKeyRequest {
            user_identifier: "treasury".to_owned(),
            key_type: "rsa4096".to_owned(),
            key_environment: None,
            organisation: None,
            package: None,
            sign_with: None,
        };
        let institution = self.institution.institution();
        in_stock(|| institution.new_key(&request)).await.expect("a key").public_key
    }
}

/// By name.
type Items = BTreeMap<String, Vec<u8>>;

/// What was stored before the copy.
struct Stored {
    by_user: BTreeMap<String, Items>,
    files: Vec<String>,
    /// What the enclave alone remembers: a key that was guessed at too often today.
    guessed: String,
}

impl Stored {
    async fn fill(world: &World, count: usize, chance: &mut Chance) -> Self {
        let mut by_user = BTreeMap::new();
        for user in 0..count / ITEMS_PER_USER {
            let items = (0..ITEMS_PER_USER).map(|at| (format!("item-{at}"), chance.bytes(64))).collect();
            world.store(&format!("user-{user}"), &items).await;
            by_user.insert(format!("user-{user}"), items);
        }
        let key = world.new_key().await;
        let mut files = Vec::new();
        for _ in 0..count / BACKUPS_PER_FILE {
            files.push(world.store_file(&key, &chance.bytes(FILE_BYTES)).await);
        }
        let guessed = world.new_key().await;
        for _ in 0..FAILED_CHECKS_MAX {
            assert_eq!(world.refused_store(&guessed).await, "check-failed");
        }
        Self { by_user, files, guessed }
    }

    /// All of it is there; how many backups that is.
    async fn check(&self, world: &World) -> usize {
        for (user, items) in &self.by_user {
            assert_eq!(world.recover(user).await, *items, "{user}");
        }
        for file in &self.files {
            assert!(world.is_whole(file).await, "{file}");
        }
        assert_eq!(world.refused_store(&self.guessed).await, "check-budget-spent");
        self.by_user.values().map(Items::len).sum::<usize>() + self.files.len()
    }
}

async fn drill(cluster: Option<Cluster>) {
    let is_campaign = std::env::var("HOLDFAST_CAMPAIGN").is_ok_and(|word| word == "1");
    let mut chance = Chance::of(chance::seed());
    let folder = tempfile::tempdir().expect("a folder");
    let [first, copy, second] = ["first", "copy", "second"].map(|name| folder.path().join(name));
    fs::create_dir(&first).expect("a folder");
    let tenants = make_tenants(&first);
    let database = cluster.as_ref().map_or(String::new(), Cluster::new_database);
    if cluster.is_some() {
        move_tenants(&first, &database, &tenants, &mut chance);
    }

    let mut world = World::start(&first, &database, &tenants, &mut chance);
    let stored = Stored::fill(&world, if is_campaign { 1_000 } else { 20 }, &mut chance).await;
    let late = Items::from([("late".to_owned(), chance.bytes(64))]);
    let copying = copy_of(&first, &copy, &database);
    world.store("meanwhile", &late).await;
    copying.await.expect("the copy is made");
    // What comes after the copy is lost, and nothing else.
    let lost_key = world.store("latecomer", &late).await;
    world.installation.stop();
    // The settings and the provider's file are no part of the copy: they are the operator's own.
    let provider = fs::read(data_dir(&first).join("simulator.provider")).expect("the provider's file");
    fs::remove_dir_all(&first).expect("the old machine is gone");

    let database = cluster.as_ref().map_or(String::new(), Cluster::new_database);
    fs::create_dir(&second).expect("a folder");
    run("restore.sh", &[("FROM", &copy)], &second, &database);
    assert_eq!(count_stock(&second, &database), 0, "a key might be given out a second time");
    fs::write(data_dir(&second).join("simulator.provider"), provider).expect("the provider's file");
    let mut world = World::start(&second, &database, &tenants, &mut chance);
    println!("figure: restore_drill_recovered {} backups", stored.check(&world).await);
    assert_eq!(world.recover_if_any("latecomer").await, None);
    // It is there or not, and not in between.
    assert!(world.recover_if_any("meanwhile").await.is_none_or(|items| items == late));
    // It goes on from there.
    assert_ne!(world.store("latecomer", &late).await, lost_key);
    assert_eq!(world.recover("latecomer").await, late);
    world.installation.stop();
}

/// How many keys are there to be given out.
fn count_stock(folder: &Path, database: &str) -> usize {
    let file = data_dir(folder).join("holdfast.db");
    let rows = if database.is_empty() { Rows::Sqlite(file) } else { Rows::Postgres(database.to_owned()) };
    rows.number("SELECT count(*) FROM pool_keys")
}

/// A folder with the tenants of a sandbox; their credentials.
fn make_tenants(folder: &Path) -> Vec<Tenant> {
    let file = folder.join("credentials.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(["sandbox", "--once", "--manual-ceremony", "--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(data_dir(folder)).arg("--credentials").arg(&file);
    let ended = command.stdin(Stdio::null()).output().expect("the program runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let text = fs::read(file).expect("the credentials");
    serde_json::from_slice::<Credentials>(&text).expect("the contract's shape").tenants
}

/// Makes the tables in an empty PostgreSQL database, and puts the tenants there.
fn move_tenants(folder: &Path, database: &str, tenants: &[Tenant], chance: &mut Chance) {
    World::start(folder, database, tenants, chance).installation.stop();
    let from = Rows::Sqlite(data_dir(folder).join("holdfast.db"));
    for table in ["tenants", "api_credentials"] {
        Rows::Postgres(database.to_owned()).copy_table(&from, table);
    }
    fs::remove_file(data_dir(folder).join("holdfast.db")).expect("it is used no more");
}

/// Copies an installation while it runs.
fn copy_of(folder: &Path, copy: &Path, database: &str) -> JoinHandle<()> {
    let (folder, copy, database) = (folder.to_owned(), copy.to_owned(), database.to_owned());
    tokio::task::spawn_blocking(move || run("backup.sh", &[("TO", &copy)], &folder, &database))
}

/// Runs one of the book's scripts on an installation's folder.
fn run(script: &str, more: &[(&str, &Path)], folder: &Path, database: &str) {
    let data = data_dir(folder);
    let mut command = Command::new("bash");
    command.arg(Path::new(SCRIPTS).join(script)).env("STATE", data.join("enclave")).env("DATA", data);
    command.env("DATABASE", database).envs(more.iter().copied());
    let ended = command.output().expect("bash runs");
    assert!(ended.status.success(), "{script}: {}", String::from_utf8_lossy(&ended.stderr));
}
