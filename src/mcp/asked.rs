use super::list::ListKind;
use super::message::{Kind, Message};
use crate::model::{Args, JsonProfile, RequestError, Tool, ToolError};

/// What a `GET`, which listens for a session's messages, is called in proofs.
pub const SESSION_LISTEN: &str = "mcp:session/listen";
/// What a `DELETE`, which ends a session, is called in proofs.
pub const SESSION_END: &str = "mcp:session/end";
/// What an answer to a server's request is called in proofs.
const RESPONSE: &str = "mcp:response";
/// What every method but `tools/call` starts with where a tool is named.
const PREFIX: &str = "mcp:";
const NOTIFICATIONS: &str = "notifications/";

/// Methods that do nothing to be decided: they introduce the parties, or list what there is, of
/// which a caller sees what it could call.
const ACCEPTED: &[&str] = &["initialize", "ping", "server/discover", "logging/setLevel"];

/// Every parameter of `tools/call`: one that a server knows and the gateway does not could be
/// acted upon without having been judged.
const CALL_PARAMS: &[&str] =
    &["name", "arguments", "_meta", "inputResponses", "requestState", "task"];

/// Parameters with which a call is made again, once its caller has answered the server's questions.
const ROUND_TRIP: &[&str] = &["_meta", "inputResponses", "requestState"];

/// What a message asks for, in the words of a decision.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// Something that is decided: `S/X` for tool `X`, `S/mcp:METHOD` for everything else.
    Decided(Tool, Args),
    /// Something for which any good token will do; a proof names it all the same.
    Accepted(Tool, Args),
}

/// Why a message cannot be judged, though it is one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// A request's method without an `id`, which a server might carry out all the same.
    #[error("a message without `id` has to be one of `notifications/…`")]
    NotNotification,
    /// A notification with an `id`.
    #[error("`notifications/…` has no `id`")]
    NotRequest,
    /// `tools/call` without the name of a tool.
    #[error("`tools/call` needs a `name`")]
    Name,
    /// A parameter of `tools/call` that is not known here.
    #[error("`tools/call` has a parameter that is not known here")]
    UnknownParam,
    /// A name that cannot be that of a tool.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// Arguments that cannot be judged.
    #[error(transparent)]
    Args(#[from] RequestError),
    /// A tool whose name is kept for methods.
    #[error("no tool has a name that starts with `mcp:`")]
    Reserved,
}

/// Says what a message to a server asks for.
///
/// *Errors*: [`AskError`] where that cannot be said for sure.
pub fn asked(server: &str, message: &Message, profile: JsonProfile) -> Result<Asked, AskError> {
    let (method, is_request) = match message.kind() {
        Kind::Response { .. } => {
            return Ok(Asked::Accepted(Tool::new(server, RESPONSE)?, Args::none()));
        }
        Kind::Request { method, .. } => (method.as_str(), true),
        Kind::Notification { method } => (method.as_str(), false),
    };
    match (is_request, method.starts_with(NOTIFICATIONS)) {
        (true, true) => return Err(AskError::NotRequest),
        (false, false) => return Err(AskError::NotNotification),
        _ => {}
    }
    if method == "tools/call" {
        return call(server, message, profile);
    }
    let tool = Tool::new(server, &format!("{PREFIX}{method}"))?;
    let beside: &[&str] = match method {
        "prompts/get" | "resources/read" => ROUND_TRIP,
        _ => &["_meta"],
    };
    let args = Args::parse(message.params_without(beside), profile)?;
    let accepted = !is_request || ACCEPTED.contains(&method) || ListKind::of(method).is_some();
    Ok(if accepted { Asked::Accepted(tool, args) } else { Asked::Decided(tool, args) })
}

fn call(server: &str, message: &Message, profile: JsonProfile) -> Result<Asked, AskError> {
    let params = message.params().ok_or(AskError::Name)?;
    if params.members().any(|member| !CALL_PARAMS.contains(&member.name)) {
        return Err(AskError::UnknownParam);
    }
    let name = params.member("name").and_then(|name| name.text()).ok_or(AskError::Name)?;
    if name.starts_with(PREFIX) {
        return Err(AskError::Reserved);
    }
    let tool = Tool::new(server, name)?;
    let args = match params.member("arguments") {
        Some(arguments) => Args::parse(message.at(arguments), profile)?,
        None => Args::none(),
    };
    Ok(Asked::Decided(tool, args))
}

/// What an element of a list would be called as, and the argument that its name would be; `None`
/// where nobody could call it.
pub fn served(server: &str, kind: ListKind, name: &str) -> Option<(Tool, Option<&'static str>)> {
    let (called, argument) = match kind {
        ListKind::Tools if name.starts_with(PREFIX) => return None,
        ListKind::Tools => (name, None),
        ListKind::Prompts => ("mcp:prompts/get", Some("name")),
        ListKind::Resources => ("mcp:resources/read", Some("uri")),
        ListKind::Templates => ("mcp:resources/read", None),
    };
    Some((Tool::new(server, called).ok()?, argument))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(rest: &str) -> Result<(bool, String, String), AskError> {
        let text = format!(r#"{{"jsonrpc":"2.0",{rest}}}"#);
        let message = Message::parse(text, JsonProfile::default()).unwrap();
        let text = |args: &Args| String::from_utf8(args.bytes().to_vec()).unwrap();
        asked("s", &message, JsonProfile::default()).map(|asked| match asked {
            Asked::Decided(tool, args) => (true, tool.to_string(), text(&args)),
            Asked::Accepted(tool, args) => (false, tool.to_string(), text(&args)),
        })
    }

    #[test]
    fn messages_are_decided_by_what_they_do() {
        let cases = [
            (
                r#""id":1,"method":"tools/call","params":{"name":"x","arguments":{ "a":1}}"#,
                true,
                "s/x",
                r#"{ "a":1}"#,
            ),
            (
                r#""id":1,"method":"tools/call","params":{"name":"a/b","requestState":"?"}"#,
                true,
                "s/a/b",
                "{}",
            ),
            (
                r#""id":1,"method":"resources/read","params":{"uri":"u","_meta":{},"requestState":""}"#,
                true,
                "s/mcp:resources/read",
                r#"{"uri":"u"}"#,
            ),
            (
                r#""id":1,"method":"tasks/get","params":{"taskId":"t","requestState":1}"#,
                true,
                "s/mcp:tasks/get",
                r#"{"taskId":"t","requestState":1}"#,
            ),
            (r#""id":1,"method":"subscriptions/listen""#, true, "s/mcp:subscriptions/listen", "{}"),
            (r#""id":1,"method":"TOOLS/LIST""#, true, "s/mcp:TOOLS/LIST", "{}"),
            (
                r#""id":1,"method":"tools/list","params":{"cursor":"c"}"#,
                false,
                "s/mcp:tools/list",
                r#"{"cursor":"c"}"#,
            ),
            (r#""id":1,"method":"ping""#, false, "s/mcp:ping", "{}"),
            (
                r#""method":"notifications/cancelled","params":{"requestId":1}"#,
                false,
                "s/mcp:notifications/cancelled",
                r#"{"requestId":1}"#,
            ),
            (r#""id":1,"result":{"a":1}"#, false, "s/mcp:response", "{}"),
        ];
        for (rest, decided, tool, args) in cases {
            assert_eq!(ask(rest), Ok((decided, tool.to_owned(), args.to_owned())), "{rest}");
        }
    }

    type Case = (&'static str, fn(&AskError) -> bool);

    #[test]
    fn what_cannot_be_judged_is_refused() {
        let cases: &[Case] = &[
            (r#""method":"tools/call","params":{"name":"x"}"#, |e| {
                matches!(e, AskError::NotNotification)
            }),
            (r#""id":1,"method":"notifications/x""#, |e| matches!(e, AskError::NotRequest)),
            (r#""id":1,"method":"tools/call""#, |e| matches!(e, AskError::Name)),
            (r#""id":1,"method":"tools/call","params":{"name":1}"#, |e| {
                matches!(e, AskError::Name)
            }),
            (r#""id":1,"method":"tools/call","params":{"name":"x","args":{}}"#, |e| {
                matches!(e, AskError::UnknownParam)
            }),
            (r#""id":1,"method":"tools/call","params":{"name":"mcp:ping"}"#, |e| {
                matches!(e, AskError::Reserved)
            }),
            (r#""id":1,"method":"tools/call","params":{"name":"a\u0000"}"#, |e| {
                matches!(e, AskError::Tool(_))
            }),
            (r#""id":1,"method":"*""#, |e| matches!(e, AskError::Tool(_))),
            (r#""id":1,"method":"tools/call","params":{"name":"x","arguments":null}"#, |e| {
                matches!(e, AskError::Args(_))
            }),
            (r#""id":1,"method":"tools/call","params":{"name":"x","arguments":[]}"#, |e| {
                matches!(e, AskError::Args(_))
            }),
        ];
        for (rest, is_expected) in cases {
            assert!(is_expected(&ask(rest).unwrap_err()), "{rest}");
        }
    }

    #[test]
    fn elements_of_lists_have_the_names_of_their_calls() {
        let name = |kind, name| served("s", kind, name).map(|(tool, _)| tool.to_string());
        assert_eq!(name(ListKind::Tools, "x").as_deref(), Some("s/x"));
        assert_eq!(name(ListKind::Tools, "mcp:ping"), None);
        assert_eq!(name(ListKind::Tools, "\u{430}"), None);
        assert_eq!(name(ListKind::Prompts, "p").as_deref(), Some("s/mcp:prompts/get"));
        assert_eq!(name(ListKind::Templates, "u{x}").as_deref(), Some("s/mcp:resources/read"));
    }
}
