//! The body of a file: for a while, and counted for as long as anybody has it.

use std::convert::AsRef;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Files that were made for somebody may take so much together, in KiB.
pub(super) const MADE_KIB_MAX: usize = 192 * 1024;

/// What is written at once.
const PART: usize = 64 * 1024;
/// How long a file may take at least, and how slowly it may be read.
const TIME_MIN: Duration = Duration::from_secs(10);
const BYTES_PER_SEC: u64 = 128 * 1024;

/// A file that counts among those in flight until the last who reads it has gone.
struct Counted {
    file: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.file
    }
}

/// The file, if there is room for it.
pub(super) fn counted(file: Vec<u8>, room: &Arc<Semaphore>) -> Option<Bytes> {
    let kib = u32::try_from(file.len().div_ceil(1024)).ok()?;
    let room = Arc::clone(room).try_acquire_many_owned(kib).ok()?;
    Some(Bytes::from_owner(Counted { file, _room: room }))
}

/// A file as it is sent; it breaks off where its reader takes too long.
pub(super) struct FileBody {
    rest: Bytes,
    until: Instant,
}

impl FileBody {
    pub(super) fn new(file: Bytes) -> Self {
        let time = TIME_MIN + Duration::from_secs(file.len() as u64 / BYTES_PER_SEC);
        Self { rest: file, until: Instant::now() + time }
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        if Instant::now() > self.until {
            return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
        }
        let part = self.rest.len().min(PART);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(part)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_file_that_nobody_reads_breaks_off() {
        let file = Bytes::from(vec![7; 3 * PART]);
        let whole = FileBody::new(file.clone()).collect().await.unwrap().to_bytes();
        assert_eq!(whole, file);
        let mut slow = FileBody::new(file);
        assert!(slow.frame().await.unwrap().is_ok());
        slow.until = Instant::now() - Duration::from_millis(1);
        assert!(slow.frame().await.unwrap().is_err());
    }

    #[test]
    fn files_count_until_the_last_reader_has_gone() {
        let room = Arc::new(Semaphore::new(3));
        let first = counted(vec![0; 2000], &room).unwrap();
        assert!(counted(vec![0; 2000], &room).is_none());
        let other = first.clone();
        drop(first);
        assert!(counted(vec![0; 2000], &room).is_none());
        drop(other);
        assert!(counted(vec![0; 2000], &room).is_some());
    }
}
