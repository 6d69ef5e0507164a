//! Handing a bound token on to the next holder.

use biscuit_auth::builder::{Fact, Term};
use rand::{CryptoRng, RngCore};

use super::{AttenuateError, Narrowing, block, checks, refused, takes_a_block};
use crate::keys::{HolderKey, Secret, VerifyingKey};
use crate::model::is_plain_text;
use crate::token::UnverifiedToken;

/// Hands a bound token on: from now on it is the next holder who must prove each call.
///
/// *Shape*: appends one third-party block, signed by the current holder, with the checks of the
/// narrowing and `delegate(next, name)`. The narrowing may be empty. The name is what records call
/// the hop. The current holder keeps the token given, and can revoke the block that this appends.
///
/// *Errors*: [`AttenuateError`]: the token is a bearer token, sealed or full, the key is not that
/// of its current holder, the next key has held it before, or the name is no plain text. That the
/// next key is usable, [`VerifyingKey`] has seen to.
///
/// *Source*: Biscuit specification, "Third-party blocks".
pub fn delegate(
    token: &UnverifiedToken,
    holder: &HolderKey,
    next: &VerifyingKey,
    name: &str,
    narrowing: &Narrowing,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<UnverifiedToken, AttenuateError> {
    takes_a_block(token)?;
    let chain = token.chain().map_err(refused)?;
    let current = chain.current().ok_or(AttenuateError::Bearer)?;
    if current.key != holder.public() {
        return Err(AttenuateError::NotTheHolder);
    }
    if chain.holds_or_held(next) {
        return Err(AttenuateError::Loop);
    }
    if !is_plain_text(name) {
        return Err(AttenuateError::Name);
    }
    let terms = vec![Term::Bytes(next.to_bytes().to_vec()), Term::Str(name.to_owned())];
    let mut block = block(checks(narrowing)?, &narrowing.datalog)?;
    block.facts.push(Fact::new("delegate".to_owned(), terms));
    token.append(&block, Some(holder), &Secret::generate(rng)).map_err(refused)
}
