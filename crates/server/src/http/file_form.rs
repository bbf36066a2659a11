//! Forms with a file (`multipart/form-data`, RFC 7578): read part by part, in any order, the file onto the disk and
//! the rest within narrow bounds. Parts that nobody asked for are read past.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use domain::limits::{
    FILE_BYTES_MAX, FORM_BYTES_MAX, FORM_HEADER_BYTES_MAX, FORM_PARTS_MAX, METADATA_BYTES_MAX,
    PUBLIC_KEY_HEX_CHARS,
};
use domain::refusal::{Kind, Refusal};
use futures_core::Stream;
use multer::{Field, Multipart};
use tokio::time::Sleep;

use super::body::Pace;
use super::error::Failure;
use crate::app::App;
use crate::edge::spool::Spooled;
use crate::flows::Error;

/// How much the parser is given at once.
const PIECE_BYTES: usize = 16 * 1024;

/// The parts of a form, as they came.
#[derive(Clone, Debug)]
pub struct FileForm {
    /// The text of `public_key`.
    pub public_key: Option<Vec<u8>>,
    /// The text of `metadata`.
    pub metadata: Option<Vec<u8>>,
    /// The file.
    pub file: Option<Spooled>,
}

impl FromRequest<Arc<App>> for FileForm {
    type Rejection = Failure;

    async fn from_request(mut request: Request, app: &Arc<App>) -> Result<Self, Failure> {
        // A named call's form was read to compare it.
        if let Some(form) = request.extensions_mut().remove::<Self>() {
            return Ok(form);
        }
        let (parts, body) = request.into_parts();
        Ok(read(app, &parts.headers, body).await?)
    }
}

impl FileForm {
    /// What one form has in common with another that says the same, however it is wrapped.
    pub fn essence(&self) -> [Vec<u8>; 3] {
        let text =
            |part: &Option<Vec<u8>>| part.as_ref().map_or_else(Vec::new, |text| [b"=", &text[..]].concat());
        let digest = self.file.as_ref().map_or_else(Vec::new, |file| file.sha256.to_vec());
        [text(&self.public_key), text(&self.metadata), digest]
    }
}

/// Reads a form to its end.
pub async fn read(app: &App, headers: &HeaderMap, body: Body) -> Result<FileForm, Error> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let boundary = multer::parse_boundary(header(CONTENT_TYPE).unwrap_or(""));
    let boundary = boundary.map_err(|error| no_form(&error))?;
    let announced = header(CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > FORM_BYTES_MAX) {
        return Err(too_large().into());
    }
    let unparsed = Arc::new(AtomicUsize::new(0));
    let mut multipart = Multipart::new(Paced::new(body, Arc::clone(&unparsed)), boundary);
    let mut form = FileForm { public_key: None, metadata: None, file: None };
    for _ in 0..=FORM_PARTS_MAX {
        unparsed.store(0, Ordering::Relaxed);
        let Some(field) = multipart.next_field().await.map_err(refused)? else { return Ok(form) };
        let mut part = Part { field, unparsed: &unparsed };
        match part.field.name() {
            Some("public_key") => {
                once("public_key", form.public_key.as_ref())?;
                let fault = "must be the key as it was given: 32 to 4096 hexadecimal digits";
                form.public_key = Some(part.text("public_key", *PUBLIC_KEY_HEX_CHARS.end(), fault).await?);
            }
            Some("metadata") => {
                once("metadata", form.metadata.as_ref())?;
                let fault = format!("must not be larger than {METADATA_BYTES_MAX} bytes");
                form.metadata = Some(part.text("metadata", METADATA_BYTES_MAX, &fault).await?);
            }
            Some("file") => {
                once("file", form.file.as_ref())?;
                form.file = Some(part.file(app).await?);
            }
            _ => while part.next().await?.is_some() {},
        }
    }
    Err(malformed(format!("a form may have at most {FORM_PARTS_MAX} parts")).into())
}

/// One part that is being read.
struct Part<'a> {
    field: Field<'static>,
    unparsed: &'a AtomicUsize,
}

impl Part<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        self.unparsed.store(0, Ordering::Relaxed);
        self.field.chunk().await.map_err(refused)
    }

    /// A part that is kept in memory.
    async fn text(&mut self, name: &str, bytes_max: usize, fault: &str) -> Result<Vec<u8>, Refusal> {
        let mut text = Vec::new();
        while let Some(bytes) = self.next().await? {
            if text.len() + bytes.len() > bytes_max {
                return Err(Refusal::field(name, fault));
            }
            text.extend_from_slice(&bytes);
        }
        Ok(text)
    }

    /// The file, onto the disk.
    async fn file(&mut self, app: &App) -> Result<Spooled, Error> {
        let content_type = self.field.content_type().map(|kind| kind.essence_str().to_owned());
        if content_type.as_deref() != Some("application/octet-stream") {
            let text = "the part `file` must have `Content-Type: application/octet-stream`";
            return Err(Refusal::new(Kind::UnsupportedMedia, "file-content-type", text).into());
        }
        let mut spool = app.files.uploads.begin().await.map_err(Error::files_away)?;
        while let Some(bytes) = self.next().await? {
            if spool.size() + bytes.len() as u64 > FILE_BYTES_MAX {
                return Err(too_large().into());
            }
            spool.write(&bytes).await.map_err(Error::files_away)?;
        }
        spool.finish().await.map_err(Error::files_away)
    }
}

fn once<T>(name: &str, found: Option<&T>) -> Result<(), Refusal> {
    if found.is_none() { Ok(()) } else { Err(Refusal::field(name, "must be given once")) }
}

fn too_large() -> Refusal {
    let text = format!("a file may have at most {FILE_BYTES_MAX} bytes");
    Refusal::new(Kind::TooLarge, "file-too-large", text)
}

fn malformed(text: impl Into<String>) -> Refusal {
    Refusal::new(Kind::Invalid, "malformed-form", text)
}

/// What it means that the `Content-Type` is not a form's.
fn no_form(error: &multer::Error) -> Refusal {
    if matches!(error, multer::Error::NoBoundary) {
        return malformed("the form's `Content-Type` names no boundary");
    }
    let text = "the body must be a form, with `Content-Type: multipart/form-data`";
    Refusal::new(Kind::UnsupportedMedia, "content-type", text)
}

/// What the parser's words mean for the caller.
fn refused(error: multer::Error) -> Refusal {
    match error {
        multer::Error::StreamReadFailed(cause) => match cause.downcast::<Refusal>() {
            Ok(refusal) => *refusal,
            Err(_) => malformed("the form ended early"),
        },
        multer::Error::IncompleteFieldData { .. }
        | multer::Error::IncompleteHeaders
        | multer::Error::IncompleteStream => malformed("the form ended early: its last boundary is missing"),
        _ => malformed("the body is not a form that can be read"),
    }
}

/// A body that must keep its pace and its bounds. It is handed on piece by piece: its reader gets to look at each
/// before the next, so that he need not hold more than what is still without a meaning.
struct Paced {
    body: Body,
    /// What came and is not handed on yet.
    rest: Bytes,
    pace: Pace,
    patience: Pin<Box<Sleep>>,
    /// What was handed on since the parser last made sense of it.
    unparsed: Arc<AtomicUsize>,
    paused: bool,
}

impl Paced {
    fn new(body: Body, unparsed: Arc<AtomicUsize>) -> Self {
        let pace = Pace::begin();
        let patience = Box::pin(tokio::time::sleep_until(pace.deadline()));
        Self { body, rest: Bytes::new(), pace, patience, unparsed, paused: false }
    }

    /// Waits until something came; false at the end.
    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<Result<bool, Refusal>> {
        while self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(None) => return Poll::Ready(Ok(false)),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(malformed("the form ended early"))),
                Poll::Ready(Some(Ok(frame))) => self.rest = frame.into_data().unwrap_or_default(),
                Poll::Pending => {
                    return self.patience.as_mut().poll(context).map(|()| Err(Pace::too_slow()));
                }
            }
            self.pace.count(self.rest.len());
            self.patience.as_mut().reset(self.pace.deadline());
            if self.pace.bytes() > FORM_BYTES_MAX {
                return Poll::Ready(Err(too_large()));
            }
        }
        Poll::Ready(Ok(true))
    }
}

impl Stream for Paced {
    type Item = Result<Bytes, Refusal>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.paused) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        match ready!(self.poll_rest(context)) {
            Ok(true) => {}
            Ok(false) => return Poll::Ready(None),
            Err(refusal) => return Poll::Ready(Some(Err(refusal))),
        }
        let length = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(length);
        if self.unparsed.fetch_add(length, Ordering::Relaxed) + length > FORM_HEADER_BYTES_MAX {
            let text = "the header of a part, or what stands before the first, is too long";
            return Poll::Ready(Some(Err(malformed(text))));
        }
        self.paused = true;
        Poll::Ready(Some(Ok(piece)))
    }
}
