use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::definition::{Definition, Schema};
use crate::mcp::Mirror;
use crate::model::{Timestamp, Tool};

/// Longest file of approved definitions, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The definitions of tools that a person approved.
///
/// *Shape*: a JSON file, `{"version": 1, "tools": {"SERVER/TOOL": {digest, definition, approved}}}`.
#[derive(Debug, Default)]
pub struct Approved {
    tools: BTreeMap<Tool, Entry>,
    schemas: BTreeMap<Tool, Schema>,
    mirrors: BTreeMap<Tool, Vec<Mirror>>,
}

/// One definition, and when it was approved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The definition.
    #[serde(flatten)]
    pub definition: Definition,
    /// When it was approved.
    pub approved: Timestamp,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    tools: BTreeMap<Tool, Entry>,
}

impl Approved {
    /// Reads the file; where there is none, nothing has been approved.
    ///
    /// *Errors*: a sentence that names the file or the tool.
    pub fn read(path: &Path) -> Result<Self, String> {
        let failed = |why: String| format!("`{}`: {why}", path.display());
        match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(failed(error.to_string())),
            Ok(found) if found.len() > FILE_BYTES_MAX => {
                return Err(failed("is longer than 64 MiB".to_owned()));
            }
            Ok(_) => {}
        }
        let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        let file: File =
            serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))?;
        if file.version != 1 {
            return Err(failed(format!("is of version {}, and 1 is known", file.version)));
        }
        Self::of(file.tools).map_err(failed)
    }

    fn of(tools: BTreeMap<Tool, Entry>) -> Result<Self, String> {
        let (mut schemas, mut mirrors) = (BTreeMap::new(), BTreeMap::new());
        for (tool, entry) in &tools {
            if !entry.definition.is_whole() {
                return Err(format!("`{tool}` has another digest than its definition"));
            }
            let schema = Schema::of(&entry.definition.definition);
            if let Some(schema) = schema.map_err(|why| format!("`{tool}` {why}"))? {
                schemas.insert(tool.clone(), schema);
            }
            // A definition that says this wrongly is withheld as soon as a list has it.
            if let Some(of_tool) = entry.definition.mirrors().filter(|of_tool| !of_tool.is_empty())
            {
                mirrors.insert(tool.clone(), of_tool);
            }
        }
        Ok(Self { tools, schemas, mirrors })
    }

    /// What was approved of a tool.
    pub fn tool(&self, tool: &Tool) -> Option<&Entry> {
        self.tools.get(tool)
    }

    /// All that was approved.
    pub fn tools(&self) -> impl Iterator<Item = (&Tool, &Entry)> {
        self.tools.iter()
    }

    pub(super) fn schema(&self, tool: &Tool) -> Option<&Schema> {
        self.schemas.get(tool)
    }

    /// The arguments that callers of a tool repeat in headers.
    pub(super) fn mirrors(&self, tool: &Tool) -> &[Mirror] {
        self.mirrors.get(tool).map_or(&[], Vec::as_slice)
    }

    /// The same with one more definition approved.
    ///
    /// *Errors*: a sentence, where its schema cannot be used.
    pub fn with(self, tool: Tool, definition: Definition, now: Timestamp) -> Result<Self, String> {
        let Self { mut tools, .. } = self;
        tools.insert(tool, Entry { definition, approved: now });
        Self::of(tools)
    }

    /// The same without a tool that is no more.
    #[must_use]
    pub fn without(mut self, tool: &Tool) -> Self {
        self.tools.remove(tool);
        self.schemas.remove(tool);
        self.mirrors.remove(tool);
        self
    }

    /// Writes the file: whole, or not at all.
    ///
    /// *Errors*: a sentence that names the file.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let file = File { version: 1, tools: self.tools.clone() };
        let write = || -> std::io::Result<()> {
            let mut text = serde_json::to_string_pretty(&file)?;
            text.push('\n');
            let mut beside = path.as_os_str().to_owned();
            beside.push(".new");
            let beside = Path::new(&beside);
            let mut new = std::fs::File::create(beside)?;
            new.write_all(text.as_bytes())?;
            new.sync_all()?;
            std::fs::rename(beside, path)
        };
        write().map_err(|error| format!("`{}`: {error}", path.display()))
    }
}
