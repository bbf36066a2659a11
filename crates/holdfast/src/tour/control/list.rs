//! The owner says who decides: the owners' roster, a list of three, and the key under it.

use super::{Kept, People};
use crate::failure::Failure;
use crate::tour::browser::Browser;
use crate::tour::stage::Stage;

/// How many steps it takes.
pub const STEPS: usize = 4;

const OWNERS: &str = "/control/acls/owners";

/// Signs for the owners where nobody has, makes a list and puts the key under it.
pub async fn make(stage: &Stage, people: &mut People<'_>, name: &str, kept: &Kept) -> Result<(), Failure> {
    stage.step(
        "Olivia signs in",
        "A password alone opens nothing: the second half is a passkey. A real one never lets its private key go; the \
         sandbox's are of software, so that a tour can use them.",
    );
    people.owner.sign_in().await?;
    stage.proved(
        "She is in, by two factors. Her session is a cookie; each form brings back a word of its own.",
    );
    sign_for_owners(stage, &mut people.owner).await?;
    let list = make_list(stage, people, name).await?;
    attach(stage, &mut people.owner, &list, &kept.key_id).await
}

/// The enclave believes the first roster, and after it only what one of those on it signs.
async fn sign_for_owners(stage: &Stage, owner: &mut Browser<'_>) -> Result<(), Failure> {
    stage.step(
        "Who may make lists: the owners' roster",
        "The enclave takes no administrator's word for who the owners are. An owner signs for them and their passkeys \
         once; from then on every change needs the signature of one who is on record.",
    );
    let page = owner.open(OWNERS).await?;
    if page.hidden("document").is_err() {
        stage.proved("A sandbox's owners are on record from its start, and nothing has changed since.");
        return Ok(());
    }
    let signed = owner.sign_page(&page, OWNERS).await?;
    owner.follow(&signed).await?;
    stage.proved("Signed by Olivia's passkey and checked by the enclave, which remembers it from now on.");
    Ok(())
}

/// Makes the list: where it is.
async fn make_list(stage: &Stage, people: &mut People<'_>, name: &str) -> Result<String, Failure> {
    stage.step(
        "Make a list of three, two of whom must agree",
        "Olivia fills in the form: Olivia, Mara and Milo vote, two must say yes, whoever asks proves who he is. What \
         she then signs is the whole list, to the letter, with everybody's passkeys in it.",
    );
    let form = people.owner.open("/control/acls/new").await?;
    let emails = [people.owner.email(), people.asking.email(), people.voting.email()];
    let seats = emails.iter().map(|email| form.seat_of(email)).collect::<Result<Vec<_>, _>>()?;
    let mut fields = vec![
        ("action", "go"),
        ("name", name),
        ("rule", "exact"),
        ("number", "2"),
        ("window_days", "7"),
        ("delay_hot_hours", "0"),
        ("delay_cold_hours", "0"),
        ("check_requester", "yes"),
    ];
    fields.extend(seats.iter().map(|seat| (seat.as_str(), "normal")));
    let page = people.owner.submit("/control/acls/new", &fields).await?;
    let made = people.owner.sign_page(&page, "/control/acls").await?;
    let list = made.location()?.to_owned();
    people.owner.follow(&made).await?;
    stage.proved(
        "The list is signed, and the enclave keeps its hash. A changed row in the database makes no other list of \
         it: a later version needs the votes of its members.",
    );
    Ok(list)
}

async fn attach(stage: &Stage, owner: &mut Browser<'_>, list: &str, key_id: &str) -> Result<(), Failure> {
    stage.step(
        "Put the key under the list",
        "From now on the list guards the key, and with it every backup that it opens. This is for good.",
    );
    let page = owner.submit(&format!("{list}/attach"), &[("keys", key_id)]).await?;
    let attached = owner.sign_page(&page, &format!("{list}/attached")).await?;
    owner.follow(&attached).await?;
    stage.proved(
        "The enclave remembers which list guards the key, and releases it on that list's word alone.",
    );
    Ok(())
}
