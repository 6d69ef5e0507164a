//! `hardtack audit`: the records of decisions.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use serde_json::json;

use super::text::{Style, Text};
use super::{Exit, Output};
use crate::record::audit::{self, Filter};
use crate::record::{Entry, FileSink, Head, Line};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check that no line of a log was changed, dropped or inserted.
    #[command(after_help = VERIFY)]
    Verify {
        /// The log.
        file: PathBuf,
        /// The last line known, `SEQ:HASH`, instead of what FILE.head says.
        #[arg(long, value_name = "SEQ:HASH")]
        head: Option<Head>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what was decided, a line a decision.
    #[command(after_help = SHOW)]
    Show {
        /// The log.
        file: PathBuf,
        /// Only this task.
        #[arg(long, value_name = "TASK")]
        task: Option<String>,
        /// Only refusals.
        #[arg(long)]
        denied: bool,
        /// Print the lines as JSON.
        #[arg(long)]
        json: bool,
    },
}

const VERIFY: &str = "\
Example:
  hardtack audit verify decisions.log

Each line holds the hash of the line before. The last one's is kept in FILE.head; copy that
elsewhere, and name it with --head, to notice even that both files were rewritten.";

const SHOW: &str = "\
Example: why did this task's calls fail?
  hardtack audit show decisions.log --denied --task 01968d2c-7e5b-7cc3-9c55-1f0f4d7b6a11";

impl Command {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        match self {
            Self::Verify { file, head, json } => verify(&file, head, json, out),
            Self::Show { file, task, denied, json } => {
                show(&file, &Filter { task, denied }, json, out)
            }
        }
    }
}

fn open(file: &Path) -> anyhow::Result<BufReader<File>> {
    let opened = File::open(file)
        .map_err(super::input::plain)
        .with_context(|| format!("cannot open `{}`", file.display()))?;
    Ok(BufReader::new(opened))
}

fn verify(file: &Path, head: Option<Head>, json: bool, out: &mut Output) -> anyhow::Result<Exit> {
    let reader = open(file)?;
    let head = head.or_else(|| FileSink::read_head(file).ok());
    if head.is_none() {
        out.say("note: no `.head` file beside the log, so lines missing at its end are not found");
    }
    let summary = audit::verify(reader, head.as_ref())
        .with_context(|| format!("`{}` is not whole", file.display()))?;
    if json {
        out.json(&json!({
            "lines": summary.lines,
            "allowed": summary.allowed,
            "denied": summary.denied,
            "recovered": summary.recovered,
            "head": summary.head.to_string(),
        }))?;
        return Ok(Exit::Done);
    }
    out.line(Text::of(Style::Good, "whole: no line was changed, dropped or inserted"))?;
    out.field(0, "lines", &summary.lines.to_string())?;
    out.field(0, "allowed", &summary.allowed.to_string())?;
    out.field(0, "denied", &summary.denied.to_string())?;
    if summary.recovered > 0 {
        let times = format!("{} times a writer ended inside a line", summary.recovered);
        out.field(0, "recovered", &times)?;
    }
    out.field(0, "head", &summary.head.to_string())?;
    Ok(Exit::Done)
}

fn show(file: &Path, filter: &Filter, json: bool, out: &mut Output) -> anyhow::Result<Exit> {
    for line in audit::read(open(file)?) {
        let line = line.with_context(|| format!("`{}`", file.display()))?;
        if !filter.takes(&line) {
            continue;
        }
        if json {
            out.json(&line)?;
        } else {
            print(&line, out)?;
        }
        if out.is_closed() {
            break;
        }
    }
    Ok(Exit::Done)
}

fn print(line: &Line, out: &mut Output) -> anyhow::Result<()> {
    let record = match &line.entry {
        Entry::Decision(record) => record,
        Entry::Recovered { time, dropped_bytes, .. } => {
            let what = format!("{time}  recovered, {dropped_bytes} bytes of a line dropped");
            return out.line(Text::of(Style::Dim, what));
        }
    };
    let word = match record.decision.is_allow() {
        true => Text::of(Style::Good, "allow"),
        false => Text::of(Style::Bad, "deny "),
    };
    let tool = record.tool.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    out.line(
        Text::from(format!("{}  ", record.time)).then(word).and(Style::Bold, format!("  {tool}")),
    )?;
    let mut fields = Vec::new();
    for (name, value) in
        [("task", &record.task), ("for", &record.principal), ("intent", &record.intent)]
    {
        fields.extend(value.as_ref().map(|value| (name, value.clone())));
    }
    let names: Vec<String> = record.chain.iter().map(hop).collect();
    if !names.is_empty() {
        fields.push(("chain", names.join(" > ")));
    }
    let took = record.chain.iter().filter(|step| !step.took_away.is_empty());
    fields
        .extend(took.map(|step| ("took", format!("{}: {}", hop(step), step.took_away.join("; ")))));
    fields.extend(record.decision.reasons().iter().map(|reason| ("reason", reason.to_string())));
    fields.iter().try_for_each(|(name, value)| out.field(2, name, value))
}

fn hop(hop: &crate::verify::Hop) -> String {
    hop.name.clone().unwrap_or_else(|| match hop.block {
        0 => "authority".to_owned(),
        block => format!("hop {block}"),
    })
}
