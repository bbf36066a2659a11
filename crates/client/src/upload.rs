//! A body that is sent in pieces, so that somebody may watch how far it is.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::observe::UploadObserver;

/// How much is handed on at once.
const PIECE_BYTES: usize = 64 * 1024;

/// The bytes that are still to be sent.
pub(crate) struct Upload {
    rest: Bytes,
    total: u64,
    observer: Option<UploadObserver>,
}

impl Upload {
    pub(crate) fn new(bytes: Bytes, observer: Option<UploadObserver>) -> Self {
        Self { total: bytes.len() as u64, rest: bytes, observer }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let length = self.rest.len().min(PIECE_BYTES);
        if length == 0 {
            return Poll::Ready(None);
        }
        let piece = self.rest.split_to(length);
        if let Some(observer) = &self.observer {
            observer(self.total - self.rest.len() as u64, self.total);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
