//! One endpoint for several servers: which of them a message is for.

use super::list::{ListKind, NAME_MARK, URI_MARK};
use super::message::{Kind, Message};
use super::splice::Splice;
use crate::model::Place;

/// What a message to several servers is for.
#[derive(Clone, Debug)]
pub enum Aim {
    /// One server.
    Server {
        /// Its name.
        server: String,
        /// What is cut out of the message before it is the server's own: its name.
        splice: Splice,
    },
    /// The list of one server after another, from the first on.
    List(ListKind),
    /// All of them: the endpoint itself.
    Endpoint,
    /// None that can be told.
    Nobody,
}

/// Says what a message to several servers is for.
///
/// *Shape*: tools and prompts are `NAME__name`, URIs `NAME+uri`, cursors `NAME` or `NAME:cursor`. What
/// is judged, and goes up, is the message without the name.
pub fn aim(message: &Message) -> Aim {
    let Kind::Request { method, .. } = message.kind() else { return Aim::Endpoint };
    match method.as_str() {
        "tools/call" | "prompts/get" => named(message.param("name"), NAME_MARK),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
            named(message.param("uri"), URI_MARK)
        }
        "completion/complete" => {
            let reference = message.param("ref");
            let member = |name| reference.and_then(|reference| reference.member(name));
            match (member("name"), member("uri")) {
                (Some(name), None) => named(Some(name), NAME_MARK),
                (None, Some(uri)) => named(Some(uri), URI_MARK),
                _ => Aim::Nobody,
            }
        }
        "initialize" | "ping" | "server/discover" | "logging/setLevel" => Aim::Endpoint,
        method => match (ListKind::of(method), message.param("cursor")) {
            (Some(kind), None) => Aim::List(kind),
            (Some(_), Some(cursor)) => paged(message, cursor),
            (None, _) => Aim::Nobody,
        },
    }
}

/// The server whose name stands before the mark.
fn named(place: Option<Place<'_>>, mark: &str) -> Aim {
    let found = place.and_then(|place| Some((place, place.text()?.split_once(mark)?)));
    let Some((place, (server, rest))) = found else { return Aim::Nobody };
    let mut splice = Splice::new();
    splice.replace(place.span(), written(rest));
    Aim::Server { server: server.to_owned(), splice }
}

/// The server that a cursor names.
fn paged(message: &Message, cursor: Place<'_>) -> Aim {
    let Some(text) = cursor.text() else { return Aim::Nobody };
    let mut splice = Splice::new();
    let server = match text.split_once(':') {
        Some((server, rest)) => {
            splice.replace(cursor.span(), written(rest));
            server
        }
        None => {
            let members = message.params().into_iter().flat_map(|params| params.members());
            splice.keep(members.map(|one| (one.span, one.name != "cursor")));
            text
        }
    };
    Aim::Server { server: server.to_owned(), splice }
}

fn written(text: &str) -> Vec<u8> {
    serde_json::to_vec(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::JsonProfile;

    fn aimed(method: &str, params: &str) -> String {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let message = Message::parse(text, JsonProfile::default()).unwrap();
        match aim(&message) {
            Aim::Server { server, splice } => {
                let text = String::from_utf8(splice.apply(message.bytes()).unwrap()).unwrap();
                let (_, params) = text.split_once("\"params\":").unwrap();
                format!("{server} {}", params.strip_suffix('}').unwrap())
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn messages_name_their_server() {
        let cases = [
            (
                "tools/call",
                r#"{"name":"s-1__a__b","arguments":{"name":"t__c"}}"#,
                r#"s-1 {"name":"a__b","arguments":{"name":"t__c"}}"#,
            ),
            ("tools/call", r#"{"name":"s\u005f_\u0022"}"#, r#"s {"name":"\""}"#),
            ("prompts/get", r#"{ "name" : "s__p" }"#, r#"s { "name" : "p" }"#),
            ("resources/read", r#"{"uri":"s+file:///a+b"}"#, r#"s {"uri":"file:///a+b"}"#),
            (
                "completion/complete",
                r#"{"ref":{"type":"ref/prompt","name":"s__p"},"argument":{}}"#,
                r#"s {"ref":{"type":"ref/prompt","name":"p"},"argument":{}}"#,
            ),
            ("completion/complete", r#"{"ref":{"uri":"s+u"}}"#, r#"s {"ref":{"uri":"u"}}"#),
            ("tools/list", r#"{"a":1,"cursor":"s"}"#, r#"s {"a":1}"#),
            ("tools/list", r#"{"cursor":"s:x:y"}"#, r#"s {"cursor":"x:y"}"#),
            ("tools/list", "{}", "List(Tools)"),
            ("ping", "{}", "Endpoint"),
            ("tools/call", r#"{"name":"s_a"}"#, "Nobody"),
            ("tools/call", r#"{"name":1}"#, "Nobody"),
            ("completion/complete", r#"{"ref":{"name":"s__p","uri":"t+u"}}"#, "Nobody"),
            ("tools/list", r#"{"cursor":1}"#, "Nobody"),
            ("subscriptions/listen", "{}", "Nobody"),
        ];
        for (method, params, want) in cases {
            assert_eq!(aimed(method, params), want, "{method} {params}");
        }
    }
}
