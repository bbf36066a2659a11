//! A disk forgets a bit, of the database, of a stored file, of a share of a key, or of what the enclave and the service
//! keep for themselves. Either all that decides anything reads as before, or the operator is told; and nobody ever gets
//! anything but what he stored.
//!
//! `HOLDFAST_CAMPAIGN=1` makes it five thousand bits; `HOLDFAST_SEED` plays one run again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use domain::ids::TenantId;
use store::Engine;
use store::rows::Class;
use testkit::rot::{Disk, values};
use testkit::{Plan, Vandal};

use crate::row_edits::{World, audit_class};

const BITS: usize = 200;
const BITS_OF_CAMPAIGN: usize = 5_000;

/// Everybody recovers after one in so many.
const RECOVER_EVERY: usize = 8;

/// Where something is kept, with how many of ten bits are forgotten there.
struct Shelf {
    name: &'static str,
    folder: PathBuf,
    of_ten: usize,
}

/// Everything that an installation keeps.
struct Rig {
    world: World,
    /// One of those whose rows there are.
    tenant: TenantId,
    disk: Disk,
    shelves: Vec<Shelf>,
    database: PathBuf,
    whole: Vec<String>,
    chance: Vandal,
}

impl Rig {
    async fn new() -> Self {
        let (mut world, chance) =
            Box::pin(World::new(Plan::default().on_sqlite().in_shares().start().await)).await;
        let tenant = world.app.tenant_of(&world.app.retail()).await;
        world.app.stop_service().await;
        world.app.enclave.kill();
        let folder = world.app.folder().to_owned();
        let data = world.app.settings().data_dir.clone();
        // Nobody has this one open while it is written anew.
        let database = folder.join("database/holdfast.db");
        std::fs::create_dir_all(database.parent().unwrap()).unwrap();
        world.app.place.run(&format!("VACUUM INTO '{}'", database.display()));
        world.app.settings().database.engine = Engine::Sqlite(database.clone());
        let shelf = |name, folder: PathBuf, of_ten| Shelf { name, folder, of_ten };
        let shelves = vec![
            shelf("database", folder.join("database"), 4),
            shelf("files", data.join("files"), 1),
            shelf("keys", data.join("server.keys"), 1),
            shelf("shares", folder.join("shares-a"), 1),
            shelf("shares", folder.join("shares-b"), 1),
            shelf("enclave", world.app.enclave.state().to_owned(), 2),
        ];
        let disk = Disk::copy(shelves.iter().map(|shelf| shelf.folder.clone()).collect());
        let whole = deciding(&database).unwrap();
        Self { world, tenant, disk, shelves, database, whole, chance }
    }

    /// Forgets a bit, and says where.
    fn forget(&mut self) -> (&'static str, String) {
        let mut drawn = self.chance.below(10);
        let found = self.shelves.iter().find(|one| {
            let is_it = drawn < one.of_ten;
            drawn = drawn.wrapping_sub(one.of_ten);
            is_it
        });
        let Shelf { name, folder, .. } = found.unwrap();
        let files = self.disk.files(folder);
        let (path, size) = &files[self.chance.below(files.len())];
        let (byte, bit) = (self.chance.below(*size), self.chance.below(8));
        self.disk.forget(path, byte, bit);
        (name, format!("{} bit {bit} of byte {byte} of {size}", path.display()))
    }

    /// What the operator is told, when he starts the enclave and asks the doctor.
    async fn told(&mut self) -> Vec<String> {
        if !self.world.app.enclave.try_restart() {
            return vec!["the enclave does not start".to_owned()];
        }
        match self.world.examine().await {
            Ok(found) => found.into_iter().map(|line| line.text).collect(),
            Err(error) => vec![error],
        }
    }

    /// How many items come, of whoever still gets any.
    async fn recover(&mut self) -> usize {
        if self.world.app.start_service().await.is_err() {
            return 0;
        }
        let came = self.world.recover().await;
        self.world.app.stop_service().await;
        came
    }

    fn put_back(&mut self) {
        self.world.app.enclave.kill();
        self.disk.put_back();
    }
}

/// What the examination has to tell of, if it reads otherwise. The enclave tells the rest, when it is used.
fn deciding(database: &Path) -> Option<Vec<String>> {
    values(database, |_, _, class| class == Class::Sealed || class == audit_class())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bit_that_a_disk_forgets_is_told_or_decides_nothing() {
    let mut rig = Rig::new().await;
    assert_eq!(rig.told().await, [""; 0], "nothing is wrong before anything is forgotten");
    let is_campaign = std::env::var("HOLDFAST_CAMPAIGN").is_ok_and(|word| word == "1");
    let wanted = if is_campaign { BITS_OF_CAMPAIGN } else { BITS };
    let (mut told_of, mut came): (BTreeMap<&str, [usize; 2]>, usize) = (BTreeMap::new(), 0);
    for round in 0..wanted {
        let (shelf, place) = rig.forget();
        let told = rig.told().await;
        told_of.entry(shelf).or_default()[usize::from(!told.is_empty())] += 1;
        if told.is_empty() {
            // Much of a database's pages is empty, or says when something was.
            assert_eq!(shelf, "database", "{place} was forgotten, and nobody was told");
            let now = deciding(&rig.database).unwrap_or_default();
            let changed: Vec<&String> = now.iter().filter(|row| !rig.whole.contains(row)).collect();
            assert!(now == rig.whole, "{place} was forgotten, and nobody was told: {changed:?}");
        }
        if round % RECOVER_EVERY == 0 {
            came += rig.recover().await;
        }
        rig.put_back();
    }
    for (shelf, [untold, told]) in &told_of {
        println!("figure: bit-rot-{shelf} {told} told, {untold} that decide nothing");
    }
    println!("figure: bit-rot-items-recovered {came} items");
    assert!(told_of.values().all(|[_, told]| *told > 0) && came > 0, "{told_of:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bit_that_an_index_lost_is_told_though_every_row_is_whole() {
    let mut rig = Rig::new().await;
    for byte in rig.disk.find(&rig.database, rig.tenant.as_str().as_bytes()) {
        rig.disk.forget(&rig.database, byte, 0);
        // Elsewhere it is of a row, or in a column that decides nothing.
        if deciding(&rig.database).is_some_and(|now| now == rig.whole) {
            let told = rig.told().await;
            if told.iter().any(|text| text.starts_with("its file does not hold together")) {
                return;
            }
        }
        rig.put_back();
    }
    unreachable!("nobody was told of any");
}
