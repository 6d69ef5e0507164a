use crate::model::RegexScratch;

use super::budget::{Budget, Stop};
use super::code::{Binary, Instr, Unary};
use super::heap::Heap;
use super::join::Cursor;
use super::ops::{self, Made, TYPE};
use super::value::{Class, Value};
use super::world::World;

/// Bytes of values that one expression may compute.
const TEMPORARY_BYTES_MAX: usize = 1024 * 1024;
/// Bytes an arena keeps between evaluations.
const KEPT_BYTES: usize = 64 * 1024;

/// What an open `try_or` or closure needs to go on.
#[derive(Clone, Copy, Debug)]
enum Frame {
    Try { end: usize, height: usize },
    Loop { any: bool, slot: u32, body: usize, items: Value, index: usize },
}

/// The mutable state of an evaluation: variables, stacks and the budget.
#[derive(Debug)]
pub(super) struct Machine {
    /// What may still be spent.
    pub(super) budget: Budget,
    /// Values of the variables of the query at hand.
    pub(super) slots: Vec<Value>,
    /// Where the join at hand stands in each predicate's rows.
    pub(super) cursors: Vec<Cursor>,
    stack: Vec<Value>,
    frames: Vec<Frame>,
    regex: RegexScratch,
    /// Values computed by the expression at hand.
    pub(super) temporary: Heap,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            budget: Budget::default(),
            slots: Vec::new(),
            cursors: Vec::new(),
            stack: Vec::new(),
            frames: Vec::new(),
            regex: RegexScratch::default(),
            temporary: Heap::new(Class::Temporary),
        }
    }
}

impl Machine {
    /// Readies the machine for another evaluation.
    pub(super) fn reset(&mut self, steps: u64) {
        self.budget = Budget::new(steps);
        self.temporary.clear();
        self.temporary.shrink(KEPT_BYTES);
    }

    /// Makes room for the variables of a query.
    pub(super) fn prepare(&mut self, slots: usize) {
        if self.slots.len() < slots {
            self.slots.resize(slots, Value::Null);
        }
    }

    /// The value of a variable.
    #[inline]
    pub(super) fn slot(&self, slot: u32) -> Value {
        self.slots.get(slot as usize).copied().unwrap_or_default()
    }

    /// Binds a variable.
    #[inline]
    pub(super) fn bind(&mut self, slot: u32, value: Value) {
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = value;
        }
    }

    /// Whether an expression holds; a value that is no boolean is a fault.
    #[inline]
    pub(super) fn holds(&mut self, world: &World<'_>, code: &[Instr]) -> Result<bool, Stop> {
        // Most conditions compare a variable with a constant; they need no stack.
        let value = match code {
            [a, b, Instr::Binary(op)] if !op.builds() => match (self.operand(a), self.operand(b)) {
                (Some(a), Some(b)) => {
                    self.budget.charge(code.len() as u64)?;
                    match ops::immediate(*op, a, b) {
                        Some(value) => value,
                        None => {
                            let heaps = world.heaps(&self.temporary);
                            ops::binary(*op, a, b, heaps, &mut self.budget)?
                        }
                    }
                }
                _ => self.evaluate(world, code)?,
            },
            _ => self.evaluate(world, code)?,
        };
        match value {
            Value::Bool(holds) => Ok(holds),
            _ => Err(TYPE),
        }
    }

    /// The value that an instruction pushes, if that is all it does.
    #[inline]
    fn operand(&self, instr: &Instr) -> Option<Value> {
        match instr {
            Instr::Push(value) => Some(*value),
            Instr::Load(slot) => Some(self.slot(*slot)),
            _ => None,
        }
    }

    /// The value of an expression.
    pub(super) fn evaluate(&mut self, world: &World<'_>, code: &[Instr]) -> Result<Value, Stop> {
        self.stack.clear();
        self.frames.clear();
        self.temporary.clear();
        let mut at = 0;
        while let Some(instr) = code.get(at) {
            self.budget.charge(1)?;
            at = match self.step(world, *instr, at + 1) {
                Ok(next) => next,
                Err(Stop::Fault(fault)) => self.caught().ok_or(Stop::Fault(fault))?,
                Err(Stop::Budget) => return Err(Stop::Budget),
            };
        }
        self.pop()
    }

    /// Runs one instruction; gives where to go on.
    #[inline]
    fn step(&mut self, world: &World<'_>, instr: Instr, next: usize) -> Result<usize, Stop> {
        match instr {
            Instr::Push(value) => self.stack.push(value),
            Instr::Load(slot) => self.stack.push(self.slot(slot)),
            Instr::Unary(Unary::TypeOf) => {
                let name = self.pop()?.type_name();
                self.keep(Made::Name(name))?;
            }
            Instr::Unary(op) => {
                let value = self.pop()?;
                let value = ops::unary(op, value, world.heaps(&self.temporary))?;
                self.stack.push(value);
            }
            Instr::Binary(op) => {
                let (b, a) = (self.pop()?, self.pop()?);
                match ops::immediate(op, a, b) {
                    Some(value) => self.stack.push(value),
                    None => self.binary(world, op, a, b)?,
                }
            }
            Instr::Match(regex) => {
                let Value::Str(text) = self.pop()? else { return Err(TYPE) };
                let text = world.heaps(&self.temporary).text(text);
                let (regexes, scratch) = (&world.program.regexes, &mut self.regex);
                let matched = regexes.is_match(regex, text, scratch, &mut self.budget)?;
                self.stack.push(Value::Bool(matched));
            }
            Instr::Lazy { settles, skip } => match self.pop()? {
                Value::Bool(value) if value == settles => {
                    self.stack.push(Value::Bool(value));
                    return Ok(next + skip as usize);
                }
                Value::Bool(_) => {}
                _ => return Err(TYPE),
            },
            Instr::Try { skip } => {
                self.frames
                    .push(Frame::Try { end: next + skip as usize, height: self.stack.len() });
            }
            Instr::TryEnd => {
                self.frames.pop();
                let result = self.pop()?;
                self.pop()?;
                self.stack.push(result);
            }
            Instr::Loop { any, slot, skip } => {
                let items = self.pop()?;
                let end = next + skip as usize;
                let frame = Frame::Loop { any, slot, body: next, items, index: 0 };
                return self.turn(world, frame, end);
            }
            Instr::LoopEnd => return self.turned(world, next),
            Instr::Fault(fault) => return Err(Stop::Fault(fault)),
        }
        Ok(next)
    }

    /// Begins a turn of a closure over its collection, or ends it when no element is left.
    fn turn(&mut self, world: &World<'_>, frame: Frame, end: usize) -> Result<usize, Stop> {
        let Frame::Loop { any, slot, body, items, index } = frame else { return Err(TYPE) };
        let heaps = world.heaps(&self.temporary);
        let element = match items {
            Value::Set(items) | Value::Array(items) => heaps.items(items).get(index).copied(),
            Value::Map(items) => match heaps.items(items).get(2 * index..2 * index + 2) {
                Some([key, value]) => {
                    let pair = [*key, *value];
                    Some(Value::Array(self.temporary.push_items(&pair).ok_or(Stop::Budget)?))
                }
                _ => None,
            },
            _ => return Err(TYPE),
        };
        match element {
            None => {
                self.stack.push(Value::Bool(!any));
                Ok(end)
            }
            Some(element) => {
                self.bind(slot, element);
                self.frames.push(frame);
                Ok(body)
            }
        }
    }

    /// Ends a turn of a closure: the result is settled, or the next element has its turn.
    fn turned(&mut self, world: &World<'_>, end: usize) -> Result<usize, Stop> {
        let Value::Bool(value) = self.pop()? else { return Err(TYPE) };
        let Some(Frame::Loop { any, slot, body, items, index }) = self.frames.pop() else {
            return Err(TYPE);
        };
        if value == any {
            self.stack.push(Value::Bool(value));
            return Ok(end);
        }
        self.turn(world, Frame::Loop { any, slot, body, items, index: index + 1 }, end)
    }

    /// Unwinds to the innermost `try_or`, whose fallback is then on top of the stack.
    fn caught(&mut self) -> Option<usize> {
        while let Some(frame) = self.frames.pop() {
            if let Frame::Try { end, height } = frame {
                self.stack.truncate(height);
                return Some(end);
            }
        }
        None
    }

    fn binary(&mut self, world: &World<'_>, op: Binary, a: Value, b: Value) -> Result<(), Stop> {
        let heaps = world.heaps(&self.temporary);
        if let Some(made) = ops::building(op, a, b, heaps, &mut self.budget)? {
            return self.keep(made);
        }
        let value = ops::binary(op, a, b, heaps, &mut self.budget)?;
        self.stack.push(value);
        Ok(())
    }

    /// Gives what an operation made a place, and pushes it.
    fn keep(&mut self, made: Made) -> Result<(), Stop> {
        let heap = &mut self.temporary;
        let value = match made {
            Made::Name(name) => heap.push_text(name).map(Value::Str),
            Made::Text(text) => heap.push_text(&text).map(Value::Str),
            Made::Set(items) => heap.push_items(&items).map(Value::Set),
        };
        self.stack.push(value.ok_or(Stop::Budget)?);
        if self.temporary.size_bytes() > TEMPORARY_BYTES_MAX {
            return Err(Stop::Budget);
        }
        Ok(())
    }

    #[inline]
    fn pop(&mut self) -> Result<Value, Stop> {
        self.stack.pop().ok_or(TYPE)
    }
}
