//! One run of the kill loop: rounds of load, a kill, a restart, and the question what became of everything.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use client::Client;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::rig::audit_log::AuditLog;
use crate::rig::book::{Book, Partner, Tally, User};
use crate::rig::chance::Chance;
use crate::rig::check;
use crate::rig::fixture;
use crate::rig::group::now;
use crate::rig::installation::{Installation, Setup};
use crate::rig::load::Caller;
use crate::rig::rows::Rows;
use crate::rig::shares::{Stores, split_over};
use cluster::{Cluster, Stop};

/// How many retail users and how many partners' backends call at the same time.
const USERS: usize = 6;
const PARTNERS: usize = 2;
/// A user who holds this many items rests until the end, as long as there are others.
const ITEMS_ENOUGH: usize = 60;
/// Each user costs an RSA key: so many of them come in before the loop begins, and in a round.
const USERS_FIRST: usize = 12;
const USERS_PER_ROUND: usize = 1;
/// The stock of RSA keys is filled up to this while the loop runs; the prepared pool is larger.
const RSA_KEYS_MIN: u64 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// How keys are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    Whole,
    InShares,
}

/// What is killed.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Server,
    Enclave,
    Both,
    Database(Stop),
}

impl Victim {
    const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Enclave => "enclave",
            Self::Both => "both",
            Self::Database(_) => "database",
        }
    }
}

/// One run.
pub struct Campaign {
    pub engine: Engine,
    chance: Chance,
    pub book: Book,
    users_begun: usize,
    turns: Vec<Victim>,
    pub retail: AuditLog,
    pub partner: AuditLog,
    pub clients: [Client; 2],
    pub rows: Rows,
    pub ready_again: Vec<(&'static str, Duration)>,
    pub runtime: Runtime,
    pub installation: Installation,
    /// Where shares of keys are, beside the database; none: keys are whole.
    pub stores: Option<Stores>,
    cluster: Option<Cluster>,
    pub folder: tempfile::TempDir,
}

impl Campaign {
    pub fn begin(engine: Engine, held: Held, seed: u64) -> Self {
        let mut chance = Chance::of(seed);
        let folder = tempfile::tempdir().expect("a folder");
        let tenants = fixture::copy_into(folder.path());
        let cluster = (engine == Engine::Postgres).then(Cluster::start);
        let address = cluster.as_ref().map_or(String::new(), Cluster::address);
        let setup = Setup { folder: folder.path(), database: &address, rsa_keys: RSA_KEYS_MIN };
        let mut installation = Installation::new(&setup, &mut chance);
        let stores = (held == Held::InShares).then(|| split_over(folder.path()));
        installation.start();
        let prepared = fixture::sqlite(folder.path());
        let rows = if cluster.is_some() { Rows::Postgres(address) } else { prepared.clone() };
        if cluster.is_some() {
            for table in ["tenants", "api_credentials", "pool_keys"] {
                rows.copy_table(&prepared, table);
            }
        }
        let clients = ["retail", "partner"].map(|kind| {
            let tenant = tenants.iter().find(|tenant| tenant.kind == kind).expect("a tenant of each kind");
            let client = Client::builder(&installation.base_url(), &tenant.api_keys.full);
            client.timeout(Duration::from_secs(20)).build().expect("a client")
        });
        let [retail, partner] = [("retail", &clients[0]), ("partner", &clients[1])].map(|(kind, client)| {
            let id = rows.list(&format!("SELECT id FROM tenants WHERE kind = '{kind}'"));
            AuditLog::new(client.clone(), id[0][0].clone())
        });
        let partners =
            (0..PARTNERS).map(|at| Partner { name: format!("partner-{at}"), ..Partner::default() });
        let book = Book { partners: partners.collect(), ..Book::default() };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        Self {
            engine,
            chance,
            book,
            users_begun: 0,
            turns: Vec::new(),
            retail,
            partner,
            clients,
            rows,
            ready_again: Vec::new(),
            runtime: runtime.expect("a runtime"),
            installation,
            stores,
            cluster,
            folder,
        }
    }

    /// Says where it was when something failed.
    pub fn guarded(&mut self, seed: u64, round: usize, act: impl FnOnce(&mut Self)) {
        let ended = catch_unwind(AssertUnwindSafe(|| act(self)));
        if let Err(panic) = ended {
            self.folder.disable_cleanup(true);
            let folder = self.folder.path().display();
            println!("failed in round {round}; HOLDFAST_SEED={seed}; everything is still in {folder}");
            println!("{}", self.installation.last_words());
            resume_unwind(panic);
        }
    }

    pub fn round(&mut self, round: usize, rounds: usize) {
        let victim = self.choose_victim();
        let moment = Duration::from_millis(50 + self.chance.below(1_451) as u64);
        let begins_twice = self.chance.percent(20);
        let (stop, stopped) = watch::channel(false);
        // Late interruptions would have to be waited for.
        let may_recover = round * 3 <= rounds * 2;
        let load = self.begin_load(round, may_recover, &stopped);
        std::thread::sleep(moment);
        self.kill(victim);
        if begins_twice && !matches!(victim, Victim::Database(_)) {
            self.installation.start_missing();
            std::thread::sleep(Duration::from_millis(self.chance.below(200) as u64));
            self.kill(victim);
        }
        let took = self.revive(victim);
        self.ready_again.push((victim.name(), took));
        stop.send(true).expect("listeners");
        self.end_load(load);
        self.settle();
        self.check_sample();
        self.check_all_logs();
        println!("round {round}: {victim:?} after {moment:?}, ready again in {took:?}");
    }

    /// Everyone's turn comes, in an order that nobody knows.
    fn choose_victim(&mut self) -> Victim {
        if self.turns.is_empty() {
            self.turns = vec![Victim::Server, Victim::Enclave, Victim::Both];
            if self.engine == Engine::Postgres {
                self.turns.extend([Victim::Database(Stop::Kill), Victim::Database(Stop::Immediate)]);
            }
        }
        self.turns.swap_remove(self.chance.below(self.turns.len()))
    }

    fn kill(&mut self, victim: Victim) {
        match victim {
            Victim::Server => self.installation.kill_server(),
            Victim::Enclave => self.installation.kill_enclave(),
            Victim::Both if self.chance.percent(50) => {
                self.installation.kill_server();
                self.installation.kill_enclave();
            }
            Victim::Both => {
                self.installation.kill_enclave();
                self.installation.kill_server();
            }
            Victim::Database(stop) => self.cluster.as_mut().expect("a cluster").end(stop),
        }
    }

    /// Brings back what was killed; how long it took until calls were served, counted from its start.
    fn revive(&mut self, victim: Victim) -> Duration {
        let Victim::Database(_) = victim else { return self.installation.start() };
        self.cluster.as_mut().expect("a cluster").start_again();
        let begun = now();
        // The server must find its database again by itself.
        self.installation.wait_until_ready();
        now().duration_since(begun)
    }

    fn begin_load(&mut self, round: usize, may_recover: bool, stop: &watch::Receiver<bool>) -> Load {
        let mut load = Load { users: JoinSet::new(), partners: JoinSet::new() };
        for seat in 0..USERS {
            let user = self.choose_user(round, seat);
            let caller = self.caller(0, round, may_recover, stop);
            load.users.spawn_on(caller.live(user), self.runtime.handle());
        }
        for partner in std::mem::take(&mut self.book.partners) {
            let caller = self.caller(1, round, may_recover, stop);
            load.partners.spawn_on(caller.work(partner), self.runtime.handle());
        }
        load
    }

    /// One who is known and has room, or somebody new.
    fn choose_user(&mut self, round: usize, seat: usize) -> User {
        let users = &mut self.book.users;
        let is_full = self.users_begun >= USERS_FIRST + round * USERS_PER_ROUND;
        let open: Vec<_> = (0..users.len()).filter(|at| users[*at].items.len() < ITEMS_ENOUGH).collect();
        if !is_full && (open.is_empty() || self.chance.percent(20)) {
            self.users_begun += 1;
            return User::new(format!("user-{round}-{seat}"));
        }
        let least = (0..users.len()).min_by_key(|at| users[*at].items.len()).expect("a user");
        let chosen = if open.is_empty() { least } else { open[self.chance.below(open.len())] };
        users.swap_remove(chosen)
    }

    /// A retail user's calls while nobody is killed.
    pub fn peaceful_caller(&mut self) -> Caller {
        let (_, stop) = watch::channel(false);
        self.caller(0, 0, true, &stop)
    }

    fn caller(
        &mut self,
        client: usize,
        round: usize,
        may_recover: bool,
        stop: &watch::Receiver<bool>,
    ) -> Caller {
        Caller {
            client: self.clients[client].clone(),
            chance: self.chance.fork(),
            stop: stop.clone(),
            round,
            may_recover,
            is_500_fair: self.engine == Engine::Postgres,
            acts: Vec::new(),
            tally: Tally::default(),
        }
    }

    fn end_load(&mut self, load: Load) {
        let (users, partners) =
            self.runtime.block_on(async { (load.users.join_all().await, load.partners.join_all().await) });
        for (caller, user) in users {
            self.book.users.push(user);
            self.book.acts_retail.extend(caller.acts);
            self.book.tally += caller.tally;
        }
        for (caller, partner) in partners {
            self.book.partners.push(partner);
            self.book.acts_partner.extend(caller.acts);
            self.book.tally += caller.tally;
        }
    }

    /// Repeats whatever got no answer: in peace it must get one.
    fn settle(&mut self) {
        let Self { book, clients: [retail, partner], runtime, .. } = self;
        runtime.block_on(async {
            for user in &mut book.users {
                book.acts_retail.extend(check::settle_user(retail, user).await.expect("an answer in peace"));
            }
            for backend in &mut book.partners {
                book.acts_partner
                    .extend(check::settle_partner(partner, backend).await.expect("an answer in peace"));
            }
        });
    }

    /// Looks at some of what was acknowledged, the latest always among it.
    fn check_sample(&mut self) {
        let Self { book, clients: [retail, partner], runtime, chance, .. } = self;
        runtime.block_on(async {
            let latest = book.users.len() - 1;
            for at in [latest, chance.below(latest + 1)] {
                let acts =
                    check::recover_user(retail, &mut book.users[at]).await.expect("a recovery in peace");
                book.acts_retail.extend(acts);
            }
            for backend in &book.partners {
                let count = backend.assignments.len();
                for assignment in backend.assignments.iter().rev().take(5) {
                    check::is_held(partner, assignment).await.expect("an answer in peace");
                }
                if count > 0 {
                    let any = &backend.assignments[chance.below(count)];
                    check::is_held(partner, any).await.expect("an answer in peace");
                }
                if let Some(last) = backend.stored.len().checked_sub(1) {
                    check::is_stored(partner, backend, last).await.expect("an answer in peace");
                }
            }
        });
    }

    pub fn check_all_logs(&mut self) {
        let Self { book, retail, partner, runtime, rows, .. } = self;
        runtime.block_on(async {
            retail.read_on().await.expect("the log");
            partner.read_on().await.expect("the log");
        });
        retail.check(&book.acts_retail);
        partner.check(&book.acts_partner);
        check::check_keys(book);
        check::check_rows(rows, [retail, partner]);
    }
}

/// The callers of a round.
struct Load {
    users: JoinSet<(Caller, User)>,
    partners: JoinSet<(Caller, Partner)>,
}
