//! Tells the owners that one of those who decide came, went or begins anew, and the person whom it is about, be he out by
//! then: an owner alone can do that, and what needs two of them waits for those who are told ([`domain::owners`]).

use domain::ids::{PersonId, TenantId};
use domain::notice::NoticeKind;
use domain::person::{PersonState, Role};
use domain::time::Timestamp;
use store::notices::Notice;
use store::people::{self, Person};
use store::{StoreError, Tx};

use crate::app::App;
use crate::flows::{Error, News, notify_each};

/// What they are told, for the transaction of what it is about.
pub(super) struct Told(Vec<Notice>);

impl Told {
    /// Of a change of this person.
    pub(super) async fn of(
        app: &App,
        now: Timestamp,
        tenant: &TenantId,
        about: &PersonId,
    ) -> Result<Self, Error> {
        let (owner, id) = (tenant.clone(), about.clone());
        let found = app.db.read("find_person", move |rx| people::of(&owner).find(rx, &id));
        let found = found.await.map_err(|error: StoreError| Error::from(error))?;
        let name = found.map(|person| person.name).unwrap_or_default();
        let news = News {
            kind: NoticeKind::OwnersChanged,
            title: format!("Who decides in the account changed: {name}"),
            text: format!(
                "{name} became an owner, was given another role or taken out, or begins anew after a lost device. The \
                 team and the log say which. If that is not right, tell whoever runs this service at once."
            ),
            link: "/control/team".to_owned(),
        };
        let is_owner = |person: &Person| person.state == PersonState::Active && person.role == Role::Owner;
        let is_meant = |person: &Person| is_owner(person) || person.id == *about;
        Ok(Self(notify_each(app, now, tenant, &news, is_meant).await?))
    }

    /// Tells them.
    pub(super) fn append(&self, tx: &mut Tx<'_>, tenant: &TenantId) -> Result<(), StoreError> {
        self.0.iter().try_for_each(|notice| store::notices::of(tenant).append(tx, notice))
    }
}
