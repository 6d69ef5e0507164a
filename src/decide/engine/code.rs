use super::error::{CompileFault, ExpressionError};
use super::program::{Atom, Check, HeadTerm, Pattern, Policy, Query, Rule};
use super::value::Value;

/// A run of entries in one of the lists of a [`Code`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The entries from `start` up to `end`.
    pub(super) fn new(start: usize, end: usize) -> Result<Self, CompileFault> {
        let place = |place: usize| u32::try_from(place).map_err(|_| CompileFault::TooManySymbols);
        Ok(Self { start: place(start)?, end: place(end)? })
    }

    /// How many entries it has.
    #[inline]
    pub(super) fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// The entries themselves.
    #[inline]
    pub(super) fn of<T>(self, list: &[T]) -> &[T] {
        list.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// The entries themselves, to be changed.
    pub(super) fn of_mut<T>(self, list: &mut [T]) -> &mut [T] {
        list.get_mut(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// The places of the entries.
    pub(super) fn places(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Compiled statements, each kind in one list: copying a program copies a few lists, whatever the
/// number of its statements.
#[derive(Debug, Default)]
pub(super) struct Code {
    pub(super) instrs: Vec<Instr>,
    /// Conditions: runs of instructions.
    pub(super) filters: Vec<Span>,
    pub(super) patterns: Vec<Pattern>,
    pub(super) atoms: Vec<Atom>,
    /// Queries of checks and policies.
    pub(super) queries: Vec<Query>,
    pub(super) heads: Vec<HeadTerm>,
    pub(super) rules: Vec<Rule>,
    pub(super) checks: Vec<Check>,
    pub(super) policies: Vec<Policy>,
}

impl Code {
    /// A copy with room for what so many ordinary blocks add.
    pub(super) fn roomy(&self, blocks: usize) -> Self {
        Self {
            instrs: roomy(&self.instrs, 32 * blocks),
            filters: roomy(&self.filters, 8 * blocks),
            patterns: roomy(&self.patterns, 24 * blocks),
            atoms: roomy(&self.atoms, 12 * blocks),
            queries: roomy(&self.queries, 4 * blocks),
            heads: self.heads.clone(),
            rules: self.rules.clone(),
            checks: roomy(&self.checks, 4 * blocks),
            policies: self.policies.clone(),
        }
    }

    /// A query with the lists that its parts are in.
    #[inline]
    pub(super) fn body(&self, query: Query) -> Body<'_> {
        Body { code: self, query, atoms: query.atoms.of(&self.atoms) }
    }
}

/// A copy of a list with room for some more: one allocation where growing the copy takes two.
pub(super) fn roomy<T: Clone>(list: &[T], more: usize) -> Vec<T> {
    let mut copy = Vec::with_capacity(list.len() + more);
    copy.extend_from_slice(list);
    copy
}

/// A query that can be run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body<'a> {
    pub(super) code: &'a Code,
    pub(super) query: Query,
    /// Its predicates.
    pub(super) atoms: &'a [Atom],
}

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
