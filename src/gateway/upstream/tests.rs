//! The search for a secret in streams that are cut anywhere.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::needles::{Needles, Scanner};

/// What goes down of these chunks, and whether all of it did.
fn scanned(secret: &str, chunks: &[&[u8]]) -> (Vec<u8>, bool) {
    let mut scanner = Scanner::new(Arc::new(Needles::of(secret)));
    let mut down = Vec::new();
    for chunk in chunks {
        match scanner.push(Bytes::copy_from_slice(chunk)) {
            Ok(bytes) => down.extend_from_slice(&bytes),
            Err(_) => return (down, false),
        }
    }
    down.extend_from_slice(&scanner.finish());
    (down, true)
}

/// Cuts a text at these places.
fn cut<'a>(text: &'a [u8], at: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = at.iter().map(|index| index.index(text.len() + 1)).collect();
    places.extend([0, text.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

/// Texts in which a secret of the same letters often almost occurs.
fn text() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(b"ab/".to_vec()), 0..80)
}

proptest! {
    #[test]
    fn what_goes_down_is_what_came_or_ends_before_the_secret(
        secret in "[ab/]{8}",
        text in text(),
        at in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let forms = [secret.clone(), secret.replace('/', "%2F"), secret.replace('/', "%2f"),
            secret.replace('/', "\\/")];
        let found = forms.iter().filter_map(|form| {
            text.windows(form.len()).position(|window| window == form.as_bytes())
        });
        let first = found.min();
        let (down, whole) = scanned(&secret, &cut(&text, &at));
        prop_assert_eq!(whole, first.is_none());
        match first {
            None => prop_assert_eq!(down, text),
            Some(first) => {
                prop_assert!(down.len() <= first, "{} bytes down, {}", down.len(), first);
                prop_assert!(text.starts_with(&down));
            }
        }
    }

    #[test]
    fn no_more_is_held_back_than_may_be_the_secret(text in text()) {
        let mut scanner = Scanner::new(Arc::new(Needles::of("ab/ab/ab/x")));
        let Ok(down) = scanner.push(Bytes::from(text.clone())) else { panic!("it has no x") };
        let held = &text[down.len()..];
        let forms = ["ab/ab/ab/x", "ab%2Fab%2Fab%2Fx", "ab%2fab%2fab%2fx", "ab\\/ab\\/ab\\/x"];
        let begins = |text: &[u8]| forms.iter().any(|form| form.as_bytes().starts_with(text));
        prop_assert!(begins(held));
        // One byte more would begin none.
        let longer = text.get(down.len().wrapping_sub(1)..);
        prop_assert!(longer.is_none_or(|longer| !begins(longer)));
    }
}
