//! A real browser without a window, driven over `WebDriver`: it looks at pages as people do, in the light, in the
//! dark and on a phone, and is asked by axe whether everybody can use what it sees.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Where pictures are left for people to look at.
const PICTURES: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/pictures");
/// Beside the loopback nothing may be asked for: what a browser does by itself would only fail, many times over.
const QUIET: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=Translate,OptimizationHints",
];

/// Of a page that is longer only its beginning is in its picture: the browser makes none of everything.
const PICTURE_HEIGHT_MAX: u64 = 8_000;
/// Tenths of a second until a page says what it should.
const PATIENCE: u32 = 300;

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
        let wanted = json!({ "goog:chromeOptions": { "args": args } });
        let http = reqwest::Client::new();
        let body = json!({ "capabilities": { "alwaysMatch": wanted } });
        let started = ask(&http, Method::POST, &format!("{}/session", self.url), &body).await;
        let id = started["sessionId"].as_str().expect("a session").to_owned();
        let browser = Browser { http, session: format!("{}/session/{id}", self.url), _profile: profile };
        browser.look(Look::Light).await;
        browser
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Its browsers end with it. Whatever failed: nothing stays behind.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// One browser.
pub struct Browser {
    http: reqwest::Client,
    session: String,
    _profile: TempDir,
}

/// Asks the driver; what it says is wrong ends the test.
async fn ask(http: &reqwest::Client, method: Method, url: &str, body: &Value) -> Value {
    let sent = http.request(method.clone(), url);
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

    /// Waits until the page says this.
    pub async fn wait_for(&self, words: &str) {
        for _ in 0..PATIENCE {
            if self.text().await.contains(words) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("{} never says {words:?}: {}", self.url().await, self.text().await);
    }

    /// The link or button with this text.
    pub async fn press(&self, text: &str) {
        let xpath = format!(
            "//*[self::a or self::button or self::summary][contains(normalize-space(.), \"{text}\")]"
        );
        let found = self.command("element", json!({ "using": "xpath", "value": xpath })).await;
        self.command(&format!("element/{}/click", id_of(&found)), json!({})).await;
    }

    /// Runs a script in the page.
    pub async fn run(&self, script: &str) -> Value {
        self.command("execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Looks in this way from now on.
    pub async fn look(&self, look: Look) {
        let scheme = if matches!(look, Look::Dark) { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
        let is_phone = matches!(look, Look::Phone);
        let screen =
            json!({ "width": look.width(), "height": 800, "deviceScaleFactor": 1, "mobile": is_phone });
        self.devtools("Emulation.setDeviceMetricsOverride", screen).await;
    }

    /// Leaves pictures of the whole page, in every way of looking, for people to see.
    pub async fn picture(&self, name: &str) {
        for look in Look::ALL {
            self.look(look).await;
            let height =
                self.run("return document.documentElement.scrollHeight").await.as_u64().unwrap_or(800);
            let height = height.min(PICTURE_HEIGHT_MAX);
            let clip = json!({ "x": 0, "y": 0, "width": look.width(), "height": height, "scale": 1 });
            let whole = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
            let taken = self.devtools("Page.captureScreenshot", whole).await;
            let png = taken["data"].as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
            fs::create_dir_all(PICTURES).expect("a folder for pictures");
            let path = Path::new(PICTURES).join(format!("{name}.{}.png", look.name()));
            fs::write(path, png.expect("a picture")).expect("the picture is kept");
        }
        self.look(Look::Light).await;
    }

    /// What in this page keeps somebody from using it, as axe finds it (WCAG 2.2, A and AA), in every way of looking;
    /// also a page that is wider than a phone.
    pub async fn barriers(&self) -> Vec<String> {
        let mut found = Vec::new();
        for look in Look::ALL {
            self.look(look).await;
            let axe = fs::read_to_string(axe()).expect("axe-core (scripts/test installs it)");
            self.run(&axe).await;
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

    async fn devtools(&self, name: &str, params: Value) -> Value {
        self.command("goog/cdp/execute", json!({ "cmd": name, "params": params })).await
    }

    async fn command(&self, path: &str, body: Value) -> Value {
        ask(&self.http, Method::POST, &format!("{}/{path}", self.session), &body).await
    }
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
