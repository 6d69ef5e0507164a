use std::fmt;

/// Where a statement of a program stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A block of the token; 0 is the authority block.
    Block(usize),
    /// The gateway's own policy.
    Policy,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Block(index) => write!(f, "block {index}"),
            Origin::Policy => f.write_str("policy"),
        }
    }
}

/// A program that cannot be evaluated safely or at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {fault}")]
pub struct CompileError {
    /// Who wrote the statement at fault.
    pub origin: Origin,
    /// What is wrong with it.
    pub fault: CompileFault,
}

/// What is wrong with a statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileFault {
    /// More blocks than an origin set has room for.
    #[error("too many blocks")]
    TooManyBlocks,
    /// The operations of an expression do not leave exactly one value.
    #[error("the operations of an expression do not form one value")]
    MalformedExpression,
    /// A head or an expression uses a variable that no predicate of the body binds.
    #[error("variable `${0}` is not bound by a predicate")]
    UnboundVariable(String),
    /// A fact or a collection holds a variable.
    #[error("variable `${0}` stands inside a constant")]
    VariableInConstant(String),
    /// A `{parameter}` was never given a value.
    #[error("parameter `{0}` has no value")]
    UnboundParameter(String),
    /// A set holds a set.
    #[error("a set holds a set")]
    NestedSet,
    /// Closures or collections nest deeper than the limit.
    #[error("closures or collections nest too deeply")]
    NestedTooDeeply,
    /// Extern functions would run code that the token cannot carry.
    #[error("extern function `{0}` is not supported")]
    ExternFunction(String),
    /// The right side of `.matches` is computed or taken from a variable.
    #[error("a regular expression is not a constant")]
    RegexNotConstant,
    /// The regular expression does not parse.
    #[error("a regular expression is not valid")]
    RegexInvalid,
    /// The regular expression is too long or compiles to too much.
    #[error("a regular expression is too large")]
    RegexTooLarge,
    /// The token holds more regular expressions than the limit.
    #[error("too many regular expressions")]
    TooManyRegexes,
    /// A body has more variables than any query needs.
    #[error("too many variables")]
    TooManyVariables,
    /// The program has more symbols than the engine can number.
    #[error("too many symbols")]
    TooManySymbols,
}

/// Why an expression has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// An operation met a type that it does not take, or a condition was no boolean.
    #[error("invalid type")]
    Type,
    /// An integer left the range of 64 bits.
    #[error("integer overflow")]
    Overflow,
    /// An integer was divided by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// A closure's parameter has the name of a variable in scope.
    #[error("shadowed variable")]
    ShadowedVariable,
}

/// Why an evaluation ended without an answer; every one of them denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// The step budget, or the room for derived facts or computed values, ran out.
    #[error("evaluation takes too many steps")]
    TooComplex,
    /// An expression failed outside `try_or`.
    #[error("an expression failed: {0}")]
    Expression(#[from] ExpressionError),
    /// A request fact holds a variable or a parameter, or nests too deeply.
    #[error("a request fact is malformed")]
    MalformedFact,
}
