use biscuit_auth::builder::{BlockBuilder, Check, Fact, Op, Policy, Predicate, Rule, Scope, Term};
use biscuit_auth::error::Token as BiscuitError;
use biscuit_auth::parser::parse_source;

use super::names::{is_request, is_reserved};
use crate::model::limits;

/// Datalog that a person wrote, parsed within bounds.
///
/// *Source*: Biscuit specification, "Datalog". Parameters and external functions are refused.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Datalog {
    /// Facts.
    pub facts: Vec<Fact>,
    /// Rules.
    pub rules: Vec<Rule>,
    /// Checks.
    pub checks: Vec<Check>,
    /// `allow if` and `deny if`; gateway policy alone has them.
    pub policies: Vec<Policy>,
}

/// Why a Datalog text is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatalogError {
    /// Too long for the parser.
    #[error("the Datalog is longer than {} bytes", limits::DATALOG_TEXT_BYTES_MAX)]
    TooLong,
    /// Nested too deeply for the parser, which recurses.
    #[error("the Datalog nests brackets more than {} deep", limits::DATALOG_TEXT_NESTING_MAX)]
    TooDeep,
    /// Not Datalog.
    #[error("the Datalog is not well formed near `{0}`")]
    Syntax(String),
    /// Not Datalog, and what is missing comes after its end.
    #[error("the Datalog is not well formed: it ends too early, or its last statement is wrong")]
    Unfinished,
    /// An open `{parameter}`.
    #[error("the Datalog has an open parameter `{0}`")]
    Parameter(String),
    /// A word that only the gateway, or only the grants, may state.
    #[error("the Datalog states `{0}`, which is a word of the vocabulary")]
    Reserved(String),
    /// `allow if` or `deny if` in a token.
    #[error("`allow if` and `deny if` belong in a gateway's policy, not in a token")]
    PolicyInToken,
}

impl Datalog {
    /// Parses a text within bounds.
    ///
    /// *Errors*: [`DatalogError`] with the text near the fault.
    pub fn parse(text: &str) -> Result<Self, DatalogError> {
        if text.len() > limits::DATALOG_TEXT_BYTES_MAX {
            return Err(DatalogError::TooLong);
        }
        if nesting(text) > limits::DATALOG_TEXT_NESTING_MAX {
            return Err(DatalogError::TooDeep);
        }
        let source = parse_source(text.trim()).map_err(|errors| {
            let near = errors.first().map(|error| error.input.trim()).unwrap_or_default();
            match near.chars().take(60).flat_map(char::escape_debug).collect::<String>() {
                near if near.is_empty() => DatalogError::Unfinished,
                near => DatalogError::Syntax(near),
            }
        })?;
        let parsed = Self {
            facts: source.facts.into_iter().map(|(_, fact)| fact.into()).collect(),
            rules: source.rules.into_iter().map(|(_, rule)| rule.into()).collect(),
            checks: source.checks.into_iter().map(|(_, check)| check.into()).collect(),
            policies: source.policies.into_iter().map(|(_, policy)| policy.into()).collect(),
        };
        parsed.has_no_parameter()?;
        Ok(parsed)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Every query and rule.
    pub fn queries(&self) -> impl Iterator<Item = &Rule> {
        let checks = self.checks.iter().flat_map(|check| &check.queries);
        let policies = self.policies.iter().flat_map(|policy| &policy.queries);
        self.rules.iter().chain(checks).chain(policies)
    }

    /// Refuses what a block 0 must not state: request facts, and the words that minting writes.
    ///
    /// *Errors*: [`DatalogError::Reserved`] with the word.
    pub fn allowed_in_authority(&self) -> Result<(), DatalogError> {
        self.allowed_in_token(is_reserved)
    }

    /// Refuses what an attenuating block must not state: request facts, which would make its own
    /// checks lie, who holds the token, which is said by minting and delegating, and policies.
    ///
    /// *Errors*: [`DatalogError::Reserved`] with the word.
    pub fn allowed_in_block(&self) -> Result<(), DatalogError> {
        self.allowed_in_token(|name| is_request(name) || matches!(name, "holder" | "delegate"))
    }

    fn allowed_in_token(&self, is_refused: fn(&str) -> bool) -> Result<(), DatalogError> {
        if !self.policies.is_empty() {
            return Err(DatalogError::PolicyInToken);
        }
        match self.stated().find(|predicate| is_refused(&predicate.name)) {
            Some(predicate) => Err(DatalogError::Reserved(predicate.name.clone())),
            None => Ok(()),
        }
    }

    /// Every predicate that is stated: facts and rule heads.
    pub fn stated(&self) -> impl Iterator<Item = &Predicate> {
        let heads = self.rules.iter().map(|rule| &rule.head);
        self.facts.iter().map(|fact| &fact.predicate).chain(heads)
    }

    /// Adds all of it to a block; a text has no scopes of its own to lose.
    pub(crate) fn add_to_block(
        &self,
        mut builder: BlockBuilder,
    ) -> Result<BlockBuilder, BiscuitError> {
        for fact in &self.facts {
            builder = builder.fact(fact.clone())?;
        }
        for rule in &self.rules {
            builder = builder.rule(rule.clone())?;
        }
        for check in &self.checks {
            builder = builder.check(check.clone())?;
        }
        Ok(builder)
    }

    fn has_no_parameter(&self) -> Result<(), DatalogError> {
        let found = self
            .stated()
            .chain(self.queries().flat_map(|rule| &rule.body))
            .flat_map(|predicate| &predicate.terms)
            .find_map(parameter)
            .or_else(|| self.queries().find_map(rule_parameter));
        match found {
            Some(name) => Err(DatalogError::Parameter(name)),
            None => Ok(()),
        }
    }
}

fn rule_parameter(rule: &Rule) -> Option<String> {
    let scope = |scope: &Scope| match scope {
        Scope::Parameter(name) => Some(name.clone()),
        _ => None,
    };
    rule.scopes
        .iter()
        .find_map(scope)
        .or_else(|| rule.expressions.iter().find_map(|expression| ops_parameter(&expression.ops)))
}

// Recursion is bounded by the nesting of the text.
fn ops_parameter(ops: &[Op]) -> Option<String> {
    ops.iter().find_map(|op| match op {
        Op::Value(term) => parameter(term),
        Op::Closure(_, body) => ops_parameter(body),
        _ => None,
    })
}

fn parameter(term: &Term) -> Option<String> {
    use biscuit_auth::builder::MapKey;
    match term {
        Term::Parameter(name) => Some(name.clone()),
        Term::Set(set) => set.iter().find_map(parameter),
        Term::Array(array) => array.iter().find_map(parameter),
        Term::Map(map) => map.iter().find_map(|(key, value)| match key {
            MapKey::Parameter(name) => Some(name.clone()),
            _ => parameter(value),
        }),
        _ => None,
    }
}

/// How deep brackets nest, and how long runs of prefix operators are, outside strings. The parser
/// recurses for both.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest, mut run) = (0usize, 0usize, 0usize);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        run = match byte {
            b'!' | b'-' => run + 1,
            byte if byte.is_ascii_whitespace() => run,
            _ => 0,
        };
        deepest = deepest.max(depth).max(run);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_texts_are_refused_with_a_sentence() {
        let deep = format!("check if {}true{}", "(".repeat(600), ")".repeat(600));
        let cases = [
            (deep.as_str(), "nests brackets"),
            (&format!("check if {}true", "!".repeat(600)), "nests brackets"),
            (&"a(1);".repeat(20_000), "longer than"),
            ("check if time(", "not well formed"),
            ("right({x})", "open parameter `x`"),
            ("check if [{x}].contains(1)", "open parameter `x`"),
            ("right(1) trusting {x}", "not well formed"),
        ];
        for (text, expected) in cases {
            let error = Datalog::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn words_of_the_vocabulary_cannot_be_stated() {
        for text in ["call(\"a\", \"b\")", "arg(\"x\", 1) <- time($t)", "arg_later(1)"] {
            let parsed = Datalog::parse(text).unwrap();
            assert!(parsed.allowed_in_block().is_err(), "{text}");
            assert!(parsed.allowed_in_authority().is_err(), "{text}");
        }
        let granted = Datalog::parse("granted(0) <- call($s, $t)").unwrap();
        assert!(granted.allowed_in_authority().is_err());
    }
}
