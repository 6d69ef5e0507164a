//! What is wrong with a command line, in one sentence.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::{Exit, Output};

/// The command line makes no sense: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Usage(pub(super) String);

/// A usage error as a result.
pub(super) fn usage<T>(sentence: impl Into<String>) -> anyhow::Result<T> {
    Err(Usage(sentence.into()).into())
}

/// Answers what the parser of the command line ended with: help, the version, or a sentence.
pub(super) fn answer(error: &clap::Error, out: &mut Output) -> anyhow::Result<Exit> {
    let rendered = error.render();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let text =
                if out.in_colour() { rendered.ansi().to_string() } else { rendered.to_string() };
            out.raw(&text)?;
            Ok(Exit::Done)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            out.say_raw(&rendered.to_string());
            Ok(Exit::Usage)
        }
        _ => usage(sentence(error, &rendered.to_string())),
    }
}

/// The first paragraph of the parser's message as one sentence, and where help is.
fn sentence(error: &clap::Error, rendered: &str) -> String {
    let lines: Vec<&str> = rendered.lines().collect();
    let paragraph: Vec<&str> =
        lines.iter().map(|line| line.trim()).take_while(|line| !line.is_empty()).collect();
    let (first, rest) = match paragraph.split_first() {
        Some((first, rest)) => (first.trim_start_matches("error: "), rest.join(", ")),
        None => ("the command line makes no sense", String::new()),
    };
    let what = if rest.is_empty() { first.to_owned() } else { format!("{first} {rest}") };
    let kinds =
        [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue];
    let suggested = kinds.iter().find_map(|kind| match error.get(*kind) {
        Some(ContextValue::String(name)) => Some(name.as_str()),
        Some(ContextValue::Strings(names)) => names.first().map(String::as_str),
        _ => None,
    });
    let what = in_backticks(&what);
    match (suggested, command(&lines)) {
        (Some(name), _) => format!("{what}; did you mean `{name}`?"),
        (None, Some(command)) => format!("{what}; see `{command} --help`"),
        (None, None) => what,
    }
}

/// `hardtack mint`, from the usage line of the message, where it has one.
fn command(lines: &[&str]) -> Option<String> {
    let usage = lines.iter().find_map(|line| line.trim().strip_prefix("Usage: "))?;
    let is_name = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase());
    Some(usage.split_whitespace().take_while(is_name).collect::<Vec<_>>().join(" "))
}

/// The parser's quotes as this project writes them.
fn in_backticks(text: &str) -> String {
    let mut quoted = text.to_owned();
    for (from, to) in [(" '", " `"), ("' ", "` "), ("':", "`:"), ("';", "`;")] {
        quoted = quoted.replace(from, to);
    }
    match quoted.strip_suffix('\'') {
        Some(start) => format!("{start}`"),
        None => quoted,
    }
}
