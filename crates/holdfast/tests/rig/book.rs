//! What was asked and what was acknowledged: the book that the installation is held to.

use client::api::partner::{AssignKeyRequest, AssignKeyResponse, Organisation, Package, StoreDataRequest};
use client::api::retail::StoreRequest;
use client::{AttestedKey, RecipientKey};

/// Something acknowledged, which must be in the audit log: the action, and one of the objects it names.
pub type Act = (&'static str, String);

/// One secret of a user.
pub struct Item {
    pub name: String,
    pub secret: Vec<u8>,
    /// Its id, once its store was acknowledged.
    pub backup_id: Option<String>,
}

/// A retail user.
pub struct User {
    pub name: String,
    /// The check that he stores under.
    pub verification: Option<String>,
    pub is_approved: bool,
    pub key: Option<AttestedKey>,
    pub items: Vec<Item>,
    /// Stores whose answer did not come.
    pub unanswered: Vec<StoreRequest>,
    /// A recovery whose answer did not come.
    pub interrupted: Option<Interrupted>,
}

/// A recovery that may have happened.
pub struct Interrupted {
    pub verification: String,
    pub device: RecipientKey,
    /// The items that had been acknowledged when it was asked for: a repeat answers with those, and no later ones.
    pub due: Vec<String>,
}

impl User {
    pub fn new(name: String) -> Self {
        Self {
            name,
            verification: None,
            is_approved: false,
            key: None,
            items: Vec::new(),
            unanswered: Vec::new(),
            interrupted: None,
        }
    }

    pub fn acknowledged(&self) -> usize {
        self.items.iter().filter(|item| item.backup_id.is_some()).count()
    }

    pub fn names_acknowledged(&self) -> Vec<String> {
        let acknowledged = self.items.iter().filter(|item| item.backup_id.is_some());
        acknowledged.map(|item| item.name.clone()).collect()
    }

    /// Files the answer of a store under the items it is about.
    pub fn acknowledge(
        &mut self,
        request: &StoreRequest,
        answer: &client::api::retail::StoreResponse,
    ) -> Vec<Act> {
        assert_eq!(request.backup.len(), answer.backup.len(), "an answer for each item of {}", self.name);
        let mut acts = Vec::new();
        for (asked, stored) in request.backup.iter().zip(&answer.backup) {
            assert_eq!((&asked.item_key, &asked.item_checksum), (&stored.item_key, &stored.checksum));
            let item = self
                .items
                .iter_mut()
                .find(|item| item.name == stored.item_key)
                .expect("an item that was sent");
            let first = item.backup_id.get_or_insert_with(|| stored.backup_id.clone());
            assert_eq!(*first, stored.backup_id, "a repeated store of {} has another id", item.name);
            acts.push(("backup.stored", stored.backup_id.clone()));
        }
        acts
    }
}

/// One key that a partner asked for.
pub struct Assignment {
    pub request: AssignKeyRequest,
    pub state: Assigned,
}

/// What is known of it.
pub enum Assigned {
    /// No answer came.
    Unknown,
    /// It was answered with this key.
    Answered(Box<AssignKeyResponse>),
    /// It was refused as assigned already, after an answer that did not come.
    Taken,
}

impl Assignment {
    /// A request for a key of that kind.
    pub fn new(user: &str, organisation: &str, key_type: &str) -> Self {
        let request = AssignKeyRequest {
            user_identifier: user.to_owned(),
            key_type: Some(key_type.to_owned()),
            key_environment: "HOT".to_owned(),
            organisation: Organisation { customer_id: organisation.to_owned(), customer_name: None },
            package: Package { package_id: "kill-loop".to_owned(), package_name: None },
            sign_with: None,
        };
        Self { request, state: Assigned::Unknown }
    }

    pub fn answered(&self) -> Option<&AssignKeyResponse> {
        match &self.state {
            Assigned::Answered(answer) => Some(answer),
            Assigned::Unknown | Assigned::Taken => None,
        }
    }
}

/// One ciphertext of a partner.
pub struct Stored {
    pub request: StoreDataRequest,
    /// Its id, once its store was acknowledged.
    pub backup_id: Option<String>,
}

/// What one partner's backend has done.
#[derive(Default)]
pub struct Partner {
    pub name: String,
    pub assignments: Vec<Assignment>,
    /// RSA keys, under which data can be stored.
    pub keys: Vec<AttestedKey>,
    pub stored: Vec<Stored>,
}

/// How often things happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub acknowledged: usize,
    pub unanswered: usize,
    pub recoveries: usize,
    pub broken_answers: usize,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.unanswered += other.unanswered;
        self.recoveries += other.recoveries;
        self.broken_answers += other.broken_answers;
    }
}

/// Everything.
#[derive(Default)]
pub struct Book {
    pub users: Vec<User>,
    pub partners: Vec<Partner>,
    pub acts_retail: Vec<Act>,
    pub acts_partner: Vec<Act>,
    pub tally: Tally,
}
