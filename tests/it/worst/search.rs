//! A search for attacks that cost more than those written by hand: programs and arguments are
//! changed at random, and those that take longest live on.

use std::time::{Duration, Instant};

use hardtack::decide::Policy;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::measure::{Attack, Cost, measure};

/// How many attacks live at a time.
const POPULATION: usize = 24;
/// Statements of one attack.
const STATEMENTS_MAX: usize = 48;

/// What the bodies of checks bind.
const SOURCES: [&str; 10] = [
    "n($x), n($y)",
    "s($s), n($x)",
    "s($s), t($t)",
    "t($t), arg($p, $t)",
    "arg($p, $t), n($x)",
    "arg(\"a\", $t)",
    "arg(\"a\", $s)",
    "e($x, $y), e($y, $z)",
    "m($m), n($x)",
    "arg($p, $t), arg($q, $t)",
];

/// One statement: which kind, how large, and what its random parts come from.
#[derive(Clone, Debug)]
struct Gene {
    kind: usize,
    size: usize,
    block: usize,
    seed: u64,
}

#[derive(Clone, Debug)]
struct Genome {
    statements: Vec<Gene>,
    args: Gene,
}

/// Searches for so long; gives the dearest attacks, the worst first.
pub(crate) fn search(seed: u64, time: Duration) -> Vec<(Attack, Cost)> {
    let (policy, start) = (Policy::standard().unwrap(), Instant::now());
    let mut rng = StdRng::seed_from_u64(seed);
    let mut living: Vec<(Genome, Attack, Cost)> = Vec::new();
    while start.elapsed() < time {
        let genome = match living.choose(&mut rng) {
            Some((parent, ..)) if rng.gen_bool(0.9) => parent.mutated(&mut rng),
            _ => Genome::random(&mut rng),
        };
        let attack = genome.attack();
        let least = match living.last() {
            Some((.., cost)) if living.len() >= POPULATION => cost.decide,
            _ => Duration::ZERO,
        };
        // Once is enough for most; what seems dear is measured well.
        let Some(cost) = measure(&attack, &policy, 1).filter(|cost| cost.decide > least) else {
            continue;
        };
        let Some(cost) = measure(&attack, &policy, 5)
            .filter(|again| again.decide > least && again.code == cost.code)
        else {
            continue;
        };
        living.push((genome, attack, cost));
        living.sort_by_key(|(.., cost)| std::cmp::Reverse(cost.decide));
        living.truncate(POPULATION);
    }
    // What else the machine did may have made some of them look dear.
    let again = |(_, attack, _)| measure(&attack, &policy, 50).map(|cost| (attack, cost));
    let mut found: Vec<_> = living.into_iter().filter_map(again).collect();
    found.sort_by_key(|(_, cost)| std::cmp::Reverse(cost.decide));
    found
}

impl Gene {
    fn random(rng: &mut StdRng) -> Self {
        let size = 1 << rng.gen_range(0..12);
        Self { kind: rng.gen_range(0..64), size, block: rng.gen_range(0..15), seed: rng.r#gen() }
    }

    fn mutated(&self, rng: &mut StdRng) -> Self {
        let mut gene = self.clone();
        match rng.gen_range(0..5) {
            0 => gene.size = (gene.size * 2).min(8192),
            1 => gene.size = (gene.size / 2).max(1),
            2 => gene.size = (gene.size + rng.gen_range(0..8)).saturating_sub(4).max(1),
            3 => gene.seed = rng.r#gen(),
            _ => gene.block = rng.gen_range(0..15),
        }
        gene
    }
}

impl Genome {
    fn random(rng: &mut StdRng) -> Self {
        let statements = (0..rng.gen_range(1..8)).map(|_| Gene::random(rng)).collect();
        Self { statements, args: Gene::random(rng) }
    }

    fn mutated(&self, rng: &mut StdRng) -> Self {
        let mut genome = self.clone();
        for _ in 0..rng.gen_range(1..4) {
            let place = rng.gen_range(0..genome.statements.len());
            match rng.gen_range(0..6) {
                0 if genome.statements.len() < STATEMENTS_MAX => {
                    genome.statements.push(Gene::random(rng));
                }
                1 if genome.statements.len() < STATEMENTS_MAX => {
                    let again = genome.statements[place].mutated(rng);
                    genome.statements.insert(place, again);
                }
                2 if genome.statements.len() > 1 => drop(genome.statements.remove(place)),
                3 => genome.args = genome.args.mutated(rng),
                4 if rng.gen_bool(0.2) => genome.args = Gene::random(rng),
                _ => genome.statements[place] = genome.statements[place].mutated(rng),
            }
        }
        genome
    }

    fn attack(&self) -> Attack {
        let mut blocks = vec![String::new(); 15];
        for gene in &self.statements {
            let mut writer =
                Writer { rng: StdRng::seed_from_u64(gene.seed), parameters: 0, bound: "" };
            blocks[gene.block] += &writer.statement(gene.kind, gene.size);
        }
        blocks.retain(|block| !block.is_empty());
        Attack { blocks, args: arguments(&self.args) }
    }
}

fn repeat(count: usize, separator: &str, item: impl FnMut(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(separator)
}

/// Arguments: one large text, many leaves of one kind, or nothing.
fn arguments(gene: &Gene) -> String {
    let n = gene.size.min(4_000);
    let length = 1 + gene.seed as usize % 300;
    let list =
        |item: &dyn Fn(usize) -> String| format!("{{\"a\":[{}],\"b\":7}}", repeat(n, ",", item));
    match gene.kind % 10 {
        0 => "{}".to_owned(),
        1 => format!("{{\"a\":\"{}\"}}", "x".repeat(gene.size * 120)),
        2 => format!("{{\"a\":\"{}\"}}", "ab".repeat(gene.size)),
        3 => list(&|n| n.to_string()),
        4 => list(&|n| format!("\"{}{n}\"", "x".repeat(length.min(800_000 / gene.size)))),
        5 => list(&|n| format!("\"{}{n}\"", "É".repeat(length.min(100)))),
        6 => list(&|n| format!("\"https://é{n}.com/\"")),
        7 => list(&|n| format!("\"/d/%2525{n}\"")),
        8 => format!("{{{}}}", repeat(n, ",", |n| format!("\"k{n}\":{n}"))),
        _ => format!("{{\"a\":\"{}\",\"b\":\"é@x.com\"}}", "/é".repeat(gene.size.min(1300))),
    }
}

/// Writes statements.
struct Writer {
    rng: StdRng,
    parameters: usize,
    /// The predicates that bind the variables of the statement at hand.
    bound: &'static str,
}

impl Writer {
    fn pick(&mut self, from: &[&str]) -> String {
        from.choose(&mut self.rng).unwrap().to_string()
    }

    fn statement(&mut self, kind: usize, size: usize) -> String {
        let n = size.clamp(1, 64);
        let (i, j) = (self.rng.gen_range(0..6), self.rng.gen_range(0..6));
        match kind % 18 {
            0 => repeat(n, " ", |x| format!("n({x}); ")),
            1 => repeat(n, " ", |x| format!("e({x}, {}); ", (x * 7 + i) % 64)),
            2 => format!("s({}); ", numbers(size)),
            3 => format!("s({}); ", texts(size / 8 + 1, 8 * i)),
            4 => format!("t(\"{}\"); ", "x".repeat(size)),
            5 => format!("m({}); ", map(size / 4 + 1)),
            6 => format!("r{i}($x, $y) <- {}; ", self.body("n($x), n($y)", 2)),
            7 => format!("r{i}($x, $z) <- r{j}($x, $y), e($y, $z); "),
            8 => format!("e($x, $z) <- {}; ", self.body("e($x, $y), e($y, $z)", 1)),
            9 => format!("check if {}; ", self.body("n($x), n($y), n($z)", 3)),
            10 | 11 => {
                let sources = *SOURCES.choose(&mut self.rng).unwrap();
                format!("check if {}; ", self.body(sources, 4))
            }
            12 => format!("check all {}; ", self.body("arg($p, $t)", 3)),
            13 => {
                let relation = self.pick(&["arg_at", "number_at", "arg_length", "arg_count"]);
                let at = self.pick(&["a", "a/*", "a?/*", "a/*?", "b"]);
                format!("check if {relation}(\"{at}\", $x) or {}; ", self.truth(2))
            }
            14 => {
                let (oracle, constant) = *[
                    ("arg_under", "/d"),
                    ("arg_host", "x.com"),
                    ("arg_glob", "*é*[a-z]?*"),
                    ("arg_cidr", "10.0.0.0/8"),
                    ("arg_domain", "x.com"),
                    ("arg_command", "git"),
                ]
                .choose(&mut self.rng)
                .unwrap();
                let at = self.pick(&["a", "a/*", "a?/*", "b"]);
                let all: String = repeat(n / 4 + 1, ", ", |_| format!("\"{constant}\""));
                format!("check if {oracle}(\"{at}\", {{{all}}}) or true; ")
            }
            15 => {
                let query = "call(\"crm\", \"get\"), number(\"b\", $b), $b <= 1";
                format!("check if {}; ", repeat(n.min(32), " or ", |_| query.to_owned()))
            }
            16 => {
                let base = self.pick(&["(a|b)*", "a?b?", "[a-y]", ".", "(?:a|b|ab)", "\\\\d"]);
                let regex = format!("(?:{base}){{{}}}y{i}", size.min(60));
                format!("check if arg(\"a\", $t), $t.matches(\"{regex}\"); ")
            }
            _ => format!("check if {}; ", self.truth(5)),
        }
    }

    /// Predicates, and a condition on what they bind.
    fn body(&mut self, predicates: &'static str, depth: usize) -> String {
        self.bound = predicates;
        format!("{predicates}, {}", self.truth(depth))
    }

    /// A variable, or a constant where nothing binds it.
    fn variable(&self, name: &str, constant: &str) -> String {
        let bound = self.bound.contains(name);
        if bound { name.to_owned() } else { constant.to_owned() }
    }

    /// A condition over `$x`, `$s`, `$t` and constants.
    fn truth(&mut self, depth: usize) -> String {
        if depth == 0 {
            let (x, y) = (self.variable("$x", "7"), self.variable("$y", "8"));
            return match self.rng.gen_range(0..4) {
                0 => format!("{} == \"y\"", self.variable("$t", "\"x\"")),
                1 => format!("{}.contains({x})", self.variable("$s", "{1}")),
                2 => format!("{x} < 3"),
                _ => format!("{x} == {y}"),
            };
        }
        let depth = depth - 1;
        match self.rng.gen_range(0..10) {
            0 => format!("({}) && ({})", self.truth(depth), self.truth(depth)),
            1 => format!("({}) || ({})", self.truth(depth), self.truth(depth)),
            2 => format!("!({})", self.truth(depth)),
            3 => format!("{} < {}", self.number(depth), self.number(depth)),
            4 => format!("{}.contains({})", self.set(depth), self.number(depth)),
            5 => format!("{} == {}", self.set(depth), self.set(depth)),
            6 => {
                let op = self.pick(&["contains", "starts_with", "ends_with"]);
                format!("{}.{op}({})", self.text(depth), self.text(depth))
            }
            7 => format!("({}).try_or(true)", self.truth(depth)),
            _ => {
                self.parameters += 1;
                let (set, op) = (self.set(depth), self.pick(&["all", "any"]));
                let parameter = format!("$p{}", self.parameters);
                let inner = self.truth(depth).replacen("7", &parameter, 1);
                format!("{set}.{op}({parameter} -> {inner})")
            }
        }
    }

    fn number(&mut self, depth: usize) -> String {
        match self.rng.gen_range(0..4) {
            0 if depth > 0 => format!("{}.length()", self.text(depth - 1)),
            1 if depth > 0 => format!("({} + {})", self.number(depth - 1), self.number(depth - 1)),
            2 => self.variable("$x", "7"),
            _ => "7".to_owned(),
        }
    }

    fn text(&mut self, depth: usize) -> String {
        match self.rng.gen_range(0..4) {
            0 | 1 if depth > 0 => {
                format!("({} + {})", self.text(depth - 1), self.text(depth - 1))
            }
            2 => self.variable("$t", "\"x\""),
            _ => format!("\"{}\"", "x".repeat(self.rng.gen_range(1..200))),
        }
    }

    fn set(&mut self, depth: usize) -> String {
        let size = 1 << self.rng.gen_range(0..9);
        match self.rng.gen_range(0..6) {
            0 | 1 if depth > 0 => {
                let op = self.pick(&["union", "intersection"]);
                format!("{}.{op}({})", self.set(depth - 1), self.set(depth - 1))
            }
            2 => self.variable("$s", "{1}"),
            3 => texts(size / 4 + 1, 20),
            _ => numbers(size),
        }
    }
}

fn numbers(count: usize) -> String {
    format!("{{{}}}", repeat(count, ", ", |n| n.to_string()))
}

fn texts(count: usize, length: usize) -> String {
    format!("{{{}}}", repeat(count, ", ", |n| format!("\"{}{n}\"", "x".repeat(length))))
}

fn map(count: usize) -> String {
    format!("{{{}}}", repeat(count, ", ", |n| format!("\"k{n}\": [{n}, \"{n}\"]")))
}
