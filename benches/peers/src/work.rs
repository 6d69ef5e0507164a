//! The work: one grant with two constraints, narrowed at each hop, and one request.
//!
//! The request comes to 16 facts: `call`, `time`, `weekday`, `minute_of_day`, `audience`, `depth`,
//! two of `label`, `method`, `path`, `arg_names`, `arg` of `currency`, `charge`, `note` and `amount`,
//! and `number` of `amount`. Token or policy ask for all but `arg` of `amount`, which comes along.
//! The gateway's policy has eight parts: seven refusals that do not match and one permission.

/// Delegation hops. A token of depth *d* carries *d* + 1 blocks, warrants or signatures.
pub const DEPTHS: [usize; 6] = [0, 1, 3, 4, 8, 10];

/// The deepest of [`DEPTHS`].
pub const DEPTH_MAX: usize = 10;

/// The tool, as Hardtack writes it: server and name.
pub const TOOL: (&str, &str) = ("stripe", "refund");

/// The gateway that decides.
pub const AUDIENCE: &str = "payments";

/// The currencies that the grant allows.
pub const CURRENCIES: [&str; 2] = ["usd", "eur"];

/// The names of all arguments that the grant knows. The last two may hold anything.
pub const ARG_NAMES: [&str; 4] = ["amount", "currency", "charge", "note"];

/// The amount asked for.
pub const AMOUNT: i64 = 20;

/// The currency asked for.
pub const CURRENCY: &str = "usd";

/// The charge asked for.
pub const CHARGE: &str = "ch_3PqLk2eZvKYlo2C";

/// What the caller notes.
pub const NOTE: &str = "customer was billed twice";

/// The labels of the tool.
pub const LABELS: [&str; 2] = ["money", "write"];

/// Method and path of the call.
pub const HTTP: (&str, &str) = ("POST", "/v1/refunds");

/// The moment of the call, for whoever takes it as an argument: 2026-11-22T10:15:00Z, a Sunday.
pub const TIME_SECS: u64 = 1_795_342_500;

/// The weekday of [`TIME_SECS`], counted from Monday.
pub const WEEKDAY: i64 = 7;

/// The minute of the day of [`TIME_SECS`].
pub const MINUTE: i64 = 615;

/// How many things are revoked, none of them in the tokens.
pub const REVOKED: u64 = 1000;

/// The gateway's policy, for whoever reads Datalog.
pub const POLICY: &str = r#"
deny if label("destructive"), depth($hops), $hops > 1;
deny if label("payout"), weekday($day), $day > 5;
deny if minute_of_day($minute), $minute >= 1380;
deny if number("amount", $amount), $amount > 100000000000;
deny if arg("charge", $charge), $charge.starts_with("test_");
deny if arg("note", $note), $note.contains("chargeback");
deny if method("POST"), path($path), $path.starts_with("/internal/");
allow if granted($grant);
"#;

/// The highest amount that is allowed after so many hops.
pub fn amount_max(hop: usize) -> usize {
    500 - 10 * hop
}

/// The least amount that is refused after so many hops.
pub fn amount_refused(hop: usize) -> i64 {
    amount_max(hop) as i64 + 1
}

/// The request's arguments as they come in, with this amount.
pub fn args_json(amount: i64) -> String {
    format!(
        r#"{{"amount": {amount}, "currency": "{CURRENCY}", "charge": "{CHARGE}", "note": "{NOTE}"}}"#
    )
}
