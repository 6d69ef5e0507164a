//! The memory of used proofs that gateways of one address share.

use super::OpenError;
use crate::config::gateway::Secret;

/// Without this build's support there is none.
#[cfg(not(feature = "redis"))]
pub(super) fn shared(_: Secret) -> Result<crate::guard::LocalReplays, OpenError> {
    Err(OpenError::Settings("`proofs.redis`: this build has no support for Redis".to_owned()))
}

#[cfg(feature = "redis")]
pub(super) use with_redis::shared;

#[cfg(feature = "redis")]
mod with_redis {
    use tokio::sync::OnceCell;

    use super::{OpenError, Secret};
    use crate::guard::{RedisOptions, RedisReplays, Replays, Spending, Spent};
    use crate::model::Timestamp;

    /// A Redis whose address is read when it is first asked: it may hold a password.
    struct Shared {
        url: Secret,
        redis: OnceCell<RedisReplays>,
    }

    /// The memory at this address.
    pub(in super::super) fn shared(url: Secret) -> Result<impl Replays + use<>, OpenError> {
        Ok(Shared { url, redis: OnceCell::new() })
    }

    impl Replays for Shared {
        fn spend(&self, key: [u8; 32], until: Timestamp, now: Timestamp) -> Spending<'_> {
            Box::pin(async move {
                match self.redis.get_or_try_init(|| open(&self.url)).await {
                    Ok(redis) => redis.spend(key, until, now).await,
                    Err(why) => {
                        tracing::warn!(why, "`proofs.redis` cannot be used");
                        Spent::Unavailable
                    }
                }
            })
        }
    }

    async fn open(url: &Secret) -> Result<RedisReplays, String> {
        let url = url.read().await.map_err(|why| why.to_string())?;
        RedisReplays::new(&url, RedisOptions::default()).map_err(|why| why.to_string())
    }
}
