//! A database that was put back from a copy knows less of the ceremonies than the offline enclave does.

use super::*;

/// How the offline enclave ends when it answered another bundle of that number.
const REPLAYED: Option<i32> = Some(7);

async fn the_next_bundle_goes_behind_what_was_answered_last(app: App) {
    hold(&app, &[KeyType::Ed25519]).await;
    let first = std::fs::read(carried(&app).join(ANSWER_FILE)).unwrap();
    let key = cold_key(&app, "user-1").await;
    let item = key.device().item("seed", b"abandon ability able");
    assert_eq!(check_of(&app, &key, &item).await, "unverified-cold");
    // It left and was answered; then the database was put back, to before it left.
    let lost = export(&app, &[]).await;
    let answers = answer(&app, &lost.file);
    let refused = |told: Result<Exported, String>, word: &str| {
        let told = told.unwrap_err();
        assert!(told.contains(word), "{told}");
    };
    refused(export_after(&app, &[], Some(&answers)).await, "can be imported");
    app.place.run("DELETE FROM offline_bundles WHERE answered_at IS NULL");

    let again = export(&app, &[]).await;
    assert_eq!((again.sequence, try_answer(&app, &again.file)), (lost.sequence, Err(REPLAYED)));
    let told = import(&app, &answers).await.unwrap_err();
    assert!(told.contains("--after"), "{told}");

    refused(export_after(&app, &[], Some(&first)).await, "leave --after out");
    for at in (0..answers.len()).step_by(11) {
        let mut bad = answers.clone();
        bad[at] ^= 1;
        export_after(&app, &[], Some(&bad)).await.unwrap_err();
    }
    let next = export_after(&app, &[], Some(&answers)).await.unwrap();
    assert_eq!((next.sequence, next.entries), (lost.sequence + 1, lost.entries), "all is asked for again");
    import(&app, &answer(&app, &next.file)).await.unwrap();
    assert_eq!(app.place.rows("backups WHERE check_state = 'verified'"), 1);
    hold(&app, &[KeyType::Ed25519]).await;
}

#[tokio::test]
async fn the_next_bundle_goes_behind_what_was_answered_last_on_sqlite() {
    Box::pin(the_next_bundle_goes_behind_what_was_answered_last(App::start().await)).await;
}

#[tokio::test]
async fn the_next_bundle_goes_behind_what_was_answered_last_on_postgres() {
    Box::pin(the_next_bundle_goes_behind_what_was_answered_last(App::on_postgres().await)).await;
}
