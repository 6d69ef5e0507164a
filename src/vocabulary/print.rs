//! Datalog as text, in Biscuit's syntax, with every string escaped.

use biscuit_auth::builder::{
    Binary, Check, CheckKind, Expression, Fact, MapKey, Op, Predicate, Rule, Scope, Term, Unary,
};

use crate::model::{Block, Timestamp};

/// A fact: `call("crm", "get_account")`.
pub fn fact(fact: &Fact) -> String {
    predicate(&fact.predicate)
}

/// A rule: `granted(0) <- call("crm", $tool)`.
pub fn rule(rule: &Rule) -> String {
    format!("{} <- {}", predicate(&rule.head), query(rule))
}

/// A check: `check if time($t), $t < 2026-11-22T10:15:00Z`.
pub fn check(check: &Check) -> String {
    let kind = match check.kind {
        CheckKind::One => "check if",
        CheckKind::All => "check all",
        CheckKind::Reject => "reject if",
    };
    let queries: Vec<String> = check.queries.iter().map(query).collect();
    format!("{kind} {}", queries.join(" or "))
}

/// A whole block, one statement a line, its scopes first.
pub fn block(block: &Block) -> String {
    let mut lines = Vec::new();
    if !block.scopes.is_empty() {
        lines.push(trusting(&block.scopes));
    }
    lines.extend(block.facts.iter().map(fact));
    lines.extend(block.rules.iter().map(rule));
    lines.extend(block.checks.iter().map(check));
    lines.iter().map(|line| format!("{line};\n")).collect()
}

/// The body of a query or rule.
pub fn query(rule: &Rule) -> String {
    let mut parts: Vec<String> = rule.body.iter().map(predicate).collect();
    parts.extend(rule.expressions.iter().map(expression));
    if parts.is_empty() {
        parts.push("true".to_owned());
    }
    let scopes =
        if rule.scopes.is_empty() { String::new() } else { format!(" {}", trusting(&rule.scopes)) };
    format!("{}{scopes}", parts.join(", "))
}

fn trusting(scopes: &[Scope]) -> String {
    let scope = |scope: &Scope| match scope {
        Scope::Authority => "authority".to_owned(),
        Scope::Previous => "previous".to_owned(),
        Scope::PublicKey(key) => key.print(),
        Scope::Parameter(name) => format!("{{{name}}}"),
    };
    format!("trusting {}", scopes.iter().map(scope).collect::<Vec<_>>().join(", "))
}

/// A predicate with its terms.
pub fn predicate(predicate: &Predicate) -> String {
    format!("{}({})", predicate.name, terms(&predicate.terms))
}

fn terms<'a>(items: impl IntoIterator<Item = &'a Term>) -> String {
    items.into_iter().map(term).collect::<Vec<_>>().join(", ")
}

/// A term.
pub fn term(value: &Term) -> String {
    match value {
        Term::Variable(name) => format!("${name}"),
        Term::Integer(number) => number.to_string(),
        Term::Str(text) => quoted(text),
        Term::Date(secs) => Timestamp::from_secs(*secs).to_string(),
        Term::Bytes(bytes) => format!("hex:{}", hex::encode(bytes)),
        Term::Bool(boolean) => boolean.to_string(),
        Term::Null => "null".to_owned(),
        Term::Parameter(name) => format!("{{{name}}}"),
        Term::Set(set) if set.is_empty() => "{,}".to_owned(),
        Term::Set(set) => format!("{{{}}}", terms(set)),
        Term::Array(array) => format!("[{}]", terms(array)),
        Term::Map(map) => {
            let key = |key: &MapKey| match key {
                MapKey::Integer(number) => number.to_string(),
                MapKey::Str(text) => quoted(text),
                MapKey::Parameter(name) => format!("{{{name}}}"),
            };
            let entry = |(k, v)| format!("{}: {}", key(k), term(v));
            format!("{{{}}}", map.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    }
}

/// A string literal; quotes, backslashes and control characters cannot end it early.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// An expression. Operations that do not add up are shown as `?`.
pub fn expression(expression: &Expression) -> String {
    operations(&expression.ops).0
}

/// How tightly a printed operand holds together: what binds less than its place takes parentheses.
const ATOM: u8 = 9;

fn operations(ops: &[Op]) -> (String, u8) {
    let mut stack: Vec<(String, u8)> = Vec::new();
    for op in ops {
        let printed = match op {
            Op::Value(value) => (term(value), ATOM),
            Op::Closure(params, body) => {
                let (body, level) = operations(body);
                match params.as_slice() {
                    [] => (body, level),
                    params => (format!("${} -> {body}", params.join(", $")), ATOM),
                }
            }
            Op::Unary(unary) => print_unary(unary, stack.pop().unwrap_or_else(unknown)),
            Op::Binary(binary) => {
                let right = stack.pop().unwrap_or_else(unknown);
                let left = stack.pop().unwrap_or_else(unknown);
                print_binary(binary, left, right)
            }
        };
        stack.push(printed);
    }
    stack.pop().unwrap_or_else(unknown)
}

fn unknown() -> (String, u8) {
    ("?".to_owned(), ATOM)
}

fn held((text, level): (String, u8), at_least: u8) -> String {
    if level < at_least { format!("({text})") } else { text }
}

fn print_unary(unary: &Unary, operand: (String, u8)) -> (String, u8) {
    match unary {
        Unary::Negate => (format!("!{}", held(operand, ATOM)), 8),
        Unary::Parens => (format!("({})", operand.0), ATOM),
        Unary::Length => (format!("{}.length()", held(operand, ATOM)), ATOM),
        Unary::TypeOf => (format!("{}.type()", held(operand, ATOM)), ATOM),
        Unary::Ffi(name) => (format!("{}.extern::{name}()", held(operand, ATOM)), ATOM),
    }
}

fn print_binary(binary: &Binary, left: (String, u8), right: (String, u8)) -> (String, u8) {
    let (sign, level) = match binary {
        Binary::LazyOr | Binary::Or => ("||", 1),
        Binary::LazyAnd | Binary::And => ("&&", 2),
        Binary::LessThan => ("<", 3),
        Binary::GreaterThan => (">", 3),
        Binary::LessOrEqual => ("<=", 3),
        Binary::GreaterOrEqual => (">=", 3),
        Binary::Equal => ("===", 3),
        Binary::NotEqual => ("!==", 3),
        Binary::HeterogeneousEqual => ("==", 3),
        Binary::HeterogeneousNotEqual => ("!=", 3),
        Binary::BitwiseXor => ("^", 4),
        Binary::BitwiseOr => ("|", 5),
        Binary::BitwiseAnd => ("&", 6),
        Binary::Add => ("+", 7),
        Binary::Sub => ("-", 7),
        Binary::Mul => ("*", 8),
        Binary::Div => ("/", 8),
        method => {
            let name = method_name(method);
            return (format!("{}.{name}({})", held(left, ATOM), right.0), ATOM);
        }
    };
    // Comparisons do not chain; the others hold to the left.
    let left_at_least = if level == 3 { 4 } else { level };
    (format!("{} {sign} {}", held(left, left_at_least), held(right, level + 1)), level)
}

fn method_name(binary: &Binary) -> String {
    let name = match binary {
        Binary::Contains => "contains",
        Binary::Prefix => "starts_with",
        Binary::Suffix => "ends_with",
        Binary::Regex => "matches",
        Binary::Intersection => "intersection",
        Binary::Union => "union",
        Binary::All => "all",
        Binary::Any => "any",
        Binary::Get => "get",
        Binary::TryOr => "try_or",
        Binary::Ffi(name) => return format!("extern::{name}"),
        _ => "?",
    };
    name.to_owned()
}
