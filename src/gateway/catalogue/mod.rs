//! What is known of tools before they are called: labels, what their arguments are, and which of
//! their definitions a person approved.
//!
//! A server may change what a tool says of itself at any time. With a file of approved definitions a
//! tool is shown and called only while its server gives the definition that was approved; arguments
//! are checked against the approved schema. A tool of which no list has been seen yet is held to
//! what was approved.

mod approved;
mod definition;
mod kinds;
mod seen;
mod work;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use approved::{Approved, Entry};
pub use definition::{Definition, Digest};

use seen::{News, Seen};

use crate::config::gateway::{ArgumentKind, Server};
use crate::guard::Refusal;
use crate::mcp::Mirror;
use crate::model::{Args, Code, Json, Reason, Tool};
use crate::vocabulary::grant::ArgPath;

/// The name of whatever of MCP is decided besides tools begins so; no tool's may.
pub const RESERVED: &str = "mcp:";

/// What is known of every server's tools.
pub struct Catalogue {
    servers: HashMap<String, Tools>,
    approved: Option<Approved>,
    seen: Mutex<Seen>,
}

struct Tools {
    labels: BTreeSet<String>,
    tools: HashMap<String, Told>,
}

#[derive(Default)]
struct Told {
    labels: BTreeSet<String>,
    arguments: Vec<(ArgPath, ArgumentKind)>,
}

/// How a definition that a server gives stands to what was approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may be shown and called.
    Good,
    /// Nobody approved any definition of this tool.
    New,
    /// Another definition was approved.
    Changed,
    /// Its name or text cannot be used.
    Unusable,
}

impl Catalogue {
    /// What settings say of these servers, and what was approved, if that is asked for.
    ///
    /// *Errors*: a sentence that names the server and the argument.
    pub fn new(servers: &[Server], approved: Option<Approved>) -> Result<Self, String> {
        let servers = servers.iter().map(|server| Ok((server.name.clone(), Tools::of(server)?)));
        let servers = servers.collect::<Result<_, String>>()?;
        Ok(Self { servers, approved, seen: Mutex::default() })
    }

    /// The same settings anew, with what was seen so far.
    #[must_use]
    pub fn after(self, before: &Self) -> Self {
        let seen = before.seen().clone();
        Self { seen: Mutex::new(seen), ..self }
    }

    /// The labels of a tool, that of its definition among them.
    pub fn labels(&self, tool: &Tool) -> BTreeSet<String> {
        let mut labels = BTreeSet::new();
        if let Some(server) = self.servers.get(tool.server()) {
            labels.extend(server.labels.iter().cloned());
            let told = server.tools.get(tool.name());
            labels.extend(told.iter().flat_map(|told| &told.labels).cloned());
        }
        let seen = self.seen();
        let digest = seen.get(tool).map(|seen| &seen.digest).or(self.approved_digest(tool));
        labels.extend(digest.map(Digest::label));
        labels
    }

    /// The arguments of a tool that callers repeat in headers, as its server last said; before that,
    /// as was approved.
    pub fn mirrors(&self, tool: &Tool) -> Vec<Mirror> {
        if let Some(said) = self.seen().get(tool) {
            return said.mirrors.to_vec();
        }
        self.approved.as_ref().map(|approved| approved.mirrors(tool).to_vec()).unwrap_or_default()
    }

    /// Holds a call that its token allows to what is known of its tool.
    ///
    /// *Errors*: a refusal with `definition-unapproved` or `request-malformed`.
    pub fn check(&self, tool: &Tool, args: &Args) -> Result<(), Refusal> {
        let malformed = |why| Refusal::from(Reason::new(Code::RequestMalformed, why));
        if let Some(approved) = self.approved.as_ref().filter(|_| !is_reserved(tool)) {
            let digest = approved.tool(tool).map(|entry| &entry.definition.digest);
            let why = match (digest, self.seen().get(tool)) {
                (None, _) => Some("nobody has approved this tool's definition"),
                (Some(digest), Some(seen)) if *digest != seen.digest => {
                    Some("the tool's definition is not the one that was approved")
                }
                _ => None,
            };
            if let Some(why) = why {
                return Err(Reason::new(Code::DefinitionUnapproved, why).into());
            }
            let schema = approved.schema(tool);
            schema.map_or(Ok(()), |schema| schema.check(args)).map_err(malformed)?;
        }
        let server = self.servers.get(tool.server());
        let told = server.and_then(|server| server.tools.get(tool.name()));
        for (path, kind) in told.iter().flat_map(|told| &told.arguments) {
            kinds::check(path, *kind, args.value()).map_err(malformed)?;
        }
        Ok(())
    }

    /// Takes note of the definition that a server gives of a tool, and says how it stands. The tool
    /// is `None` where its name cannot be used.
    pub fn observe(&self, server: &str, definition: &Json) -> (Option<Tool>, Standing) {
        let read = Definition::of(definition).ok();
        let read = read.and_then(|(name, read)| Some((Tool::new(server, &name).ok()?, read)));
        let Some((tool, read)) = read.filter(|(tool, _)| !is_reserved(tool)) else {
            return (None, Standing::Unusable);
        };
        let mirrors = read.mirrors();
        let approved = self.approved.as_ref().map(|approved| approved.tool(&tool));
        let standing = match approved {
            _ if mirrors.is_none() => Standing::Unusable,
            None => Standing::Good,
            Some(Some(entry)) if entry.definition.digest == read.digest => Standing::Good,
            Some(Some(_)) => Standing::Changed,
            Some(None) => Standing::New,
        };
        let mirrors = mirrors.unwrap_or_default().into();
        let (is_approved, is_withheld) =
            (matches!(approved, Some(Some(_))), standing != Standing::Good);
        let news = self.seen().note(&tool, read.digest.clone(), mirrors, is_approved, is_withheld);
        if news != News::None {
            tracing::warn!(%tool, digest = %read.digest, ?standing, "withheld a tool");
        }
        if news == News::Last {
            tracing::warn!(%tool, "more that is withheld is not told");
        }
        (Some(tool), standing)
    }

    fn approved_digest(&self, tool: &Tool) -> Option<&Digest> {
        Some(&self.approved.as_ref()?.tool(tool)?.definition.digest)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_reserved(tool: &Tool) -> bool {
    tool.name().starts_with(RESERVED)
}

impl Tools {
    fn of(server: &Server) -> Result<Self, String> {
        let mut tools = HashMap::new();
        for (name, settings) in &server.tools {
            let at = format!("`{}/{name}`", server.name);
            Tool::new(&server.name, name).map_err(|why| format!("tool {at}: {why}"))?;
            let mut arguments = Vec::new();
            for (path, kind) in &settings.arguments {
                let path = path.parse().map_err(|why| format!("tool {at}: `{path}`: {why}"))?;
                arguments.push((path, *kind));
            }
            tools.insert(name.clone(), Told { labels: settings.labels.clone(), arguments });
        }
        Ok(Self { labels: server.labels.clone(), tools })
    }
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: BTreeSet<&String> = self.servers.keys().collect();
        f.debug_struct("Catalogue").field("servers", &servers).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::gateway::GatewaySettings;
    use crate::model::{JsonProfile, Timestamp};

    const READ: &str = r#"{"name":"read","description":"Reads.","inputSchema":{"type":"object",
        "properties":{"path":{"type":"string","maxLength":20}},"required":["path"],
        "additionalProperties":false},"_meta":{"n":1}}"#;

    fn servers() -> Vec<Server> {
        let settings = r#"
            gateway = "g"
            [authority]
            roots = ["ed25519/d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"]
            bundle = "b"
            [[server]]
            name = "files"
            kind = "mcp-http"
            url = "http://127.0.0.1:1/mcp"
            labels = ["read"]
            [server.tool.read]
            labels = ["sensitive"]
            arguments = { path = "path" }
        "#;
        GatewaySettings::from_toml(settings).unwrap().servers
    }

    fn tool(name: &str) -> Tool {
        Tool::new("files", name).unwrap()
    }

    fn code(catalogue: &Catalogue, name: &str, args: &str) -> &'static str {
        let args = Args::parse(args, JsonProfile::default()).unwrap();
        let checked = catalogue.check(&tool(name), &args);
        checked.err().map_or("good", |refusal| refusal.code().as_str())
    }

    fn approved(definition: &str) -> Approved {
        let (name, definition) = Definition::read(definition.as_bytes()).unwrap();
        Approved::default().with(tool(&name), definition, Timestamp::from_millis(0)).unwrap()
    }

    #[test]
    fn a_changed_definition_is_withheld_until_it_is_approved() {
        let catalogue = Catalogue::new(&servers(), Some(approved(READ))).unwrap();
        let good = r#"{"path":"/a"}"#;
        assert_eq!(code(&catalogue, "read", good), "good");
        assert_eq!(code(&catalogue, "write", good), "definition-unapproved");
        assert_eq!(code(&catalogue, "mcp:resources/read", good), "good");
        let standing = |text: &str| {
            let json = Json::parse(text.as_bytes(), JsonProfile::default());
            json.map_or(Standing::Unusable, |json| catalogue.observe("files", &json).1)
        };
        assert_eq!(standing(READ), Standing::Good);
        assert_eq!(standing(&READ.replace("\"n\":1", "\"n\":2")), Standing::Good);
        for (from, to) in [
            ("Reads.", "Reads, and sends."),
            ("20", "21"),
            ("\"inputSchema", "\"title\":\"x\",\"inputSchema"),
        ] {
            let changed = READ.replace(from, to);
            assert_eq!(standing(&changed), Standing::Changed, "{to}");
            assert_eq!(code(&catalogue, "read", good), "definition-unapproved", "{to}");
            assert_eq!(standing(READ), Standing::Good);
            assert_eq!(code(&catalogue, "read", good), "good");
        }
        assert_eq!(standing(r#"{"name":"other"}"#), Standing::New);
        for bad in [
            r#"{"name":"mcp:tools/list"}"#,
            r#"{"name":"a","name":"b"}"#,
            "[]",
            "{}",
            r#"{"name":"a\"b"}"#,
        ] {
            assert_eq!(standing(bad), Standing::Unusable, "{bad}");
        }
        // What was seen outlives a reload.
        let changed = READ.replace("Reads.", "Writes.");
        assert_eq!(standing(&changed), Standing::Changed);
        let again = Catalogue::new(&servers(), Some(approved(READ))).unwrap().after(&catalogue);
        assert_eq!(code(&again, "read", good), "definition-unapproved");
        let again = Catalogue::new(&servers(), Some(approved(&changed))).unwrap().after(&catalogue);
        assert_eq!(code(&again, "read", good), "good");
    }

    #[test]
    fn arguments_are_held_to_schema_and_kind() {
        let catalogue = Catalogue::new(&servers(), Some(approved(READ))).unwrap();
        for args in [
            r#"{}"#,
            r#"{"path":1}"#,
            r#"{"path":"/a","x":1}"#,
            r#"{"path":"/aaaaaaaaaaaaaaaaaaaaaaaa"}"#,
            r#"{"path":"~/a"}"#,
        ] {
            assert_eq!(code(&catalogue, "read", args), "request-malformed", "{args}");
        }
        let without = Catalogue::new(&servers(), None).unwrap();
        assert_eq!(code(&without, "read", r#"{"path":1}"#), "request-malformed");
        assert_eq!(code(&without, "read", r#"{"path":"/a","x":1}"#), "good");
        assert_eq!(code(&without, "other", "{}"), "good");
    }

    #[test]
    fn headers_are_known_from_what_was_approved_until_a_list_is_seen() {
        let header = r#"{"type":"string","x-mcp-header":"Region"}"#;
        let with = READ.replace(r#"{"type":"string","maxLength":20}"#, header);
        let catalogue = Catalogue::new(&servers(), Some(approved(&with))).unwrap();
        let names = |catalogue: &Catalogue| -> Vec<String> {
            let mirrors = catalogue.mirrors(&tool("read")).into_iter();
            mirrors.map(|mirror| mirror.header().to_owned()).collect()
        };
        assert_eq!(names(&catalogue), ["region"]);
        let json = Json::parse(READ.as_bytes(), JsonProfile::default()).unwrap();
        catalogue.observe("files", &json);
        assert_eq!(names(&catalogue), Vec::<String>::new());
        assert_eq!(names(&Catalogue::new(&servers(), None).unwrap()), Vec::<String>::new());
    }

    #[test]
    fn a_definition_is_a_label() {
        let catalogue = Catalogue::new(&servers(), None).unwrap();
        let labels =
            |name: &str| catalogue.labels(&tool(name)).into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!((labels("read").as_str(), labels("other").as_str()), ("read sensitive", "read"));
        let json = Json::parse(READ.as_bytes(), JsonProfile::default()).unwrap();
        catalogue.observe("files", &json);
        let (_, definition) = Definition::read(READ.as_bytes()).unwrap();
        assert_eq!(labels("read"), format!("{} read sensitive", definition.digest.label()));
        assert_eq!(catalogue.labels(&Tool::new("else", "read").unwrap()), BTreeSet::new());
    }

    #[test]
    fn the_file_is_written_whole_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("approved.json");
        assert_eq!(Approved::read(&path).unwrap().tools().count(), 0);
        approved(READ).write(&path).unwrap();
        let read = Approved::read(&path).unwrap();
        assert_eq!(read.tool(&tool("read")), approved(READ).tool(&tool("read")));
        let text = std::fs::read_to_string(&path).unwrap();
        for (from, to) in [
            ("Reads.", "Sends."),
            ("\"version\": 1", "\"version\": 2"),
            ("\"object\"", "\"objekt\""),
        ] {
            std::fs::write(&path, text.replace(from, to)).unwrap();
            assert!(Approved::read(&path).is_err(), "{to}");
        }
    }
}
