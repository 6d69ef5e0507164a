use super::code::Code;
use super::program::{Predicates, Rule};

/// The order in which the rules of a program run.
///
/// *Shape*: rules are numbered through, those of the policy first. Each runs after all that feed
/// it, but for those from `recursive` on: they feed one another or are fed by such, and run until
/// nothing new comes. Most programs have no recursion, so that each of their rules runs once.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    pub(super) rules: Vec<u32>,
    pub(super) recursive: usize,
}

impl Order {
    /// The order of the rules of a policy and a token.
    pub(super) fn new(policy: &Code, token: &Code, predicates: &Predicates) -> Self {
        let rules: Vec<_> = [policy, token]
            .into_iter()
            .flat_map(|code| code.rules.iter().map(move |rule| (code, rule)))
            .collect();
        let numbers = 0..u32::try_from(rules.len()).unwrap_or(u32::MAX);
        if independent(&rules, predicates) {
            return Self { rules: numbers.collect(), recursive: rules.len() };
        }
        let places = ranks(&rules, predicates);
        let recursive = places.iter().filter(|place| **place != usize::MAX).count();
        let mut placed: Vec<_> = places.into_iter().zip(numbers).collect();
        placed.sort_by_key(|(place, _)| *place);
        Self { rules: placed.into_iter().map(|(_, number)| number).collect(), recursive }
    }
}

/// A rule and the lists that its parts are in.
type Stated<'a> = (&'a Code, &'a Rule);

/// The predicates that a rule reads, once for each time it does.
fn reads<'a>((code, rule): &Stated<'a>) -> impl Iterator<Item = usize> + use<'a> {
    rule.query.atoms.of(&code.atoms).iter().map(|atom| atom.predicate)
}

/// Whether no rule reads what a rule derives, as where all that rules do is grant.
fn independent(rules: &[Stated<'_>], predicates: &Predicates) -> bool {
    let mut derived = vec![false; predicates.len()];
    for (_, rule) in rules {
        if let Some(derived) = derived.get_mut(rule.head) {
            *derived = true;
        }
    }
    !rules.iter().flat_map(reads).any(|read| derived.get(read) == Some(&true))
}

/// The place of each rule, or the largest number where none is right.
fn ranks(rules: &[Stated<'_>], predicates: &Predicates) -> Vec<usize> {
    let mut predicates = vec![Predicate::default(); predicates.len()];
    for (index, rule) in rules.iter().enumerate() {
        if let Some(predicate) = predicates.get_mut(rule.1.head) {
            predicate.derived_by += 1;
        }
        for read in reads(rule) {
            if let Some(predicate) = predicates.get_mut(read) {
                predicate.users.push(index);
            }
        }
    }
    let derived = |read: &usize| predicates.get(*read).is_some_and(|p| p.derived_by > 0);
    let waits = |rule: &Stated<'_>| reads(rule).filter(derived).count();
    let mut waiting: Vec<usize> = rules.iter().map(waits).collect();
    let mut ready: Vec<usize> = (0..rules.len()).filter(|i| waiting.get(*i) == Some(&0)).collect();
    let mut places = vec![usize::MAX; rules.len()];
    let mut next = 0;
    while let Some(index) = ready.get(next).copied() {
        if let Some(place) = places.get_mut(index) {
            *place = next;
        }
        next += 1;
        let head = rules.get(index).and_then(|(_, rule)| predicates.get_mut(rule.head));
        let Some(head) = head else { continue };
        head.derived_by -= 1;
        if head.derived_by > 0 {
            continue;
        }
        for user in &head.users {
            if let Some(count) = waiting.get_mut(*user) {
                *count -= 1;
                if *count == 0 {
                    ready.push(*user);
                }
            }
        }
    }
    places
}

/// What the order of rules depends on.
#[derive(Clone, Default)]
struct Predicate {
    /// Rules that derive it and have no place yet.
    derived_by: usize,
    /// Rules that read it, once for each time they do.
    users: Vec<usize>,
}
