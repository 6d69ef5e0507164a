//! Runs the comparison, prints it, and writes pictures and a section of Markdown if asked to.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};
use clap::Parser;
use peers::ours::Issuer;
use peers::report::machine::Machine;
use peers::report::{Allocations, HopBytes, Report, markdown, text};
use peers::rows::{self, Fixture};
use peers::{bound, jwt_cedar, measure, plot, threads, warrants, work};

/// Hardtack beside its peers, on the same work, in one run.
#[derive(Parser)]
struct Options {
    /// Write the pictures to this directory.
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Write the tables into this file, between its marks if it has them.
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// Batches a row.
    #[arg(long, default_value_t = 300)]
    rounds: usize,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let machine = Machine::here();
    let allocations = allocations()?;
    let mut issuer = Issuer::new();
    let throughput = threads::measure(&mut issuer, options.rounds);
    let fixtures: Vec<Fixture> =
        work::DEPTHS.iter().map(|depth| Fixture::new(&mut issuer, *depth)).collect();
    let jwt = jwt_cedar::Gateway::new();
    let times = measure::run(rows::all(&issuer, &fixtures, &jwt), options.rounds);
    let hop_bytes = HopBytes {
        ours: a_hop(|depth| bound::Chain::new(&mut issuer, depth).token.to_text().len()),
        tenuo: a_hop(|depth| warrants::Chain::new(depth).header().len()),
    };
    let rounds = options.rounds;
    let report = Report { machine, rounds, times, throughput, allocations, hop_bytes };
    print!("{}", text::text(&report));
    if let Some(dir) = &options.svg {
        fs::write(dir.join("bench-depth.svg"), plot::depth::picture(&report))?;
        fs::write(dir.join("bench-cache.svg"), plot::cache::picture(&report))?;
    }
    if let Some(file) = &options.markdown {
        markdown::write(&report, file)?;
    }
    Ok(())
}

/// What one hop adds to what grows with the depth.
fn a_hop(mut bytes: impl FnMut(usize) -> usize) -> f64 {
    (bytes(work::DEPTH_MAX) - bytes(0)) as f64 / work::DEPTH_MAX as f64
}

/// Has another process count the allocations.
fn allocations() -> anyhow::Result<Vec<Allocations>> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let counting = Command::new(env!("CARGO"))
        .args(["run", "--release", "--quiet", "--bin", "allocations", "--manifest-path", manifest])
        .output()?;
    ensure!(counting.status.success(), "{}", String::from_utf8_lossy(&counting.stderr));
    let text = String::from_utf8(counting.stdout)?;
    let line = |line: &str| {
        let mut fields = line.split('\t');
        let mut field = || fields.next().context("a line of allocations has three fields");
        let (name, count, bytes) = (field()?.to_owned(), field()?.parse()?, field()?.parse()?);
        Ok(Allocations { name, count, bytes })
    };
    text.lines().map(line).collect()
}
