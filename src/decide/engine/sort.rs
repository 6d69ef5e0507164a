use std::cmp::Ordering;

use super::budget::{Budget, Stop};
use super::compare::DEPTH_MAX;
use super::heap::Heaps;
use super::value::Value;

/// Rows that may be moved past one another for one step, at every halving of their number.
const MOVES_PER_STEP: u64 = 16;
/// Bytes of text that one look takes in.
const LOOK: usize = 8;

/// Puts rows into content order, at a price that depends on the content alone.
///
/// *Shape*: a look at eight bytes of the column at hand gives every row a number, and the numbers
/// are sorted; rows that look the same are looked at again, further on. Which rows those are does
/// not depend on the order they come in, so neither does what is charged, and every group is
/// charged before it is sorted.
#[derive(Debug, Default)]
pub(super) struct Sorter {
    /// What a row looks like, above its number.
    looks: Vec<u128>,
    groups: Vec<Group>,
}

/// Rows that looked the same so far.
#[derive(Clone, Copy, Debug)]
struct Group {
    start: usize,
    end: usize,
    column: usize,
    /// Bytes of the column that were looked at.
    seen: usize,
}

/// Rows of as many values each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'a> {
    pub(super) terms: &'a [Value],
    pub(super) arity: usize,
}

impl<'a> Rows<'a> {
    fn row(&self, look: u128) -> &'a [Value] {
        let start = place(look) * self.arity;
        self.terms.get(start..start + self.arity).unwrap_or_default()
    }

    fn value(&self, look: u128, column: usize) -> Value {
        self.row(look).get(column).copied().unwrap_or_default()
    }
}

impl Sorter {
    /// The places of the rows in content order; `None` where they are in order already.
    pub(super) fn sort(
        &mut self,
        rows: Rows<'_>,
        heaps: Heaps<'_>,
        budget: &mut Budget,
    ) -> Result<Option<impl Iterator<Item = usize> + '_>, Stop> {
        let count = rows.terms.len().checked_div(rows.arity).unwrap_or(0);
        let count = u32::try_from(count).map_err(|_| Stop::Budget)?;
        self.looks.clear();
        self.looks.extend((0..count).map(u128::from));
        self.groups.clear();
        self.groups.push(Group { start: 0, end: count as usize, column: 0, seen: 0 });
        while let Some(group) = self.groups.pop() {
            if group.end - group.start > 1 && group.column < rows.arity {
                self.part(group, rows, heaps, budget)?;
            }
        }
        let moved = (0..).zip(&self.looks).any(|(at, look)| place(*look) != at);
        Ok(moved.then(|| self.looks.iter().map(|look| place(*look))))
    }

    /// Sorts a group by what its column looks like from where it was left.
    fn part(
        &mut self,
        group: Group,
        rows: Rows<'_>,
        heaps: Heaps<'_>,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        let Group { start, end, column, seen } = group;
        let Self { looks, groups } = self;
        let Some(looks) = looks.get_mut(start..end) else { return Ok(()) };
        budget.charge(1 + halvings(looks.len()) / MOVES_PER_STEP)?;
        let common = common(looks, rows, column, seen, heaps);
        for _ in 0..looks.len() {
            budget.charge_text(common)?;
        }
        let seen = seen + common;
        for look in looks.iter_mut() {
            let (sight, place) = (sight(rows.value(*look, column), seen, heaps), *look);
            *look = sight << 32 | u128::from(place as u32);
        }
        looks.sort_unstable();
        let mut at = start;
        for same in looks.chunk_by_mut(|a, b| *a >> 32 == *b >> 32) {
            let (start, end) = (at, at + same.len());
            at = end;
            let Some(first) = same.first().copied() else { continue };
            if same.len() == 1 {
                continue;
            }
            let value = rows.value(first, column);
            groups.push(match value {
                Value::Set(_) | Value::Array(_) | Value::Map(_) => {
                    by_content(same, column, rows, heaps, budget)?;
                    continue;
                }
                Value::Str(_) | Value::Bytes(_) if tail(first >> 32) > LOOK => {
                    Group { start, end, column, seen: seen + LOOK }
                }
                _ => Group { start, end, column: column + 1, seen: 0 },
            });
        }
        Ok(())
    }
}

/// The number of the row, which stands in the lowest bits.
fn place(look: u128) -> usize {
    look as u32 as usize
}

/// `count` times as often as it can be halved.
fn halvings(count: usize) -> u64 {
    count as u64 * u64::from(count.next_power_of_two().trailing_zeros())
}

/// The bytes of a text or of bytes.
fn bytes<'a>(value: Value, heaps: Heaps<'a>) -> Option<&'a [u8]> {
    match value {
        Value::Str(text) => Some(heaps.text(text).as_bytes()),
        Value::Bytes(bytes) => Some(heaps.bytes(bytes)),
        _ => None,
    }
}

/// How many bytes behind `seen` all texts of a column have in common; zero where not all are text.
fn common(looks: &[u128], rows: Rows<'_>, column: usize, seen: usize, heaps: Heaps<'_>) -> usize {
    let rest = |look: &u128| bytes(rows.value(*look, column), heaps)?.get(seen..);
    let mut rests = looks.iter().map(rest);
    let Some(mut start) = rests.next().flatten() else { return 0 };
    for rest in rests {
        let Some(rest) = rest else { return 0 };
        if !rest.starts_with(start) {
            let same = start.iter().zip(rest).take_while(|(a, b)| a == b).count();
            start = start.get(..same).unwrap_or_default();
        }
        if start.is_empty() {
            return 0;
        }
    }
    start.len()
}

/// A number that orders values: by type, then by content as far as one look goes.
fn sight(value: Value, seen: usize, heaps: Heaps<'_>) -> u128 {
    let (word, length) = match value {
        Value::Int(int) => ((int as u64) ^ 1 << 63, 0),
        Value::Date(secs) => (secs, 0),
        Value::Bool(bool) => (u64::from(bool), 0),
        Value::Str(_) | Value::Bytes(_) => {
            let rest = bytes(value, heaps).and_then(|all| all.get(seen..)).unwrap_or_default();
            let mut word = [0; LOOK];
            word.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
            // Texts that go on look longer than those that end here.
            (u64::from_be_bytes(word), rest.len().min(LOOK + 1))
        }
        Value::Set(_) | Value::Null | Value::Array(_) | Value::Map(_) => (0, 0),
    };
    u128::from(value.rank()) << 72 | u128::from(word) << 8 | length as u128
}

/// The last part of a sight: how much text was left.
fn tail(sight: u128) -> usize {
    (sight & 0xff) as usize
}

/// Sorts rows by comparing them whole from a column on, at the price of looking at all of it each
/// time that the number of rows can be halved.
fn by_content(
    looks: &mut [u128],
    column: usize,
    rows: Rows<'_>,
    heaps: Heaps<'_>,
    budget: &mut Budget,
) -> Result<(), Stop> {
    let times = u64::from(looks.len().next_power_of_two().trailing_zeros());
    for look in looks.iter() {
        for value in rows.row(*look).iter().skip(column) {
            let weight = weight(*value, DEPTH_MAX, heaps).ok_or(Stop::Budget)?;
            budget.charge(times.saturating_mul(weight))?;
        }
    }
    // What any two comparisons cost is paid for.
    let mut paid = Budget::unlimited();
    looks.sort_unstable_by(|a, b| {
        let pairs = rows.row(*a).iter().zip(rows.row(*b)).skip(column);
        let orders = pairs.filter_map(|(a, b)| heaps.compare(*a, *b, &mut paid).ok());
        let order = orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal);
        order.then(place(*a).cmp(&place(*b)))
    });
    Ok(())
}

/// What looking at all of a value costs; nesting is bounded by what the engine takes in.
fn weight(value: Value, depth: usize, heaps: Heaps<'_>) -> Option<u64> {
    Some(match value {
        Value::Str(_) | Value::Bytes(_) => {
            1 + bytes(value, heaps).map_or(0, |bytes| bytes.len() as u64 / 64)
        }
        Value::Set(items) | Value::Array(items) | Value::Map(items) => {
            let depth = depth.checked_sub(1)?;
            let items = heaps.items(items).iter().map(|item| weight(*item, depth, heaps));
            items.sum::<Option<u64>>()?.saturating_add(1)
        }
        _ => 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::engine::heap::Heap;
    use crate::decide::engine::value::Class;

    const STEPS: u64 = 1_000_000;

    /// Rows of a text, a value of another type and a set, with many that begin alike.
    fn rows(heap: &mut Heap) -> Vec<[Value; 3]> {
        let long = "x".repeat(200);
        let texts =
            ["", "a", "a\0", "ab", "items/1", "items/10", "items/2", "items/2\0\0\0", &long];
        let mut rows = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            for other in ["", "z", "zzzzzzzzzzzzzzzzz"] {
                let text = Value::Str(heap.push_text(&format!("{text}{other}")).unwrap());
                for middle in
                    [Value::Int(-1), Value::Int(index as i64), Value::Null, Value::Bool(true)]
                {
                    let list = heap.push_items(&[text, Value::Int(index as i64 / 2)]).unwrap();
                    rows.push([text, middle, Value::Array(list)]);
                    rows.push([middle, text, Value::Array(list)]);
                    rows.push([Value::Array(list), text, middle]);
                }
            }
        }
        rows
    }

    /// The steps that sorting takes, and the rows in order.
    fn sorted(rows: &[[Value; 3]], heap: &Heap) -> (u64, Vec<[Value; 3]>) {
        let nothing = Heap::default();
        let heaps = Heaps { base: &nothing, request: heap, temporary: &nothing };
        let mut budget = Budget::new(STEPS);
        let terms = rows.concat();
        let mut sorter = Sorter::default();
        let order = sorter.sort(Rows { terms: &terms, arity: 3 }, heaps, &mut budget).unwrap();
        let order: Vec<usize> = match order {
            Some(order) => order.collect(),
            None => (0..rows.len()).collect(),
        };
        (STEPS - budget.left(), order.into_iter().map(|place| rows[place]).collect())
    }

    #[test]
    fn rows_come_out_in_content_order_for_the_same_steps_whatever_order_they_came_in() {
        let mut heap = Heap::new(Class::Request);
        let mut rows = rows(&mut heap);
        let nothing = Heap::default();
        let heaps = Heaps { base: &nothing, request: &heap, temporary: &nothing };
        let (steps, first) = sorted(&rows, &heap);
        let mut free = Budget::unlimited();
        for pair in first.windows(2) {
            let pairs = pair[0].iter().zip(&pair[1]);
            let mut orders = pairs.map(|(a, b)| heaps.compare(*a, *b, &mut free).unwrap());
            assert!(orders.find(|order| order.is_ne()).is_none_or(Ordering::is_lt), "{pair:?}");
        }
        assert!(steps > 0);
        for turn in 1..20 {
            rows.rotate_left(turn);
            rows.swap(turn, 3 * turn);
            assert_eq!(sorted(&rows, &heap), (steps, first.clone()), "{turn}");
        }
        assert_eq!(sorted(&first, &heap), (steps, first.clone()));
    }

    #[test]
    fn long_texts_that_begin_alike_are_charged() {
        let mut heap = Heap::new(Class::Request);
        let mut texts = |length: usize| -> Vec<[Value; 3]> {
            let start = "x".repeat(length);
            let mut text = |n| Value::Str(heap.push_text(&format!("{start}{n}")).unwrap());
            (0..100).map(|n| [text(n), Value::Null, Value::Null]).collect()
        };
        let (short, long) = (texts(10), texts(64_000));
        assert!(sorted(&short, &heap).0 < 200);
        assert!(sorted(&long, &heap).0 > 100 * 1_000);
    }
}
