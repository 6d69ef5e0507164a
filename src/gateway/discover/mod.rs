//! What servers offer, asked by the gateway itself: for drafts of settings, and for approvals.

mod client;
mod draft;
mod line;

pub use client::{DiscoverError, tools};
pub use draft::draft;

use crate::model::Json;

/// A tool, as its server defines it.
#[derive(Clone, Debug)]
pub struct Offered {
    /// Its name.
    pub name: String,
    /// The definition, read strictly.
    pub definition: Json,
}
