//! `/docs`: everything that `/openapi.json` describes, to read, from this host alone.

use serde_json::Value;
use testkit::App;

#[tokio::test]
async fn the_page_shows_every_call_and_every_type() {
    let app = App::start().await;
    let document: Value = app.anonymous().get("/openapi.json").await.ok();
    let page = app.anonymous().get("/docs").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let page = page.text();
    for (path, item) in document["paths"].as_object().unwrap() {
        assert!(page.contains(&format!("<code>{path}</code>")), "{path}");
        for operation in item.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(page.contains(&format!("id=\"{id}\"")) && page.contains(&format!("#{id}\"")), "{id}");
        }
    }
    let types = document["components"]["schemas"].as_object().unwrap();
    for name in types.keys() {
        assert!(page.contains(&format!("id=\"type-{name}\"")), "{name}");
    }
    let anchors = page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next());
    for anchor in anchors {
        assert!(page.contains(&format!("id=\"{anchor}\"")), "#{anchor} leads nowhere");
    }
}

#[tokio::test]
async fn the_page_asks_no_other_host_and_runs_nothing() {
    let app = App::start().await;
    let answer = app.anonymous().get("/docs").await;
    let policy = answer.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'self';"), "{policy}");
    let page = answer.text();
    for forbidden in ["<script", "<style", " style=", "src=", "href=\"http", "href=\"//", " on"] {
        let found = page.match_indices(forbidden).filter(|(at, _)| {
            // A word of the prose that begins so is no attribute.
            forbidden != " on"
                || page[*at..].split(['<', '>', ' ']).nth(1).is_some_and(|word| word.contains('='))
        });
        assert_eq!(found.count(), 0, "{forbidden}");
    }
    let style = app.anonymous().get("/static/docs.css").await;
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    let style = style.text();
    assert!(!style.contains("url(") && !style.contains("@import"));
}
