//! The one place that prints: results to stdout, words to stderr.
//!
//! A reader that goes away (`| head`) ends the printing, not the command: what was decided keeps
//! its exit code.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use anyhow::Context;
use serde::Serialize;

use super::text::{Style, Text, json_visible, visible, without_secrets, wrapped};
use crate::config::env;

/// Columns that fit everywhere.
const WIDTH: usize = 80;
/// Where the values of fields begin.
const FIELD: usize = 12;

/// Stdout and stderr.
pub(super) struct Output {
    stdout: BufWriter<Stdout>,
    is_terminal: bool,
    in_colour: bool,
    is_closed: bool,
}

impl Output {
    /// The process's own streams; colours on a terminal alone, and not under `NO_COLOR`.
    pub(super) fn new() -> Self {
        // Not locked: what speaks on stdout itself, from another thread, would wait for ever.
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        let in_colour = is_terminal && !env::no_color();
        Self { stdout: BufWriter::new(stdout), is_terminal, in_colour, is_closed: false }
    }

    /// One line on stdout.
    pub(super) fn line(&mut self, line: impl Into<Text>) -> anyhow::Result<()> {
        let line = line.into().render(self.in_colour);
        self.put(line.as_bytes())?;
        self.put(b"\n")
    }

    /// Text of our own making on stdout, as it is.
    pub(super) fn raw(&mut self, text: &str) -> anyhow::Result<()> {
        self.put(text.as_bytes())
    }

    /// What somebody else wrote, on stdout: byte for byte, except on a terminal, where nothing in it
    /// can act.
    pub(super) fn foreign(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        if !self.is_terminal {
            return self.put(bytes);
        }
        String::from_utf8_lossy(bytes).lines().try_for_each(|line| self.line(line))
    }

    /// One line of JSON on stdout.
    pub(super) fn json(&mut self, value: &impl Serialize) -> anyhow::Result<()> {
        let text = serde_json::to_string(value).context("the result cannot be written as JSON")?;
        self.put(json_visible(&text).as_bytes())?;
        self.put(b"\n")
    }

    /// A name and a value, the value's further lines below its first.
    pub(super) fn field(&mut self, indent: usize, name: &str, value: &str) -> anyhow::Result<()> {
        let room = WIDTH.saturating_sub(indent + FIELD);
        let mut name = name;
        for line in wrapped(value, room) {
            let head = format!("{:indent$}{name:FIELD$}", "");
            self.line(Text::of(Style::Dim, head).and(Style::Plain, line))?;
            name = "";
        }
        Ok(())
    }

    /// A paragraph, indented, its further lines two columns deeper.
    pub(super) fn paragraph(&mut self, indent: usize, text: &str) -> anyhow::Result<()> {
        for (i, line) in wrapped(text, WIDTH.saturating_sub(indent + 2)).into_iter().enumerate() {
            let indent = if i == 0 { indent } else { indent + 2 };
            self.line(format!("{:indent$}{line}", ""))?;
        }
        Ok(())
    }

    /// One sentence on stderr, without anything that looks like a token or key.
    pub(super) fn say(&mut self, sentence: &str) {
        let sentence = sentence.split_whitespace().collect::<Vec<_>>().join(" ");
        let line = format!("hardtack: {}\n", without_secrets(&visible(&sentence)));
        // Where stderr is gone too, there is nobody left to tell.
        drop(io::stderr().write_all(line.as_bytes()));
    }

    /// Several lines of our own making on stderr.
    pub(super) fn say_raw(&mut self, text: &str) {
        drop(io::stderr().write_all(text.as_bytes()));
    }

    /// Whether nobody reads stdout any more.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether colours are on.
    pub(super) fn in_colour(&self) -> bool {
        self.in_colour
    }

    /// Hands everything printed so far to the reader.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        let flushed = if self.is_closed { Ok(()) } else { self.stdout.flush() };
        self.noted(flushed)
    }

    fn put(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let written = if self.is_closed { Ok(()) } else { self.stdout.write_all(bytes) };
        self.noted(written)
    }

    fn noted(&mut self, result: io::Result<()>) -> anyhow::Result<()> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_closed = true;
                Ok(())
            }
            result => result.context("cannot write to stdout"),
        }
    }
}

/// For what tells its story while it goes on: as [`Output::raw`].
impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes).map(|()| bytes.len()).map_err(io::Error::other)
    }

    fn flush(&mut self) -> io::Result<()> {
        Self::flush(self).map_err(io::Error::other)
    }
}
