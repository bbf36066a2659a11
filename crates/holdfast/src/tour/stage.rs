//! Where the stories are told: steps, calls, and what they prove.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use client::{Client, Exchange};
use serde_json::json;

use super::exchange::{body_lines, parsed};
use crate::failure::{Doing as _, Failure};
use crate::page::Page;

/// Where the stories are told.
pub struct Stage {
    page: Page,
    steps: usize,
    at: AtomicUsize,
    title: Mutex<String>,
    read_before: Arc<ReadBefore>,
}

/// What was read, by its path: the same again is not printed again.
type ReadBefore = Mutex<HashMap<String, String>>;

impl Stage {
    /// For so many steps.
    pub fn new(page: Page, steps: usize) -> Self {
        Self { page, steps, at: AtomicUsize::new(0), title: Mutex::default(), read_before: Arc::default() }
    }

    /// A client whose every exchange is shown.
    pub fn client(&self, base_url: &str, api_key: &str) -> Result<Client, Failure> {
        let (page, read_before) = (self.page, Arc::clone(&self.read_before));
        Client::builder(base_url, api_key)
            .observer(move |exchange| show(page, Some(&read_before), exchange))
            .build()
            .doing(|| "cannot make a client")
    }

    /// Shows what a browser sent and got; of a page only the outline is known, so none is the same as before.
    pub fn exchanged(&self, exchange: &Exchange<'_>) {
        show(self.page, None, exchange);
    }

    /// Begins a story.
    pub fn story(&self, title: &str, about: &str) {
        let page = self.page;
        page.line("");
        page.line(&page.bold(title));
        page.prose("", about);
        page.event("story", json!({ "title": title }));
    }

    /// Begins a step.
    pub fn step(&self, title: &str, why: &str) {
        let page = self.page;
        let at = self.at.fetch_add(1, Ordering::Relaxed) + 1;
        title.clone_into(&mut self.title.lock().unwrap_or_else(PoisonError::into_inner));
        page.line("");
        page.line(&format!("{} {}", page.dim(&format!("[{at}/{}]", self.steps)), page.bold(title)));
        page.prose("  ", why);
        page.event("step", json!({ "step": at, "of": self.steps, "title": title }));
    }

    /// Says what the step proved.
    pub fn proved(&self, text: &str) {
        let page = self.page;
        page.line("");
        for (at, line) in crate::page::wrap(text, 78).into_iter().enumerate() {
            let mark = if at == 0 { page.green("✓") } else { " ".to_owned() };
            page.line(&format!("  {mark} {line}"));
        }
        page.event("proved", json!({ "text": text }));
    }

    /// Shows what happens on the device, where no call is made.
    pub fn on_device(&self, lines: &[(&str, String)]) {
        let page = self.page;
        page.line("");
        let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, value) in lines {
            page.line(format!("    {}  {value}", page.dim(&format!("{name:<width$}"))).trim_end());
        }
    }

    /// Ends the tour.
    pub fn curtain(&self, text: &str) {
        self.page.line("");
        self.page.line(&self.page.green(text));
        self.page.event("tour-ended", json!({ "steps": self.played(), "ok": true }));
    }

    /// How many steps were begun.
    pub fn played(&self) -> usize {
        self.at.load(Ordering::Relaxed)
    }

    /// The failure of the step that was being played.
    pub fn broken(&self, failure: &Failure) -> Failure {
        let title = self.title.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let at = self.played();
        self.page.line("");
        self.page.line(&format!("  {} this step did not go as it should", self.page.red("✗")));
        self.page.event("tour-ended", json!({ "steps": at, "ok": false }));
        Failure::new(format!("the tour ended at step {at} ({title}): {failure}"))
    }
}

fn show(page: Page, read_before: Option<&ReadBefore>, exchange: &Exchange<'_>) {
    if page.is_json() {
        page.event(
            "exchange",
            json!({
                "method": exchange.method,
                "path": exchange.path,
                "request": parsed(exchange.request_body),
                "status": exchange.status,
                "response": parsed(exchange.response_body),
            }),
        );
        return;
    }
    page.line("");
    page.line(&format!("    {}", page.cyan(&format!("{} {}", exchange.method, exchange.path))));
    for (name, value) in exchange.headers {
        page.line(&format!("    {name}: {value}"));
    }
    for line in body_lines(exchange.request_body) {
        page.line(&format!("    {line}"));
    }
    let status = exchange.status.to_string();
    let status = if exchange.status < 400 { page.green(&status) } else { page.red(&status) };
    let is_known = read_before.filter(|_| exchange.method == "GET").is_some_and(|read_before| {
        let mut read_before = read_before.lock().unwrap_or_else(PoisonError::into_inner);
        let body = exchange.response_body.to_owned();
        read_before.insert(exchange.path.to_owned(), body).is_some_and(|body| body == exchange.response_body)
    });
    let lines =
        if is_known { vec!["(the same as before)".to_owned()] } else { body_lines(exchange.response_body) };
    let mut lines = lines.into_iter();
    page.line(&format!("    {} {status} {}", page.dim("->"), lines.next().unwrap_or_default()));
    for line in lines {
        page.line(&format!("    {line}"));
    }
}
