//! Somebody is invited, by an owner, or as the first owner by whoever runs the installation.

use domain::control::Act;
use domain::ids::{PersonId, TenantId};
use domain::limits::{INVITATION_LIFE, PEOPLE_PER_TENANT_MAX};
use domain::notice::NoticeKind;
use domain::person::{InvitationPurpose, PersonState, Role, parse_email, parse_name};
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;
use store::Tx;
use store::audit::AuditEntry;
use store::invitations::{self, Invitation};
use store::notices::Notice;
use store::people::{self, Person};

use super::change_person::{find_target, permit_owner};
use super::{control, new_token};
use crate::app::App;
use crate::flows::{Ctx, Error, News, notify};

/// Who is to be invited, as it was typed.
pub struct Invitee<'a> {
    /// Where mail reaches him.
    pub email: &'a str,
    /// As he is called.
    pub name: &'a str,
    /// What he is to be.
    pub role: &'a str,
}

/// Somebody has an invitation. Its link exists in this and nowhere else.
#[derive(Debug)]
pub struct Invited {
    /// Who.
    pub person: Person,
    /// What leads him in; none where it goes to him by mail, and so to nobody else.
    pub link: Option<String>,
    /// Until when.
    pub expires_at: Timestamp,
}

/// What is written of a new invitation, and the link to it.
pub(super) struct NewInvitation {
    pub(super) row: Invitation,
    pub(super) mail: Notice,
    link: Option<String>,
}

impl NewInvitation {
    /// The answer to who invited this person.
    pub(super) fn of(self, person: Person) -> Invited {
        Invited { person, link: self.link, expires_at: self.row.expires_at }
    }
}

/// Invites somebody into the tenant of who asks.
pub async fn invite_person(app: &App, ctx: &Ctx, invitee: &Invitee<'_>) -> Result<Invited, Error> {
    ctx.principal.permit_act(Act::Invite)?;
    let person = parse(app, invitee, ctx.now)?;
    let entry = about(ctx.entry(app, "person.invited"), &person);
    let (tenant, actor) = (ctx.principal.tenant.clone(), ctx.principal.person.clone());
    insert(app, tenant, person, entry, move |tx, tenant| permit_owner(tx, tenant, actor.as_ref())).await
}

/// Invites an owner into any tenant, for who runs the installation.
pub async fn invite_owner(
    app: &App,
    tenant: &TenantId,
    invitee: &Invitee<'_>,
    entry: AuditEntry,
) -> Result<Invited, Error> {
    let person = parse(app, invitee, entry.time)?;
    let entry = about(entry, &person);
    insert(app, tenant.clone(), person, entry, |_, _| Ok(())).await
}

/// Gives somebody who has not finished his invitation a new one, in the place of the last.
pub async fn resend_invitation(app: &App, ctx: &Ctx, id: &str) -> Result<Invited, Error> {
    ctx.principal.permit_act(Act::Invite)?;
    let id: PersonId = id.parse().map_err(|_| Refusal::not_found())?;
    let invitation = new_invitation(app, &id, InvitationPurpose::Return, ctx.now)?;
    let entry = AuditEntry { reason: Some(id.to_string()), ..ctx.entry(app, "person.invitation_resent") };
    let (tenant, actor) = (ctx.principal.tenant.clone(), ctx.principal.person.clone());
    let (row, mail) = (invitation.row.clone(), invitation.mail.clone());
    let written = app.db.write("resend_invitation", move |tx| {
        people::of(&tenant).lock_all(tx)?;
        permit_owner(tx, &tenant, actor.as_ref())?;
        let person = find_target(tx, &tenant, &id)?;
        if person.state != PersonState::Invited {
            let text =
                "has an account already, and needs no invitation; after a lost device, let him begin anew";
            return Err(Refusal::new(Kind::Conflict, "not-invited", format!("{} {text}", person.name)).into());
        }
        // Why he was invited does not change with another link.
        let purpose = invitations::find_of(tx, &id)?.map_or(InvitationPurpose::Return, |last| last.purpose);
        store::sessions::delete_all(tx, &id)?;
        invitations::insert_or_replace(tx, &Invitation { purpose, ..row.clone() })?;
        store::notices::of(&tenant).append(tx, &mail)?;
        store::audit::of(&tenant).append(tx, &entry)?;
        Ok::<_, Error>(person)
    });
    Ok(invitation.of(written.await?))
}

/// An invitation that is still to be written.
pub(super) fn new_invitation(
    app: &App,
    id: &PersonId,
    purpose: InvitationPurpose,
    now: Timestamp,
) -> Result<NewInvitation, Error> {
    let token = new_token(app);
    let row = Invitation {
        token_hash: invitation_hash(app, &token),
        person_id: id.clone(),
        purpose,
        created_at: now,
        expires_at: now + INVITATION_LIFE,
    };
    let path = format!("/control/invitation?token={token}");
    let text = format!(
        "You are invited to Control. Open the link, choose a password, and add what you will sign in with. Nobody else \
         needs this link, and it ends {}.",
        row.expires_at.rfc3339()
    );
    let news =
        News { kind: NoticeKind::Invitation, title: "You are invited".to_owned(), text, link: path.clone() };
    let mut mails = notify(app, now, std::slice::from_ref(id), &news)?;
    // Whoever can look at the bell needs it no more.
    let mail = mails.pop().map(|mail| Notice { read_at: Some(now), ..mail });
    let mail = mail.ok_or_else(|| Error::fault("writing an invitation"))?;
    let link = app.mailer.is_none().then_some(format!("{}{path}", control(app)?.origin));
    Ok(NewInvitation { row, mail, link })
}

/// What is kept of an invitation's token.
pub(super) fn invitation_hash(app: &App, token: &str) -> [u8; 32] {
    app.keys.person_hash(&[b"invitation", token.as_bytes()])
}

/// Who is to be invited, with every mistake named.
fn parse(app: &App, invitee: &Invitee<'_>, now: Timestamp) -> Result<Person, Refusal> {
    let (email, name) = (parse_email(invitee.email), parse_name(invitee.name));
    let role = Role::parse(invitee.role);
    let faults = [
        ("email", email.is_none(), "must be an address that a mail can go to"),
        ("name", name.is_none(), "must have 1 to 100 characters on one line"),
        ("role", role.is_none(), "must be one of those offered"),
    ];
    let faults = faults.into_iter().filter(|(_, is_fault, _)| *is_fault);
    let faults = faults.map(|(field, _, text)| (field.to_owned(), vec![text.to_owned()])).collect();
    let (Some(email), Some(name), Some(role)) = (email, name, role) else {
        return Err(Refusal::invalid(faults));
    };
    let id = PersonId::new(now, &mut app.chance());
    Ok(Person { id, email, name, role, state: PersonState::Invited, created_at: now, removed_at: None })
}

fn about(entry: AuditEntry, person: &Person) -> AuditEntry {
    AuditEntry { reason: Some(format!("{} {}", person.id, person.role)), ..entry }
}

async fn insert(
    app: &App,
    tenant: TenantId,
    person: Person,
    entry: AuditEntry,
    permit: impl Fn(&mut Tx<'_>, &TenantId) -> Result<(), Error> + Send + Sync + 'static,
) -> Result<Invited, Error> {
    let invitation = new_invitation(app, &person.id, InvitationPurpose::Join, entry.time)?;
    let (row, new, mail) = (person.clone(), invitation.row.clone(), invitation.mail.clone());
    let written = app.db.write("invite_person", move |tx| {
        let people = people::of(&tenant);
        people.lock_all(tx)?;
        permit(tx, &tenant)?;
        if people.list(tx)?.len() >= PEOPLE_PER_TENANT_MAX {
            let text = format!("{PEOPLE_PER_TENANT_MAX} people are the most");
            return Err(Refusal::new(Kind::Conflict, "too-many-people", text).into());
        }
        if !people.insert(tx, &row)? {
            return Err(
                Refusal::field("email", "is somebody's already, who is invited or has an account").into()
            );
        }
        invitations::insert_or_replace(tx, &new)?;
        store::notices::of(&tenant).append(tx, &mail)?;
        Ok::<_, Error>(store::audit::of(&tenant).append(tx, &entry)?)
    });
    written.await?;
    Ok(invitation.of(person))
}
