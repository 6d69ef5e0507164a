/// What the TOML reader says, in one line with the line it means.
pub(super) fn sentence(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().replace('\n', " ");
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return message;
    };
    let number = before.matches('\n').count();
    let line: String = text.lines().nth(number).unwrap_or_default().chars().take(80).collect();
    format!("line {}, `{}`: {message}", number + 1, line.trim())
}
