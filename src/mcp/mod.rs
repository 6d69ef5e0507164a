//! The Model Context Protocol as values: messages, versions, headers. No I/O.
