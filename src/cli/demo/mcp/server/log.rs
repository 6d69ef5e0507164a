//! What arrived, one JSON line a message, before anybody looks at it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use serde_json::{Map, Value, json};

/// The log; without a file nothing is kept.
#[derive(Debug, Default)]
pub(super) struct Log(Option<Mutex<File>>);

impl Log {
    pub(super) fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let open = |path: &Path| {
            let file = OpenOptions::new().create(true).append(true).open(path);
            file.with_context(|| format!("`{}` cannot be written", path.display()))
        };
        Ok(Self(path.map(open).transpose()?.map(Mutex::new)))
    }

    /// Notes a message, with the headers that it came with. A credential is not written down, only
    /// how it begins.
    pub(super) fn note(&self, headers: &[(&str, &str)], message: &[u8]) {
        let Some(file) = &self.0 else { return };
        let headers: Map<String, Value> = headers
            .iter()
            .map(|(name, value)| match *name {
                "authorization" | "dpop" | "cookie" => {
                    let scheme = value.split(' ').next().unwrap_or_default();
                    let shown: String = scheme.chars().take(8).collect();
                    ((*name).to_owned(), json!(format!("{shown} …")))
                }
                name => (name.to_owned(), json!(value)),
            })
            .collect();
        let message = String::from_utf8_lossy(message);
        let line = format!("{}\n", json!({ "headers": headers, "message": message.trim_end() }));
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that cannot be written shows as one that lacks what the tests look for.
        let _ = file.write_all(line.as_bytes());
    }
}
