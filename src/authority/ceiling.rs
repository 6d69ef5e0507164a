//! Whether a task stays within what its client, and the authority, allow.

use std::fmt;

use crate::config::Settings;
use crate::mint::Task;
use crate::store::ClientLimits;
use crate::vocabulary::grant::within_any;

/// What of a request lies beyond, and what would not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Beyond(String);

impl fmt::Display for Beyond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The longest life of a token that the client may ask for.
pub(super) fn ttl_secs_max(limits: &ClientLimits, settings: &Settings) -> u64 {
    limits.ttl_secs_max.map_or(settings.ttl_secs_max, |max| max.min(settings.ttl_secs_max))
}

/// The most delegation hops that the client may ask for.
pub(super) fn depth_max(limits: &ClientLimits, settings: &Settings) -> u32 {
    limits.depth_max.map_or(settings.depth_max, |max| max.min(settings.depth_max))
}

/// Checks a task.
///
/// *Errors*: the first field that lies beyond.
pub(super) fn within(
    task: &Task,
    limits: &ClientLimits,
    settings: &Settings,
) -> Result<(), Beyond> {
    let ttl_secs_max = ttl_secs_max(limits, settings);
    if task.ttl_secs > ttl_secs_max {
        let asked = task.ttl_secs;
        return Err(Beyond(format!(
            "`ttl_secs` is {asked}, and at most {ttl_secs_max} is allowed"
        )));
    }
    let depth_max = depth_max(limits, settings);
    if task.depth > depth_max {
        let asked = task.depth;
        return Err(Beyond(format!("`depth` is {asked}, and at most {depth_max} is allowed")));
    }
    if task.holder.is_none() && !limits.bearer {
        let why = "`holder` is missing, and this client may not ask for bearer tokens";
        return Err(Beyond(why.to_owned()));
    }
    within_audience(task, limits)?;
    within_any(&task.grants, &limits.ceiling).map_err(|beyond| Beyond(beyond.to_string()))
}

fn within_audience(task: &Task, limits: &ClientLimits) -> Result<(), Beyond> {
    let Some(allowed) = &limits.audience else { return Ok(()) };
    let Some(audience) = &task.audience else {
        return Err(Beyond("`audience` is any, and this client has to name it".to_owned()));
    };
    match audience.iter().find(|name| !allowed.contains(*name)) {
        None => Ok(()),
        Some(other) => {
            let other: String = other.chars().take(64).flat_map(char::escape_debug).collect();
            Err(Beyond(format!("`audience` holds `{other}`, which this client may not name")))
        }
    }
}
