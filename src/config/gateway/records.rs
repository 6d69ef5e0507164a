use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// Where decisions are recorded, and what of them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Records {
    /// The file, or a folder in which each process makes one of its own; without either, standard
    /// output.
    pub file: Option<PathBuf>,
    /// When the file is forced to the disk.
    pub sync: RecordSync,
    /// Keep the arguments of calls, redacted, besides their digest.
    pub arguments: bool,
    /// Names of arguments that are never kept, besides `password`, `token` and their like.
    pub redact: Vec<String>,
}

/// When records are forced to the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RecordSync {
    /// Before the call goes up: a record survives a loss of power.
    #[default]
    EveryRecord,
    /// Each second: a loss of power takes the records since, a crash of the process none.
    EverySecond,
    /// When the system likes.
    Never,
}
