//! Rows rewritten as the database's superuser, and then the public API asked for what they say.

use testkit::Actor;

use crate::world::{Attack, World};

/// Asks over HTTP for a recovery to the attacker's certificate.
fn recover(world: &mut World, user: &str, inquiry: &str) {
    let certificate = String::from_utf8(world.thief.clone()).unwrap();
    let answer = world.wait(world.retail.recover(user, inquiry, &certificate));
    // An answer may well say that nothing could be released.
    world.take(&answer);
}

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "set an inquiry APPROVED in the database",
        without: "",
        run: |world| {
            let user = world.victim().user;
            let inquiry = world.begin_check(&user, None);
            world.sql(&format!(
                "UPDATE verifications SET state = 'APPROVED', approved_at = updated_at WHERE id = '{inquiry}'"
            ));
            recover(world, &user, &inquiry);
            false
        },
    },
    Attack {
        name: "give a new inquiry the admission of an old one in the database",
        without: "4 admission is not this session's,4 inquiry",
        run: |world| {
            let case = world.case(true);
            let inquiry = world.begin_check(&case.user, None);
            world.sql(&format!(
                "UPDATE verifications SET state = 'APPROVED', approved_at = updated_at, \
                 admission = (SELECT admission FROM verifications WHERE id = '{}') WHERE id = '{inquiry}'",
                case.inquiry
            ));
            recover(world, &case.user, &inquiry);
            false
        },
    },
    Attack {
        name: "take the fingerprint of the opening out of the database",
        without: "9 session names another fingerprint",
        run: |world| {
            let case = world.case(true);
            world.sql(&format!(
                "UPDATE verifications SET gpg_fingerprint = NULL WHERE id = '{}'",
                case.inquiry
            ));
            recover(world, &case.user, &case.inquiry);
            false
        },
    },
    Attack {
        name: "have a credential of one's own for the victim's tenant, by a row",
        without: "9 session names another fingerprint",
        run: |world| {
            let case = world.case(true);
            world.sql(&format!(
                "UPDATE verifications SET gpg_fingerprint = NULL WHERE id = '{}'",
                case.inquiry
            ));
            let scopes = domain::credential::Scope::ALL;
            let of: Actor = world.retail.clone();
            let minted = world.wait(world.app.new_credential(&of, scopes, None));
            let certificate = String::from_utf8(world.thief.clone()).unwrap();
            let answer = world.wait(minted.recover(&case.user, &case.inquiry, &certificate));
            world.take(&answer);
            false
        },
    },
    Attack {
        name: "make the victim's items one's own in the database",
        without: "8 key is another user's,8 digest is not the intent's,5 no approval of the same person for the session the item was stored under",
        run: |world| {
            let case = world.case(true);
            let own = world.mallory().user.clone();
            let inquiry = world.begin_check(&own, None);
            world.pass(&inquiry);
            let of = |user: &str| format!("(SELECT id FROM users WHERE user_identifier = '{user}')");
            world.sql(&format!(
                "UPDATE customer_keys SET user_id = {0} WHERE id = '{1}'; UPDATE backups SET user_id = {0} WHERE key_id = '{1}'",
                of(&own), case.stored.key_id
            ));
            recover(world, &own, &inquiry);
            world.sql(&format!(
                "UPDATE customer_keys SET user_id = {0} WHERE id = '{1}'; UPDATE backups SET user_id = {0} WHERE key_id = '{1}'",
                of(&case.user), case.stored.key_id
            ));
            false
        },
    },
    Attack {
        name: "make one's own approved inquiry the victim's in the database",
        without: "2 user,8 key is another user's,8 digest is not the intent's,5 no approval of the same person for the session the item was stored under",
        run: |world| {
            let case = world.case(true);
            let own = world.mallory().user.clone();
            let inquiry = world.begin_check(&own, None);
            world.pass(&inquiry);
            world.sql(&format!(
                "UPDATE verifications SET user_id = (SELECT id FROM users WHERE user_identifier = '{}') WHERE id = '{inquiry}'",
                case.user
            ));
            recover(world, &case.user, &inquiry);
            false
        },
    },
    Attack {
        name: "play the simulator in production",
        without: "",
        run: |world| {
            let user = world.victim().user;
            let inquiry = world.begin_check(&user, None);
            let answer = world.wait(world.retail.simulate(&inquiry, "approve_inquiry"));
            let taken = world.take(&answer) == 200;
            let body = serde_json::json!({"user_identifier": user});
            let call = world.retail.call(&reqwest::Method::POST, "/v1/verification/start");
            let answer = world.wait(call.header("x-override-status", "approve_inquiry").json(&body).send());
            world.take(&answer);
            recover(world, &user, &inquiry);
            taken
        },
    },
    Attack {
        name: "read every row of the database",
        without: "",
        run: |world| {
            world.read_database();
            false
        },
    },
];
