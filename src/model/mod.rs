//! The words every step of the flow shares: tools, requests, reasons, limits, time.
//!
//! Nothing here does I/O, reads a clock or draws random numbers. The model imports no other
//! module of this crate; every other module may import it.

mod block;
mod clock;
mod json;
pub mod limits;
mod reason;
mod regex;
mod request;
mod revocation;
mod text;
mod timestamp;
mod tool;
mod uri;
mod work;

pub use block::Block;
pub use clock::{Clock, ManualClock};
pub use json::{Document, Json, JsonBounds, JsonError, JsonProfile, Member, Number, Place};
pub use reason::{Code, Reason};
pub(crate) use regex::{Regex, RegexError, RegexScratch, RegexWork, is_regex};
pub use request::{Args, Request, RequestError};
pub use revocation::{Key16, RevocationId};
pub use text::is_plain_text;
pub use timestamp::{Timestamp, TimestampError};
pub use tool::{Tool, ToolError, ToolPattern};
pub use uri::{TargetUri, UriError};
pub use work::TooMuchWork;
pub(crate) use work::Work;
