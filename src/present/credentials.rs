use std::fmt;

use crate::model::{Code, Json, Reason};

/// The member of an envelope's `_meta` that holds what HTTP has in `Authorization`.
///
/// *Source*: Model Context Protocol, "General fields": a prefix of labels, `/`, and a name.
pub const META_AUTHORIZATION: &str = "io.hardtack/authorization";

/// The member of an envelope's `_meta` that holds what HTTP has in `DPoP`.
pub const META_PROOF: &str = "io.hardtack/dpop";

/// How a token is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// By itself (RFC 6750).
    Bearer,
    /// With a proof (RFC 9449).
    Dpop,
}

/// The texts of a token and of a proof, as one call carries them. Both are secrets.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    scheme: Scheme,
    token: &'a str,
    proof: Option<&'a str>,
}

impl<'a> Credentials<'a> {
    /// Takes them out of the values of a call's `Authorization` and `DPoP` headers.
    ///
    /// *Errors*: a reason with `token-missing` where there is no token, `token-malformed` where
    /// there is more than one `Authorization`, `proof-invalid` where there is more than one `DPoP`
    /// or it is no text.
    pub fn from_headers(
        authorization: impl IntoIterator<Item = &'a [u8]>,
        proofs: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, Reason> {
        let mut values = authorization.into_iter();
        let value = values.next().ok_or_else(missing)?;
        if values.next().is_some() {
            let message = "the call carries more than one `Authorization` header";
            return Err(Reason::new(Code::TokenMalformed, message));
        }
        let mut proofs = proofs.into_iter();
        let proof = proofs.next().map(std::str::from_utf8).transpose();
        let invalid = |message: &str| Reason::new(Code::ProofInvalid, message);
        let proof = proof.map_err(|_| invalid("the `DPoP` header is no text"))?;
        if proofs.next().is_some() {
            return Err(invalid("the call carries more than one `DPoP` header"));
        }
        Self::of(std::str::from_utf8(value).map_err(|_| missing())?, proof)
    }

    /// Takes them out of the `_meta` of a call's envelope.
    ///
    /// *Errors*: a reason with `token-missing` or `proof-invalid`, as
    /// [`Credentials::from_headers`].
    pub fn from_meta(meta: &'a Json) -> Result<Self, Reason> {
        let text = |name| match meta.member(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(()),
        };
        let authorization = text(META_AUTHORIZATION).map_err(|()| missing())?;
        let proof = text(META_PROOF)
            .map_err(|()| Reason::new(Code::ProofInvalid, "the call's proof is no text"))?;
        Self::of(authorization.ok_or_else(missing)?, proof)
    }

    fn of(authorization: &'a str, proof: Option<&'a str>) -> Result<Self, Reason> {
        let (scheme, token) = authorization.split_once(' ').ok_or_else(missing)?;
        let scheme = match scheme {
            scheme if scheme.eq_ignore_ascii_case("Bearer") => Scheme::Bearer,
            scheme if scheme.eq_ignore_ascii_case("DPoP") => Scheme::Dpop,
            _ => return Err(missing()),
        };
        Ok(Self { scheme, token: token.trim(), proof })
    }

    /// How the token was sent.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The token's text.
    pub fn token(&self) -> &'a str {
        self.token
    }

    /// The proof's text. With a token that was sent as `Bearer` it is of no use.
    pub fn proof(&self) -> Option<&'a str> {
        self.proof
    }
}

fn missing() -> Reason {
    Reason::new(Code::TokenMissing, "the call carries no token")
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (token, proof) = (self.token.len(), self.proof.map_or(0, str::len));
        write!(f, "Credentials({:?}, token of {token} bytes, proof of {proof})", self.scheme)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::JsonProfile;

    fn of(authorization: &[&str], proofs: &[&str]) -> Result<(Scheme, String, bool), Code> {
        let bytes = |values: &[&str]| values.iter().map(|v| v.to_string()).collect::<Vec<_>>();
        let (authorization, proofs) = (bytes(authorization), bytes(proofs));
        Credentials::from_headers(
            authorization.iter().map(|value| value.as_bytes()),
            proofs.iter().map(|value| value.as_bytes()),
        )
        .map(|found| (found.scheme(), found.token().to_owned(), found.proof().is_some()))
        .map_err(|reason| reason.code)
    }

    #[test]
    fn one_token_and_at_most_one_proof() {
        let token = || "t".to_owned();
        let cases: &[(&[&str], &[&str], _)] = &[
            (&["Bearer t"], &[], Ok((Scheme::Bearer, token(), false))),
            (&["bearer  t "], &[], Ok((Scheme::Bearer, token(), false))),
            (&["DPoP t"], &["p"], Ok((Scheme::Dpop, token(), true))),
            (&["dpop t"], &[], Ok((Scheme::Dpop, token(), false))),
            (&[], &["p"], Err(Code::TokenMissing)),
            (&["Basic t"], &[], Err(Code::TokenMissing)),
            (&["t"], &[], Err(Code::TokenMissing)),
            (&["Bearer t", "Bearer t"], &[], Err(Code::TokenMalformed)),
            (&["DPoP t", "Bearer t"], &["p"], Err(Code::TokenMalformed)),
            (&["DPoP t"], &["p", "p"], Err(Code::ProofInvalid)),
        ];
        for (authorization, proofs, expected) in cases {
            assert_eq!(&of(authorization, proofs), expected, "{authorization:?} {proofs:?}");
        }
    }

    #[test]
    fn meta_holds_the_same_two_strings() {
        let of = |text: &str| {
            let meta = Json::parse(text.as_bytes(), JsonProfile::default()).unwrap();
            let found = Credentials::from_meta(&meta).map_err(|reason| reason.code)?;
            Ok((found.scheme(), found.token().to_owned(), found.proof().map(str::to_owned)))
        };
        let both = r#"{"io.hardtack/authorization":"DPoP t","io.hardtack/dpop":"p","x":1}"#;
        assert_eq!(of(both), Ok((Scheme::Dpop, "t".to_owned(), Some("p".to_owned()))));
        assert_eq!(of(r#"{"io.hardtack/dpop":"p"}"#), Err(Code::TokenMissing));
        assert_eq!(of(r#"{"io.hardtack/authorization":1}"#), Err(Code::TokenMissing));
        let bad = r#"{"io.hardtack/authorization":"DPoP t","io.hardtack/dpop":["p"]}"#;
        assert_eq!(of(bad), Err(Code::ProofInvalid));
        assert_eq!(of("[]"), Err(Code::TokenMissing));
    }
}
