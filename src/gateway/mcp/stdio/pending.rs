//! What waits for a child: requests for their answers, a session for its messages.

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::mpsc;

use crate::mcp::{Id, Message};

/// Messages of a child that nobody listens for yet that are kept, and their bytes.
const KEPT_MAX: usize = 64;
const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// A message for whoever asked.
pub(super) enum Told {
    /// One before the answer.
    Before(Vec<u8>),
    /// The answer itself.
    Answer(Vec<u8>),
}

/// A request that waits for its answer.
pub(super) struct Pending {
    /// Its identifier, and as it was written.
    pub(super) id: Id,
    pub(super) written: Vec<u8>,
    /// Its progress token as it was written, where it has one.
    pub(super) progress: Option<Vec<u8>>,
    pub(super) to: mpsc::Sender<Told>,
}

/// Everything that waits for one child.
#[derive(Default)]
pub(super) struct Waiting {
    /// By the number under which the child knows the request.
    pub(super) pending: BTreeMap<u64, Pending>,
    pub(super) listener: Option<mpsc::Sender<Vec<u8>>>,
    kept: VecDeque<Vec<u8>>,
    kept_bytes: usize,
    next: u64,
    pub(super) is_over: bool,
}

impl Pending {
    pub(super) fn of(message: &Message, id: &Id, to: mpsc::Sender<Told>) -> Self {
        let progress = message.meta().and_then(|meta| meta.member("progressToken"));
        Self {
            id: id.clone(),
            written: message.id_text().to_vec(),
            progress: progress.map(|place| message.at(place).to_vec()),
            to,
        }
    }
}

impl Waiting {
    /// Takes a request in, and gives the number under which the child will know it.
    pub(super) fn add(&mut self, pending: Pending) -> u64 {
        self.next += 1;
        self.pending.insert(self.next, pending);
        self.next
    }

    /// The number of the request with this identifier of the caller's.
    pub(super) fn number(&self, id: &Id) -> Option<u64> {
        self.pending.iter().find(|(_, pending)| pending.id == *id).map(|(number, _)| *number)
    }

    /// The one request that waits, if it is the only one.
    pub(super) fn only(&self) -> Option<mpsc::Sender<Told>> {
        let mut all = self.pending.values();
        all.next().filter(|_| all.next().is_none()).map(|pending| pending.to.clone())
    }

    /// The request that began last.
    pub(super) fn newest(&self) -> Option<mpsc::Sender<Told>> {
        self.pending.values().next_back().map(|pending| pending.to.clone())
    }

    /// Keeps a message until somebody listens; the oldest are forgotten where there are too many.
    pub(super) fn keep(&mut self, message: Vec<u8>) {
        if message.len() > KEPT_BYTES_MAX {
            return;
        }
        self.kept_bytes = self.kept_bytes.saturating_add(message.len());
        self.kept.push_back(message);
        while self.kept.len() > KEPT_MAX || self.kept_bytes > KEPT_BYTES_MAX {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.kept_bytes = self.kept_bytes.saturating_sub(oldest.len());
        }
    }

    /// What was kept.
    pub(super) fn take_kept(&mut self) -> VecDeque<Vec<u8>> {
        self.kept_bytes = 0;
        std::mem::take(&mut self.kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_in_number_and_bytes() {
        let mut waiting = Waiting::default();
        for n in 0..200_u8 {
            waiting.keep(vec![n]);
        }
        let kept = waiting.take_kept();
        assert_eq!((kept.len(), kept.back().cloned()), (KEPT_MAX, Some(vec![199])));
        for _ in 0..10 {
            waiting.keep(vec![0; KEPT_BYTES_MAX / 3]);
        }
        waiting.keep(vec![0; KEPT_BYTES_MAX + 1]);
        assert_eq!(waiting.take_kept().len(), 3);
        assert!(waiting.take_kept().is_empty() && waiting.kept_bytes == 0);
    }
}
