/// Work that may still be done, in bytes of text that are looked at or in what takes as long: some
/// 5 ns.
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

    /// Takes some; `None`, and nothing is left, where it is not there.
    pub(crate) fn take(&mut self, bytes: usize) -> Option<()> {
        let left = self.0.checked_sub(bytes);
        self.0 = left.unwrap_or_default();
        left.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_ends_and_stays_ended() {
        let mut work = Work::new(3);
        assert_eq!((work.take(3), work.left()), (Some(()), 0));
        let mut work = Work::new(3);
        assert_eq!((work.take(4), work.take(1)), (None, None));
    }
}
