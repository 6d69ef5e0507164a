/// The trace that a call is part of, out of its `traceparent`.
///
/// *Shape*: 32 lower case hexadecimal digits, not all of them zero; `None` for what is no
/// `traceparent`.
///
/// *Source*: W3C Trace Context, section 3.2.
pub(in crate::gateway) fn trace_id(traceparent: &str) -> Option<String> {
    let mut parts = traceparent.trim().split('-');
    let (version, id) = (parts.next()?, parts.next()?);
    let is_hex =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
    let good = version.len() == 2 && version != "ff" && id.len() == 32;
    let good = good && is_hex(version) && is_hex(id) && id.bytes().any(|byte| byte != b'0');
    good.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_named_by_its_id() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace_id(&format!("00-{id}-00f067aa0ba902b7-01")).as_deref(), Some(id));
        for bad in [
            "",
            "00",
            &format!("ff-{id}-x"),
            &format!("00-{}-x", "0".repeat(32)),
            "00-XYZ-1",
            &format!("00-{}-x", id.to_uppercase()),
        ] {
            assert_eq!(trace_id(bad), None, "{bad}");
        }
    }
}
