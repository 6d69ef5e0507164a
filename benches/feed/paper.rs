//! What the figures mean for a hundred thousand gateways and a thousand revocations a second.

const GATEWAYS: f64 = 100_000.0;
const REVOCATIONS: f64 = 1000.0;
/// How long a revocation matters: the life of most tokens, in seconds.
const LIFE: f64 = 3600.0;
/// What one machine should send, in bits a second.
const LINE: f64 = 10e9;
/// Streams that one process serves.
const STREAMS: f64 = 10_000.0;

/// What was measured.
#[derive(Default)]
pub(super) struct Figures {
    pub(super) heartbeat_bytes: f64,
    pub(super) entry_bytes: f64,
    pub(super) bytes_an_entry: f64,
    pub(super) snapshot_bytes: f64,
    pub(super) view_bytes: f64,
    /// Share of a core that one idle stream takes, and memory of it.
    pub(super) core_a_stream: f64,
    pub(super) memory_a_stream: f64,
}

impl Figures {
    /// Prints it, where all that it takes was measured.
    pub(super) fn print(&self) {
        let needed = [self.heartbeat_bytes, self.bytes_an_entry, self.core_a_stream];
        if needed.contains(&0.0) {
            return;
        }
        // The authority leaves 20 ms between two messages.
        let messages = 50.0;
        let each = messages * self.heartbeat_bytes + REVOCATIONS * self.entry_bytes;
        let streams = (LINE / 8.0 / each).min(STREAMS).floor();
        let relays = (GATEWAYS / streams).ceil();
        let roots = (relays / streams).ceil();
        let living = REVOCATIONS * LIFE;
        println!("\nOn paper, {GATEWAYS} gateways and {REVOCATIONS} revocations a second:\n");
        println!("| what | from | figure |\n| --- | --- | --- |");
        let row =
            |what: &str, from: String, figure: String| println!("| {what} | {from} | {figure} |");
        row(
            "one gateway's stream",
            format!(
                "{messages} messages of {} bytes and 1,000 entries of {:.0} a second",
                self.heartbeat_bytes, self.entry_bytes
            ),
            format!("{:.2} MB/s", each / 1e6),
        );
        row(
            "all of them",
            "times 100,000".to_owned(),
            format!("{:.1} GB/s", each * GATEWAYS / 1e9),
        );
        row(
            "relays at the edge",
            format!("{streams} streams each: 10 Gbit/s or {STREAMS} streams"),
            format!("{relays}, behind {roots} at the authority"),
        );
        row(
            "the authority",
            format!("{relays} relays follow it, or {roots} before them"),
            format!("{:.0} MB/s", relays * each / 1e6),
        );
        let snapshots = (living / 20.0).min(50_000.0) / REVOCATIONS;
        row(
            "snapshots for the relays",
            format!("one each {snapshots:.0} s, of {:.0} MB", living * 21.0 / 1e6),
            format!("{:.0} MB/s", relays * living * 21.0 / 1e6 / snapshots),
        );
        row(
            "a relay's processor for heartbeats alone",
            format!("{:.4} % of a core a stream", self.core_a_stream * 100.0),
            format!("{:.0} % of a core", self.core_a_stream * streams * 100.0),
        );
        row(
            "a relay's memory for streams",
            format!("{:.0} kB each", self.memory_a_stream / 1e3),
            format!("{:.0} MB", self.memory_a_stream * streams / 1e6),
        );
        row(
            "a gateway's view",
            format!("{living} living entries of {:.0} bytes", self.bytes_an_entry),
            format!("{:.0} MB", living * self.bytes_an_entry / 1e6),
        );
        row(
            "a first sync",
            "21 bytes an entry".to_owned(),
            format!("{:.0} MB", living * 21.0 / 1e6),
        );
    }
}
