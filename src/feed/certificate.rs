use serde::{Deserialize, Serialize};

use super::FeedError;
use crate::keys::{KeyId, RootKey, TrustedRoots, VerifyingKey};
use crate::model::Timestamp;

/// What goes before a certificate where it is signed.
const LABEL: &[u8] = b"hardtack-feed-key-v1\0";

/// Most certificates that are read at once.
pub(super) const CERTIFICATES_MAX: usize = 16;

/// That a key may sign the heads of an authority's log, for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// The authority.
    pub issuer: String,
    /// The feed key.
    pub key: VerifyingKey,
    /// The earliest time of a head that it may sign.
    pub from: Timestamp,
    /// The latest.
    pub until: Timestamp,
}

/// A certificate with the signature of a root key.
///
/// *Shape*: `certificate` is the JSON text that was signed, byte for byte; the signature is over
/// `hardtack-feed-key-v1`, a zero byte and that text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedCertificate {
    /// The JSON text of a [`Certificate`].
    pub certificate: String,
    /// The root key that signed it.
    pub root: KeyId,
    /// The ed25519 signature, hexadecimal.
    pub signature: String,
}

/// The feed keys that are known, each with the root key that vouches for it.
#[derive(Clone, Debug, Default)]
pub(super) struct FeedKeys(Vec<KnownKey>);

/// A feed key that is known.
#[derive(Clone, Debug)]
pub(super) struct KnownKey {
    pub(super) certificate: Certificate,
    /// The root key that vouches for it.
    pub(super) root: VerifyingKey,
    /// When it was first heard of, in microseconds of the follower's clock.
    learned: u64,
}

impl Certificate {
    /// The certificate with the root key's signature.
    ///
    /// *Errors*: [`FeedError::Malformed`] where it cannot be written.
    pub fn signed(&self, root: &RootKey) -> Result<SignedCertificate, FeedError> {
        let certificate = serde_json::to_string(self).map_err(|_| FeedError::Malformed)?;
        let signature = hex::encode(root.sign(&bytes(&certificate)));
        Ok(SignedCertificate { certificate, root: root.id(), signature })
    }
}

impl SignedCertificate {
    /// Checks the signature and reads the certificate; gives the root key with it.
    ///
    /// *Errors*: [`FeedError::UnknownKey`] unless a trusted root signed it,
    /// [`FeedError::Signature`], [`FeedError::Malformed`].
    pub fn open(&self, roots: &TrustedRoots) -> Result<(Certificate, VerifyingKey), FeedError> {
        let root = roots.find(Some(self.root)).ok_or(FeedError::UnknownKey)?;
        let signature = hex::decode(&self.signature).map_err(|_| FeedError::Signature)?;
        if !root.key.verifies(&bytes(&self.certificate), &signature) {
            return Err(FeedError::Signature);
        }
        let certificate =
            serde_json::from_str(&self.certificate).map_err(|_| FeedError::Malformed)?;
        Ok((certificate, root.key))
    }
}

impl FeedKeys {
    /// Takes what is vouched for by these roots, in place of what was known.
    ///
    /// *Errors*: as [`SignedCertificate::open`], of the last that is refused, where none is left.
    pub(super) fn of(
        certificates: &[SignedCertificate],
        roots: &TrustedRoots,
        before: &Self,
        now: u64,
    ) -> Result<Self, FeedError> {
        let mut error = FeedError::UnknownKey;
        let mut keys = Vec::new();
        for certificate in certificates.iter().take(CERTIFICATES_MAX) {
            match certificate.open(roots) {
                Ok((certificate, root)) => {
                    let known = before.of_key(&certificate.key).map(|known| known.learned).min();
                    keys.push(KnownKey { certificate, root, learned: known.unwrap_or(now) });
                }
                Err(refused) => error = refused,
            }
        }
        if keys.is_empty() { Err(error) } else { Ok(Self(keys)) }
    }

    /// The certificates of a key.
    pub(super) fn of_key(&self, key: &VerifyingKey) -> impl Iterator<Item = &KnownKey> {
        let key = *key;
        self.0.iter().filter(move |known| known.certificate.key == key)
    }
}

impl KnownKey {
    /// Whether the key may sign a head of this authority and time, now. Whoever stole it writes what
    /// time he likes: so it ends as well when it was known for as long as it was to live.
    pub(super) fn may_sign(&self, issuer: &str, time: Timestamp, now: u64) -> bool {
        let Certificate { from, until, .. } = self.certificate;
        let life = until.millis().saturating_sub(from.millis()).saturating_mul(1000);
        self.certificate.issuer == issuer
            && (from..=until).contains(&time)
            && now.saturating_sub(self.learned) <= life
    }
}

fn bytes(certificate: &str) -> Vec<u8> {
    [LABEL, certificate.as_bytes()].concat()
}
