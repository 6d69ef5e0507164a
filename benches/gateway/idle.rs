//! What a connection takes that once called and now waits.

use super::Report;
use super::load::Target;
use super::process::Running;
use super::world::World;

const CONNECTIONS: usize = 5000;

pub(super) async fn measure(report: &mut Report, world: &World) {
    let target = Target::post(&format!("{}/refunds/ch_1", world.http()), Some(&world.token));
    of(report, "gateway", &world.gateway, &target).await;
    if let Some(nginx) = &world.nginx {
        let target = Target::post(&format!("{}/refunds/ch_1", nginx.url), None);
        of(report, "nginx", &nginx.running, &target).await;
    }
}

async fn of(report: &mut Report, name: &str, process: &Running, target: &Target) {
    // What is made once is made before.
    for _ in 0..100 {
        target.connect().await.call(target).await;
    }
    let before = process.memory();
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut connection = target.connect().await;
        connection.call(target).await;
        open.push(connection);
    }
    let more = process.memory().saturating_sub(before);
    let each = more as f64 / CONNECTIONS as f64 / 1e3;
    report.row(format!("an idle connection, {name}"), "", format!("{each:.1} kB"));
}
