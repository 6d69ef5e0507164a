use super::authority::FetchError;
use super::events::EventTooLong;
use crate::feed::{FeedError, Malformed};

/// Why a source is of no use for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Feed(#[from] FeedError),
    #[error(transparent)]
    Event(#[from] EventTooLong),
    /// Whatever came proved nothing newer.
    #[error("the source was silent")]
    Silent,
    #[error("the source lags behind")]
    Lagging,
    #[error("the stream ended")]
    Ended,
    /// Files that lead nowhere near the head.
    #[error("the source does not have what leads to its head")]
    Behind,
    /// What was known went with a task that ended; nothing more can be learned.
    #[error("the view of revocations was given up")]
    Lost,
}

impl From<Malformed> for Failure {
    fn from(_: Malformed) -> Self {
        Self::Feed(FeedError::Malformed)
    }
}

impl Failure {
    /// The cause in one word, for metrics.
    pub(super) fn cause(&self) -> &'static str {
        match self {
            Self::Fetch(FetchError::Address | FetchError::Client) => "client",
            Self::Fetch(FetchError::Unreachable) => "unreachable",
            Self::Fetch(FetchError::Slow) => "slow",
            Self::Fetch(FetchError::Status(_)) => "status",
            Self::Fetch(FetchError::TooLong) | Self::Event(_) => "too-long",
            Self::Fetch(FetchError::Malformed) | Self::Feed(FeedError::Malformed) => "malformed",
            Self::Feed(FeedError::UnknownKey) => "unknown-key",
            Self::Feed(FeedError::Signature) => "signature",
            Self::Feed(FeedError::OtherIssuer) => "other-issuer",
            Self::Feed(FeedError::Rollback) => "rollback",
            Self::Feed(FeedError::Equivocation) => "equivocation",
            Self::Feed(FeedError::NoAnswer) => "no-answer",
            Self::Feed(FeedError::Gap) => "gap",
            Self::Silent => "silent",
            Self::Lagging => "lagging",
            Self::Ended => "ended",
            Self::Behind => "behind",
            Self::Lost => "lost",
        }
    }
}
