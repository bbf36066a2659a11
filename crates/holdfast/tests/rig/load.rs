//! The load: retail users and partners' backends that call as fast as a small crowd would, and write down what
//! was acknowledged. A call that fails is not acknowledged, and no more.

use std::time::Duration;

use client::api::partner::StoreDataRequest;
use client::api::retail::{GenerateKeyRequest, SimulateRequest, StartRequest};
use client::{Client, Error, RecipientKey, Secret};
use tokio::sync::watch;

use crate::rig::book::{Act, Assigned, Assignment, Interrupted, Item, Partner, Stored, Tally, User};
use crate::rig::chance::Chance;

/// How long a call may go on after the end of the load.
const GRACE: Duration = Duration::from_millis(300);
/// The pause after a call that failed.
const PAUSE: Duration = Duration::from_millis(20);
/// The longest pause between two calls, milliseconds.
const THOUGHT_MS: usize = 80;

/// Somebody who calls.
pub struct Caller {
    pub client: Client,
    pub chance: Chance,
    pub stop: watch::Receiver<bool>,
    /// Makes the names of this round unlike those of any other.
    pub round: usize,
    pub may_recover: bool,
    /// What an engine that was killed itself may answer.
    pub is_500_fair: bool,
    pub acts: Vec<Act>,
    pub tally: Tally,
}

impl Caller {
    /// Lives as a retail user until the end of the load.
    pub async fn live(mut self, mut user: User) -> (Self, User) {
        while !*self.stop.borrow() {
            let mut stop = self.stop.clone();
            tokio::select! {
                done = self.step(&mut user) => self.judge(done).await,
                () = ended(&mut stop) => self.tally.unanswered += 1,
            }
        }
        (self, user)
    }

    /// Works as a partner's backend until the end of the load.
    pub async fn work(mut self, mut partner: Partner) -> (Self, Partner) {
        while !*self.stop.borrow() {
            let mut stop = self.stop.clone();
            tokio::select! {
                done = self.partner_step(&mut partner) => self.judge(done).await,
                () = ended(&mut stop) => self.tally.unanswered += 1,
            }
        }
        (self, partner)
    }

    async fn judge(&mut self, done: Result<(), Error>) {
        let Err(error) = done else {
            let thought = self.chance.below(THOUGHT_MS);
            return tokio::time::sleep(Duration::from_millis(thought as u64)).await;
        };
        self.tally.unanswered += 1;
        let is_fair = match &error {
            Error::Transport { .. } => true,
            error if error.status() == Some(500) => {
                self.tally.broken_answers += 1;
                self.is_500_fair
            }
            // A killed process still holds the name of the call that it ran, until its lease is over.
            error => error.status() == Some(503) || error.code() == "idempotency-in-progress",
        };
        assert!(is_fair, "not an answer for an installation in trouble: {error}");
        tokio::time::sleep(PAUSE).await;
    }

    /// Everything from the check to the first stored items.
    pub async fn store_something(&mut self, user: &mut User) -> Result<(), Error> {
        while user.acknowledged() == 0 || !user.is_approved {
            match self.step(user).await {
                Err(error) if error.code() == "pool-empty" => tokio::time::sleep(PAUSE).await,
                done => done?,
            }
        }
        Ok(())
    }

    async fn step(&mut self, user: &mut User) -> Result<(), Error> {
        let Some(verification) = user.verification.clone() else {
            return self.start(user).await;
        };
        if user.key.is_none() {
            return self.make_key(user, verification).await;
        }
        if !user.is_approved && self.chance.percent(20) {
            return self.approve(user, verification).await;
        }
        if user.is_approved && self.may_recover && user.acknowledged() > 0 && self.chance.percent(8) {
            return self.recover(user).await;
        }
        self.store(user, verification).await
    }

    /// Two users in three are approved at once, the third stores before his approval.
    async fn start(&mut self, user: &mut User) -> Result<(), Error> {
        let request = StartRequest { user_identifier: user.name.clone(), gpg_fingerprint: None };
        let is_approved = self.chance.percent(66);
        let answer = if is_approved {
            self.client.retail().start_verification_with(&request, "approve_inquiry").await?
        } else {
            self.client.retail().start_verification(&request).await?
        };
        self.done([("verification.started", answer.verification_id.clone())]);
        if is_approved {
            self.done([("inquiry.approved", answer.verification_id.clone())]);
        }
        (user.verification, user.is_approved) = (Some(answer.verification_id), is_approved);
        Ok(())
    }

    async fn approve(&mut self, user: &mut User, verification_id: String) -> Result<(), Error> {
        let request = SimulateRequest { verification_id, action: "approve_inquiry".to_owned() };
        match self.client.retail().simulate(&request).await {
            // An earlier try that was not answered was heard.
            Err(error) if error.code() == "inquiry-state" => {}
            answer => drop(answer?),
        }
        user.is_approved = true;
        self.done([("inquiry.approved", request.verification_id)]);
        Ok(())
    }

    async fn make_key(&mut self, user: &mut User, verification_id: String) -> Result<(), Error> {
        let request =
            GenerateKeyRequest { user_identifier: user.name.clone(), verification_id, sign_with: None };
        let answer = self.client.retail().generate_key(&request).await?;
        self.done([("key.assigned", answer.key_id.clone())]);
        user.key = Some(self.client.attest_generated(&request, &answer).await?);
        Ok(())
    }

    async fn store(&mut self, user: &mut User, verification: String) -> Result<(), Error> {
        let key = user.key.as_ref().expect("a key");
        let count = 1 + self.chance.below(3);
        let sizes: Vec<_> = (0..count).map(|_| 16 + self.chance.below(446 - 16 + 1)).collect();
        let secrets: Vec<_> = sizes.into_iter().map(|size| self.chance.bytes(size)).collect();
        let first = user.items.len();
        let named: Vec<_> = secrets
            .iter()
            .enumerate()
            .map(|(at, secret)| {
                (format!("round-{}-item-{}", self.round, first + at), Secret::from(secret.as_slice()))
            })
            .collect();
        let pairs: Vec<_> = named.iter().map(|(name, secret)| (name.as_str(), secret)).collect();
        let request = client::store_request(&user.name, &verification, key, &pairs)?;
        for ((name, _), secret) in named.into_iter().zip(secrets) {
            user.items.push(Item { name, secret, backup_id: None });
        }
        user.unanswered.push(request.clone());
        let answer = self.client.retail().store_backup(&request).await?;
        user.unanswered.pop();
        let acts = user.acknowledge(&request, &answer);
        self.done(acts);
        Ok(())
    }

    async fn recover(&mut self, user: &mut User) -> Result<(), Error> {
        if user.interrupted.is_some() {
            return Ok(());
        }
        let request = StartRequest { user_identifier: user.name.clone(), gpg_fingerprint: None };
        let verification =
            self.client.retail().start_verification_with(&request, "approve_inquiry").await?.verification_id;
        let device = RecipientKey::generate()?;
        let due = user.names_acknowledged();
        user.interrupted = Some(Interrupted { verification, device, due });
        self.tally.recoveries += 1;
        let acts = crate::rig::check::finish_recovery(&self.client, user).await?;
        self.done(acts);
        Ok(())
    }

    async fn partner_step(&mut self, partner: &mut Partner) -> Result<(), Error> {
        if !partner.keys.is_empty() && self.chance.percent(40) {
            return self.store_data(partner).await;
        }
        let wants_rsa = partner.keys.is_empty() || (partner.keys.len() < 4 && self.chance.percent(2));
        let key_type = if wants_rsa { "rsa4096" } else { ["ed25519", "secp256k1"][self.chance.below(2)] };
        // Users and organisations meet again, each pair once.
        let number = partner.assignments.len();
        let user = format!("{}-user-{}", partner.name, number / 2);
        let organisation = format!("{}-organisation-{}", partner.name, number % 2);
        partner.assignments.push(Assignment::new(&user, &organisation, key_type));
        self.assign(partner).await
    }

    /// Assigns the latest key; one time in four by two calls at once, of which one must win.
    async fn assign(&mut self, partner: &mut Partner) -> Result<(), Error> {
        let latest = partner.assignments.last_mut().expect("an assignment");
        let request = latest.request.clone();
        let (one, other) = if self.chance.percent(25) {
            let (one, other) = tokio::join!(
                self.client.partner().assign_key(&request),
                self.client.partner().assign_key(&request)
            );
            (one, Some(other))
        } else {
            (self.client.partner().assign_key(&request).await, None)
        };
        let answers = [Some(one), other].into_iter().flatten();
        let (won, lost): (Vec<_>, Vec<_>) = answers.partition(Result::is_ok);
        assert!(won.len() < 2, "two keys for one user and organisation: {request:?}");
        let is_refused =
            |answer: &Result<_, Error>| matches!(answer, Err(e) if e.code() == "key-already-assigned");
        assert!(!won.is_empty() || !lost.iter().all(is_refused), "refused, and nobody has it: {request:?}");
        for answer in won.into_iter().flatten() {
            self.done([("key.assigned", answer.key_id.clone())]);
            latest.state = Assigned::Answered(Box::new(answer.clone()));
            if answer.key_type == "rsa4096" {
                partner.keys.push(self.client.attest_assigned(&request, &answer).await?);
            }
        }
        for error in lost.into_iter().filter_map(Result::err) {
            if error.code() != "key-already-assigned" {
                return Err(error);
            }
        }
        Ok(())
    }

    async fn store_data(&mut self, partner: &mut Partner) -> Result<(), Error> {
        let key = &partner.keys[self.chance.below(partner.keys.len())];
        let size = 16 + self.chance.below(446 - 16 + 1);
        let sealed = client::encrypt::encrypt(key, &Secret::from(self.chance.bytes(size)))?;
        let request = StoreDataRequest {
            public_key: key.public_key().to_owned(),
            checksum: sealed.checksum,
            data: sealed.data,
            padding_type: None,
            metadata: None,
        };
        partner.stored.push(Stored { request: request.clone(), backup_id: None });
        let answer = self.client.partner().store_data(&request).await?;
        self.done([("backup.stored", answer.backup_id.clone())]);
        partner.stored.last_mut().expect("an item").backup_id = Some(answer.backup_id);
        Ok(())
    }

    fn done(&mut self, acts: impl IntoIterator<Item = Act>) {
        for act in acts {
            self.tally.acknowledged += 1;
            self.acts.push(act);
        }
    }
}

/// Until the load has ended and the grace is over.
async fn ended(stop: &mut watch::Receiver<bool>) {
    // The sender outlives the load.
    let _ = stop.wait_for(|stop| *stop).await;
    tokio::time::sleep(GRACE).await;
}
