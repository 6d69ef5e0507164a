//! Servers that are child processes and speak over their standard input and output.
//!
//! In the legacy era each session has a child of its own; in the modern era each task has one. A
//! child is given nothing of the gateway's environment but `PATH` and `HOME`, and is ended with all
//! processes of its group. What it writes is read line by line, each within a bound; what nobody
//! takes is waited with, so that a flood fills no memory.

mod answer;
mod backoff;
mod child;
mod exchange;
mod lines;
mod pending;
mod pipe;
mod pool;

pub use pool::{StdioOptions, StdioServer};

pub(super) use pipe::Pipe;
