//! Hardtack beside its peers, on the same work, in one run.
//!
//! [`work`] says what is asked of everybody. [`ours`], [`biscuits`], [`warrants`] and [`jwt_cedar`]
//! do it, each as its own documentation recommends; [`floors`] is what no design can go below.
//! [`rows`] puts them in one list, [`measure`] runs the list in turns, so that whatever disturbs
//! the machine disturbs all alike, and [`report`] and [`plot`] say what came out.

pub mod biscuits;
pub mod bound;
pub mod floors;
pub mod jwt_cedar;
pub mod measure;
pub mod ours;
pub mod plot;
pub mod report;
pub mod rows;
pub mod threads;
pub mod warrants;
pub mod work;
