use super::limits;

/// Whether a text may stand in a token: not empty, not too long, no control characters.
pub fn is_plain_text(text: &str) -> bool {
    !text.is_empty() && text.len() <= limits::TEXT_BYTES_MAX && !text.chars().any(char::is_control)
}
