//! A form with a file in it (RFC 7578), as a store of a file takes it.

const BOUNDARY: &str = "holdfast-conformance-boundary";

/// The content type of such a form.
pub const FORM: &str = "multipart/form-data; boundary=holdfast-conformance-boundary";

/// A form that grows a part at a time.
#[derive(Clone, Default)]
pub struct Form(Vec<u8>);

impl Form {
    /// With a part of text.
    pub fn text(self, name: &str, value: &str) -> Self {
        self.part(&format!("name=\"{name}\""), "", value.as_bytes())
    }

    /// With the part `file`, of this content type.
    pub fn file(self, content_type: &str, bytes: &[u8]) -> Self {
        let kind = format!("Content-Type: {content_type}\r\n");
        self.part("name=\"file\"; filename=\"backup.bin\"", &kind, bytes)
    }

    fn part(mut self, about: &str, more: &str, bytes: &[u8]) -> Self {
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {about}\r\n{more}\r\n");
        self.0.extend(head.as_bytes());
        self.0.extend(bytes);
        self.0.extend(b"\r\n");
        self
    }

    /// The body.
    pub fn end(mut self) -> Vec<u8> {
        self.0.extend(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.0
    }
}
