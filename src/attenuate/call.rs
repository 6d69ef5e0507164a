//! A bearer token for one call.

use biscuit_auth::builder::{Check, CheckKind, Predicate, Rule, Term};
use rand::{CryptoRng, RngCore};

use super::{AttenuateError, append, block, refused, seal, takes_a_block};
use crate::model::{Timestamp, Tool};
use crate::token::UnverifiedToken;
use crate::vocabulary::{Datalog, frame};

/// Narrows a bearer token to one call with these arguments until a moment, and seals it: whoever
/// sees the result on its way can at most repeat that very call for so long.
///
/// *Shape*: `args_digest` is SHA-256 of the arguments' canonical form, as
/// [`Args::digest`](crate::model::Args::digest) gives it. Appends one block, which counts as a hop.
/// A bound token gets the same effect from a proof, see [`present`](crate::present).
///
/// *Errors*: [`AttenuateError`] where the token is bound, sealed or full.
pub fn seal_for_call(
    token: &UnverifiedToken,
    tool: &Tool,
    args_digest: [u8; 32],
    until: Timestamp,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<UnverifiedToken, AttenuateError> {
    takes_a_block(token)?;
    let chain = token.chain().map_err(refused)?;
    if chain.current().is_some() {
        return Err(AttenuateError::Bound);
    }
    let names = [tool.server(), tool.name()].map(|name| Term::Str(name.to_owned()));
    let body = vec![
        Predicate::new("call".to_owned(), names.to_vec()),
        Predicate::new("args_digest".to_owned(), vec![Term::Bytes(args_digest.to_vec())]),
    ];
    let head = Predicate::new("query".to_owned(), Vec::<Term>::new());
    let query = Rule::new(head, body, vec![], vec![]);
    let call = Check { queries: vec![query], kind: CheckKind::One };
    let block = block(vec![call, frame::expiry(until)], &Datalog::default())?;
    seal(&append(token, &block, rng)?)
}
