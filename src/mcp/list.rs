use std::ops::Range;

use super::fold::{disguised, is_disguised};
use super::reply::{Reply, ReplyError, items, members};
use super::splice::Splice;
use super::version::Era;
use crate::model::{Document, Json, JsonBounds, JsonProfile};

/// What ends the name of a server before that of a tool or prompt, and before a URI.
pub(super) const NAME_MARK: &str = "__";
pub(super) const URI_MARK: &str = "+";

/// How much of one definition is read; a schema is deeper than arguments are.
const DEFINITION: JsonBounds =
    JsonBounds { bytes_max: 1024 * 1024, depth_max: 64, leaves_max: 16 * 1024 };

/// A list that a server gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// `tools/list`
    Tools,
    /// `prompts/list`
    Prompts,
    /// `resources/list`
    Resources,
    /// `resources/templates/list`
    Templates,
}

/// Members of a result and of its elements that name them, or that their readers act on.
const RESULT: &[&str] = &["tools", "prompts", "resources", "resourceTemplates", "nextCursor"];
const ELEMENT: &[&str] = &[
    "name",
    "title",
    "description",
    "annotations",
    "inputSchema",
    "outputSchema",
    "arguments",
    "uri",
    "uriTemplate",
    "_meta",
];

/// How the list of one server is one page of the list of several.
#[derive(Clone, Copy, Debug)]
pub struct Join<'a> {
    /// The server's name.
    pub server: &'a str,
    /// The server whose list comes next, if any.
    pub next: Option<&'a str>,
}

/// One element of a list.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// What it is.
    pub kind: ListKind,
    /// Its name: that of a tool or prompt, the URI or template of a resource.
    pub name: &'a str,
    /// All of it, read strictly.
    pub definition: &'a Json,
    /// All of it, as it came.
    pub bytes: &'a [u8],
}

/// Why a list cannot be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NarrowError {
    /// It is no message.
    #[error(transparent)]
    Reply(#[from] ReplyError),
    /// Its result is not of the form that the method has.
    #[error("the server's list is not of the form that the method has")]
    Form,
}

impl ListKind {
    /// Every list.
    pub const ALL: &'static [Self] =
        &[Self::Tools, Self::Prompts, Self::Resources, Self::Templates];

    /// The list that a method asks for.
    pub fn of(method: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.method() == method)
    }

    /// The method that asks for it.
    pub fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
            Self::Templates => "resources/templates/list",
        }
    }

    /// The member of the result that holds it.
    fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    /// The member of an element that names it.
    fn name(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
        }
    }
}

impl Join<'_> {
    /// What stands before the names of a list's elements.
    ///
    /// *Shape*: the name of a server holds neither of the marks, so that the first of them ends it.
    fn prefix(&self, kind: ListKind) -> String {
        match kind {
            ListKind::Tools | ListKind::Prompts => format!("{}{NAME_MARK}", self.server),
            ListKind::Resources | ListKind::Templates => format!("{}{URI_MARK}", self.server),
        }
    }

    /// The page of a server that has no such list.
    pub fn nothing(&self, id: &[u8], kind: ListKind, era: Era) -> Vec<u8> {
        let mut result = serde_json::json!({ kind.member(): [] });
        if let serde_json::Value::Object(members) = &mut result {
            if let Some(next) = self.next {
                members.insert("nextCursor".to_owned(), next.into());
            }
            if era == Era::Modern {
                members.insert("resultType".to_owned(), "complete".into());
                members.insert("ttlMs".to_owned(), 0.into());
                members.insert("cacheScope".to_owned(), "private".into());
            }
        }
        super::result(id, result)
    }

    /// Makes the cursor name the server that it belongs to.
    fn point(
        &self,
        cursor: Option<&(String, Range<usize>)>,
        text: &[u8],
        splice: &mut Splice,
    ) -> bool {
        let Some((_, place)) = cursor else { return false };
        let is_cursor = text.get(place.start) == Some(&b'"');
        match (is_cursor, self.next) {
            (true, _) => splice.insert(place.start + 1, format!("{}:", self.server)),
            (false, Some(next)) => splice.replace(place.clone(), format!("\"{next}\"")),
            (false, None) => {}
        }
        true
    }
}

/// Takes out of a server's answer what its caller may not see; the rest stays byte for byte.
///
/// *Shape*: a whole JSON-RPC response. An element that cannot be read strictly, or that some readers
/// would read otherwise since they ignore case, is taken out. In the
/// modern era the answer says that it holds for this caller alone and is not to be kept. An error
/// stays as it is. Where `kind` is `None`, every list that the answer holds is looked at. With a `join`
/// the names of what stays begin with the server's.
///
/// *Errors*: [`NarrowError`] where the answer is not one to the method.
pub fn narrow(
    answer: &[u8],
    kind: Option<ListKind>,
    era: Era,
    join: Option<&Join<'_>>,
    mut stays: impl FnMut(&Listed<'_>) -> bool,
) -> Result<Vec<u8>, NarrowError> {
    let reply = Reply::read(answer)?;
    let result = match (reply.place("result"), reply.place("error")) {
        (Some(result), None) => result,
        (None, Some(_)) => return Ok(answer.to_vec()),
        _ => return Err(NarrowError::Form),
    };
    let found = match (members(answer, result.clone()), kind) {
        (Ok(found), _) => found,
        (Err(_), None) => return Ok(answer.to_vec()),
        (Err(error), Some(_)) => return Err(error.into()),
    };
    if kind.is_some() && found.iter().any(|(name, _)| is_disguised(name, RESULT)) {
        return Err(NarrowError::Form);
    }
    let mut splice = Splice::new();
    let mut lists = 0;
    for one in ListKind::ALL {
        let Some((_, place)) = found.iter().find(|(name, _)| name == one.member()) else {
            continue;
        };
        // Some other answer may have a member of this name that is no list.
        let places = match (items(answer, place.clone()), kind) {
            (Ok(places), _) => places,
            (Err(_), None) => continue,
            (Err(error), Some(_)) => return Err(error.into()),
        };
        lists += usize::from(kind.is_none_or(|kind| kind == *one));
        let mut kept = Vec::new();
        for place in places {
            let name = element(*one, reply.at(place.clone()), &mut stays);
            if let (Some(name), Some(join)) = (name, join) {
                splice.insert(place.start + name + 1, join.prefix(*one));
            }
            kept.push((place, name.is_some()));
        }
        splice.keep(kept);
    }
    if let Some(join) = join {
        let cursor = found.iter().find(|(name, _)| name == "nextCursor");
        if let (false, Some(next)) = (join.point(cursor, answer, &mut splice), join.next) {
            splice.insert(result.start.saturating_add(1), format!("\"nextCursor\":\"{next}\","));
        }
    }
    if lists == 0 && kind.is_some() {
        return Err(NarrowError::Form);
    }
    if era == Era::Modern && lists > 0 {
        for (name, value) in [("ttlMs", "0"), ("cacheScope", "\"private\"")] {
            match found.iter().find(|(other, _)| other == name) {
                Some((_, place)) => splice.replace(place.clone(), value),
                None => {
                    let text = format!("\"{name}\":{value},");
                    splice.insert(result.start.saturating_add(1), text);
                }
            }
        }
    }
    splice.apply(answer).ok_or(NarrowError::Form)
}

/// Where the name of an element that stays begins, in its bytes.
fn element(
    kind: ListKind,
    bytes: &[u8],
    stays: &mut impl FnMut(&Listed<'_>) -> bool,
) -> Option<usize> {
    let document = Document::parse(bytes, JsonProfile::Integers64, DEFINITION).ok()?;
    let root = document.root();
    if disguised(root, ELEMENT).is_some() {
        return None;
    }
    let place = root.member(kind.name())?;
    let listed = Listed { kind, name: place.text()?, definition: root.value(), bytes };
    stays(&listed).then(|| place.span().start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only_a(answer: &str, kind: Option<ListKind>, era: Era) -> Result<String, NarrowError> {
        let narrowed = narrow(answer.as_bytes(), kind, era, None, |one| one.name.starts_with('a'))?;
        Ok(String::from_utf8(narrowed).unwrap())
    }

    const TOOLS: Option<ListKind> = Some(ListKind::Tools);

    #[test]
    fn what_stays_stays_byte_for_byte() {
        let answer = concat!(
            r#"{"jsonrpc":"2.0","id":1,"result":{ "tools" : [{"name":"b"} , {"name" : "a\u0031","#,
            r#""n":1.50}, {"name":"b2"},{"name":"a2"}, 7,{"name":"a","name":"a"},{"title":"a"},"#,
            r#"{"name":"a","Description":"b"},{"name":"a","Name":"b"}],"nextCursor":"c","x":1e999}}"#
        );
        let want = concat!(
            r#"{"jsonrpc":"2.0","id":1,"result":{ "tools" : [{"name" : "a\u0031","#,
            r#""n":1.50},{"name":"a2"}],"#,
            r#""nextCursor":"c","x":1e999}}"#
        );
        assert_eq!(only_a(answer, TOOLS, Era::Legacy).unwrap(), want);
        assert_eq!(only_a(answer, None, Era::Legacy).unwrap(), want);
    }

    #[test]
    fn modern_lists_hold_for_one_caller_and_one_moment() {
        let answer = r#"{"id":1,"result":{"ttlMs":60000,"cacheScope":"public","tools":[]}}"#;
        let want = r#"{"id":1,"result":{"ttlMs":0,"cacheScope":"private","tools":[]}}"#;
        assert_eq!(only_a(answer, TOOLS, Era::Modern).unwrap(), want);
        let answer = r#"{"id":1,"result":{"prompts":[{"name":"b"}]}}"#;
        let want = r#"{"id":1,"result":{"ttlMs":0,"cacheScope":"private","prompts":[]}}"#;
        assert_eq!(only_a(answer, Some(ListKind::Prompts), Era::Modern).unwrap(), want);
    }

    #[test]
    fn names_of_resources_are_their_uris() {
        let answer = r#"{"id":1,"result":{"resources":[{"name":"a","uri":"b"},{"uri":"a"}]}}"#;
        let want = r#"{"id":1,"result":{"resources":[{"uri":"a"}]}}"#;
        assert_eq!(only_a(answer, Some(ListKind::Resources), Era::Legacy).unwrap(), want);
        let answer = r#"{"id":1,"result":{"resourceTemplates":[{"uriTemplate":"b"}]}}"#;
        let want = r#"{"id":1,"result":{"resourceTemplates":[]}}"#;
        assert_eq!(only_a(answer, Some(ListKind::Templates), Era::Legacy).unwrap(), want);
    }

    #[test]
    fn lists_of_several_servers_are_joined_page_by_page() {
        let page = |answer: &str, kind, next| {
            let join = Join { server: "s", next };
            let page = narrow(answer.as_bytes(), Some(kind), Era::Legacy, Some(&join), |one| {
                one.name.starts_with('a')
            });
            String::from_utf8(page.unwrap()).unwrap()
        };
        let answer = r#"{"id":1,"result":{"tools":[{"name":"b"},{"title":"t","name":"\u0061"}]}}"#;
        let want = r#"{"id":1,"result":{"tools":[{"title":"t","name":"s__\u0061"}]}}"#;
        assert_eq!(page(answer, ListKind::Tools, None), want);
        let want = want.replace(r#"{"tools"#, r#"{"nextCursor":"t","tools"#);
        assert_eq!(page(answer, ListKind::Tools, Some("t")), want);
        let answer = r#"{"id":1,"result":{"resources":[{"uri":"a:b"}],"nextCursor":"x"}}"#;
        let want = r#"{"id":1,"result":{"resources":[{"uri":"s+a:b"}],"nextCursor":"s:x"}}"#;
        assert_eq!(page(answer, ListKind::Resources, Some("t")), want);
        let answer = r#"{"id":1,"result":{"prompts":[],"nextCursor":null}}"#;
        let want = r#"{"id":1,"result":{"prompts":[],"nextCursor":"t"}}"#;
        assert_eq!(page(answer, ListKind::Prompts, Some("t")), want);
        assert_eq!(page(answer, ListKind::Prompts, None), answer);
    }

    #[test]
    fn answers_of_another_form_are_no_lists() {
        for answer in [
            r#"{"id":1,"result":{"prompts":[]}}"#,
            r#"{"id":1,"result":{"tools":{}}}"#,
            r#"{"id":1,"result":{"tools":[],"tools":[]}}"#,
            r#"{"id":1,"result":{"tools":[],"Tools":[{"name":"b"}]}}"#,
            r#"{"id":1,"result":[]}"#,
            r#"{"id":1,"result":{"tools":[]},"error":{}}"#,
            r#"{"id":1,"method":"x"}"#,
        ] {
            assert!(only_a(answer, TOOLS, Era::Legacy).is_err(), "{answer}");
        }
        for answer in [
            r#"{"id":1,"error":{"code":1,"message":"x"}}"#,
            r#"{"id":1,"result":{"tools":"b"}}"#,
            r#"{"id":1,"result":[1]}"#,
        ] {
            assert_eq!(only_a(answer, None, Era::Modern).unwrap(), answer);
        }
    }
}
