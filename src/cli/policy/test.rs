//! `hardtack policy test`: every policy of a directory against its cases.

use std::path::PathBuf;

use serde_json::json;

use super::super::text::{Style, Text};
use super::super::{Exit, Output};
use super::run::{self, Ran};
use crate::decide::Decision;
use crate::vocabulary::Datalog;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(in crate::cli) struct Args {
    /// The directory: each NAME.datalog in it needs a NAME.cases.toml.
    dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

const EXAMPLE: &str = "\
Example:
  cat > policies/read-only.cases.toml <<END
  [[case]]
  name = \"a tool that writes\"
  expect = \"policy-denied\"        # or allow, or any other code of a denial
  tool = \"crm/update_account\"
  labels = [\"write\"]
  END
  hardtack policy test policies

A case has a name, expect and tool, and may have args (a table), labels, audience (\"local\"
without it), time (2026-01-05T12:00:00Z, a Monday, without it), depth (how many blocks were
appended, 0 without it) and grants (the tool with any arguments without it).";

/// One policy file and how its cases went.
struct Tested {
    file: String,
    ran: anyhow::Result<Vec<Ran>>,
}

impl Args {
    pub(in crate::cli) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        let prose = self.dir.join(super::PROSE);
        let mut tested = Vec::new();
        if prose.exists() {
            let parsed = super::text(&prose).and_then(|text| Ok(Datalog::parse(&text)?));
            if let Err(error) = parsed {
                tested.push(Tested { file: super::name(&prose), ran: Err(error) });
            }
        }
        for file in super::files(&self.dir)? {
            tested.push(Tested { file: super::name(&file), ran: run::file(&file) });
        }
        if self.json {
            print_json(&tested, out)?
        } else {
            print(&tested, out)?
        }
        Ok(if tested.iter().all(|t| t.failures() == 0) { Exit::Done } else { Exit::Failure })
    }
}

impl Tested {
    fn cases(&self) -> &[Ran] {
        self.ran.as_deref().unwrap_or_default()
    }

    /// Cases that went wrong; a file that could not be tested counts as one.
    fn failures(&self) -> usize {
        match &self.ran {
            Ok(ran) => ran.iter().filter(|ran| !ran.is_expected()).count(),
            Err(_) => 1,
        }
    }
}

fn print(tested: &[Tested], out: &mut Output) -> anyhow::Result<()> {
    let names = tested.iter().flat_map(Tested::cases).map(|ran| ran.case.name.chars().count());
    let width = names.max().unwrap_or(0).min(52);
    for Tested { file, ran } in tested {
        out.line(Text::of(Style::Bold, file))?;
        match ran {
            Err(error) => {
                let why = format!("{error:#}");
                out.line(Text::of(Style::Bad, "  FAIL  ").and(Style::Plain, why))?;
            }
            Ok(ran) => ran.iter().try_for_each(|ran| out.line(row(ran, width)))?,
        }
    }
    let (files, cases) = (tested.len(), tested.iter().map(|t| t.cases().len()).sum::<usize>());
    let failed: usize = tested.iter().map(Tested::failures).sum();
    let style = if failed == 0 { Style::Good } else { Style::Bad };
    let sum = format!(
        "{}, {}, {failed} failed",
        many(files, "policy", "policies"),
        many(cases, "case", "cases")
    );
    out.line(Text::of(style, sum))
}

fn many(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

fn row(ran: &Ran, width: usize) -> Text {
    let head = if ran.is_expected() {
        Text::of(Style::Good, "  ok    ")
    } else {
        Text::of(Style::Bad, "  FAIL  ")
    };
    let got = word(&ran.decision);
    let line = head.and(Style::Plain, format!("{:width$}  {got}", ran.case.name));
    if ran.is_expected() {
        return line;
    }
    let expected = ran.case.expect.map_or("allow", |code| code.as_str());
    let why = ran.decision.reasons().first().map(|reason| format!(" ({})", reason.message));
    line.and(Style::Plain, format!(", not {expected}{}", why.unwrap_or_default()))
}

fn word(decision: &Decision) -> &'static str {
    decision.code().map_or("allow", |code| code.as_str())
}

fn print_json(tested: &[Tested], out: &mut Output) -> anyhow::Result<()> {
    let case = |ran: &Ran| {
        json!({
            "name": ran.case.name,
            "expect": ran.case.expect.map_or("allow", |code| code.as_str()),
            "got": word(&ran.decision),
            "ok": ran.is_expected(),
        })
    };
    let policy = |tested: &Tested| match &tested.ran {
        Ok(ran) => json!({
            "file": tested.file,
            "cases": ran.iter().map(case).collect::<Vec<_>>(),
        }),
        Err(error) => json!({ "file": tested.file, "error": format!("{error:#}"), "cases": [] }),
    };
    out.json(&json!({
        "policies": tested.iter().map(policy).collect::<Vec<_>>(),
        "failed": tested.iter().map(Tested::failures).sum::<usize>(),
    }))
}
