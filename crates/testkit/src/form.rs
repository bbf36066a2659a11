//! Forms with a file, byte by byte as a test wants them.

use serde_json::Value;

use crate::actor::Given;

/// A `multipart/form-data` body that grows part by part.
#[derive(Clone)]
pub struct Form {
    boundary: String,
    body: Vec<u8>,
}

impl Form {
    /// An empty one. Each has this boundary between its parts.
    pub fn new(boundary: &str) -> Self {
        Self { boundary: boundary.to_owned(), body: Vec::new() }
    }

    /// A key, a file under it, and metadata unless it is null.
    pub fn of(key: &Given, file: &[u8], metadata: &Value) -> Self {
        let form = Self::new("----holdfast").text("public_key", &key.public_key).file(file);
        if metadata.is_null() { form } else { form.text("metadata", &metadata.to_string()) }
    }

    /// A part with these header lines.
    #[must_use]
    pub fn part(mut self, headers: &str, contents: &[u8]) -> Self {
        self.body.extend_from_slice(format!("--{}\r\n{headers}\r\n\r\n", self.boundary).as_bytes());
        self.body.extend_from_slice(contents);
        self.body.extend_from_slice(b"\r\n");
        self
    }

    /// A part of text.
    #[must_use]
    pub fn text(self, name: &str, text: &str) -> Self {
        self.part(&format!("Content-Disposition: form-data; name=\"{name}\""), text.as_bytes())
    }

    /// The part `file`.
    #[must_use]
    pub fn file(self, contents: &[u8]) -> Self {
        let headers = "Content-Disposition: form-data; name=\"file\"; filename=\"wallet.enc\"\r\n\
            Content-Type: application/octet-stream";
        self.part(headers, contents)
    }

    /// Its content type.
    pub fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// The body without its end.
    pub fn open(&self) -> Vec<u8> {
        self.body.clone()
    }

    /// The whole body.
    pub fn whole(&self) -> Vec<u8> {
        [&self.body[..], format!("--{}--\r\n", self.boundary).as_bytes()].concat()
    }
}
