//! How fast a long answer is passed on.

use std::time::Instant;

use super::load::Target;
use super::origin::LARGE_BYTES;
use super::world::World;
use super::{Report, median};

const ROUNDS: usize = 5;

pub(super) async fn measure(report: &mut Report, world: &World) {
    let token = Some(world.token.as_str());
    let mut targets = vec![
        ("direct", Target::get(&format!("{}/large", world.origin), None)),
        ("gateway", Target::get(&format!("{}/large", world.http()), token)),
    ];
    if let Some(nginx) = &world.nginx {
        targets.push(("nginx", Target::get(&format!("{}/large", nginx.url), None)));
    }
    for (name, target) in &targets {
        let mut rates = Vec::new();
        for _ in 0..ROUNDS {
            let mut connection = target.connect().await;
            let begin = Instant::now();
            assert_eq!(connection.call(target).await, LARGE_BYTES);
            rates.push(LARGE_BYTES as f64 / begin.elapsed().as_secs_f64());
        }
        let what = format!("an answer of {} MiB, {name}", LARGE_BYTES >> 20);
        report.row(what, "", format!("{:.0} MB/s", median(rates) / 1e6));
    }
}
