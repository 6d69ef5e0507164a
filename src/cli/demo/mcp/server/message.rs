//! What arrives, read strictly, and what is answered.

use serde_json::{Map, Value, json};

use crate::model::{Json, JsonProfile};

pub(super) const PARSE_ERROR: i64 = -32700;
pub(super) const INVALID_REQUEST: i64 = -32600;
pub(super) const METHOD_NOT_FOUND: i64 = -32601;
pub(super) const INVALID_PARAMS: i64 = -32602;
pub(super) const HEADER_MISMATCH: i64 = -32020;
pub(super) const UNSUPPORTED_VERSION: i64 = -32022;

/// The members of an object.
pub(super) type Members = Map<String, Value>;

/// A JSON-RPC message.
#[derive(Clone, Debug)]
pub(super) enum Message {
    Request(Request),
    /// A method and its parameters.
    Notification(String, Members),
    /// This server asks nothing, so that nobody has anything to answer.
    Response,
}

/// A JSON-RPC request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// A string or an integer.
    pub(super) id: Value,
    pub(super) method: String,
    pub(super) params: Members,
}

/// Why a request is not answered with a result.
///
/// *Source*: JSON-RPC 2.0 §5.1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fault {
    /// The request's, where it could be read.
    pub(super) id: Option<Value>,
    pub(super) code: i64,
    message: String,
    data: Option<Value>,
}

impl Message {
    /// Reads one message: I-JSON, and nothing in it that this server would overlook.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Fault> {
        // Without duplicate names, so that what follows reads what everybody else does.
        let strict = Json::parse(bytes, JsonProfile::Interoperable);
        strict.map_err(|error| Fault::new(PARSE_ERROR, error.to_string()))?;
        let Ok(Value::Object(mut members)) = serde_json::from_slice(bytes) else {
            return Err(Fault::new(INVALID_REQUEST, "a message is one JSON object"));
        };
        let id = members.remove("id");
        let is_id = |id: &Value| id.is_string() || id.is_i64() || id.is_u64();
        let known = id.clone().filter(is_id);
        let invalid =
            |words: &str| Fault { id: known.clone(), ..Fault::new(INVALID_REQUEST, words) };
        if members.remove("jsonrpc") != Some(json!("2.0")) {
            return Err(invalid("`jsonrpc` has to be \"2.0\""));
        }
        if id.is_some() && known.is_none() {
            return Err(invalid("`id` has to be a string or an integer"));
        }
        if !members.contains_key("method") {
            let answers = members.contains_key("result") || members.contains_key("error");
            return if answers { Ok(Self::Response) } else { Err(invalid("`method` is missing")) };
        }
        let Some(Value::String(method)) = members.remove("method") else {
            return Err(invalid("`method` has to be a string"));
        };
        let params = match members.remove("params") {
            None => Members::new(),
            Some(Value::Object(params)) => params,
            Some(_) => return Err(invalid("`params` has to be an object")),
        };
        if let Some(name) = members.keys().next() {
            return Err(invalid(&format!("`{name}` is no member of a message")));
        }
        Ok(match id {
            Some(id) => Self::Request(Request { id, method, params }),
            None => Self::Notification(method, params),
        })
    }
}

impl Request {
    /// A parameter that is a string.
    pub(super) fn text(&self, name: &str) -> Result<&str, Fault> {
        text(&self.params, name)
    }

    /// A parameter's own members.
    pub(super) fn members(&self, name: &str) -> Option<&Members> {
        self.params.get(name).and_then(Value::as_object)
    }

    /// A member of `_meta`.
    pub(super) fn meta(&self, name: &str) -> Option<&Value> {
        self.members("_meta").and_then(|meta| meta.get(name))
    }

    /// The response to it.
    pub(super) fn answered(&self, answer: Result<Value, Fault>) -> Value {
        match answer {
            Ok(result) => json!({ "jsonrpc": "2.0", "id": self.id, "result": result }),
            Err(fault) => fault.of(self).to_json(),
        }
    }
}

/// A member that has to be a string.
pub(super) fn text<'a>(members: &'a Members, name: &str) -> Result<&'a str, Fault> {
    let found = members.get(name).and_then(Value::as_str);
    found.ok_or_else(|| Fault::new(INVALID_PARAMS, format!("`{name}` has to be a string")))
}

impl Fault {
    /// A fault with this code, in these words.
    pub(super) fn new(code: i64, message: impl Into<String>) -> Self {
        Self { id: None, code, message: message.into(), data: None }
    }

    /// As the answer to this request.
    pub(super) fn of(self, request: &Request) -> Self {
        Self { id: Some(request.id.clone()), ..self }
    }

    /// With more about it.
    pub(super) fn with(self, data: Value) -> Self {
        Self { data: Some(data), ..self }
    }

    /// The error response.
    pub(super) fn to_json(&self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let (Some(data), Some(error)) = (&self.data, error.as_object_mut()) {
            error.insert("data".to_owned(), data.clone());
        }
        let mut response = json!({ "jsonrpc": "2.0", "error": error });
        if let (Some(id), Some(response)) = (&self.id, response.as_object_mut()) {
            response.insert("id".to_owned(), id.clone());
        }
        response
    }
}

/// A notification.
pub(super) fn notification(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_read_in_two_ways_is_not_read() {
        for (text, code) in [
            (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, PARSE_ERROR),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"x":1,"x":2}}}"#,
                PARSE_ERROR,
            ),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping"} {}"#, PARSE_ERROR),
            (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, INVALID_REQUEST),
            (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, INVALID_REQUEST),
            (r#"{"id":1,"method":"ping"}"#, INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1}"#, INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#, INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{},"parms":{}}"#, INVALID_REQUEST),
        ] {
            assert_eq!(Message::read(text.as_bytes()).unwrap_err().code, code, "{text}");
        }
    }

    #[test]
    fn each_kind_is_told_apart() {
        let read = |text: &str| Message::read(text.as_bytes()).unwrap();
        let request = read(r#"{"method":"ping","jsonrpc":"2.0","id":"a"}"#);
        assert!(matches!(request, Message::Request(Request { id, .. }) if id == "a"));
        let told = read(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        assert!(matches!(told, Message::Notification(..)));
        let response = read(r#"{"result":{},"jsonrpc":"2.0","id":0}"#);
        assert!(matches!(response, Message::Response));
    }

    #[test]
    fn a_fault_names_its_request() {
        let text = br#"{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}"#;
        let fault = Message::read(text).unwrap_err();
        assert_eq!(fault.to_json()["id"], 7);
        assert_eq!(Fault::new(PARSE_ERROR, "no").to_json().get("id"), None);
    }
}
