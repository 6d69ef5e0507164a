//! What several sections ask of their fields.

pub(super) fn within(field: &str, value: u64, min: u64, max: u64) -> Result<(), String> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(format!("`{field}` is {value}, and must be from {min} to {max}"))
}

/// The name of a server: it stands in grants, in paths and before the names of tools.
pub(super) fn is_server_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let first = name.bytes().next().is_some_and(|b| b != b'-');
    first && name.len() <= 32 && name.bytes().all(allowed)
}

/// A label, as policies and grants name it.
pub(super) fn is_label(label: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    !label.is_empty() && label.len() <= 64 && label.bytes().all(allowed)
}
