//! What the reader sees: headings, a table that grows row by row, and the verdict.

use std::io::Write;

use anyhow::Context;
use serde_json::json;

use super::Options;
use super::layout::{WIDTH, table_row};
use super::row::{Outcome, Row};
use crate::cli::text::{Style, Text, wrapped};

/// Where the second column of the table begins.
const INDENT: usize = 5;

/// Prints steps as they happen, and keeps count.
pub(super) struct Report<'a> {
    out: &'a mut dyn Write,
    options: Options,
    steps: usize,
    unexpected: usize,
    micros: Vec<u64>,
}

impl<'a> Report<'a> {
    /// A report without steps.
    pub(super) fn new(options: &Options, out: &'a mut dyn Write) -> Self {
        Self { out, options: options.clone(), steps: 0, unexpected: 0, micros: Vec::new() }
    }

    /// Says what is about to be told. Machines skip it.
    pub(super) fn title(&mut self, words: &str) -> anyhow::Result<()> {
        match self.options.json {
            true => Ok(()),
            false => wrapped(words, WIDTH).iter().try_for_each(|line| self.line(Style::Dim, line)),
        }
    }

    /// Opens a chapter. Machines skip it.
    pub(super) fn chapter(&mut self, title: &str, words: &str) -> anyhow::Result<()> {
        if self.options.json {
            return Ok(());
        }
        self.line(Style::Plain, "")?;
        self.line(Style::Bold, title)?;
        for line in wrapped(words, WIDTH) {
            self.line(Style::Plain, &line)?;
        }
        self.line(Style::Plain, "")
    }

    /// The head of the table. Machines skip it.
    pub(super) fn table_head(&mut self) -> anyhow::Result<()> {
        if self.options.json {
            return Ok(());
        }
        let head = table_row(["#", "call", "by", "outcome", "why", "µs"].map(|cell| vec![cell]));
        head.iter().try_for_each(|line| self.line(Style::Dim, line))
    }

    /// A step, compared with what was expected of it.
    pub(super) fn step(&mut self, mut row: Row) -> anyhow::Result<()> {
        self.steps += 1;
        if self.options.expect_otherwise == Some(self.steps) {
            row.expected = format!("anything but {}", row.expected);
        }
        let row = row.judged(self.steps);
        self.unexpected += usize::from(!row.as_expected);
        self.micros.extend(row.micros);
        match self.options.json {
            true => self.line(Style::Plain, &serde_json::to_string(&row)?)?,
            false => self.table(&row)?,
        }
        self.out.flush().context("cannot write")
    }

    /// The verdict: whether every step was as expected.
    pub(super) fn end(mut self, records: u64, total_micros: u64) -> anyhow::Result<bool> {
        let Self { steps, unexpected, .. } = self;
        let as_expected = steps - unexpected;
        self.micros.sort_unstable();
        let median = self.micros.get(self.micros.len() / 2).copied().unwrap_or_default();
        if self.options.json {
            let summary = json!({ "steps": steps, "as_expected": as_expected, "records": records,
                "median_micros": median, "total_millis": total_micros / 1000 });
            self.line(Style::Plain, &json!({ "summary": summary }).to_string())?;
            return Ok(unexpected == 0);
        }
        let (seconds, hundredths) = (total_micros / 1_000_000, total_micros / 10_000 % 100);
        self.line(Style::Plain, "")?;
        let (style, verdict) = match unexpected {
            0 => (Style::Good, format!("All {steps} steps went as expected.")),
            n => (Style::Bad, format!("{n} of {steps} steps did not go as expected.")),
        };
        self.line(style, &verdict)?;
        let linked = if unexpected == 0 { ", every log whole" } else { "" };
        self.line(
            Style::Plain,
            &format!("{records} decisions on record{linked}, {median} µs at the median."),
        )?;
        self.line(
            Style::Plain,
            &format!("{seconds}.{hundredths:02} s in all. Nothing is left behind."),
        )?;
        self.out.flush().context("cannot write")?;
        Ok(unexpected == 0)
    }

    fn table(&mut self, row: &Row) -> anyhow::Result<()> {
        let number = row.step.to_string();
        let micros = row.micros.map(|micros| micros.to_string()).unwrap_or_default();
        let outcome = row.outcome.to_string();
        let why = why(row);
        let lines = table_row([
            vec![&number],
            vec![&row.call, &row.with],
            vec![row.by],
            vec![&outcome],
            vec![&why],
            vec![&micros],
        ]);
        let style = match row.outcome {
            Outcome::Allow | Outcome::Done | Outcome::Whole => Style::Good,
            Outcome::Deny(_) | Outcome::Refused(_) | Outcome::Broken => Style::Bad,
        };
        for (i, line) in lines.iter().enumerate() {
            match line.split_once(&outcome).filter(|_| i == 0) {
                Some((before, after)) => {
                    let line = Text::from(before).and(style, outcome.as_str());
                    self.put(&line.and(Style::Plain, after))?;
                }
                None => self.line(Style::Dim, line)?,
            }
        }
        if let (Some(check), Some(block)) = (&row.check, row.block) {
            let check = format!("block {block}: {check}");
            let hint = row.hint.iter().map(|hint| format!("hint: {hint}"));
            for line in hint.chain([check]).flat_map(|text| wrapped(&text, WIDTH - INDENT)) {
                self.line(Style::Dim, &format!("{:INDENT$}{line}", ""))?;
            }
        }
        for fault in faults(row) {
            self.line(Style::Bad, &format!("    ! {fault}"))?;
        }
        Ok(())
    }

    fn line(&mut self, style: Style, text: &str) -> anyhow::Result<()> {
        self.put(&Text::of(style, text))
    }

    fn put(&mut self, text: &Text) -> anyhow::Result<()> {
        writeln!(self.out, "{}", text.render(self.options.in_colour)).context("cannot write")
    }
}

/// Why a step came out as it did.
fn why(row: &Row) -> String {
    match &row.code {
        Some(code) => format!("{code}: {}", uncapitalised(&row.why)),
        None => row.why.clone(),
    }
}

/// A sentence as it continues a line.
fn uncapitalised(sentence: &str) -> String {
    let mut chars = sentence.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// What was not as expected.
fn faults(row: &Row) -> Vec<String> {
    if row.as_expected {
        return Vec::new();
    }
    let found = row.code.clone().unwrap_or_else(|| row.outcome.to_string());
    let mut faults = row.faults.clone();
    if found != row.expected {
        faults.insert(0, format!("expected {}, got {found}", row.expected));
    }
    faults
}
