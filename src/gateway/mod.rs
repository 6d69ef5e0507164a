//! What a gateway needs besides its guard: a view of revocations that keeps up with the authority.
//!
//! [`Authority`] fetches, over HTTP, within bounds of time and size, following no redirect;
//! [`RevocationSync`] does so again and again and publishes what it learns to a guard. Lists are
//! signed by a root key, so nobody between can revoke or un-revoke; whoever holds them back makes
//! the view go stale, and then calls are denied.

mod authority;
mod sync;

pub use authority::{Authority, Discovery, FetchError};
pub use sync::{RevocationSync, SyncOptions, SyncStatus};
