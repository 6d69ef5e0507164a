//! Reading a log: whether it is whole, and what it says.

use std::io::{BufRead, Read};

use super::chain::{Hash, Head, LINE_BYTES_MAX, Line};
use crate::decide::Decision;

/// What a whole log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many lines.
    pub lines: u64,
    /// How many calls were allowed.
    pub allowed: u64,
    /// How many calls were refused.
    pub denied: u64,
    /// How often a writer ended inside a line and another one went on.
    pub recovered: u64,
    /// The last line's place.
    pub head: Head,
}

/// Where a log is not whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Fault {
    /// The line at which it shows, from 1.
    pub line: u64,
    /// What is wrong there.
    pub what: FaultKind,
}

/// What is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// The line is longer than a sink writes them.
    #[error("is longer than a line may be")]
    TooLong,
    /// The file ends inside the line.
    #[error("ends without a line feed")]
    Torn,
    /// Not a line of this format.
    #[error("is not a record of this format")]
    NotALine,
    /// Another number than the one that follows.
    #[error("has number {found} where {expected} follows")]
    Number {
        /// The number that follows.
        expected: u64,
        /// The number found.
        found: u64,
    },
    /// Not written after the line that stands before it.
    #[error("was not written after the line that stands before it, or that line was changed")]
    Link,
    /// The file ends before the line that the head names.
    #[error("the log ends before line {expected}, which its head names")]
    Truncated {
        /// The line that the head names.
        expected: u64,
    },
    /// The line is not the one that the head names.
    #[error("is not the line that the head names")]
    Head,
}

/// Checks every line of a log that starts at its first line.
///
/// *Shape*: with a head, also that the line it names is there and unchanged. Lines after it may
/// follow: a head is written after its line. Without one, lines missing at the end are not found.
///
/// *Errors*: the first [`Fault`].
pub fn verify(reader: impl BufRead, head: Option<&Head>) -> Result<Summary, Fault> {
    verify_from(reader, Head::START, head)
}

/// Checks every line of a log that goes on where another one ended.
///
/// *Errors*: the first [`Fault`].
pub fn verify_from(
    reader: impl BufRead,
    anchor: Head,
    head: Option<&Head>,
) -> Result<Summary, Fault> {
    let mut lines = Lines { reader, number: 0, ended: false };
    let start = Summary { lines: 0, allowed: 0, denied: 0, recovered: 0, head: anchor };
    let mut summary = start;
    named_by(head, &summary.head, 0)?;
    while let Some(line) = lines.next_line() {
        let (bytes, line) = line?;
        let fault = |what| Fault { line: lines.number, what };
        let expected = summary.head.seq.saturating_add(1);
        if line.seq != expected {
            return Err(fault(FaultKind::Number { expected, found: line.seq }));
        }
        if line.prev != summary.head.hash {
            return Err(fault(FaultKind::Link));
        }
        summary.head = Head { seq: line.seq, hash: Hash::of(&bytes) };
        named_by(head, &summary.head, lines.number)?;
        summary.lines += 1;
        match line.entry.record().map(|record| &record.decision) {
            Some(Decision::Allow { .. }) => summary.allowed += 1,
            Some(Decision::Deny { .. }) => summary.denied += 1,
            None => summary.recovered += 1,
        }
    }
    match head.filter(|head| head.seq > summary.head.seq) {
        Some(head) => Err(Fault {
            line: lines.number.saturating_add(1),
            what: FaultKind::Truncated { expected: head.seq },
        }),
        None => Ok(summary),
    }
}

/// Whether the head, where it names this place, names it as it is.
fn named_by(head: Option<&Head>, place: &Head, line: u64) -> Result<(), Fault> {
    match head {
        Some(head) if head.seq == place.seq && head.hash != place.hash => {
            Err(Fault { line, what: FaultKind::Head })
        }
        _ => Ok(()),
    }
}

/// Reads the lines one by one, without checking their links.
///
/// *Errors*: a [`Fault`] for what is no line; nothing follows it.
pub fn read(reader: impl BufRead) -> impl Iterator<Item = Result<Line, Fault>> {
    let mut lines = Lines { reader, number: 0, ended: false };
    std::iter::from_fn(move || lines.next_line().map(|line| line.map(|(_, line)| line)))
}

/// Which lines somebody wants to see; the default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only decisions about this task.
    pub task: Option<String>,
    /// Only refusals.
    pub denied: bool,
}

impl Filter {
    /// Whether the line is one of them.
    pub fn takes(&self, line: &Line) -> bool {
        let Some(record) = line.entry.record() else {
            return *self == Self::default();
        };
        let task = self.task.as_deref().is_none_or(|task| record.task.as_deref() == Some(task));
        task && !(self.denied && record.decision.is_allow())
    }
}

struct Lines<R> {
    reader: R,
    number: u64,
    ended: bool,
}

impl<R: BufRead> Lines<R> {
    /// The next line's bytes, without the line feed, and what they say.
    fn next_line(&mut self) -> Option<Result<(Vec<u8>, Line), Fault>> {
        if self.ended {
            return None;
        }
        let mut bytes = Vec::new();
        let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
        let read = self.reader.by_ref().take(limit).read_until(b'\n', &mut bytes);
        if matches!(read, Ok(0)) {
            self.ended = true;
            return None;
        }
        self.number += 1;
        let line = match read {
            Err(error) => Err(FaultKind::Unreadable(error.to_string())),
            Ok(_) if bytes.pop_if(|last| *last == b'\n').is_some() => {
                serde_json::from_slice::<Line>(&bytes)
                    .ok()
                    .filter(|line| line.v == 1)
                    .ok_or(FaultKind::NotALine)
            }
            Ok(_) if bytes.len() >= LINE_BYTES_MAX => Err(FaultKind::TooLong),
            Ok(_) => Err(FaultKind::Torn),
        };
        self.ended = line.is_err();
        Some(match line {
            Ok(line) => Ok((bytes, line)),
            Err(what) => Err(Fault { line: self.number, what }),
        })
    }
}
