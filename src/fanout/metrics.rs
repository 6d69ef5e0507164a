use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What a [`super::Fanout`] counts.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Streams and long polls that are open now.
    pub readers: Gauge,
    /// Messages that were published.
    pub messages: Counter,
    /// Entries that were published.
    pub entries: Counter,
    /// Streams that ended because their readers lagged behind.
    pub lagged: Counter,
    /// Streams and long polls that were refused because there were too many.
    pub refused: Counter,
}

impl Metrics {
    /// Shows them in a registry.
    pub fn register(&self, registry: &mut Registry) {
        let readers = self.readers.clone();
        registry.register("hardtack_feed_readers", "Streams and long polls open now", readers);
        let counters = [
            ("hardtack_feed_messages", "Messages published", &self.messages),
            ("hardtack_feed_entries", "Entries published", &self.entries),
            ("hardtack_feed_lagged", "Streams ended because they lagged behind", &self.lagged),
            ("hardtack_feed_refused", "Streams and long polls refused", &self.refused),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
    }
}
