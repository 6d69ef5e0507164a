//! Bytes of a stranger: decoding never panics, and what is accepted has one encoding and can be
//! shown.

#![no_main]

use hardtack::token::UnverifiedToken;
use hardtack::vocabulary::{print, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(token) = UnverifiedToken::from_bytes(data.to_vec()) else { return };
    assert_eq!(token.as_bytes(), data);
    let again: UnverifiedToken = token.to_text().parse().expect("the text form is read back");
    assert_eq!(again.as_bytes(), data);
    let _ = format!("{token:?}");
    for block in token.blocks() {
        let _ = print::block(block);
        let _ = read::authority(&block.rules);
        block.checks.iter().for_each(|check| drop(read::check(check)));
    }
});
