use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// Why no more lines are read.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("a line is longer than any that is read")]
    TooLong,
    #[error("reading failed: {0}")]
    Io(#[from] std::io::Error),
}

/// The next line, without what ends it; `None` at the end. A last line that was not ended is no line.
pub(super) async fn next(
    from: &mut (impl AsyncBufRead + Unpin),
    bytes_max: usize,
) -> Result<Option<Vec<u8>>, LineError> {
    let mut line = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    from.take(limit).read_until(b'\n', &mut line).await?;
    match line.pop() {
        Some(b'\n') => {
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            Ok(Some(line))
        }
        Some(_) if line.len() >= bytes_max => Err(LineError::TooLong),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_bounded_and_whole() {
        let mut text: &[u8] = b"one\r\n\n12345678\nunended";
        assert_eq!(next(&mut text, 8).await.unwrap().as_deref(), Some(b"one".as_slice()));
        assert_eq!(next(&mut text, 8).await.unwrap().as_deref(), Some(b"".as_slice()));
        assert_eq!(next(&mut text, 8).await.unwrap().as_deref(), Some(b"12345678".as_slice()));
        assert!(next(&mut text, 8).await.unwrap().is_none());
        let mut long: &[u8] = b"123456789\n";
        assert!(matches!(next(&mut long, 8).await, Err(LineError::TooLong)));
    }
}
