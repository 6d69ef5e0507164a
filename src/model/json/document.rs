use std::ops::Range;

use super::{Json, JsonBounds, JsonError, JsonProfile, parse};

/// A text parsed strictly, with the place in the text of every name and value.
///
/// *Shape*: it does not keep the text. A gateway that must change a message cuts at these places
/// and leaves every other byte as it was judged.
#[derive(Clone, Debug)]
pub struct Document {
    value: Json,
    spans: Vec<Span>,
}

/// Where a name or a value stands, and which span follows all that is inside.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    end: u32,
    next: u32,
}

/// One value of a [`Document`], and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    document: &'a Document,
    value: &'a Json,
    slot: usize,
}

/// One member of an object.
#[derive(Clone, Debug)]
pub struct Member<'a> {
    /// The name, escapes resolved.
    pub name: &'a str,
    /// From the name's quote to the end of the value.
    pub span: Range<usize>,
    /// The value.
    pub value: Place<'a>,
}

impl Document {
    /// Parses a text strictly, as [`Json::parse`] does, within bounds of its own.
    ///
    /// *Errors*: everything [`JsonError`] lists.
    pub fn parse(text: &[u8], profile: JsonProfile, bounds: JsonBounds) -> Result<Self, JsonError> {
        let mut spans = Vec::new();
        let value = parse::parse(text, profile, bounds, &mut spans)?;
        Ok(Self { value, spans })
    }

    /// The whole value.
    pub fn root(&self) -> Place<'_> {
        Place { document: self, value: &self.value, slot: 0 }
    }

    fn span(&self, slot: usize) -> Span {
        self.spans.get(slot).copied().unwrap_or_default()
    }
}

impl parse::Spans for &mut Vec<Span> {
    fn open(&mut self, at: usize) -> usize {
        let start = u32::try_from(at).unwrap_or(u32::MAX);
        self.push(Span { start, end: start, next: 0 });
        self.len() - 1
    }

    fn close(&mut self, slot: usize, at: usize) {
        let next = u32::try_from(self.len()).unwrap_or(u32::MAX);
        if let Some(span) = self.get_mut(slot) {
            *span = Span { end: u32::try_from(at).unwrap_or(u32::MAX), next, ..*span };
        }
    }
}

impl<'a> Place<'a> {
    /// The value.
    pub fn value(&self) -> &'a Json {
        self.value
    }

    /// Its bytes in the text.
    pub fn span(&self) -> Range<usize> {
        let Span { start, end, .. } = self.document.span(self.slot);
        start as usize..end as usize
    }

    /// The members of an object, in the order written; none for any other value.
    pub fn members(&self) -> impl Iterator<Item = Member<'a>> + use<'a> {
        let document = self.document;
        let members = match self.value {
            Json::Object(members) => members.as_slice(),
            _ => &[],
        };
        members.iter().scan(self.slot + 1, move |slot, (name, value)| {
            let value = Place { document, value, slot: *slot + 1 };
            let span = document.span(*slot).start as usize..value.span().end;
            *slot = document.span(value.slot).next as usize;
            Some(Member { name, span, value })
        })
    }

    /// The member of an object by its name; `None` for any other value.
    pub fn member(&self, name: &str) -> Option<Place<'a>> {
        self.members().find(|member| member.name == name).map(|member| member.value)
    }

    /// The text of a string; `None` for any other value.
    pub fn text(&self) -> Option<&'a str> {
        match self.value {
            Json::String(text) => Some(text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        r#" {"a" : [1, {"x":[]}, "q"], "b\u0041":{ "c": {} , "d":"e" },"f":-1.5e1 } "#;

    fn document() -> Document {
        Document::parse(TEXT.as_bytes(), JsonProfile::default(), JsonBounds::ARGS).unwrap()
    }

    #[test]
    fn every_place_holds_the_text_of_its_value() {
        fn check(place: Place<'_>) -> usize {
            let text = &TEXT[place.span()];
            let alone = Json::parse(text.as_bytes(), JsonProfile::default()).unwrap();
            assert_eq!(&alone, place.value());
            assert_eq!(text.trim(), text);
            place.members().map(|member| check(member.value)).sum::<usize>() + 1
        }
        assert_eq!(check(document().root()), 6);
    }

    #[test]
    fn members_are_found_by_their_resolved_names() {
        let document = document();
        let root = document.root();
        let names: Vec<_> = root.members().map(|member| member.name).collect();
        assert_eq!(names, ["a", "bA", "f"]);
        let inner = root.member("bA").unwrap();
        assert_eq!(inner.member("d").unwrap().text(), Some("e"));
        assert_eq!(&TEXT[inner.members().last().unwrap().span], r#""d":"e""#);
        assert_eq!(&TEXT[root.members().last().unwrap().span], r#""f":-1.5e1"#);
        assert!(inner.member("f").is_none() && root.member("a").unwrap().member("x").is_none());
    }

    #[test]
    fn bounds_are_its_own() {
        let bounds = JsonBounds { bytes_max: 8, depth_max: 2, leaves_max: 2 };
        let parse = |text: &str| Document::parse(text.as_bytes(), JsonProfile::default(), bounds);
        assert!(parse("[[1,2]]").is_ok());
        assert_eq!(parse("[[1,2] ] ").unwrap_err(), JsonError::Length(9));
        assert_eq!(parse("[[[1]]]").unwrap_err(), JsonError::Depth(2));
        assert_eq!(parse("[1,2,3]").unwrap_err(), JsonError::Leaves(5));
    }
}
