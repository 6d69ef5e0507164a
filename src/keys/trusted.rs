use serde::{Deserialize, Serialize};

use super::public::{KeyId, VerifyingKey};

/// What a root key may still do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RootState {
    /// Signs new tokens.
    Active,
    /// Signs no more; its tokens live on until they end.
    Retiring,
    /// Trusted no more.
    Retired,
}

/// A root key that a verifier knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedRoot {
    /// The number by which tokens name it.
    pub id: KeyId,
    /// The public key.
    pub key: VerifyingKey,
    /// What it may still do.
    pub state: RootState,
}

/// The root keys that a verifier trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedRoots(Vec<TrustedRoot>);

impl TrustedRoots {
    /// Trusts these keys; retired ones and later ones of an id already taken are left out.
    pub fn new(roots: impl IntoIterator<Item = TrustedRoot>) -> Self {
        let mut kept: Vec<TrustedRoot> = Vec::new();
        for root in roots {
            let taken = kept.iter().any(|other| other.id == root.id);
            if root.state != RootState::Retired && !taken {
                kept.push(root);
            }
        }
        Self(kept)
    }

    /// Trusts one key under its own id.
    pub fn one(key: VerifyingKey) -> Self {
        Self(vec![TrustedRoot { id: key.id(), key, state: RootState::Active }])
    }

    /// The key that a token names. A token that names none means the only one there is.
    pub fn find(&self, id: Option<KeyId>) -> Option<&TrustedRoot> {
        match (id, self.0.as_slice()) {
            (Some(id), roots) => roots.iter().find(|root| root.id == id),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &TrustedRoot> {
        self.0.iter()
    }
}
