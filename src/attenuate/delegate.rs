//! Handing a bound token on to the next holder.

use biscuit_auth::builder::{Algorithm, BlockBuilder, Fact, Term};
use biscuit_auth::{KeyPair, UnverifiedBiscuit};
use rand::{CryptoRng, RngCore};

use super::{AttenuateError, Narrowing, block, checks, not_built, refused_if_malformed};
use crate::keys::{HolderKey, VerifyingKey};
use crate::model::is_plain_text;
use crate::token::{Chain, UnverifiedToken};

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
    super::takes_a_block(token)?;
    let chain = Chain::of(token).map_err(|error| AttenuateError::Refused(error.to_string()))?;
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
    let block = block(checks(narrowing)?, &narrowing.datalog)?
        .fact(Fact::new("delegate".to_owned(), terms))
        .map_err(not_built)?;
    append_signed(token, holder, block, rng)
}

/// Appends a block that the holder has signed, for this place in this token alone.
fn append_signed(
    token: &UnverifiedToken,
    holder: &HolderKey,
    block: BlockBuilder,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<UnverifiedToken, AttenuateError> {
    let signer = holder
        .to_biscuit()
        .map_err(|_| AttenuateError::Refused("the holder's key is not usable".to_owned()))?;
    let next = KeyPair::new_with_rng(Algorithm::Ed25519, rng);
    let biscuit = UnverifiedBiscuit::from(token.as_bytes()).map_err(not_built)?;
    let bytes = biscuit
        .third_party_request()
        .and_then(|request| request.create_block(&signer, block))
        .and_then(|signed| signed.serialize())
        .and_then(|signed| biscuit.append_third_party_with_keypair(&signed, next))
        .and_then(|biscuit| biscuit.to_vec())
        .map_err(not_built)?;
    refused_if_malformed(bytes)
}
