//! A gateway that knows nothing meets a log with a million living entries.

use std::time::{Duration, Instant};

use hardtack::gateway::{Authority, RevocationSync, SyncOptions};

use super::origin::Origin;
use super::{Report, median};

const ENTRIES: usize = 1_000_000;
const ROUNDS: usize = 5;

pub(super) async fn measure(report: &mut Report) {
    let origin = Origin::with(ENTRIES);
    let url = origin.serve().await;
    let mut seconds = Vec::new();
    for _ in 0..ROUNDS {
        let authority = Authority::new(&url, Duration::from_secs(5)).expect("an address");
        let started = Instant::now();
        let sync = RevocationSync::start(vec![authority], origin.roots(), SyncOptions::default());
        while sync.status().age_millis.is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        seconds.push(started.elapsed().as_secs_f64());
        assert_eq!(sync.view().size().0, ENTRIES);
        report.figures.view_bytes = sync.view().size().1 as f64;
    }
    report.row(
        "first sync of 1 M entries over HTTP, until the view is fresh",
        format!("{:.2} s", median(seconds)),
        "≤ 2 s",
    );
    let mega = |bytes: f64| bytes / 1e6;
    report.row(
        "what is sent for it; what the view takes",
        format!(
            "{:.1} MB; {:.1} MB",
            mega(origin.file.len() as f64),
            mega(report.figures.view_bytes)
        ),
        "≤ 40 MB",
    );
    report.figures.snapshot_bytes = origin.file.len() as f64;
}
