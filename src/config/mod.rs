//! What runs on what: an authority's data directory and settings, key files, the environment, the
//! clock and the random source.
//!
//! The only module that reads files of settings or keys, the environment, or the system's clock.

mod clock;
#[cfg(feature = "server")]
mod data_dir;
#[cfg(feature = "server")]
mod entropy;
#[cfg(feature = "cli")]
pub mod env;
#[cfg(feature = "server")]
mod error;
#[cfg(feature = "server")]
mod files;
#[cfg(feature = "proxy")]
pub mod gateway;
#[cfg(feature = "cli")]
pub mod keyfile;
#[cfg(any(feature = "proxy", feature = "server"))]
mod sentence;
#[cfg(feature = "server")]
mod settings;

pub use clock::SystemClock;
#[cfg(feature = "server")]
pub use data_dir::{DataDir, InitOptions, Initialised};
#[cfg(feature = "server")]
pub use entropy::Entropy;
#[cfg(feature = "server")]
pub use error::ConfigError;
#[cfg(any(feature = "proxy", feature = "server"))]
#[cfg(feature = "server")]
use sentence::sentence;
#[cfg(feature = "proxy")]
use sentence::sentence_without_values;
#[cfg(feature = "server")]
pub use settings::Settings;
