//! The test plan of a retail integration: each simulated action, and what it leads to.

use serde_json::json;

use super::{Row, row};
use crate::conformance::stage::{SIMULATE, STATUS};
use crate::conformance::verdict::Played;
use crate::conformance::world::{Need, World};

const NEEDS: &[Need] = &[Need::Retail, Need::Sandbox];

pub const ROWS: &[Row] = &[
    row("plan.start", "start_inquiry: PENDING, status pending", NEEDS, |w| {
        reaches(w, "start_inquiry", "PENDING", "pending")
    }),
    row("plan.complete", "complete_inquiry: COMPLETED, status pending", NEEDS, |w| {
        reaches(w, "complete_inquiry", "COMPLETED", "pending")
    }),
    row("plan.fail", "fail_inquiry: FAILED, status declined", NEEDS, |w| {
        reaches(w, "fail_inquiry", "FAILED", "declined")
    }),
    row("plan.expire", "expire_inquiry: EXPIRED, status declined", NEEDS, |w| {
        reaches(w, "expire_inquiry", "EXPIRED", "declined")
    }),
    row("plan.review", "mark_for_review_inquiry: NEEDS_REVIEW, status review", NEEDS, |w| {
        reaches(w, "mark_for_review_inquiry", "NEEDS_REVIEW", "review")
    }),
    row("plan.approve", "approve_inquiry: APPROVED, status approved", NEEDS, |w| {
        reaches(w, "approve_inquiry", "APPROVED", "approved")
    }),
    row("plan.decline", "decline_inquiry: DECLINED, status declined", NEEDS, |w| {
        reaches(w, "decline_inquiry", "DECLINED", "declined")
    }),
    row("plan.passed", "create_passed_verification records a check and leaves the state", NEEDS, |w| {
        reaches(w, "create_passed_verification", "CREATED", "pending")
    }),
    row("plan.failed", "create_failed_verification records a check and leaves the state", NEEDS, |w| {
        reaches(w, "create_failed_verification", "CREATED", "pending")
    }),
    row("plan.step-by-step", "an inquiry goes forward a step at a time", NEEDS, step_by_step),
    row("plan.review.approved", "an inquiry in review is approved by a second event", NEEDS, review_approved),
    row("plan.backward", "sideways or backward is 409, and nothing changes", NEEDS, backward),
    row("plan.final", "what is approved, declined, failed or expired stays so", NEEDS, final_states),
    row("plan.fields", "an action that is none is 400; without a check too", NEEDS, fields),
    row("plan.unknown", "an unknown check is 404", NEEDS, unknown),
    row("plan.close-window", "close_window ends an approval's windows, once", NEEDS, close_window),
];

fn is_now(w: &World, check: &str, inquiry: &str, status: &str) -> Played {
    let now = w.retail().get(&format!("{STATUS}{check}")).expect(200)?;
    now.is("/inquiry_status", inquiry)?.is("/status", status).map(drop)
}

fn reaches(w: &World, action: &str, inquiry: &str, status: &str) -> Played {
    let check = w.check(&w.name("user"))?;
    let done = w.simulate(&check, action).expect(200)?;
    done.is("/ok", true)?.is("/inquiryId", check.as_str())?;
    is_now(w, &check, inquiry, status)
}

fn step_by_step(w: &World) -> Played {
    let check = w.check(&w.name("user"))?;
    for (action, inquiry, status) in [
        ("start_inquiry", "PENDING", "pending"),
        ("complete_inquiry", "COMPLETED", "pending"),
        ("approve_inquiry", "APPROVED", "approved"),
    ] {
        w.simulate(&check, action).expect(200)?;
        is_now(w, &check, inquiry, status)?;
    }
    Ok(())
}

fn review_approved(w: &World) -> Played {
    let check = w.check_as(&w.name("user"), "mark_for_review_inquiry")?;
    w.simulate(&check, "approve_inquiry").expect(200)?;
    is_now(w, &check, "APPROVED", "approved")
}

fn backward(w: &World) -> Played {
    let check = w.check_as(&w.name("user"), "complete_inquiry")?;
    for action in ["start_inquiry", "complete_inquiry"] {
        w.simulate(&check, action).refused(409, "inquiry-state")?;
    }
    is_now(w, &check, "COMPLETED", "pending")
}

fn final_states(w: &World) -> Played {
    for (action, inquiry, status) in [
        ("approve_inquiry", "APPROVED", "approved"),
        ("decline_inquiry", "DECLINED", "declined"),
        ("fail_inquiry", "FAILED", "declined"),
        ("expire_inquiry", "EXPIRED", "declined"),
    ] {
        let check = w.check_as(&w.name("user"), action)?;
        for late in ["approve_inquiry", "decline_inquiry", "start_inquiry", "create_passed_verification"] {
            w.simulate(&check, late).refused(409, "inquiry-state")?;
        }
        is_now(w, &check, inquiry, status)?;
    }
    Ok(())
}

fn fields(w: &World) -> Played {
    let check = w.check(&w.name("user"))?;
    w.simulate(&check, "approve").faults(&["action"])?;
    w.retail().post(SIMULATE, &json!({"action": "approve_inquiry"})).faults(&["verification_id"]).map(drop)
}

fn unknown(w: &World) -> Played {
    w.simulate("inq_unknown", "approve_inquiry").refused(404, "not-found").map(drop)
}

fn close_window(w: &World) -> Played {
    let check = w.approved(&w.name("user"))?;
    w.simulate(&check, "close_window").expect(200)?;
    w.simulate(&check, "close_window").refused(409, "inquiry-state").map(drop)
}
