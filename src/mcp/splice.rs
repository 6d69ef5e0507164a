use std::ops::Range;

/// Changes of a text by place: everything between them stays as it is, byte for byte.
///
/// *Shape*: ranges within the text that do not overlap; what breaks that is left out, and
/// [`Splice::apply`] says so by giving nothing.
#[derive(Clone, Debug, Default)]
pub struct Splice {
    edits: Vec<(Range<usize>, Vec<u8>)>,
}

impl Splice {
    /// No change yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Puts another text in the place of this one.
    pub fn replace(&mut self, place: Range<usize>, text: impl Into<Vec<u8>>) {
        self.edits.push((place, text.into()));
    }

    /// Puts a text before the byte at this place.
    pub fn insert(&mut self, at: usize, text: impl Into<Vec<u8>>) {
        self.replace(at..at, text);
    }

    /// Takes some of the elements of one array, or members of one object, out together with the
    /// commas that go with them.
    ///
    /// *Shape*: all of them in order, each with whether it stays.
    pub fn keep(&mut self, elements: impl IntoIterator<Item = (Range<usize>, bool)>) {
        let mut elements = elements.into_iter().peekable();
        let mut last_kept = None;
        let mut before = 0;
        while let Some((place, stays)) = elements.next() {
            if stays {
                last_kept = Some(place.end);
            } else if last_kept.is_some() {
                self.replace(before..place.end, []);
            } else {
                let end = elements.peek().map_or(place.end, |(next, _)| next.start);
                self.replace(place.start..end, []);
            }
            before = place.end;
        }
    }

    /// The changed text; `None` where the changes do not fit it.
    pub fn apply(mut self, text: &[u8]) -> Option<Vec<u8>> {
        self.edits.sort_by_key(|(place, _)| (place.start, place.end));
        let added: usize = self.edits.iter().map(|(_, new)| new.len()).sum();
        let mut out = Vec::with_capacity(text.len().saturating_add(added));
        let mut at = 0;
        for (place, new) in &self.edits {
            out.extend_from_slice(text.get(at..place.start)?);
            out.extend_from_slice(new);
            at = place.end.max(place.start);
        }
        out.extend_from_slice(text.get(at..)?);
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_of_elements_leaves_a_sound_list() {
        let text = "[ 10 ,\t20,30 , 40 ]";
        let places = [2..4, 7..9, 10..12, 15..17];
        for choice in 0..16_u32 {
            let stays = |at: usize| choice >> at & 1 == 1;
            let mut splice = Splice::new();
            splice.keep(places.iter().cloned().enumerate().map(|(at, place)| (place, stays(at))));
            let out = splice.apply(text.as_bytes()).unwrap();
            let read: Vec<usize> = serde_json::from_slice(&out).unwrap();
            let want: Vec<usize> = (0..4).filter(|at| stays(*at)).map(|at| (at + 1) * 10).collect();
            assert_eq!(read, want, "{}", String::from_utf8_lossy(&out));
        }
    }

    #[test]
    fn changes_that_do_not_fit_are_no_text() {
        let change = |edits: &[(usize, usize)]| {
            let mut splice = Splice::new();
            edits.iter().for_each(|(from, to)| splice.replace(*from..*to, b"x".as_slice()));
            splice.apply(b"abcdef").map(|text| String::from_utf8(text).unwrap())
        };
        assert_eq!(change(&[(4, 6), (0, 1)]).as_deref(), Some("xbcdx"));
        assert_eq!(change(&[(2, 2), (2, 3)]).as_deref(), Some("abxxdef"));
        assert_eq!(change(&[(0, 3), (2, 4)]), None);
        assert_eq!(change(&[(5, 7)]), None);
        assert_eq!(change(&[(7, 7)]), None);
    }
}
