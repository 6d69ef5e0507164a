//! placeholder
use biscuit_auth::builder::{Check, Fact, Policy, Rule};
/// The authorizer side.
#[derive(Clone, Debug, Default)]
pub struct PolicyCode {
    /// f
    pub facts: Vec<Fact>,
    /// r
    pub rules: Vec<Rule>,
    /// c
    pub checks: Vec<Check>,
    /// p
    pub policies: Vec<Policy>,
}
