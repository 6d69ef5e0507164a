//! The time that a call takes, and what the gateway adds to it.

use std::time::Duration;

use super::load::{Target, run};
use super::world::World;
use super::{Report, median, millis};

const CONNECTIONS: [usize; 3] = [1, 32, 128];
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

/// The first is what the others are compared with.
pub(super) async fn compare(report: &mut Report, of: &str, names: &[&str], targets: &[Target]) {
    for connections in CONNECTIONS {
        let mut samples: Vec<Vec<[f64; 3]>> = vec![Vec::new(); targets.len()];
        for _ in 0..ROUNDS {
            for (target, samples) in targets.iter().zip(&mut samples) {
                let sample = run(target, connections, TIME).await;
                samples.push([sample.within(500), sample.within(990), sample.rate()]);
            }
        }
        let of_round = |at: usize, figure: usize| {
            median(samples[at].iter().map(|sample| sample[figure]).collect())
        };
        for (at, name) in names.iter().enumerate() {
            let [p50, p99, rate] = [0, 1, 2].map(|figure| of_round(at, figure));
            let what = format!("{of} {name}, {connections} connections: p50, p99, calls a second");
            report.row(what, "", format!("{}, {}, {rate:.0}", millis(p50), millis(p99)));
        }
        for (at, name) in names.iter().enumerate().skip(1) {
            // Within a round, so that what slows the machine down slows both.
            let added = |figure: usize| {
                let pairs = samples[at].iter().zip(&samples[0]);
                median(pairs.map(|(through, direct)| through[figure] - direct[figure]).collect())
            };
            let bar = match (*name, connections) {
                ("gateway" | "through", 1) => "≤ 0.15 ms, ≤ 1 ms",
                _ => "",
            };
            let what = format!("{of} {name} adds, {connections} connections: p50, p99");
            report.row(what, bar, format!("{}, {}", millis(added(0)), millis(added(1))));
        }
    }
}
