//! What a gateway needs besides its guard.
//!
//! [`RevocationSync`] keeps the guard's view of revocations in step with the authority; that is all
//! that a service needs which carries a guard of its own. With the feature `proxy` there is a whole
//! gateway, for tools that know nothing of tokens.

mod follow;

pub use follow::{
    Authority, BundleError, Discovery, Event, EventReader, EventTooLong, FetchError, METRICS_TYPE,
    Mode, Pace, Reporter, RevocationSync, SyncOptions, SyncStatus, Taken, View, Watch,
    health_router,
};
