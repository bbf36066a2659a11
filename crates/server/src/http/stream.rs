//! A body that is written while it is read: a page at a time, so that memory stays as it is however long it gets.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use domain::limits::STREAM_PATIENCE;
use hyper::body::Frame;
use tokio::sync::mpsc;

/// The body did not come to its end: the connection is cut, so that nobody takes for whole what is not.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the body did not come to its end")]
pub struct Cut;

/// Where the pages come out.
struct Pages {
    pages: mpsc::Receiver<Bytes>,
    is_whole: Arc<AtomicBool>,
}

/// Where the pages go in. Dropped without [`Writer::end`], it leaves a body that is cut.
pub struct Writer {
    pages: mpsc::Sender<Bytes>,
    is_whole: Arc<AtomicBool>,
}

/// A body, and who writes it.
pub fn body() -> (Writer, Body) {
    let (sender, receiver) = mpsc::channel(1);
    let is_whole = Arc::new(AtomicBool::new(false));
    let writer = Writer { pages: sender, is_whole: Arc::clone(&is_whole) };
    (writer, Body::new(Pages { pages: receiver, is_whole }))
}

impl Writer {
    /// Adds a page, as soon as the one before is taken. False: nobody reads any more, or nobody has for
    /// [`STREAM_PATIENCE`], and there is no use in another page.
    pub async fn write(&self, page: Bytes) -> bool {
        self.pages.send_timeout(page, STREAM_PATIENCE).await.is_ok()
    }

    /// The body is whole with what was written.
    pub fn end(self) {
        self.is_whole.store(true, Ordering::Release);
    }
}

impl HttpBody for Pages {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        Poll::Ready(match ready!(self.pages.poll_recv(context)) {
            Some(page) => Some(Ok(Frame::data(page))),
            // Set before the sender was dropped, which is what ended the pages.
            None if self.is_whole.load(Ordering::Acquire) => None,
            None => Some(Err(Cut)),
        })
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_what_was_ended_is_whole() {
        let (writer, body) = body();
        assert!(writer.write("page".into()).await);
        writer.end();
        assert_eq!(body.collect().await.unwrap().to_bytes(), "page");
        let (writer, cut) = super::body();
        assert!(writer.write("page".into()).await);
        drop(writer);
        assert!(cut.collect().await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_is_given_up_and_learns_that_it_is_not_whole() {
        let (writer, mut body) = body();
        assert!(writer.write("first".into()).await);
        assert!(!writer.write("second".into()).await, "the first was never taken");
        drop(writer);
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "first");
        assert!(body.frame().await.unwrap().is_err(), "and not the end");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_writes_for_a_reader_who_has_gone() {
        let (writer, body) = body();
        drop(body);
        assert!(!writer.write("page".into()).await);
    }
}
