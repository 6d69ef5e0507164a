//! Oracles: questions about one argument that Datalog cannot answer.
//!
//! A constraint such as `under` or `host` asks what the target will make of a string: which file
//! it opens, which machine it calls. The functions here parse the string as the target would.
//! Targets differ, so an answer is yes only if every reading of the string that a target may
//! take says yes; a string that cannot be read is no. They are pure: no file system, no name
//! resolution, no clock. In the flow, minting checks the constants and deciding asks the
//! questions whose answers become request facts.

mod address;
mod command;
mod email;
mod glob;
mod host;
mod path;
mod public;
mod readings;
mod time;
mod url;

pub use self::time::time_range;
use crate::model::limits::{GLOB_VALUE_BYTES_MAX, ORACLE_VALUE_BYTES_MAX};

/// A question about one string argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Oracle {
    /// Is it a path to this directory or into it? Symbolic links are out of reach: the answer
    /// comes from the text of the path.
    Under,
    /// Does this glob match all of it? `*` is any run without `/`, `**` any run, `?` one
    /// character but `/`, `[a-z]` and `[!a]` classes, and `\` makes the next character plain.
    /// A value with control characters or with a `.` or `..` segment never matches, for it may be
    /// a path.
    Glob,
    /// Is it an address in this network?
    Cidr,
    /// Is it a URL of this host: a name, `*.name` for its subdomains, or an address, each with
    /// a port if that matters?
    Host,
    /// Is it a URL with this scheme?
    Scheme,
    /// Is it a URL of a host on the public internet? Names are not resolved, so one that points
    /// to a private address (DNS rebinding) is for the egress of the tool to refuse.
    PublicHost,
    /// Is it one e-mail address in this domain, or for `*.name` in one of its subdomains?
    Domain,
    /// Is it a command line of this program and plain words, without any syntax of a shell? What
    /// the program makes of its words (`git --exec-path=…`, `find -delete`) is out of reach.
    Command,
}

impl Oracle {
    const ALL: [Self; 8] = [
        Self::Under,
        Self::Glob,
        Self::Cidr,
        Self::Host,
        Self::Scheme,
        Self::PublicHost,
        Self::Domain,
        Self::Command,
    ];

    /// The name of the request fact that holds the answer.
    pub fn predicate(self) -> &'static str {
        match self {
            Self::Under => "arg_under",
            Self::Glob => "arg_glob",
            Self::Cidr => "arg_cidr",
            Self::Host => "arg_host",
            Self::Scheme => "arg_scheme",
            Self::PublicHost => "arg_public_host",
            Self::Domain => "arg_domain",
            Self::Command => "arg_command",
        }
    }

    /// The oracle whose answers a request fact holds.
    pub fn from_predicate(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|oracle| oracle.predicate() == name)
    }

    /// Judges a constant when a grant is made, so that one that could never hold, or that says
    /// something else than it seems to, is found then.
    ///
    /// *Errors*: why the constant is refused, as a part of a sentence.
    pub fn check_constant(self, constant: &str) -> Result<(), String> {
        if constant.len() > ORACLE_VALUE_BYTES_MAX {
            return Err(format!("it is longer than {ORACLE_VALUE_BYTES_MAX} bytes"));
        }
        match self {
            Self::Under => path::check_directory(constant),
            Self::Glob => glob::check_pattern(constant),
            Self::Cidr => address::read_network(constant).map(drop),
            Self::Host => host::Pattern::read(constant).map(drop),
            Self::Scheme => url::check_scheme(constant),
            Self::PublicHost => Err("a public host takes no constant".to_owned()),
            Self::Domain => email::check_domain(constant),
            Self::Command => command::check_program(constant),
        }
    }

    /// The longest value that may hold.
    fn value_bytes_max(self) -> usize {
        if self == Self::Glob { GLOB_VALUE_BYTES_MAX } else { ORACLE_VALUE_BYTES_MAX }
    }

    /// How much work [`Oracle::holds`] is at most, in bytes of text parsed.
    pub(crate) fn work(self, value: &str, constants: &[&str]) -> usize {
        const ANSWER: usize = 32;
        if value.len() > self.value_bytes_max() {
            return ANSWER;
        }
        let of = |constant: &&str| match self {
            Self::Glob => value.len() * (constant.len() / 4) + constant.len(),
            _ => constant.len(),
        };
        ANSWER + value.len() + constants.iter().map(of).sum::<usize>()
    }

    /// Whether the value satisfies any of the constants.
    ///
    /// *Shape*: a constant that [`Oracle::check_constant`] refuses never holds; `PublicHost`
    /// takes no constants. `bare` matters for URLs alone: one without a scheme is read with
    /// `https://`. A value longer than `limits::ORACLE_VALUE_BYTES_MAX`, for globs
    /// `limits::GLOB_VALUE_BYTES_MAX`, never holds. The cost is
    /// linear in the value; for globs, in the value times the length of the patterns.
    pub fn holds(self, value: &str, constants: &[&str], bare: bool) -> bool {
        if value.len() > self.value_bytes_max() {
            return false;
        }
        match self {
            Self::Under => path::is_under(value, constants),
            Self::Glob => glob::matches(value, constants),
            Self::Cidr => address::is_within(value, constants),
            Self::Host => url::has_host(value, constants, bare),
            Self::Scheme => url::has_scheme(value, constants, bare),
            Self::PublicHost => constants.is_empty() && url::is_public(value, bare),
            Self::Domain => email::is_in_domain(value, constants),
            Self::Command => command::runs(value, constants),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn predicates_name_oracles() {
        for oracle in Oracle::ALL {
            assert_eq!(Oracle::from_predicate(oracle.predicate()), Some(oracle));
        }
        assert_eq!(Oracle::from_predicate("arg"), None);
    }

    #[test]
    fn no_constant_or_a_bad_one_never_holds() {
        let cases = [
            (Oracle::Under, "/data/x", "/data/"),
            (Oracle::Glob, "ab", "{ab}"),
            (Oracle::Cidr, "10.0.0.1", "10.0.0.1/8"),
            (Oracle::Host, "https://a.com/", "https://a.com/"),
            (Oracle::Scheme, "file:///x", "file"),
            (Oracle::PublicHost, "https://a.com/", "a.com"),
            (Oracle::Domain, "a@b.com", "a@b.com"),
            (Oracle::Command, "git status", "git status"),
        ];
        for (oracle, value, constant) in cases {
            assert!(oracle.check_constant(constant).is_err(), "{oracle:?}");
            assert!(!oracle.holds(value, &[constant], false), "{oracle:?}");
            assert!(oracle == Oracle::PublicHost || !oracle.holds(value, &[], false));
        }
    }

    #[test]
    fn long_values_never_hold() {
        let tail = |n: usize| format!("/d/{}", "a".repeat(n - 3));
        assert!(Oracle::Under.holds(&tail(ORACLE_VALUE_BYTES_MAX - 1), &["/d"], false));
        assert!(Oracle::Under.holds(&tail(ORACLE_VALUE_BYTES_MAX), &["/d"], false));
        assert!(!Oracle::Under.holds(&tail(ORACLE_VALUE_BYTES_MAX + 1), &["/d"], false));
        assert!(Oracle::Under.check_constant(&tail(ORACLE_VALUE_BYTES_MAX + 1)).is_err());
    }

    /// Prints what the costliest values take; a debug build on a shared machine is no clock, so
    /// the bound here is loose.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test that measures")]
    fn hostile_values_cost_little() {
        let n = ORACLE_VALUE_BYTES_MAX;
        let stars = "a*".repeat(127) + "b";
        let values = [
            "a".repeat(n),
            "%25".repeat(n / 3),
            "%252525".repeat(n / 7) + "%20%5c",
            "../".repeat(n / 3),
            "a\\".repeat(n / 2),
            "\u{ff0e}".repeat(n / 3),
            format!("http://{}/", "é".repeat(n / 2 - 8)),
            format!("http://xn--{}/", "a9".repeat(n / 2 - 12)),
            format!("http://{}", "é.".repeat(300)),
            format!("a@{}", "é.".repeat(300)),
            "1.".repeat(n / 2),
            "\u{326}\u{301}".repeat(n / 4),
        ];
        for oracle in Oracle::ALL {
            let constants: &[&str] = match oracle {
                Oracle::PublicHost => &[],
                Oracle::Glob => &[&stars],
                Oracle::Under => &["/d"],
                _ => &["example.com"],
            };
            for value in &values {
                let start = Instant::now();
                oracle.holds(value, constants, true);
                let took = start.elapsed();
                println!("{oracle:?} {:.12} {took:?}", value);
                assert!(took.as_millis() < 500, "{oracle:?} {value:.12} {took:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(value in ".{0,40}", constant in ".{0,20}", bare: bool) {
            for oracle in Oracle::ALL {
                oracle.holds(&value, &[&constant, &value, "/", "*", "::/0", "a.b"], bare);
                let _ = oracle.check_constant(&value);
            }
            let _ = time_range(&value);
        }

        #[test]
        fn nothing_panics_on_near_misses(
            value in r#"(https?|//|[:@/\\.%\[\]*?~-]|%2[ef5]|[0-9x]{1,3}|xn--|[a-zé\u{ff0e}]){0,16}"#,
        ) {
            for oracle in Oracle::ALL {
                oracle.holds(&value, &[&value, "/", "**", "0.0.0.0/0", "*.a"], true);
                let _ = oracle.check_constant(&value);
            }
            let _ = time_range(&value);
        }
    }
}
