//! Who may call what, and what an id is worth to whom it does not belong: every route of the served document, walked
//! and compared with `docs/reference/access-matrix.txt`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use boundary::Env;
use domain::access::Deed;
use domain::credential::{ApiKeyText, Scope, TenantKind};
use reqwest::Method;
use serde_json::{Value, json};
use server::edge::chance::SystemChance;
use server::edge::clock::Clock as _;
use testkit::{Actor, Answer, App, Call};

use crate::stage::Stage;

const HEAD: &str = "\
# Who may call what, as the running service answers. A test walks every route of its own document and compares;
# set HOLDFAST_WRITE_REFERENCE=1 at that test to renew.
#
#   +  admitted            -  401: no valid credential     E  401: a key of the other environment
#   s  403: lacks a scope  t  403: a token will not do     p  401: no provider's signature, credentials do not count
#
";

/// A route: method, path, its operation in the document, and the deed that it is, where it needs a credential.
struct Route {
    method: Method,
    path: String,
    operation: Value,
    deed: Option<Deed>,
    /// Whether a production installation serves it too.
    in_production: bool,
}

impl Route {
    fn name(&self) -> String {
        format!("{:<6} {}", self.method.as_str(), self.path)
    }
}

/// Every route of the document of a sandbox; `production` is that of a production installation.
fn routes_of(document: &Value, production: &Value) -> Vec<Route> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let in_production = production["paths"][path][method].is_object();
            let method: Method = method.to_uppercase().parse().unwrap();
            let deed = Deed::of_route(method.as_str(), path);
            found.push(Route {
                method,
                path: path.clone(),
                operation: operation.clone(),
                deed,
                in_production,
            });
        }
    }
    found
}

/// Whoever calls: what his credential is, and how he shows it.
struct Face {
    what: String,
    actor: Actor,
    /// Shown as a bearer value instead of as a key.
    token: Option<String>,
    /// Only at routes whose deed needs this scope, if one is named.
    lacks: Option<Scope>,
}

impl Face {
    fn key(what: impl Into<String>, actor: Actor) -> Self {
        Self { what: what.into(), actor, token: None, lacks: None }
    }

    fn call(&self, method: &Method, path: &str) -> Call {
        match &self.token {
            Some(token) => {
                let call = self.actor.with_key(None).call(method, path);
                call.header("authorization", &format!("Bearer {token}"))
            }
            None => self.actor.call(method, path),
        }
    }
}

async fn token_of(actor: &Actor) -> String {
    let answer = actor.post("/v1/auth/token", &Value::Null).await.ok();
    answer["token"].as_str().unwrap().to_owned()
}

/// Those whose credential is no good, each for another reason.
async fn strangers(app: &App, tenant: &Actor) -> Vec<Face> {
    let unknown = ApiKeyText::new(Env::Sandbox, &mut SystemChance);
    let other = ApiKeyText::new(Env::Production, &mut SystemChance);
    let expiry = app.clock.now() + Duration::from_mins(1);
    let expired = app.new_credential(tenant, Scope::ALL, Some(expiry)).await;
    let revoked = app.new_credential(tenant, Scope::ALL, None).await;
    let mut token = Face::key("a token of a revoked key", revoked.clone());
    token.token = Some(token_of(&revoked).await);
    for valid in [&expired, &revoked] {
        valid.get("/v1/audit").await.ok();
    }
    app.clock.advance(Duration::from_mins(1));
    app.revoke(&revoked).await;
    let with = |key: &str| tenant.with_key(Some(key));
    vec![
        Face::key("no credential", app.anonymous()),
        Face::key("a malformed one", with("let me in")),
        Face::key("an unknown one", with(unknown.expose())),
        Face::key("an expired one", expired),
        Face::key("a revoked one", revoked),
        token,
        Face::key("one of the other environment", with(other.expose())),
    ]
}

/// Those with a valid credential.
async fn callers(app: &App, tenant: &Actor) -> Vec<Face> {
    let mut callers = Vec::new();
    for scope in Scope::ALL {
        let actor = app.new_credential(tenant, &[*scope], None).await;
        callers.push(Face::key(format!("only `{scope}`"), actor));
    }
    for scope in Scope::ALL {
        let rest: Vec<_> = Scope::ALL.iter().copied().filter(|other| other != scope).collect();
        let actor = app.new_credential(tenant, &rest, None).await;
        let token = Some(token_of(&actor).await);
        let what = "every scope but the one needed";
        callers.push(Face { lacks: Some(*scope), ..Face::key(what, actor.clone()) });
        callers.push(Face { lacks: Some(*scope), token, ..Face::key("a token of the same", actor) });
    }
    let all = app.new_credential(tenant, Scope::ALL, None).await;
    let token = Some(token_of(&all).await);
    callers.push(Face { token, ..Face::key("a token of every scope", all) });
    for kind in TenantKind::ALL {
        let actor = app.new_tenant(*kind, Scope::ALL).await;
        callers.push(Face::key(format!("every scope, {kind}"), actor));
    }
    callers
}

/// One character for how a call was met.
fn mark(answer: &Answer) -> char {
    if answer.status != 401 && answer.status != 403 {
        return '+';
    }
    let code = answer.json()["code"].as_str().unwrap().to_owned();
    match (answer.status, code.as_str()) {
        (401, "unauthenticated") => '-',
        (401, "wrong-environment") => 'E',
        (401, "event-not-authentic") => 'p',
        (403, "scope-missing") => 's',
        (403, "api-key-needed") => 't',
        _ => unreachable!("{}", answer.text()),
    }
}

/// What each caller may do: a line for each route, a column for each kind of credential.
async fn credentials(app: &App, routes: &[Route], text: &mut String) {
    let tenant = app.new_tenant(TenantKind::Partner, Scope::ALL).await;
    let (strangers, callers) = (strangers(app, &tenant).await, callers(app, &tenant).await);
    let faces: Vec<_> = strangers.iter().chain(&callers).collect();
    let mut columns: Vec<&str> = Vec::new();
    for face in &faces {
        if !columns.contains(&face.what.as_str()) {
            columns.push(&face.what);
        }
    }
    for (letter, column) in ('a'..).zip(&columns) {
        writeln!(text, "#   {letter}  {column}").unwrap();
    }
    let letters: Vec<_> = ('a'..).take(columns.len()).map(String::from).collect();
    writeln!(text, "\n{:<68} {:<12} {}", "route", "scope", letters.join(" ")).unwrap();
    for route in routes {
        let scope = route.deed.and_then(Deed::scope);
        let mut marks = Vec::new();
        for column in &columns {
            // Where no scope is needed, none is lacking.
            let fits =
                |face: &&&Face| face.what == *column && face.lacks.is_none_or(|lacks| Some(lacks) == scope);
            let mark = match faces.iter().find(fits) {
                // Without a body: who may not is told so before it is looked at.
                Some(face) => {
                    mark(&face.call(&route.method, &route.path.replace(['{', '}'], "")).send().await)
                }
                None => ' ',
            };
            marks.push(mark.to_string());
        }
        let scope = match (route.deed, scope) {
            (None, _) => "-",
            (_, None) => "any",
            (_, Some(scope)) => scope.as_str(),
        };
        let place = if route.in_production { "" } else { "  sandbox only" };
        writeln!(text, "{:<68} {scope:<12} {}{place}", route.name(), marks.join(" ")).unwrap();
    }
}

/// Whose a name is that calls mention: ours, given out by the service, or of the tenant's own choice.
enum Name {
    Ours,
    Chosen,
}

fn name_of(field: &str) -> Option<Name> {
    match field {
        "user_identifier" | "customer_id" | "package_id" => Some(Name::Chosen),
        "id" | "public_key" | "cursor" => Some(Name::Ours),
        _ => field.ends_with("_id").then_some(Name::Ours),
    }
}

/// Where a call mentions what belongs to somebody.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    part: &'static str,
    field: String,
}

/// Every place of a call where an id stands that the service gave out, or a name by which a list is filtered.
fn places(document: &Value, route: &Route) -> BTreeSet<Place> {
    let mut found = BTreeSet::new();
    for parameter in route.operation["parameters"].as_array().into_iter().flatten() {
        let field = parameter["name"].as_str().unwrap().to_owned();
        let part = match parameter["in"].as_str().unwrap() {
            "path" => "path",
            "query" => "query",
            _ => continue,
        };
        if name_of(&field).is_some() {
            found.insert(Place { part, field });
        }
    }
    for (_, content) in route.operation["requestBody"]["content"].as_object().into_iter().flatten() {
        let reference = content["schema"]["$ref"].as_str().unwrap_or_default();
        let schema = document.pointer(reference.trim_start_matches('#')).unwrap_or(&content["schema"]);
        for field in schema["properties"].as_object().into_iter().flat_map(|members| members.keys()) {
            // A name of the tenant's choice in a body makes something new, or is the tenant's by its credential.
            if matches!(name_of(field), Some(Name::Ours)) {
                found.insert(Place { part: "body", field: field.clone() });
            }
        }
    }
    found
}

/// The call of a route by the tenant on the stage, with `value` at the place.
async fn with(stage: &Stage, route: &Route, place: &Place, value: &str) -> Answer {
    let is_path = place.part == "path";
    let encoded: String = value.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").unwrap();
        }
        text
    });
    let other = is_path.then_some((place.field.as_str(), encoded.as_str()));
    let mut path = stage.path(&route.path, other).await;
    if place.part == "query" {
        write!(path, "?{}={encoded}", place.field).unwrap();
    }
    let call = stage.actor.call(&route.method, &path);
    let other = (place.part == "body").then_some((place.field.as_str(), value));
    stage.send(call, &route.path, &route.operation["requestBody"], other).await
}

/// A value that is right in form and that nobody has.
fn unknown(field: &str, own: &str) -> String {
    // A cursor that somebody made up; an id that differs in what is chance.
    let at = if field == "cursor" { 0 } else { own.len() - 1 };
    let other = if own.as_bytes()[at] == b'0' { "1" } else { "0" };
    format!("{}{other}{}", &own[..at], &own[at + 1..])
}

/// Whether a list, of either form, has nothing in it.
fn is_empty(answer: &Answer) -> bool {
    let is_lines = answer.header("content-type") == "application/x-ndjson";
    if is_lines { answer.body.is_empty() } else { answer.json()["data"] == json!([]) }
}

fn shown(answer: &Answer, field: &str) -> String {
    match answer.status {
        // Where a list goes on after an id of others is chance.
        200 if field != "cursor" && is_empty(answer) => "200 nothing".to_owned(),
        200 | 204 => answer.status.to_string(),
        status => format!("{status} {}", answer.json()["code"].as_str().unwrap()),
    }
}

/// What ids are worth: a line for each place of each route that takes one.
async fn ids(app: &App, document: &Value, routes: &[Route]) -> String {
    let tenant = |kind| app.new_tenant(kind, Scope::ALL);
    let own = Stage::set(app, tenant(TenantKind::Partner).await, "user-1").await;
    let foreign = Stage::set(app, tenant(TenantKind::Retail).await, "user-2").await;
    let before = foreign.shown().await;
    let mut walked: Vec<_> = routes.iter().filter(|route| route.deed.is_some()).collect();
    // What ends a thing for good comes after all that needs it.
    let ends = |route: &&Route| route.method == Method::DELETE && !route.path.contains("backup");
    walked.sort_by_key(ends);
    let mut lines = Vec::new();
    for route in walked {
        for place in places(document, route) {
            let field = place.field.as_str();
            let text_of = |value: Option<Value>| {
                let value = value.unwrap_or_else(|| unreachable!("no {field} for {}", route.name()));
                value.as_str().unwrap_or_else(|| unreachable!("{field}: {value}")).to_owned()
            };
            let mine = text_of(own.value(&route.path, field).await);
            let theirs = text_of(foreign.value(&route.path, field).await);
            let is_path = place.part == "path";
            let strange = with(&own, route, &place, &theirs).await;
            let nobodys = with(&own, route, &place, &unknown(field, &mine)).await;
            let malformed = with(&own, route, &place, if is_path { "x'; --" } else { "\u{1}" }).await;
            let line = format!("{:<61} {:<6} {:<16}", route.name(), place.part, field);
            for name in foreign.names().filter(|name| **name != theirs) {
                assert!(!strange.text().contains(name), "{line}: {}", strange.text());
            }
            if strange.status != 200 {
                assert_eq!(strange.face(), nobodys.face(), "{line}: foreign is as unknown");
            }
            if [strange.status, malformed.status] == [404, 404] {
                assert_eq!(strange.face(), malformed.face(), "{line}: foreign is as malformed");
            }
            let answer = with(&own, route, &place, &mine).await;
            assert!(![400, 401, 403, 404].contains(&answer.status), "{line}: {}", answer.text());
            let cells = [&answer, &strange, &nobodys, &malformed].map(|answer| shown(answer, field));
            let cells: Vec<_> = cells.iter().map(|cell| format!("{cell:<22}")).collect();
            lines.push(format!("{line} {}", cells.join(" ").trim_end()));
        }
    }
    assert_eq!(foreign.shown().await, before, "nothing of the other tenant's has changed");
    lines.sort();
    let columns = ["own", "another tenant's", "unknown", "malformed"].map(|cell| format!("{cell:<22}"));
    let head = format!("\n{:<61} {:<6} {:<16} {}", "route", "in", "id", columns.join(" ").trim_end());
    lines.insert(0, head);
    lines.join("\n") + "\n"
}

#[tokio::test]
async fn every_route_is_in_the_matrix_and_answers_as_it_says() {
    let app = App::start().await;
    let document = app.anonymous().get("/openapi.json").await.ok();
    let production = App::production().await.anonymous().get("/openapi.json").await.ok();
    let routes = routes_of(&document, &production);
    for route in routes.iter().filter(|route| route.operation["security"].is_array()) {
        assert!(route.deed.is_some(), "{} needs a credential and is no deed", route.name());
    }
    for deed in Deed::ALL {
        let (method, path) = deed.route();
        let is_served = routes.iter().any(|route| route.method == *method && route.path == path);
        assert!(is_served, "{deed} is no route: {method} {path}");
    }
    let mut text = HEAD.to_owned();
    // First, since the other moves the clock on.
    let ids = ids(&app, &document, &routes).await;
    credentials(&app, &routes, &mut text).await;
    text.push_str(&ids);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/access-matrix.txt");
    if std::env::var_os("HOLDFAST_WRITE_REFERENCE").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    for (now, then) in text.lines().zip(committed.lines()) {
        assert_eq!(now, then, "set HOLDFAST_WRITE_REFERENCE=1 to renew");
    }
    assert_eq!(text.lines().count(), committed.lines().count(), "set HOLDFAST_WRITE_REFERENCE=1 to renew");
}
