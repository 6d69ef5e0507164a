use super::program::Rule;

/// Puts rules into an order in which each runs after all that feed it; gives where those begin
/// that cannot be ordered so, because they feed one another or are fed by such.
///
/// Most programs have no recursion, so that each of their rules runs once.
pub(super) fn order(rules: Vec<Rule>, predicates: usize) -> (Vec<Rule>, usize) {
    let places = ranks(&rules, predicates);
    let recursive = places.iter().filter(|place| **place != usize::MAX).count();
    let mut placed: Vec<_> = places.into_iter().zip(rules).collect();
    placed.sort_by_key(|(place, _)| *place);
    (placed.into_iter().map(|(_, rule)| rule).collect(), recursive)
}

/// The place of each rule, or the largest number where none is right.
fn ranks(rules: &[Rule], predicates: usize) -> Vec<usize> {
    let mut predicates = vec![Predicate::default(); predicates];
    for (index, rule) in rules.iter().enumerate() {
        if let Some(predicate) = predicates.get_mut(rule.head) {
            predicate.derived_by += 1;
        }
        for atom in &rule.query.atoms {
            if let Some(predicate) = predicates.get_mut(atom.predicate) {
                predicate.users.push(index);
            }
        }
    }
    let waits = |rule: &Rule| {
        let atoms = rule.query.atoms.iter();
        atoms
            .filter(|atom| predicates.get(atom.predicate).is_some_and(|p| p.derived_by > 0))
            .count()
    };
    let mut waiting: Vec<usize> = rules.iter().map(waits).collect();
    let mut ready: Vec<usize> = (0..rules.len()).filter(|i| waiting.get(*i) == Some(&0)).collect();
    let mut places = vec![usize::MAX; rules.len()];
    let mut next = 0;
    while let Some(index) = ready.get(next).copied() {
        if let Some(place) = places.get_mut(index) {
            *place = next;
        }
        next += 1;
        let head = rules.get(index).and_then(|rule| predicates.get_mut(rule.head));
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
