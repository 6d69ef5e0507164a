use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;

use crate::model::limits;

/// The lines that an agent writes.
pub(super) struct Lines<R> {
    input: BufReader<R>,
}

/// One line.
pub(super) enum Line {
    Whole(Vec<u8>),
    /// It was read to its end, and is gone.
    TooLong,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input: BufReader::new(input) }
    }

    /// The next line that is not empty; `None` at the end.
    pub(super) async fn next(&mut self) -> io::Result<Option<Line>> {
        let (mut line, mut too_long) = (Vec::new(), false);
        loop {
            let found = self.input.fill_buf().await?;
            if found.is_empty() {
                // What has no end is no message.
                return Ok(None);
            }
            let end = found.iter().position(|byte| *byte == b'\n');
            let (part, taken) = match end {
                Some(end) => (found.get(..end).unwrap_or_default(), end + 1),
                None => (found, found.len()),
            };
            too_long |= line.len() + part.len() > limits::MESSAGE_BYTES_MAX;
            if too_long {
                line.clear();
            } else {
                line.extend_from_slice(part);
            }
            self.input.consume(taken);
            if end.is_none() {
                continue;
            }
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            match (too_long, line.is_empty()) {
                (true, _) => return Ok(Some(Line::TooLong)),
                (false, true) => {}
                (false, false) => return Ok(Some(Line::Whole(line))),
            }
        }
    }
}

/// Writes lines until nobody has any more.
pub(super) async fn write(
    mut output: impl AsyncWrite + Unpin,
    mut waiting: mpsc::Receiver<Vec<u8>>,
) -> io::Result<()> {
    while let Some(line) = waiting.recv().await {
        output.write_all(&line).await?;
        output.flush().await?;
    }
    Ok(())
}
