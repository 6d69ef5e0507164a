//! The time that a call takes, and what the gateway adds to it.

use std::time::Duration;

use super::load::{Sample, Target, paced, run};
use super::world::World;
use super::{Report, median, millis};

/// Each is measured so often, in turn, so that all of them meet the same weather.
const ROUNDS: usize = 5;
const TIME: Duration = Duration::from_secs(2);

/// Calls over plain HTTP, and of an MCP tool.
pub(super) async fn measure(report: &mut Report, world: &World) {
    let token = Some(world.token.as_str());
    let mut names = vec!["direct", "gateway"];
    let mut targets = vec![
        Target::post(&format!("{}/refunds/ch_1", world.origin), None),
        Target::post(&format!("{}/refunds/ch_1", world.http()), token),
    ];
    if let Some(nginx) = &world.nginx {
        names.push("nginx");
        targets.push(Target::post(&format!("{}/refunds/ch_1", nginx.url), None));
    }
    compare(report, "HTTP", &names, &targets).await;
    let direct = Target::tool(&format!("{}/mcp", world.origin), "list_files", None);
    let through = Target::tool(&world.mcp(), "list_files", token);
    compare(report, "MCP", &["direct", "gateway"], &[direct, through]).await;
}

/// How the calls are made.
#[derive(Clone, Copy)]
enum Load {
    /// Each connection makes the next call as soon as the last one is answered.
    Closed(usize),
    /// So many a second, over so many connections.
    Paced(usize, f64),
}

/// Well below what two cores can do with all that runs on them.
const RATE: f64 = 1000.0;
const LOADS: [Load; 5] = [
    Load::Closed(1),
    Load::Paced(32, RATE),
    Load::Paced(128, RATE),
    Load::Closed(32),
    Load::Closed(128),
];

impl Load {
    async fn run(self, target: &Target) -> Sample {
        match self {
            Self::Closed(connections) => run(target, connections, TIME).await,
            Self::Paced(connections, rate) => paced(target, connections, rate, TIME).await,
        }
    }

    fn name(self) -> String {
        match self {
            Self::Closed(1) => "1 connection".to_owned(),
            Self::Closed(connections) => format!("{connections} connections without a pause"),
            Self::Paced(connections, rate) => {
                format!("{connections} connections, {rate} calls a second")
            }
        }
    }

    /// What the gateway may add.
    fn bar(self, name: &str) -> &'static str {
        match (self, name) {
            (Self::Closed(1) | Self::Paced(..), "gateway" | "through") => "≤ 0.15 ms, ≤ 1 ms",
            _ => "",
        }
    }
}

/// The first is what the others are compared with.
pub(super) async fn compare(report: &mut Report, of: &str, names: &[&str], targets: &[Target]) {
    for load in LOADS {
        let mut samples: Vec<Vec<[f64; 3]>> = vec![Vec::new(); targets.len()];
        for _ in 0..ROUNDS {
            for (target, samples) in targets.iter().zip(&mut samples) {
                let sample = load.run(target).await;
                samples.push([sample.within(500), sample.within(990), sample.rate()]);
            }
        }
        let of_round = |at: usize, figure: usize| {
            median(samples[at].iter().map(|sample| sample[figure]).collect())
        };
        let load_name = load.name();
        for (at, name) in names.iter().enumerate() {
            let [p50, p99, rate] = [0, 1, 2].map(|figure| of_round(at, figure));
            let what = format!("{of} {name}, {load_name}: p50, p99, calls a second");
            report.row(what, "", format!("{}, {}, {rate:.0}", millis(p50), millis(p99)));
        }
        for (at, name) in names.iter().enumerate().skip(1) {
            // Within a round, so that what slows the machine down slows both.
            let added = |figure: usize| {
                let pairs = samples[at].iter().zip(&samples[0]);
                median(pairs.map(|(through, direct)| through[figure] - direct[figure]).collect())
            };
            let what = format!("{of} {name} adds, {load_name}: p50, p99");
            report.row(what, load.bar(name), format!("{}, {}", millis(added(0)), millis(added(1))));
        }
    }
}
