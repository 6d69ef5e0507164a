//! What a gateway adds to a call: time at the middle and at the edge, beside nginx as a plain proxy;
//! how fast it passes a long answer on; what an idle connection takes.
//!
//! ```sh
//! cargo bench --bench gateway                   # everything, some six minutes
//! cargo bench --bench gateway -- calls          # one part: calls, streams, idle
//! cargo bench --bench gateway -- pair URL URL   # any two addresses; BEARER has the token
//! ```
//!
//! nginx is compared where it is found on the path (a Debian package; it need not run).

#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::panic,
    reason = "a bench measures with the clock, prints, and cannot go on where something is missing"
)]

mod calls;
mod idle;
mod load;
mod origin;
mod process;
mod streams;
mod world;

use std::time::Duration;

use self::load::Target;
use self::world::World;

/// One line of the table.
struct Row {
    what: String,
    bar: &'static str,
    measured: String,
}

/// The table.
#[derive(Default)]
struct Report(Vec<Row>);

impl Report {
    fn row(&mut self, what: impl Into<String>, bar: &'static str, measured: impl Into<String>) {
        let row = Row { what: what.into(), bar, measured: measured.into() };
        eprintln!("{}: {}", row.what, row.measured);
        self.0.push(row);
    }

    fn print(&self) {
        println!("| measure | bar | measured |\n| --- | --- | --- |");
        for Row { what, bar, measured } in &self.0 {
            println!("| {what} | {bar} | {measured} |");
        }
    }
}

fn main() {
    let words: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    // One thread makes the load, so that the rest of the machine is left to what is measured.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let mut report = Report::default();
    if let [pair, direct, through] = &words[..]
        && pair == "pair"
    {
        let bearer = std::env::var("BEARER").ok();
        let targets = [Target::post(direct, None), Target::post(through, bearer.as_deref())];
        runtime.block_on(calls::compare(&mut report, "", &["direct", "through"], &targets));
        report.print();
        return;
    }
    let is_wanted = |part: &str| words.is_empty() || words.iter().any(|word| word == part);
    let world = World::start();
    if is_wanted("calls") {
        runtime.block_on(calls::measure(&mut report, &world));
    }
    if is_wanted("streams") {
        runtime.block_on(streams::measure(&mut report, &world));
    }
    if is_wanted("idle") {
        runtime.block_on(idle::measure(&mut report, &world));
    }
    report.print();
}

/// The middle one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn millis(time: f64) -> String {
    format!("{:.3} ms", Duration::from_secs_f64(time.max(0.0)).as_secs_f64() * 1e3)
}
