//! The pictures.

pub mod cache;
pub mod depth;
mod svg;
