//! The end of a run: everything is read back, nothing may be left over.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::rig::book::{Assignment, User};
use crate::rig::campaign::{Campaign, Engine};
use crate::rig::check;
use crate::rig::group::{PROGRAM, wait_for};
use crate::rig::shares::{self, Stores};

/// A release that was interrupted is closed a minute later; this is twice that.
const CLOSING_PATIENCE: Duration = Duration::from_mins(2);
/// How many questions are asked at a time.
const AT_A_TIME: usize = 4;

impl Campaign {
    /// Reads back everything that was ever acknowledged.
    pub fn finish(&mut self) {
        self.recover_everybody();
        self.ask_for_every_assignment();
        let ciphertexts = check::check_ciphertexts(&self.rows, &self.book);
        println!("figure: {}_partner_items_checked {ciphertexts} items", self.name());
        self.use_the_pool();
        let open = "SELECT count(*) FROM recoveries WHERE state = 'releasing'";
        wait_for("the end of every release", CLOSING_PATIENCE, || {
            std::thread::sleep(Duration::from_millis(250));
            (self.rows.number(open) == 0).then_some(())
        });
        self.check_all_logs();
        let recoveries = check::check_recoveries(&self.rows, &self.retail);
        println!("figure: {}_recoveries_closed {recoveries} recoveries", self.name());
        println!(
            "figure: {}_closed_by_the_enclaves_log {} recoveries",
            self.name(),
            self.retail.closed_late()
        );
        let Self { runtime, retail, partner, .. } = self;
        runtime.block_on(async {
            retail.read_again().await.expect("the log");
            partner.read_again().await.expect("the log");
        });
        if let Some(stores) = self.stores.clone() {
            self.count_keys(&stores);
        }
        self.installation.stop();
        if self.engine == Engine::Sqlite {
            self.rows.check_integrity();
        }
    }

    fn recover_everybody(&mut self) {
        let permits = Arc::new(Semaphore::new(AT_A_TIME));
        let mut recoveries = JoinSet::new();
        for mut user in std::mem::take(&mut self.book.users) {
            let (client, permits) = (self.clients[0].clone(), Arc::clone(&permits));
            let recovery = async move {
                let _permit = permits.acquire().await.expect("open for ever");
                let acts = check::recover_user(&client, &mut user).await.expect("a recovery in peace");
                (user, acts)
            };
            recoveries.spawn_on(recovery, self.runtime.handle());
        }
        for (user, acts) in self.runtime.block_on(recoveries.join_all()) {
            self.book.users.push(user);
            self.book.acts_retail.extend(acts);
        }
    }

    fn ask_for_every_assignment(&mut self) {
        let permits = Arc::new(Semaphore::new(AT_A_TIME));
        let mut questions = JoinSet::new();
        for assignment in self.book.partners.iter().flat_map(|partner| &partner.assignments) {
            let (client, permits) = (self.clients[1].clone(), Arc::clone(&permits));
            let assignment =
                Assignment { request: assignment.request.clone(), ..Assignment::new("", "", "") };
            let question = async move {
                let _permit = permits.acquire().await.expect("open for ever");
                check::is_held(&client, &assignment).await.expect("an answer in peace");
            };
            questions.spawn_on(question, self.runtime.handle());
        }
        self.runtime.block_on(questions.join_all());
    }

    /// What is left in the pool after all the kills is as good as new.
    fn use_the_pool(&mut self) {
        for name in ["last-user-1", "last-user-2"] {
            let mut user = User::new(name.to_owned());
            let mut caller = self.peaceful_caller();
            let acts = self.runtime.block_on(async {
                caller.store_something(&mut user).await.expect("a store in peace");
                check::recover_user(&caller.client, &mut user).await.expect("a recovery in peace")
            });
            self.book.acts_retail.extend(caller.acts);
            self.book.acts_retail.extend(acts);
            self.book.users.push(user);
        }
    }

    /// Keys that open in the enclave = rows = shares in each store, exactly, and each of them once. What kills left behind
    /// is told apart, and is no more than what they left unanswered.
    fn count_keys(&mut self, stores: &Stores) {
        let name = self.name();
        let (keys, split) =
            (self.rows.number("SELECT count(*) FROM customer_keys"), shares::named(&self.rows));
        let pool = self.rows.number("SELECT count(*) FROM pool_keys");
        assert_eq!(split.len(), keys, "a key that is not in shares");
        println!("figure: {name}_keys_bound {keys} keys");
        println!("figure: {name}_keys_in_the_pool {pool} keys");
        for store in stores {
            let kept = shares::shares(store);
            let of_rows =
                split.iter().filter(|(key, its)| kept.get(*key).is_some_and(|all| all.contains(*its)));
            assert_eq!(of_rows.count(), keys, "{}: a share is missing", store.display());
            let (orphans, unanswered) = (shares::orphans(&self.rows, store), self.book.tally.unanswered);
            assert!(
                orphans <= unanswered,
                "{orphans} orphans after {unanswered} calls that were not answered"
            );
            println!("figure: {name}_orphans_in_store_{} {orphans} shares", shares::name(store));
        }
        let mut doctor = Command::new(PROGRAM);
        doctor.args(["doctor", "--deep", "--json", "--config"]).arg(self.folder.path().join("holdfast.toml"));
        let told = doctor.env_remove("RUST_LOG").output().expect("it runs");
        let told = String::from_utf8(told.stdout).expect("text");
        let told = told.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let proven: Vec<_> =
            told.filter(|line| line["check"] == "keys").map(|line| line["text"].clone()).collect();
        assert_eq!(proven, [format!("{keys} looked at")], "keys that the enclave opens");
        let made = shares::last_line(&mut shares::remake(self.folder.path()));
        for (what, count) in [("keys", keys), ("complete", keys), ("lost", 0), ("lacking", 0), ("remade", 0)]
        {
            assert_eq!(made[what], count, "{what}: {made}");
        }
    }

    pub fn print_figures(&mut self, rounds: usize, took: Duration) {
        let name = self.name();
        let items: usize = self.book.users.iter().map(User::acknowledged).sum();
        let assignments = self.book.partners.iter().map(|partner| partner.assignments.len()).sum::<usize>();
        let tally = self.book.tally;
        println!("figure: {name}_rounds {rounds} rounds");
        println!("figure: {name}_run_time {:.1} s", took.as_secs_f64());
        println!("figure: {name}_users {} users", self.book.users.len());
        println!("figure: {name}_items_recovered {items} items");
        println!("figure: {name}_assignments_checked {assignments} assignments");
        println!("figure: {name}_audit_entries_checked {} entries", self.retail.len() + self.partner.len());
        println!("figure: {name}_acknowledged_under_load {} acts", tally.acknowledged);
        println!("figure: {name}_unanswered_under_load {} calls", tally.unanswered);
        println!("figure: {name}_answered_500_under_load {} calls", tally.broken_answers);
        println!("figure: {name}_recoveries_under_load {} recoveries", tally.recoveries);
        for victim in ["server", "enclave", "both", "database"] {
            let of_victim = self.ready_again.iter().filter(|(name, _)| *name == victim);
            let mut times: Vec<_> = of_victim.map(|(_, time)| time.as_millis()).collect();
            times.sort_unstable();
            if let Some(max) = times.last() {
                println!("figure: {name}_ready_again_{victim}_median {} ms", times[times.len() / 2]);
                println!("figure: {name}_ready_again_{victim}_max {max} ms");
            }
        }
    }

    fn name(&self) -> &'static str {
        match (self.engine, &self.stores) {
            (Engine::Sqlite, None) => "kill_loop_sqlite",
            (Engine::Sqlite, Some(_)) => "kill_loop_shares",
            (Engine::Postgres, _) => "kill_loop_postgres",
        }
    }
}
