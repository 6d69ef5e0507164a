use super::error::ExpressionError;
use super::value::Value;

/// One instruction of a compiled expression.
///
/// An expression runs on a stack without recursion; jumps count from the instruction after the
/// one that jumps, so code can be put together without patching.
#[derive(Clone, Copy, Debug)]
pub(super) enum Instr {
    /// Pushes a constant.
    Push(Value),
    /// Pushes the value of a variable.
    Load(u32),
    /// Replaces the top.
    Unary(Unary),
    /// Replaces the two topmost values.
    Binary(Binary),
    /// Tests the top against a compiled regular expression.
    Match(u32),
    /// Takes a boolean; if it equals `settles`, it is the result and `skip` instructions are left out.
    Lazy { settles: bool, skip: u32 },
    /// Begins a body whose fault gives the top of the stack instead; `skip` leads past its end.
    Try { skip: u32 },
    /// Ends the body of `Try`: the result replaces the fallback.
    TryEnd,
    /// Takes a collection and runs a body for each element, kept in `slot`; `skip` leads past the end.
    Loop { any: bool, slot: u32, skip: u32 },
    /// Ends the body of `Loop`.
    LoopEnd,
    /// An operation that can never have a value.
    Fault(ExpressionError),
}

/// Operations on one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unary {
    /// `!`
    Negate,
    /// `.length()`
    Length,
    /// `.type()`
    TypeOf,
}

/// Operations on two values that look at both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    /// `<`
    LessThan,
    /// `>`
    GreaterThan,
    /// `<=`
    LessOrEqual,
    /// `>=`
    GreaterOrEqual,
    /// `===`: a fault between different types.
    Equal,
    /// `!==`: a fault between different types.
    NotEqual,
    /// `==`
    HeterogeneousEqual,
    /// `!=`
    HeterogeneousNotEqual,
    /// `.contains()`
    Contains,
    /// `.starts_with()`
    Prefix,
    /// `.ends_with()`
    Suffix,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// The eager and of Biscuit before 3.3.
    And,
    /// The eager or of Biscuit before 3.3.
    Or,
    /// `.intersection()`
    Intersection,
    /// `.union()`
    Union,
    /// `&`
    BitwiseAnd,
    /// `|`
    BitwiseOr,
    /// `^`
    BitwiseXor,
    /// `.get()`
    Get,
}

impl Binary {
    /// Whether its result may be content that needs a place.
    #[inline]
    pub(super) fn builds(self) -> bool {
        matches!(self, Binary::Add | Binary::Union | Binary::Intersection)
    }
}
