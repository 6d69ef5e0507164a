//! The Model Context Protocol as values: messages, versions, headers, event streams, lists. No I/O.
//!
//! A gateway between a caller and a server judges a message and passes on the very bytes that it
//! judged. So a caller's message is parsed once, strictly, into a [`Message`] that knows where in
//! the text everything stands; whatever two readers could take differently is refused. What has to
//! change on the way is cut out by its place with a [`Splice`]; nothing is written anew. What a server
//! says is not judged: it is read only as far as it takes to find its way ([`Reply`]) or to leave
//! out of a list what the caller could not call ([`narrow`]).
//!
//! It knows two eras ([`Era`]): *legacy*, with an `initialize` handshake and sessions, and *modern*,
//! where each request stands by itself.

mod asked;
mod ends;
mod error;
mod fold;
mod headers;
mod ids;
mod joined;
mod list;
mod message;
mod mirror;
mod reply;
mod scan;
mod splice;
mod sse;
mod version;

pub use asked::{AskError, Asked, SESSION_END, SESSION_LISTEN, asked, served};
pub use ends::LineEnds;
pub use error::{Fault, code, error, result, tool_error};
pub use headers::{HeaderFault, Headers, META_VERSION, PARAM, header_text};
pub use ids::EventIds;
pub use joined::{Aim, aim};
pub use list::{Join, ListKind, Listed, NarrowError, narrow};
pub use message::{Id, Kind, Message, MessageError};
pub use mirror::{Mirror, MirrorError, mirrors};
pub use reply::{Reply, ReplyError};
pub use scan::{Scan, ScanOne, Scanned};
pub use splice::Splice;
pub use sse::{EventTooLong, Events, SseEvent, event};
pub use version::{Era, Version};
