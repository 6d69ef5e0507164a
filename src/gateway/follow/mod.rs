//! A view of revocations that keeps up with the authority.
//!
//! [`RevocationSync`] follows the authority's [feed](crate::feed), or relays of it, over HTTP, and keeps
//! a [`View`] that a guard reads without waiting. Its [`Follower`](crate::feed::Follower) decides what
//! is believed; this module connects, fetches within bounds of time and size, falls back and comes
//! back. Nobody between can revoke or un-revoke, or make the view look younger than it is; whoever
//! holds it back makes the view go stale, and then calls are denied.
//!
//! ```text
//! stream ──(fails twice)──▶ long poll ──(fails twice)──▶ poll
//!    ▲ each source in turn, with growing pauses              │
//!    └────────────── tried again beside them ────────────────┘
//! ```

mod authority;
mod driver;
mod events;
mod failure;
mod fetch;
mod health;
mod keeper;
mod learner;
mod monitor;
mod source;
mod sync;
mod view;
mod watch;

pub use authority::{Authority, Discovery, FetchError};
pub use events::{Event, EventReader, EventTooLong};
pub use fetch::BundleError;
pub use health::{METRICS_TYPE, health_router};
pub use monitor::{Mode, SyncStatus};
pub use sync::{Pace, Reporter, RevocationSync, SyncOptions};
pub use view::View;
pub use watch::{Taken, Watch};
