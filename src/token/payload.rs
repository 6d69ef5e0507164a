//! What exactly is signed: laid out once, for whoever signs and whoever checks.
//!
//! *Source*: Biscuit specification, "Cryptography".

use smallvec::SmallVec;

use super::envelope::{Envelope, SignatureVersion, SignedBlock};

/// What is signed: rarely more than this, so that it needs no room of its own.
pub(crate) type Payload = SmallVec<[u8; 1024]>;

/// The number of ed25519, as it is signed along with a key.
const ED25519: [u8; 4] = [0; 4];

/// One block with all that is signed along with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) message: &'a [u8],
    pub(crate) next_key: &'a [u8; 32],
    pub(crate) version: SignatureVersion,
    /// The signature of the block before; block 0 has none.
    pub(crate) before: Option<&'a [u8; 64]>,
    /// The signature of a third party.
    pub(crate) external: Option<&'a [u8; 64]>,
}

impl<'a> Signed<'a> {
    /// A block of a token and the one before it.
    pub(crate) fn of(
        envelope: &'a Envelope,
        block: &'a SignedBlock,
        before: Option<&'a SignedBlock>,
    ) -> Self {
        Self {
            message: envelope.message(block),
            next_key: &block.next_key,
            version: block.version,
            before: before.map(|before| &before.signature),
            external: block.external.as_ref().map(|external| &external.signature),
        }
    }

    /// What the key before the block signs.
    pub(crate) fn block(&self, payload: &mut Payload) {
        payload.clear();
        match self.version {
            SignatureVersion::V0 => self.unlabelled(payload),
            SignatureVersion::V1 => {
                payload.extend_from_slice(b"\0BLOCK\0\0VERSION\0\x01\0\0\0\0PAYLOAD\0");
                payload.extend_from_slice(self.message);
                payload.extend_from_slice(b"\0ALGORITHM\0");
                payload.extend_from_slice(&ED25519);
                payload.extend_from_slice(b"\0NEXTKEY\0");
                payload.extend_from_slice(self.next_key);
                if let Some(before) = self.before {
                    payload.extend_from_slice(b"\0PREVSIG\0");
                    payload.extend_from_slice(before);
                }
                if let Some(external) = self.external {
                    payload.extend_from_slice(b"\0EXTERNALSIG\0");
                    payload.extend_from_slice(external);
                }
            }
        }
    }

    /// What a third party signs: the block in the one place after the block with this signature.
    pub(crate) fn external(&self, before: &[u8; 64], payload: &mut Payload) {
        payload.clear();
        payload.extend_from_slice(b"\0EXTERNAL\0\0VERSION\0\x01\0\0\0\0PAYLOAD\0");
        payload.extend_from_slice(self.message);
        payload.extend_from_slice(b"\0PREVSIG\0");
        payload.extend_from_slice(before);
    }

    /// What a seal after the block signs, along with the block's signature.
    pub(crate) fn seal(&self, signature: &[u8; 64], payload: &mut Payload) {
        payload.clear();
        self.unlabelled(payload);
        payload.extend_from_slice(signature);
    }

    fn unlabelled(&self, payload: &mut Payload) {
        payload.extend_from_slice(self.message);
        payload.extend_from_slice(&ED25519);
        payload.extend_from_slice(self.next_key);
    }
}
