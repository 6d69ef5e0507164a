use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal;)*) => {
        /// Why a call was refused: one stable word for problem types, records, metrics and the CLI.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Code {
            /// Every code, in the order in which a decision looks for them.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The code as it is written everywhere, kebab-case.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }

            /// The HTTP status that goes with the code.
            pub fn http_status(self) -> u16 {
                match self { $(Code::$name => $status,)* }
            }
        }
    };
}

codes! {
    /// The call carries no token.
    TokenMissing = "token-missing", 401;
    /// The token is not a canonical Biscuit token, or its Datalog is not well formed.
    TokenMalformed = "token-malformed", 401;
    /// The token is longer than the limit.
    TokenTooLarge = "token-too-large", 401;
    /// The token's shape, or evaluating it, costs more than the limits allow.
    TokenTooComplex = "token-too-complex", 401;
    /// A signature does not verify.
    SignatureInvalid = "signature-invalid", 401;
    /// The token names a root key that is not trusted here.
    RootUnknown = "root-unknown", 401;
    /// The token uses words that this verifier does not know.
    VocabularyUnknown = "vocabulary-unknown", 401;
    /// A block of the token, its task or its root key was revoked.
    Revoked = "revoked", 401;
    /// This verifier does not know recent revocations.
    RevocationStale = "revocation-stale", 503;
    /// The token is bound to a holder and the call carries no proof.
    ProofMissing = "proof-missing", 401;
    /// The proof does not verify.
    ProofInvalid = "proof-invalid", 401;
    /// The proof was used before.
    ProofReplayed = "proof-replayed", 401;
    /// This verifier cannot say whether the proof was used before.
    ProofStoreUnavailable = "proof-store-unavailable", 503;
    /// More delegation hops than the token or the limits allow.
    ChainTooLong = "chain-too-long", 403;
    /// The token's time is over.
    Expired = "expired", 401;
    /// The token is meant for another gateway.
    AudienceMismatch = "audience-mismatch", 401;
    /// No grant of block 0 covers the call.
    NotGranted = "not-granted", 403;
    /// A check of a block does not hold for the call.
    CheckFailed = "check-failed", 403;
    /// The gateway's policy refuses the call.
    PolicyDenied = "policy-denied", 403;
    /// The gateway's policy wants a person's approval first.
    ApprovalRequired = "approval-required", 403;
    /// The budget of the task is spent.
    BudgetExhausted = "budget-exhausted", 429;
    /// The gateway or the task has as many calls in flight as it may.
    TooManyCalls = "too-many-calls", 429;
    /// The tool's definition is not one that was approved.
    DefinitionUnapproved = "definition-unapproved", 403;
    /// An expression failed while it was evaluated.
    EvaluationError = "evaluation-error", 403;
    /// The request cannot be judged: its arguments or its tool are malformed.
    RequestMalformed = "request-malformed", 400;
    /// The decision could not be recorded.
    RecordUnavailable = "record-unavailable", 503;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One reason of a refusal.
///
/// *Shape*: only [`code`](Self::code) and [`message`](Self::message) are always there. No field
/// ever holds token bytes or key material.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The stable word.
    pub code: Code,
    /// One sentence for a person.
    pub message: String,
    /// The block whose check failed; 0 is the authority block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<usize>,
    /// The check's place in its block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<usize>,
    /// The name of the delegation hop that the block belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hop: Option<String>,
    /// The check's Datalog source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The fact that failed the check, as Datalog; a missing one is shown with its value open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fact: Option<String>,
    /// The smallest change of the call that would pass, where it can be computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Reason {
    /// A reason with a code and a sentence.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            block: None,
            check: None,
            hop: None,
            source: None,
            fact: None,
            hint: None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}
