//! The gateway for the Model Context Protocol, over loopback, in front of servers that tell all that
//! reached them.

mod ambiguous;
mod faults;
mod joined;
mod lists;
mod proofs;
mod protocol;
mod sessions;
mod stdio;
mod upstream;
mod world;
