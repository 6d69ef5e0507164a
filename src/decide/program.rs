use super::{Decision, Policy};
use crate::model::{Code, Reason, Request};
use crate::verify::{Authentic, Verified};

/// A token and a policy, made ready to decide many requests.
#[derive(Debug)]
pub struct Program;

impl Program {
    /// Makes a token and a policy ready.
    ///
    /// *Errors*: a reason with `token-too-complex` or `token-malformed`.
    pub fn new(_authentic: &Authentic, _policy: &Policy) -> Result<Self, Reason> {
        Ok(Self)
    }
}

/// Decides one request.
///
/// *Shape*: the program must be the one made of this token.
pub fn decide(_verified: &Verified, _program: &Program, _request: &Request) -> Decision {
    Decision::deny(Reason::new(Code::NotGranted, "not written yet"))
}
