use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);
/// A child that lived as long as this was well.
const HEALTHY: Duration = Duration::from_secs(60);
/// Owners whose children failed that are remembered.
const OWNERS_MAX: usize = 4096;

/// When the child of each owner may be started again: the pause after a failure is twice the one
/// before.
#[derive(Default)]
pub(super) struct Backoff(HashMap<[u8; 32], Failed>);

struct Failed {
    times: u32,
    again: Instant,
}

impl Backoff {
    /// How long the owner has to wait.
    pub(super) fn wait(&self, owner: &[u8; 32], now: Instant) -> Duration {
        self.0
            .get(owner)
            .map_or(Duration::ZERO, |failed| failed.again.saturating_duration_since(now))
    }

    /// A child of this owner ended by itself.
    pub(super) fn failed(&mut self, owner: [u8; 32], lived: Duration, now: Instant) {
        if lived >= HEALTHY {
            self.0.remove(&owner);
            return;
        }
        if self.0.len() >= OWNERS_MAX {
            self.0.retain(|_, failed| failed.again > now);
        }
        if self.0.len() >= OWNERS_MAX {
            return;
        }
        let failed = self.0.entry(owner).or_insert(Failed { times: 0, again: now });
        let pause = FIRST.saturating_mul(1 << failed.times.min(16)).min(LONGEST);
        failed.times = failed.times.saturating_add(1);
        failed.again = now + pause;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pauses_double_and_are_forgotten_after_a_healthy_minute() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        let (one, short) = ([1; 32], Duration::from_secs(59));
        let mut pauses = Vec::new();
        for _ in 0..10 {
            backoff.failed(one, short, now);
            pauses.push(backoff.wait(&one, now).as_millis());
        }
        let want = [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000];
        assert_eq!(pauses, want);
        assert_eq!(backoff.wait(&[2; 32], now), Duration::ZERO);
        assert_eq!(backoff.wait(&one, now + LONGEST), Duration::ZERO);
        backoff.failed(one, HEALTHY, now);
        assert_eq!(backoff.wait(&one, now), Duration::ZERO);
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        for n in 0..2 * OWNERS_MAX as u64 {
            let mut owner = [0; 32];
            owner[..8].copy_from_slice(&n.to_le_bytes());
            backoff.failed(owner, Duration::ZERO, now);
        }
        assert_eq!(backoff.0.len(), OWNERS_MAX);
    }
}
