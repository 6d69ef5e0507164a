//! Step 6, record: one line for every decision, linked to the line before.
//!
//! A [`Sink`] takes [`Record`]s and writes [`Line`]s: one JSON object each, in which `prev` is the
//! SHA-256 of the line before, byte for byte. Whoever changes, drops, swaps or inserts a line
//! breaks a link, and [`audit::verify`] finds it. The end of a file has no line after it, so a
//! [`FileSink`] keeps the last link in a small file beside it, `FILE.head`. Somebody who can write
//! both files can rewrite all of it: for more than that, keep copies of the head elsewhere.
//!
//! Reads no clock and knows nothing of HTTP. What may not be written, secrets, is kept out by
//! [`Redaction`] and by what a [`Record`] has no field for.

pub mod audit;
mod chain;
mod event;
mod file;
mod redact;
mod sink;

pub use chain::{Entry, Hash, Head, Line};
pub use event::Record;
pub use file::{FileOptions, FileSink, Fsync};
pub use redact::Redaction;
pub use sink::{MemorySink, Sink, SinkError, WriterSink};
