//! A real browser without a window, driven over `WebDriver`: it looks at pages as people do, in the light, in the
//! dark and on a phone, signs with passkeys of its own, and is asked by axe whether everybody can use what it sees.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use client::api::sandbox::Passkey;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Where pictures are left for people to look at.
const PICTURES: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/pictures");
/// Beside the loopback nothing may be asked for: what a browser does by itself would only fail, many times over.
const QUIET: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-features=Translate,OptimizationHints",
];

/// Pixels, as a desk and a phone about show.
const SCREEN_HEIGHT: u64 = 800;
/// Of a page that is longer only its beginning is in its picture: the browser makes none of everything.
const PICTURE_HEIGHT_MAX: u64 = 8_000;
/// Tenths of a second until a page says what it should.
const PATIENCE: u32 = 300;
/// The driver now and then takes a page that is there for one that still loads; after so many milliseconds it is told.
/// As long it looks for what is to be pressed or filled in.
const PAGE_TIME_MS: u64 = 15_000;
/// A browser that does not answer ends the test, and not the day.
const ANSWER_TIME: Duration = Duration::from_mins(1);

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub enum Look {
    /// On a desk, by day.
    Light,
    /// On a desk, by night.
    Dark,
    /// On a phone.
    Phone,
}

impl Look {
    pub const ALL: [Self; 3] = [Self::Light, Self::Dark, Self::Phone];

    const fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
            Self::Phone => "phone",
        }
    }

    const fn width(self) -> u32 {
        if matches!(self, Self::Phone) { 360 } else { 1_280 }
    }
}

/// The program that starts browsers.
pub struct Driver {
    child: Child,
    url: String,
}

impl Driver {
    pub fn start() -> Self {
        let mut child = Command::new("chromedriver")
            .args(["--port=0", "--log-level=SEVERE"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("chromedriver (Debian: chromium-driver) starts");
        let said = BufReader::new(child.stdout.take().expect("it has an output")).lines();
        let port = said.map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        Self { child, url: format!("http://127.0.0.1:{}", port.expect("it says on which port")) }
    }

    /// A browser of its own: nothing that another one knows, no cookie and no passkey.
    pub async fn browser(&self) -> Browser {
        let profile = tempfile::tempdir().expect("a folder for the profile");
        let own = format!("--user-data-dir={}", profile.path().display());
        let args: Vec<_> = QUIET.iter().map(|&arg| arg.to_owned()).chain([own]).collect();
        let downloads = json!({ "download.default_directory": profile.path().join("downloads"),
            "download.prompt_for_download": false });
        let wanted = json!({ "goog:chromeOptions": { "args": args, "prefs": downloads },
            "timeouts": { "pageLoad": PAGE_TIME_MS, "implicit": PAGE_TIME_MS },
            "goog:loggingPrefs": { "browser": "ALL" }, "webauthn:virtualAuthenticators": true });
        let http = reqwest::Client::new();
        let body = json!({ "capabilities": { "alwaysMatch": wanted } });
        let started = ask(&http, Method::POST, &format!("{}/session", self.url), &body).await;
        let id = started["sessionId"].as_str().expect("a session").to_owned();
        let browser = Browser { http, session: format!("{}/session/{id}", self.url), profile };
        browser.look(Look::Light).await;
        browser
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Its browsers do not end with it, but are of its group. Whatever failed: nothing stays behind.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}

/// One browser.
pub struct Browser {
    http: reqwest::Client,
    session: String,
    profile: TempDir,
}

/// Asks the driver; what it says is wrong ends the test.
async fn ask(http: &reqwest::Client, method: Method, url: &str, body: &Value) -> Value {
    let sent = http.request(method.clone(), url).timeout(ANSWER_TIME);
    let sent = if method == Method::POST { sent.json(body) } else { sent };
    let answer = sent.send().await.expect("the driver answers");
    let (status, mut body): (_, Value) = (answer.status(), answer.json().await.expect("JSON"));
    assert!(status.is_success(), "{method} {url}: {}", body["value"]["message"]);
    body["value"].take()
}

impl Browser {
    /// Opens a page.
    pub async fn go(&self, url: &str) {
        self.command("url", json!({ "url": url })).await;
    }

    /// Where it is.
    pub async fn url(&self) -> String {
        self.run("return location.href").await.as_str().expect("an address").to_owned()
    }

    /// What a person reads on the page.
    pub async fn text(&self) -> String {
        self.run("return document.body.innerText").await.as_str().expect("a text").to_owned()
    }

    /// Waits until it is elsewhere than at this path.
    pub async fn wait_for_exit(&self, path: &str) {
        for _ in 0..PATIENCE {
            if !self.url().await.contains(path) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it stays at {path}");
    }

    /// Waits until the page says this.
    pub async fn wait_for(&self, words: &str) {
        let says = json!({ "script": "return document.body !== null && document.body.innerText.includes(arguments[0])",
            "args": [words] });
        for _ in 0..PATIENCE {
            // A page that is just being left has nothing to say.
            let said = self.http.post(format!("{}/execute/sync", self.session)).json(&says).send().await;
            let said: Value = said.expect("the driver answers").json().await.expect("JSON");
            if said["value"] == true {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{} never says {words:?}: {}", self.url().await, self.text().await);
    }

    /// Opens the page anew until it says this: what is done meanwhile is done without it.
    pub async fn reload_for(&self, words: &str) {
        for _ in 0..PATIENCE {
            if self.text().await.contains(words) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            self.command("refresh", json!({})).await;
        }
        panic!("{} never says {words:?}: {}", self.url().await, self.text().await);
    }

    /// What was reported as wrong since one last asked: scripts that failed, and what the policy forbade.
    pub async fn complaints(&self) -> Vec<String> {
        let entries = self.command("se/log", json!({ "type": "browser" })).await;
        let severe = entries.as_array().expect("a list").iter().filter(|entry| entry["level"] == "SEVERE");
        severe.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The file of this name, once it was downloaded whole.
    pub async fn downloaded(&self, name: &str) -> PathBuf {
        let path = self.profile.path().join("downloads").join(name);
        for _ in 0..PATIENCE {
            if path.exists() {
                return path;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{name} is never there");
    }

    /// Chooses what is sent as `value` from the list under a label.
    pub async fn choose(&self, label: &str, value: &str) {
        let xpath = format!(
            "//label[contains(normalize-space(.), \"{label}\")]/following-sibling::select/option[@value=\"{value}\"]"
        );
        self.click_xpath(&xpath).await;
    }

    /// Types into a field, whatever stood in it.
    pub async fn fill(&self, css: &str, text: &str) {
        let element = self.find(css).await;
        self.command(&format!("element/{element}/clear"), json!({})).await;
        self.command(&format!("element/{element}/value"), json!({ "text": text })).await;
    }

    /// Presses a form's own button.
    pub async fn send(&self, form: &str) {
        let button = self.find(&format!("{form} button")).await;
        self.command(&format!("element/{button}/click"), json!({})).await;
    }

    /// The link or button with this text, as a mouse does: what is hidden or covered cannot be pressed.
    pub async fn press(&self, text: &str) {
        let xpath = format!(
            "//*[self::a or self::button or self::summary][contains(normalize-space(.), \"{text}\")]"
        );
        self.click_xpath(&xpath).await;
    }

    async fn click_xpath(&self, xpath: &str) {
        let found = self.command("element", json!({ "using": "xpath", "value": xpath })).await;
        self.command(&format!("element/{}/click", id_of(&found)), json!({})).await;
    }

    /// Runs a script in the page.
    pub async fn run(&self, script: &str) -> Value {
        self.command("execute/sync", json!({ "script": script, "args": [] })).await
    }

    async fn find(&self, css: &str) -> String {
        id_of(&self.command("element", json!({ "using": "css selector", "value": css })).await)
    }

    /// Looks in this way from now on.
    pub async fn look(&self, look: Look) {
        let scheme = if matches!(look, Look::Dark) { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
        self.screen(look, SCREEN_HEIGHT).await;
    }

    async fn screen(&self, look: Look, height: u64) {
        let is_phone = matches!(look, Look::Phone);
        let screen =
            json!({ "width": look.width(), "height": height, "deviceScaleFactor": 1, "mobile": is_phone });
        self.devtools("Emulation.setDeviceMetricsOverride", screen).await;
    }

    /// Leaves pictures of the whole page, in every way of looking, for people to see.
    pub async fn picture(&self, name: &str) {
        for look in Look::ALL {
            self.look(look).await;
            self.unroll(look).await;
            let url = format!("{}/screenshot", self.session);
            let taken = ask(&self.http, Method::GET, &url, &Value::Null).await;
            fs::create_dir_all(PICTURES).expect("a folder for pictures");
            let path = Path::new(PICTURES).join(format!("{name}.{}.png", look.name()));
            fs::write(path, png_of(&taken)).expect("the picture is kept");
        }
        self.look(Look::Light).await;
    }

    /// A smaller picture by day, so many pixels wide: from where the script says downwards, to where the other says.
    pub async fn part(&self, width: u32, top: &str, end: &str) -> Vec<u8> {
        self.look(Look::Light).await;
        self.unroll(Look::Light).await;
        let pixels = async |script| self.run(script).await.as_u64().expect("a number of pixels");
        let (top, end) = (pixels(top).await, pixels(end).await);
        let whole = Look::Light.width();
        let clip = json!({ "x": 0, "y": top, "width": whole, "height": end - top,
            "scale": f64::from(width) / f64::from(whole) });
        let taken = self.devtools("Page.captureScreenshot", json!({ "clip": clip })).await;
        self.look(Look::Light).await;
        png_of(&taken["data"])
    }

    /// A screen as high as the page: asked to draw beyond its screen, the browser at times never answers.
    async fn unroll(&self, look: Look) {
        let height = self.run("return document.documentElement.scrollHeight").await;
        self.screen(look, height.as_u64().unwrap_or(SCREEN_HEIGHT).min(PICTURE_HEIGHT_MAX)).await;
    }

    /// What in this page keeps somebody from using it, as axe finds it (WCAG 2.2, A and AA), in every way of looking;
    /// also a page that is wider than a phone.
    pub async fn barriers(&self) -> Vec<String> {
        let mut found = Vec::new();
        let axe = fs::read_to_string(axe()).expect("axe-core (scripts/test installs it)");
        self.run(&axe).await;
        for look in Look::ALL {
            self.look(look).await;
            let run = "const done = arguments[arguments.length - 1]; \
                axe.run(document, { resultTypes: ['violations'] }).then(r => done(r.violations), e => done([{ impact: 'serious', id: String(e), nodes: [] }]));";
            let violations = self.command("execute/async", json!({ "script": run, "args": [] })).await;
            for violation in violations.as_array().expect("a list") {
                let impact = violation["impact"].as_str().unwrap_or_default();
                if matches!(impact, "serious" | "critical") {
                    let nodes: Vec<_> =
                        violation["nodes"].as_array().into_iter().flatten().map(node).collect();
                    found.push(format!("{}: {} ({impact}) {nodes:?}", look.name(), violation["id"]));
                }
            }
            let wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth;";
            let over = self.run(wide).await.as_i64().unwrap_or(1);
            if over > 0 {
                found.push(format!("{}: {over} pixels wider than the screen", look.name()));
            }
        }
        self.look(Look::Light).await;
        found
    }

    /// Gives the browser an authenticator that holds this passkey and says yes to whatever it is asked.
    pub async fn hold(&self, passkey: &Passkey) {
        let authenticator = self.authenticator().await;
        let credential = json!({
            "credentialId": passkey.credential_id,
            "isResidentCredential": true,
            "rpId": passkey.rp_id,
            "privateKey": passkey.private_key_pkcs8,
            "userHandle": passkey.user_handle,
            "signCount": passkey.sign_count,
        });
        self.command(&format!("webauthn/authenticator/{authenticator}/credential"), credential).await;
    }

    /// An authenticator without passkeys; its id.
    pub async fn authenticator(&self) -> String {
        let kind = json!({ "protocol": "ctap2", "transport": "internal", "hasResidentKey": true,
            "hasUserVerification": true, "isUserConsenting": true, "isUserVerified": true });
        let made = self.command("webauthn/authenticator", kind).await;
        made.as_str().expect("the authenticator's id").to_owned()
    }

    async fn devtools(&self, name: &str, params: Value) -> Value {
        self.command("goog/cdp/execute", json!({ "cmd": name, "params": params })).await
    }

    async fn command(&self, path: &str, body: Value) -> Value {
        let url = format!("{}/{path}", self.session);
        let sent = self.http.post(&url).json(&body).timeout(ANSWER_TIME).send().await;
        let mut answer: Value = sent.expect("the driver answers").json().await.expect("JSON");
        match answer["value"]["error"].as_str() {
            None => answer["value"].take(),
            // What was clicked is clicked; everything else is only done once the page is there.
            Some("timeout") if path.ends_with("/click") => Value::Null,
            Some("timeout") => ask(&self.http, Method::POST, &url, &body).await,
            Some(_) => panic!("{path}: {}", answer["value"]["message"]),
        }
    }
}

/// The picture that the driver hands over.
fn png_of(taken: &Value) -> Vec<u8> {
    taken.as_str().and_then(|text| BASE64_STANDARD.decode(text).ok()).expect("a picture")
}

/// The name of an element that was found (`WebDriver` §12.2).
fn id_of(found: &Value) -> String {
    found["element-6066-11e4-a52e-4f735466cecf"].as_str().expect("an element").to_owned()
}

/// Where axe is among the modules of Node's.
fn axe() -> PathBuf {
    let modules = std::env::var_os("HOLDFAST_NODE_PATH").expect("HOLDFAST_NODE_PATH (scripts/test sets it)");
    Path::new(&modules).join("axe-core/axe.min.js")
}

/// A finding's place in the page.
fn node(node: &Value) -> String {
    node["target"].to_string()
}
