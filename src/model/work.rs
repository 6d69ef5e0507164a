/// Work that may still be done, in bytes that are copied or scanned, some half a nanosecond each.
#[derive(Clone, Debug)]
pub(crate) struct Work(usize);

impl Work {
    /// So much.
    pub(crate) fn new(bytes: usize) -> Self {
        Self(bytes)
    }

    /// What is left.
    pub(crate) fn left(&self) -> usize {
        self.0
    }

    /// Takes some.
    ///
    /// *Errors*: [`TooMuchWork`], and nothing is left, where it is not there.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), TooMuchWork> {
        let left = self.0.checked_sub(bytes);
        self.0 = left.unwrap_or_default();
        left.map(drop).ok_or(TooMuchWork)
    }
}

/// A token's questions about a call take more than a decision may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token's questions about the arguments take more work than a decision may")]
pub struct TooMuchWork;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_ends_and_stays_ended() {
        let mut work = Work::new(3);
        assert_eq!((work.take(3), work.left()), (Ok(()), 0));
        let mut work = Work::new(3);
        assert_eq!((work.take(4), work.take(1)), (Err(TooMuchWork), Err(TooMuchWork)));
    }
}
