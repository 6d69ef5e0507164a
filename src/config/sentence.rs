/// What the TOML reader says, in one line with the line it means.
#[cfg(feature = "server")]
pub(super) fn sentence(text: &str, error: &toml::de::Error) -> String {
    let whole = |line: &str| Some(line.chars().take(80).collect::<String>().trim().to_owned());
    told(text, error, whole, error.message())
}

/// The same without any value: somebody may have written a secret there by mistake.
#[cfg(feature = "proxy")]
pub(super) fn sentence_without_values(text: &str, error: &toml::de::Error) -> String {
    let name = |line: &str| match line.split_once('=') {
        Some((name, _)) => Some(name.trim().chars().take(80).collect()),
        None if line.trim().starts_with('[') => Some(line.trim().chars().take(80).collect()),
        None => None,
    };
    told(text, error, name, &expected(error.message()))
}

/// What was expected, where the reader tells what it found instead.
#[cfg(feature = "proxy")]
fn expected(message: &str) -> String {
    let found =
        ["invalid type: ", "invalid value: "].into_iter().find(|by| message.starts_with(by));
    match (found, message.rsplit_once(", expected ")) {
        (Some(by), Some((_, expected))) => {
            format!("{}, expected {expected}", by.trim_end_matches(": "))
        }
        _ => message.to_owned(),
    }
}

fn told(
    text: &str,
    error: &toml::de::Error,
    shown: impl Fn(&str) -> Option<String>,
    message: &str,
) -> String {
    let message = message.replace('\n', " ");
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return message;
    };
    let number = before.matches('\n').count();
    match text.lines().nth(number).and_then(shown) {
        Some(line) => format!("line {}, `{line}`: {message}", number + 1),
        None => format!("line {}: {message}", number + 1),
    }
}
