use super::code::roomy;
use super::value::{Class, Ref, Value};

/// Start and end of one item in an arena.
type Span = (usize, usize);

/// Arenas for the values that do not fit in a word: text, bytes and collections.
///
/// *Shape*: a set is its elements in content order without repetition, an array its elements, a
/// map its keys and values in turn, in key order.
#[derive(Debug, Default)]
pub(super) struct Heap {
    class: Class,
    text: String,
    texts: Vec<Span>,
    bytes: Vec<u8>,
    blobs: Vec<Span>,
    items: Vec<Value>,
    lists: Vec<Span>,
}

impl Heap {
    /// An empty heap whose references carry `class`.
    pub(super) fn new(class: Class) -> Self {
        Self { class, ..Self::default() }
    }

    /// A copy with room for what so many ordinary blocks add.
    pub(super) fn roomy(&self, blocks: usize) -> Self {
        let mut text = String::with_capacity(self.text.len() + 128 * blocks);
        text.push_str(&self.text);
        Self {
            class: self.class,
            text,
            texts: roomy(&self.texts, 12 * blocks),
            bytes: self.bytes.clone(),
            blobs: self.blobs.clone(),
            items: roomy(&self.items, 12 * blocks),
            lists: roomy(&self.lists, 4 * blocks),
        }
    }

    /// Forgets everything, keeping the room.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.texts.clear();
        self.bytes.clear();
        self.blobs.clear();
        self.items.clear();
        self.lists.clear();
    }

    /// The bytes in use.
    pub(super) fn size_bytes(&self) -> usize {
        self.text.len() + self.bytes.len() + self.items.len() * size_of::<Value>()
    }

    /// Gives back room beyond `bytes` an arena, so that one large request is not kept for ever.
    pub(super) fn shrink(&mut self, bytes: usize) {
        self.text.shrink_to(bytes);
        self.bytes.shrink_to(bytes);
        self.items.shrink_to(bytes / size_of::<Value>());
        self.texts.shrink_to(bytes / size_of::<Span>());
        self.blobs.shrink_to(bytes / size_of::<Span>());
        self.lists.shrink_to(bytes / size_of::<Span>());
    }

    /// Keeps a copy of `text`; `None` when references run out.
    pub(super) fn push_text(&mut self, text: &str) -> Option<Ref> {
        let reference = Ref::new(self.class, self.texts.len())?;
        let start = self.text.len();
        self.text.push_str(text);
        self.texts.push((start, self.text.len()));
        Some(reference)
    }

    /// Keeps a copy of `bytes`; `None` when references run out.
    pub(super) fn push_bytes(&mut self, bytes: &[u8]) -> Option<Ref> {
        let reference = Ref::new(self.class, self.blobs.len())?;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.blobs.push((start, self.bytes.len()));
        Some(reference)
    }

    /// Keeps a copy of `items`; `None` when references run out.
    pub(super) fn push_items(&mut self, items: &[Value]) -> Option<Ref> {
        let reference = Ref::new(self.class, self.lists.len())?;
        let start = self.items.len();
        self.items.extend_from_slice(items);
        self.lists.push((start, self.items.len()));
        Some(reference)
    }

    /// Puts other items in the place of a list that has at least as many; gives whether it has.
    pub(super) fn replace_items(&mut self, reference: Ref, items: &[Value]) -> bool {
        let Some(span) = self.lists.get_mut(reference.index()) else { return false };
        let end = span.0 + items.len();
        match self.items.get_mut(span.0..end) {
            Some(place) if end <= span.1 => {
                place.copy_from_slice(items);
                span.1 = end;
                true
            }
            _ => false,
        }
    }

    /// The text behind a reference of this heap.
    pub(super) fn text(&self, reference: Ref) -> &str {
        let span = self.texts.get(reference.index()).copied();
        span.and_then(|(start, end)| self.text.get(start..end)).unwrap_or_default()
    }

    /// The bytes behind a reference of this heap.
    pub(super) fn bytes(&self, reference: Ref) -> &[u8] {
        let span = self.blobs.get(reference.index()).copied();
        span.and_then(|(start, end)| self.bytes.get(start..end)).unwrap_or_default()
    }

    /// The elements behind a reference of this heap.
    pub(super) fn items(&self, reference: Ref) -> &[Value] {
        let span = self.lists.get(reference.index()).copied();
        span.and_then(|(start, end)| self.items.get(start..end)).unwrap_or_default()
    }
}

/// The three heaps a value may refer to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heaps<'a> {
    /// Constants of the program.
    pub(super) base: &'a Heap,
    /// Values of the request's facts.
    pub(super) request: &'a Heap,
    /// Values computed by the expression at hand.
    pub(super) temporary: &'a Heap,
}

impl<'a> Heaps<'a> {
    fn of(&self, reference: Ref) -> &'a Heap {
        match reference.class() {
            Class::Base => self.base,
            Class::Request => self.request,
            Class::Temporary => self.temporary,
        }
    }

    /// The text behind a reference.
    #[inline]
    pub(super) fn text(&self, reference: Ref) -> &'a str {
        self.of(reference).text(reference)
    }

    /// The bytes behind a reference.
    pub(super) fn bytes(&self, reference: Ref) -> &'a [u8] {
        self.of(reference).bytes(reference)
    }

    /// The elements behind a reference.
    #[inline]
    pub(super) fn items(&self, reference: Ref) -> &'a [Value] {
        self.of(reference).items(reference)
    }
}
