//! What nobody wanted of a body is read and thrown away: a caller who sends all before he reads anything would
//! otherwise meet a closed connection instead of his answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use domain::limits::{UNWANTED_BODY_BYTES_MAX, UNWANTED_BODY_TIME};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::sync::oneshot;

/// A body that comes back when it is dropped half read.
struct Lent {
    body: Body,
    back: Option<oneshot::Sender<Body>>,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(back) = self.back.take().filter(|_| !self.body.is_end_stream()) {
            // Nobody takes it back only when the call itself has ended.
            let _ = back.send(std::mem::take(&mut self.body));
        }
    }
}

/// Answers at once, and reads on beside that.
pub async fn throw_away(request: Request, next: Next) -> Response {
    let (back, left) = oneshot::channel();
    let request = request.map(|body| Body::new(Lent { body, back: Some(back) }));
    let response = next.run(request).await;
    tokio::spawn(async move {
        if let Ok(body) = left.await {
            // Whether it came to its end makes no difference to anybody.
            let _ = tokio::time::timeout(UNWANTED_BODY_TIME, read(body)).await;
        }
    });
    response
}

async fn read(mut body: Body) {
    let mut bytes = 0;
    while let Some(Ok(frame)) = body.frame().await {
        bytes += frame.data_ref().map_or(0, Bytes::len);
        if bytes > UNWANTED_BODY_BYTES_MAX {
            return;
        }
    }
}
