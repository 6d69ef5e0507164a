use std::fmt;

use super::fold::{alike, disguised, folded};
use super::headers::META_CAPABILITIES;
use super::splice::Splice;
use crate::model::limits::{
    MESSAGE_BYTES_MAX, MESSAGE_DEPTH_MAX, MESSAGE_ID_BYTES_MAX, MESSAGE_LEAVES_MAX,
};
use crate::model::{Document, Json, JsonBounds, JsonError, JsonProfile, Place};
use crate::present::{META_AUTHORIZATION, META_PROOF};

const BOUNDS: JsonBounds = JsonBounds {
    bytes_max: MESSAGE_BYTES_MAX,
    depth_max: MESSAGE_DEPTH_MAX,
    leaves_max: MESSAGE_LEAVES_MAX,
};

pub(super) const ENVELOPE: &[&str] = &["jsonrpc", "id", "method", "params", "result", "error"];

/// Names in `params` that decide what is done: none of them may come in disguise.
const PARAMS: &[&str] = &[
    "name",
    "uri",
    "arguments",
    "_meta",
    "requestId",
    "progressToken",
    "protocolVersion",
    "capabilities",
    "inputResponses",
    "requestState",
    "task",
];

/// One message of a caller, parsed once, with the very bytes it came from.
///
/// *Shape*: a JSON object of JSON-RPC 2.0 with no member that JSON-RPC does not know, at most 4 MiB
/// and 36 levels. No two names of one object differ in case alone: there are readers that ignore
/// case. `Debug` shows no content: a message may carry a token.
///
/// *Source*: Model Context Protocol, "Messages"; RFC 7493.
pub struct Message {
    bytes: Vec<u8>,
    document: Document,
    kind: Kind,
}

/// What a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It asks for an answer.
    Request {
        /// The answer names it.
        id: Id,
        /// What is asked for.
        method: String,
    },
    /// It asks for none.
    Notification {
        /// What it tells.
        method: String,
    },
    /// It answers a request of the server.
    Response {
        /// The one that it answers.
        id: Id,
    },
}

/// The identifier of a request: equal where the values are, however they are written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Id {
    /// A whole number.
    Number(i64),
    /// A string.
    Text(String),
}

/// Why a text is no message that can be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not strict JSON.
    #[error("the message is not acceptable JSON: {0}")]
    Json(#[from] JsonError),
    /// Several messages at once, which this protocol does not have any more.
    #[error("the body is a batch: send each message by itself")]
    Batch,
    /// A value that is no object.
    #[error("the message is not a JSON object")]
    NotAnObject,
    /// Not JSON-RPC 2.0.
    #[error("`jsonrpc` is not \"2.0\"")]
    Version,
    /// A member that no JSON-RPC message has.
    #[error("the message has a member that JSON-RPC does not know")]
    UnknownMember,
    /// Names that readers take for one another.
    #[error("a name differs from another in case alone")]
    Disguised,
    /// The identifier is no string and no integer, or too long.
    #[error("`id` is neither a string nor an integer, or is too long")]
    Id,
    /// `method` is no string.
    #[error("`method` is not a string")]
    Method,
    /// `params` is no object.
    #[error("`params` is not an object")]
    Params,
    /// `_meta` is no object.
    #[error("`_meta` is not an object")]
    Meta,
    /// Neither a request, nor a notification, nor a response.
    #[error("the message is neither a request nor a notification nor a response")]
    Form,
}

impl Message {
    /// Parses a message, and keeps the bytes.
    ///
    /// *Errors*: [`MessageError`] where two readers could take the bytes for different messages, or
    /// none.
    pub fn parse(bytes: impl Into<Vec<u8>>, profile: JsonProfile) -> Result<Self, MessageError> {
        let bytes = bytes.into();
        let document = Document::parse(&bytes, profile, BOUNDS)?;
        let kind = kind(&bytes, document.root())?;
        Ok(Self { bytes, document, kind })
    }

    /// The bytes that were judged.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it is.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The method of a request or a notification.
    pub fn method(&self) -> Option<&str> {
        match &self.kind {
            Kind::Request { method, .. } | Kind::Notification { method } => Some(method),
            Kind::Response { .. } => None,
        }
    }

    /// The identifier of a request or a response.
    pub fn id(&self) -> Option<&Id> {
        match &self.kind {
            Kind::Request { id, .. } | Kind::Response { id } => Some(id),
            Kind::Notification { .. } => None,
        }
    }

    /// The identifier as it was written; `null` where there is none.
    pub fn id_text(&self) -> &[u8] {
        self.member("id").map_or(b"null".as_slice(), |place| self.at(place))
    }

    /// A member of the envelope.
    pub fn member(&self, name: &str) -> Option<Place<'_>> {
        self.document.root().member(name)
    }

    /// The parameters, where there are any.
    pub fn params(&self) -> Option<Place<'_>> {
        self.member("params")
    }

    /// A parameter.
    pub fn param(&self, name: &str) -> Option<Place<'_>> {
        self.params()?.member(name)
    }

    /// The metadata of the parameters, where there are any.
    pub fn meta(&self) -> Option<Place<'_>> {
        self.param("_meta")
    }

    /// The bytes of one of its values.
    pub fn at(&self, place: Place<'_>) -> &[u8] {
        self.bytes.get(place.span()).unwrap_or_default()
    }

    /// Whether the caller's credentials are in the metadata.
    pub fn has_credentials(&self) -> bool {
        self.meta().is_some_and(|meta| meta.members().any(|member| is_credential(member.name)))
    }

    /// Whether some of the metadata go up.
    pub fn keeps_metadata(&self) -> bool {
        self.meta().is_some_and(|meta| meta.members().any(|member| !is_credential(member.name)))
    }

    /// What takes the caller's credentials out of the metadata.
    pub fn take_credentials(&self, splice: &mut Splice) {
        if let Some(meta) = self.meta().filter(|_| self.has_credentials()) {
            splice.keep(meta.members().map(|one| (one.span, !is_credential(one.name))));
        }
    }

    /// What takes away that the caller could name roots: a server may hold its tools to them, so that
    /// they are not the caller's to name. Where the gateway names them, the server is told that it can
    /// ask.
    pub fn take_roots(&self, named: bool, splice: &mut Splice) {
        let initial = self.param("capabilities").filter(|_| self.method() == Some("initialize"));
        let modern = self.meta().and_then(|meta| meta.member(META_CAPABILITIES));
        for capabilities in [initial, modern].into_iter().flatten() {
            let members: Vec<_> = capabilities.members().collect();
            let is_roots = |name: &str| folded(name) == "roots";
            match members.iter().find(|one| one.name == "roots").filter(|_| named) {
                Some(roots) => splice.replace(roots.value.span(), b"{}".as_slice()),
                None if members.iter().any(|one| is_roots(one.name)) => {
                    splice.keep(members.into_iter().map(|one| (one.span, !is_roots(one.name))));
                }
                None => {}
            }
        }
    }

    /// Whether the caller names roots in answers that come with the request.
    pub fn names_roots(&self) -> bool {
        let answers = self.param("inputResponses");
        let mut answers = answers.iter().flat_map(|answers| answers.members());
        answers.any(|answer| answer.value.members().any(|one| folded(one.name) == "roots"))
    }

    /// The parameters without these members.
    pub(super) fn params_without(&self, names: &[&str]) -> Vec<u8> {
        let Some(params) = self.params() else { return b"{}".to_vec() };
        let start = params.span().start;
        let members = params.members().map(|one| {
            let place = one.span.start.saturating_sub(start)..one.span.end.saturating_sub(start);
            (place, !names.contains(&one.name))
        });
        let mut splice = Splice::new();
        splice.keep(members);
        splice.apply(self.at(params)).unwrap_or_default()
    }
}

fn is_credential(name: &str) -> bool {
    matches!(name, META_AUTHORIZATION | META_PROOF)
}

impl Id {
    /// Reads the identifier that stands at this place.
    pub fn read(value: &Json, written: &[u8]) -> Option<Self> {
        if written.len() > MESSAGE_ID_BYTES_MAX {
            return None;
        }
        match value {
            Json::String(text) => Some(Self::Text(text.clone())),
            // Readers differ over `1.0`, `1e0` and `-0`.
            Json::Number(number) => {
                let value = number.as_integer()?;
                (value.to_string().as_bytes() == written).then_some(Self::Number(value))
            }
            _ => None,
        }
    }

    /// Reads an identifier from its text.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        Self::read(&Json::parse(text, JsonProfile::default()).ok()?, text)
    }
}

fn kind(bytes: &[u8], root: Place<'_>) -> Result<Kind, MessageError> {
    match root.value() {
        Json::Object(_) => {}
        Json::Array(_) => return Err(MessageError::Batch),
        _ => return Err(MessageError::NotAnObject),
    }
    if root.member("jsonrpc").and_then(|place| place.text()) != Some("2.0") {
        return Err(MessageError::Version);
    }
    let params = root.member("params");
    if alike(root.value()).is_some()
        || disguised(root, ENVELOPE).is_some()
        || params.is_some_and(|params| disguised(params, PARAMS).is_some())
    {
        return Err(MessageError::Disguised);
    }
    if root.members().any(|member| !ENVELOPE.contains(&member.name)) {
        return Err(MessageError::UnknownMember);
    }
    let is_object = |place: Place<'_>| matches!(place.value(), Json::Object(_));
    if params.is_some_and(|params| !is_object(params)) {
        return Err(MessageError::Params);
    }
    let meta = params.and_then(|params| params.member("_meta"));
    if meta.is_some_and(|meta| !is_object(meta)) {
        return Err(MessageError::Meta);
    }
    let id = root.member("id").map(|place| {
        let written = bytes.get(place.span()).unwrap_or_default();
        Id::read(place.value(), written).ok_or(MessageError::Id)
    });
    let id = id.transpose()?;
    let method = root.member("method").map(|place| place.text().ok_or(MessageError::Method));
    let method = method.transpose()?.map(str::to_owned);
    let answers = [root.member("result"), root.member("error")].iter().flatten().count();
    match (id, method, answers) {
        (Some(id), Some(method), 0) => Ok(Kind::Request { id, method }),
        (None, Some(method), 0) => Ok(Kind::Notification { method }),
        (Some(id), None, 1) if params.is_none() => Ok(Kind::Response { id }),
        _ => Err(MessageError::Form),
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({:?}, {} bytes)", self.kind, self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Message, MessageError> {
        Message::parse(text, JsonProfile::default())
    }

    #[test]
    fn requests_notifications_and_responses_are_told_apart() {
        let kind = |text| parse(text).map(|message| message.kind().clone());
        let (id, method) = (Id::Number(7), "ping".to_owned());
        let request = Kind::Request { id: id.clone(), method: method.clone() };
        assert_eq!(kind(r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#), Ok(request));
        let notification = Kind::Notification { method };
        assert_eq!(kind(r#"{"jsonrpc":"2.0","method":"ping","params":{}}"#), Ok(notification));
        let response = Kind::Response { id };
        assert_eq!(kind(r#"{"id":7,"jsonrpc":"2.0","result":[]}"#), Ok(response));
    }

    #[test]
    fn what_readers_take_differently_is_refused() {
        use MessageError::*;
        let cases = [
            (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, Batch),
            (r#"[]"#, Batch),
            (r#""x""#, NotAnObject),
            (r#"{"id":1,"method":"ping"}"#, Version),
            (r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, Version),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","extra":1}"#, UnknownMember),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"x"}"#, Disguised),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","PARAMS":{}}"#, Disguised),
            (r#"{"jsonrpc":"2.0","id":1,"method":"x","param\u017f":{}}"#, Disguised),
            (r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"Name":"a"}}"#, Disguised),
            (r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"ta\u017fk":{}}}"#, Disguised),
            (r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":[{"b":1,"B":2}]}}"#, Disguised),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, Id),
            (r#"{"jsonrpc":"2.0","id":1.0,"method":"ping"}"#, Id),
            (r#"{"jsonrpc":"2.0","id":1e0,"method":"ping"}"#, Id),
            (r#"{"jsonrpc":"2.0","id":-0,"method":"ping"}"#, Id),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, Id),
            (r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#, Id),
            (r#"{"jsonrpc":"2.0","id":1,"method":5}"#, Method),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#, Params),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":null}"#, Params),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":[]}}"#, Meta),
            (r#"{"jsonrpc":"2.0","id":1}"#, Form),
            (r#"{"jsonrpc":"2.0","id":1,"result":1,"error":1}"#, Form),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":1}"#, Form),
            (r#"{"jsonrpc":"2.0","id":1,"params":{},"result":1}"#, Form),
            (r#"{"jsonrpc":"2.0","error":{}}"#, Form),
        ];
        for (text, want) in cases {
            assert_eq!(parse(text).unwrap_err(), want, "{text}");
        }
        let long = format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"ping"}}"#, "x".repeat(255));
        assert_eq!(parse(&long).unwrap_err(), Id);
        for text in
            ["{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"method\":\"b\"}", "\u{feff}{}", "{} {}"]
        {
            assert!(matches!(parse(text), Err(Json(_))), "{text}");
        }
    }

    #[test]
    fn credentials_and_metadata_are_cut_out_and_nothing_else() {
        let text = concat!(
            r#"{ "jsonrpc":"2.0","id":"\u0061","method":"m","params": {"_meta" : {"x":1.50 , "#,
            r#""io.hardtack/authorization":"Bearer t","io.hardtack/\u0064pop":"p"},"#,
            r#" "b":{"_meta":0} } }"#
        );
        let message = parse(text).unwrap();
        assert_eq!(message.id_text(), br#""\u0061""#);
        assert_eq!(message.id(), Some(&Id::Text("a".to_owned())));
        assert!(message.has_credentials() && !format!("{message:?}").contains("Bearer"));
        let mut splice = Splice::new();
        message.take_credentials(&mut splice);
        let out = splice.apply(message.bytes()).unwrap();
        let want = concat!(
            r#"{ "jsonrpc":"2.0","id":"\u0061","method":"m","params": {"_meta" : {"x":1.50},"#,
            r#" "b":{"_meta":0} } }"#
        );
        assert_eq!(String::from_utf8(out).unwrap(), want);
        let plain = String::from_utf8(message.params_without(&["_meta"])).unwrap();
        assert_eq!(plain, r#"{"b":{"_meta":0} }"#);
    }

    #[test]
    fn roots_are_not_the_callers_to_name() {
        let change = |rest: &str, named| {
            let message = parse(&format!(r#"{{"jsonrpc":"2.0","id":1,{rest}}}"#)).unwrap();
            let mut splice = Splice::new();
            message.take_roots(named, &mut splice);
            let out = String::from_utf8(splice.apply(message.bytes()).unwrap()).unwrap();
            out.split_once("\"params\":").unwrap().1.trim_end_matches('}').to_owned()
        };
        let rest =
            r#""method":"initialize","params":{"capabilities":{"roots":{"x":1},"Roo\u0074z":2}}"#;
        assert_eq!(change(rest, false), r#"{"capabilities":{"Roo\u0074z":2"#);
        assert_eq!(change(rest, true), r#"{"capabilities":{"roots":{},"Roo\u0074z":2"#);
        let rest = r#""method":"initialize","params":{"capabilities":{"ROOTS":{"x":1}}}"#;
        assert_eq!(change(rest, true), r#"{"capabilities":{"#);
        let rest = r#""method":"x","params":{"_meta":{"io.modelcontextprotocol/clientCapabilities":{"a":1,"roots":1}}}"#;
        assert_eq!(
            change(rest, false),
            r#"{"_meta":{"io.modelcontextprotocol/clientCapabilities":{"a":1"#
        );
        let rest = r#""method":"x","params":{"capabilities":{"roots":"stays"#;
        assert_eq!(change(&format!("{rest}\"}}}}"), false), r#"{"capabilities":{"roots":"stays""#);
        let names = |answers: &str| {
            let text = r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"inputResponses":A}}"#;
            parse(&text.replace('A', answers)).unwrap().names_roots()
        };
        assert!(names(r#"{"q":{"roots":[]}}"#) && names(r#"{"p":{},"q":{"Root\u017f":[]}}"#));
        assert!(!names(r#"{"q":{"action":"accept","content":{"roots":1}}}"#) && !names("{}"));
    }
}
