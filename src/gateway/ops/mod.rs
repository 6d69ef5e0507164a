//! Running a gateway: its listener, its counters, and how much is in flight.

mod flights;
mod metrics;
mod serve;
mod trace;

pub use flights::{Flight, Flights};
pub(super) use metrics::CountingSink;
pub use metrics::Metrics;
pub use serve::serve;
pub(super) use trace::trace_id;
