//! Running a gateway: its listener, its counters, and how much is in flight.

mod flights;
mod held;
mod metrics;
mod serve;

pub use flights::{Flight, Flights};
pub(super) use held::until_sent;
pub(super) use metrics::CountingSink;
pub use metrics::Metrics;
pub use serve::serve;
