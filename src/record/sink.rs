use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use super::audit::Fault;
use super::chain::{Entry, Head};
use super::event::Record;

/// Where records go.
///
/// *Shape*: when `write` returns `Ok`, the record is as durable as the sink promises to make it.
/// A guard denies every call whose record could not be written (law 7).
pub trait Sink: Send + Sync {
    /// Writes one record as the next line.
    ///
    /// *Errors*: [`SinkError`]; the record was not written then.
    fn write(&self, record: Record) -> Result<(), SinkError>;

    /// Whether writing may wait for a disk, so that it should not hold up an async thread.
    fn blocks(&self) -> bool {
        false
    }
}

/// Why a record could not be written, or a log not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The file or stream failed.
    #[error("the log cannot be written: {0}")]
    Io(#[from] io::Error),
    /// The record does not become JSON.
    #[error("the record cannot be written as JSON")]
    Unwritable,
    /// The line would be longer than a reader takes.
    #[error("the record is longer than a line may be")]
    TooLong,
    /// An earlier failure left the file in doubt; open it again.
    #[error("an earlier write failed; the log has to be opened again")]
    Broken,
    /// Another process or sink writes the file.
    #[error("the log is being written by somebody else")]
    Busy,
    /// The log has lines, and the file with its head is gone or unreadable.
    #[error("the log has no readable head file beside it")]
    NoHead,
    /// The log is not the one that was written.
    #[error("the log was changed: {0}")]
    Changed(Fault),
}

/// Keeps the lines in memory, for tests and demonstrations.
#[derive(Debug, Default)]
pub struct MemorySink(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    text: Vec<u8>,
    records: Vec<Record>,
    head: Option<Head>,
}

impl MemorySink {
    /// A sink without lines.
    pub fn new() -> Self {
        Self::default()
    }

    /// The records so far.
    pub fn records(&self) -> Vec<Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).records.clone()
    }

    /// The lines so far, as a file would hold them.
    pub fn text(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).text.clone()
    }

    /// The last line's place.
    pub fn head(&self) -> Head {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).head.unwrap_or(Head::START)
    }
}

impl Sink for MemorySink {
    fn write(&self, record: Record) -> Result<(), SinkError> {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let head = memory.head.unwrap_or(Head::START);
        let (line, head) = head.append(Entry::Decision(Box::new(record.clone())))?;
        memory.text.extend(line);
        memory.text.push(b'\n');
        memory.records.push(record);
        memory.head = Some(head);
        Ok(())
    }
}

/// Writes lines to a stream such as standard output.
///
/// *Shape*: one `write_all` and one `flush` a line. After a failure nobody knows what arrived, so
/// that every later write fails too.
#[derive(Debug)]
pub struct WriterSink<W>(Mutex<(W, Option<Head>)>);

impl<W: Write + Send> WriterSink<W> {
    /// A sink that starts a new chain of lines on the stream.
    pub fn new(writer: W) -> Self {
        Self(Mutex::new((writer, Some(Head::START))))
    }
}

impl<W: Write + Send> Sink for WriterSink<W> {
    fn write(&self, record: Record) -> Result<(), SinkError> {
        let mut guarded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (writer, head) = &mut *guarded;
        let (mut line, next) =
            head.ok_or(SinkError::Broken)?.append(Entry::Decision(Box::new(record)))?;
        line.push(b'\n');
        *head = None;
        writer.write_all(&line)?;
        writer.flush()?;
        *head = Some(next);
        Ok(())
    }
}
