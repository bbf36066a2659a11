//! How much goes out in a time, where the enclave counts it: by its own limits, and by those of a tenant's policy.

use boundary::approval::TenantPolicy;
use rig::policy_of::*;

use super::*;

impl World {
    fn of_user(&mut self, house: &House, user: &str, policies: &[&TenantPolicy]) -> Bundle {
        let key = new_key(&mut self.client, &house.tenant, user);
        let mut bundle = self.case_of(&house.tenant, user, &key).bundle;
        house.bring(&mut bundle);
        bundle.request_signature = Some(jws(&house.signer, r#"{"alg":"ES256"}"#, &House::payload(&bundle)));
        bundle.policies = policies.iter().map(|policy| control::bytes_of(*policy)).collect();
        bundle
    }

    fn is_spent(&mut self, bundle: &Bundle, least_s: u32, refusal: fn(u32) -> Refusal) {
        let reply = bundle.send(&mut self.client);
        let seconds = match &reply {
            Reply::Refused(Refusal::RecoveryLimit(seconds) | Refusal::ReleaseLimit(seconds)) => *seconds,
            other => panic!("{other:?}"),
        };
        assert_eq!(reply, Reply::Refused(refusal(seconds)));
        assert!(seconds > least_s, "{seconds}");
    }
}

#[test]
fn recoveries_of_a_user_are_limited() {
    let mut world = World::of(&Settings::default());
    let first = world.case();
    assert_eq!(world.releases_bundle(&first.bundle), 1);
    for _ in 2..=5 {
        let case = world.case();
        assert_eq!(world.releases_bundle(&case.bundle), 1);
    }
    let case = world.case();
    world.is_spent(&case.bundle, 86_000, Refusal::RecoveryLimit);
    assert_eq!(world.releases_bundle(&first.bundle), 2, "a second delivery is no recovery");
    let recall = Request::Recall(boundary::message::Recall { ticket: first.bundle.ticket.clone() });
    let recalled = expect!(world.enclave.call(&recall), Recalled);
    let released = recalled.deliveries.iter().map(|delivery| delivery.items_released);
    assert_eq!(released.collect::<Vec<_>>(), [Some(2); 2]);
}

#[test]
fn a_policy_limits_a_user_and_all_users_and_raises_nothing_before_its_time() {
    let mut world = World::of(&Settings::default());
    let (house, _) = world.house(|policy| {
        (policy.max_releases_per_hour, policy.max_sessions_per_user_day) = (5, 1);
    });
    let policy = house.policy.clone();
    let user = |world: &mut World, user: &str| world.of_user(&house, user, &[&policy]);
    for name in ["user-1", "user-2", "user-3", "user-4"] {
        let bundle = user(&mut world, name);
        assert_eq!(world.releases_bundle(&bundle), 1);
    }
    let again = user(&mut world, "user-1");
    world.is_spent(&again, 86_000, Refusal::RecoveryLimit);
    let fifth = user(&mut world, "user-5");
    assert_eq!(world.releases_bundle(&fifth), 1);
    let sixth = user(&mut world, "user-6");
    world.is_spent(&sixth, 3_000, Refusal::ReleaseLimit);
    // An Owner's word for more waits as long as the version in force says, whoever brings it along.
    let more = House::next(&policy, |policy| {
        (policy.max_releases_per_hour, policy.max_sessions_per_user_day) = (6, 2);
    });
    let amended = expect!(house.amend(&mut world.client, &more, Some(&policy)), Amended);
    assert!(amended.effective_at_ms > now_ms() + 3_500_000);
    let sixth = world.of_user(&house, "user-6", &[&more, &policy]);
    world.is_spent(&sixth, 3_000, Refusal::ReleaseLimit);
}

#[test]
fn what_a_policy_raises_goes_out_once_it_is_in_force() {
    let mut world = World::of(&Settings::default());
    let (house, _) = world.house(|policy| {
        (policy.change_delay_s, policy.max_sessions_per_user_day) = (0, 1);
    });
    let policy = &house.policy;
    let first = world.of_user(&house, USER, &[policy]);
    assert_eq!(world.releases_bundle(&first), 1);
    let second = world.of_user(&house, USER, &[policy]);
    world.is_spent(&second, 86_000, Refusal::RecoveryLimit);
    let more = House::next(policy, |policy| policy.max_sessions_per_user_day = 2);
    expect!(house.amend(&mut world.client, &more, Some(policy)), Amended);
    world.refuses(&second, &Refusal::ProofFailed, "without the policy in force");
    let second = Bundle { policies: [policy, &more].map(control::bytes_of).into(), ..second };
    assert_eq!(world.releases_bundle(&second), 1);
}
