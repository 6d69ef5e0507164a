//! The gateway for the Model Context Protocol, over loopback, in front of servers that tell all that
//! reached them.

mod ambiguous;
mod anew;
mod edges;
mod faults;
mod joined;
mod joined_sessions;
mod lists;
mod owners;
mod proofs;
mod protocol;
mod sessions;
mod stdio;
mod stdio_talk;
mod upstream;
mod world;
