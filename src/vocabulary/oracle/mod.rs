//! Oracles: questions about one argument that Datalog cannot answer.
use crate::model::Timestamp;
/// An oracle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Oracle {
    /// u
    Under,
    /// g
    Glob,
    /// c
    Cidr,
    /// h
    Host,
    /// s
    Scheme,
    /// p
    PublicHost,
    /// d
    Domain,
    /// c
    Command,
}
impl Oracle {
    /// name
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
    /// from
    pub fn from_predicate(name: &str) -> Option<Self> {
        [
            Self::Under,
            Self::Glob,
            Self::Cidr,
            Self::Host,
            Self::Scheme,
            Self::PublicHost,
            Self::Domain,
            Self::Command,
        ]
        .into_iter()
        .find(|o| o.predicate() == name)
    }
    /// check
    pub fn check_constant(self, _constant: &str) -> Result<(), String> {
        Ok(())
    }
    /// holds
    pub fn holds(self, value: &str, constants: &[&str], _bare: bool) -> bool {
        constants.iter().any(|c| value.contains(c))
    }
}
/// range
pub fn time_range(text: &str) -> Option<(Timestamp, Timestamp)> {
    text.parse().ok().map(|t| (t, t))
}
