use biscuit_auth::PublicKey;
use biscuit_auth::builder::{Check, Fact, Rule, Scope};

/// One block of a token, its symbols resolved to names.
///
/// *Shape*: the Datalog of the block as Biscuit's own syntax tree. Block 0 is the authority block.
///
/// *Source*: Biscuit specification, "Blocks".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    /// Ground facts the block states.
    pub facts: Vec<Fact>,
    /// Rules the block states.
    pub rules: Vec<Rule>,
    /// Checks the block requires.
    pub checks: Vec<Check>,
    /// The block's own `trusting …` scopes; empty means the default.
    pub scopes: Vec<Scope>,
    /// The key that signed the block, where a third party did.
    pub external_key: Option<PublicKey>,
}
