use std::time::Duration;

/// The bounds of what goes to an upstream and comes back.
///
/// *Shape*: public fields; the defaults suit a service near by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamOptions {
    /// How long making a connection may take, TLS included: 5 s.
    pub connect_timeout: Duration,
    /// How long the upstream may take to begin its answer, once it has the request: 30 s.
    pub head_timeout: Duration,
    /// How long either side may pause within a body: 60 s. Without one, for ever.
    pub idle_timeout: Option<Duration>,
    /// How long the whole exchange may take; without one, as long as it goes on.
    pub total_timeout: Option<Duration>,
    /// How many requests may be with the upstream at once: 256. One is until its answer has ended.
    pub requests_max: usize,
    /// How long a request may wait for its turn: 1 s.
    pub queue_timeout: Duration,
    /// How many idle connections are kept: 32.
    pub idle_connections_max: usize,
}

impl Default for UpstreamOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            head_timeout: Duration::from_secs(30),
            idle_timeout: Some(Duration::from_secs(60)),
            total_timeout: None,
            requests_max: 256,
            queue_timeout: Duration::from_secs(1),
            idle_connections_max: 32,
        }
    }
}
