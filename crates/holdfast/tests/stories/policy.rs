//! What a page may not do, whatever gets into it.

use super::stage::Stage;

/// Puts a script into the page, and asks for something from elsewhere.
const INTRUDE: &str = "
    const script = document.createElement('script');
    script.textContent = 'window.intruded = 1';
    document.body.append(script);
    document.body.insertAdjacentHTML('beforeend', '<p id=trap onclick=\"window.intruded = 2\">x</p>');
    document.getElementById('trap').click();
    const image = document.createElement('img');
    image.src = 'http://127.0.0.2:9/x.png';
    document.body.append(image);
    const other = document.createElement('script');
    other.src = 'http://127.0.0.2:9/x.js';
    document.body.append(other);
    return window.intruded || 0;";

#[tokio::test]
async fn what_is_put_into_a_page_does_not_run_and_reaches_nobody() {
    let stage = Stage::new();
    let owner = stage.signed_in("owner@").await;
    for path in ["/control", "/control/team", "/control/acls/new"] {
        owner.go(&stage.at(path)).await;
        assert_eq!(owner.complaints().await, [""; 0], "{path}");
        assert_eq!(owner.run(INTRUDE).await, 0, "{path}");
        let complaints = owner.complaints().await;
        for (directive, what) in [
            ("script-src", "inline script"),
            ("script-src", "inline event handler"),
            ("script-src", "127.0.0.2:9/x.js"),
            ("img-src", "127.0.0.2:9/x.png"),
        ] {
            let found = complaints.iter().any(|told| told.contains(directive) && told.contains(what));
            assert!(found, "{path}, {what}: {complaints:?}");
        }
    }
}
