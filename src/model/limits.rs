//! Every bound in one place, each with its reason.
//!
//! A holder can append hostile blocks offline, so a token's cost is bounded by its shape before
//! anything in it is evaluated; evaluation then has a step budget on top.

/// Longest token, in bytes before base64. Real chains of ten hops stay under 4 KiB.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Blocks in a token, the authority block included. Each costs one signature check.
pub const BLOCKS_MAX: usize = 16;
/// Public keys that the blocks of a token may list for their scopes. Each is a point to be found on
/// the curve, a tenth of a signature check.
pub const TOKEN_KEYS_MAX: usize = 16;
/// Facts a block may carry.
pub const BLOCK_FACTS_MAX: usize = 64;
/// Rules a block may carry; block 0 holds one rule for each grant.
pub const BLOCK_RULES_MAX: usize = 64;
/// Checks a block may carry.
pub const BLOCK_CHECKS_MAX: usize = 32;
/// Queries (`… or …`) in one check.
pub const CHECK_QUERIES_MAX: usize = 32;
/// Predicates in one query.
pub const QUERY_PREDICATES_MAX: usize = 24;
/// Predicates of one query that name no constant: each multiplies the work of a join.
pub const QUERY_UNKEYED_MAX: usize = 3;
/// Expression operations in one query, those inside closures and elements of constants included.
pub const QUERY_OPERATIONS_MAX: usize = 128;
/// Nesting of closures and of collections inside one another.
pub const NESTING_MAX: usize = 8;
/// Elements of one collection constant in a token.
pub const COLLECTION_MAX: usize = 1024;
/// Longest regular expression or glob, in bytes.
pub const REGEX_BYTES_MAX: usize = 256;
/// Largest compiled regular expression, in bytes: a dozen characters can ask for megabytes.
pub const REGEX_COMPILED_BYTES_MAX: usize = 32 * 1024;
/// Regular expressions in one token.
pub const TOKEN_REGEXES_MAX: usize = 8;
/// Work that compiling all regular expressions of one token may take, in bytes of what they compile
/// to; a byte takes some 5 ns, so all of it 0.3 ms. The policy may take as much again.
pub const TOKEN_REGEX_WORK_MAX: usize = 64 * 1024;
/// What each byte of a regular expression counts for: it is parsed before its size is known.
pub const REGEX_BYTE_WORK: usize = 64;
/// What each Unicode class counts for: it is worked out before the size is known. 4 KiB of
/// `(?i)[\pL\pL…]` took a second.
pub const REGEX_CLASS_WORK: usize = 1536;
/// How many classes one class counts for where case is ignored: every letter is looked up.
pub const REGEX_CASELESS_WEIGHT: usize = 16;
/// Bytes of text and values in all blocks of a token, counted wherever a symbol is used: a long
/// symbol that is named a thousand times takes a thousand copies.
pub const TOKEN_DECODED_BYTES_MAX: usize = 64 * 1024;

/// Longest Datalog text handed to the parser, which recurses and would overflow its stack.
pub const DATALOG_TEXT_BYTES_MAX: usize = 64 * 1024;
/// Deepest bracket nesting in Datalog text.
pub const DATALOG_TEXT_NESTING_MAX: usize = 32;

/// Longest arguments of one call, in bytes of JSON.
pub const ARGS_BYTES_MAX: usize = 1024 * 1024;
/// Deepest nesting of objects and arrays in the arguments.
pub const ARGS_DEPTH_MAX: usize = 32;
/// Scalars, empty objects and empty arrays in the arguments.
pub const ARGS_LEAVES_MAX: usize = 4096;
/// Longest message of a caller of the Model Context Protocol, in bytes. Arguments have a bound of
/// their own; answers that a caller gives to a server's questions may carry pictures.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Deepest nesting in such a message: the arguments stand three levels deep.
pub const MESSAGE_DEPTH_MAX: usize = ARGS_DEPTH_MAX + 4;
/// Scalars, empty objects and empty arrays in such a message.
pub const MESSAGE_LEAVES_MAX: usize = 2 * ARGS_LEAVES_MAX;
/// Longest identifier of such a message, in bytes as written.
pub const MESSAGE_ID_BYTES_MAX: usize = 256;
/// Longest string an oracle (path, URL, address, command …) will parse, in bytes; a longer one
/// yields no fact, so that its check fails.
pub const ORACLE_VALUE_BYTES_MAX: usize = 4096;

/// Longest string matched against a glob, in bytes: matching costs pattern times value.
pub const GLOB_VALUE_BYTES_MAX: usize = 1024;
/// Work that one decision may take, in bytes copied, scanned or compared while the facts of the
/// call are made; all else that a token or the arguments can ask for counts as so many bytes. All of
/// it takes some 0.8 ms at most, however it is spent.
pub const DECISION_WORK_MAX: usize = 1_400_000;
/// What a byte counts for that an oracle parses; a glob counts each byte once for every four bytes
/// of its pattern. A token may ask hundreds of questions.
pub const ORACLE_BYTE_WORK: usize = 48;
/// What a byte counts for where text beyond ASCII is brought to lower case.
pub const LOWER_WORK: usize = 128;
/// What a place in the arguments counts for that a fact is made of.
pub const FACT_PLACE_WORK: usize = 128;
/// What a place in the arguments counts for that is passed on the way.
pub const FACT_STEP_WORK: usize = 40;
/// What comparing one name in the arguments counts for.
pub const FACT_NAME_WORK: usize = 8;
/// Failed checks of one call that are explained in the language of grants; the others are named.
pub const EXPLAINED_MAX: usize = 2;
/// What a byte of text counts for that is looked at to explain a refusal: it takes some 5 ns. The
/// caller chose the arguments, and a holder the grants that they are held against.
pub const EXPLAINED_BYTE_WORK: usize = 24;
/// Checks that a record tells of each hop.
pub const TAKEN_MAX: usize = 8;
/// Longest text that a record has for one check, in characters.
pub const TAKEN_CHARS_MAX: usize = 300;
/// Work that telling what all hops took away may take, beside a decision's own.
pub const TAKEN_WORK_MAX: usize = 200_000;
/// Work that compiling one regular expression may take to be part of an explanation.
pub const EXPLAINED_REGEX_WORK: usize = 8 * 1024;

/// What a step of the evaluation counts for: a join probe, an operation or 64 bytes of text.
pub const STEP_WORK: usize = 48;
/// Steps an evaluation may take where nothing was spent before it.
pub const EVALUATION_STEPS_MAX: u64 = (DECISION_WORK_MAX / STEP_WORK) as u64;

/// Longest life of a token.
pub const TOKEN_TTL_SECS_MAX: u64 = 24 * 60 * 60;
/// Life of a token when the request names none.
pub const TOKEN_TTL_SECS_DEFAULT: u64 = 15 * 60;
/// Delegation hops a token allows when the request names none.
pub const DEPTH_DEFAULT: u32 = 3;
/// Grants in one block.
pub const GRANTS_MAX: usize = 32;
/// Longest free text (intent, principal, agent), in bytes.
pub const TEXT_BYTES_MAX: usize = 512;
/// Oldest revocation view a decision may rest on, in seconds, unless configured.
pub const REVOCATION_AGE_SECS_MAX: u64 = 60;
/// How far two clocks may be apart.
pub const CLOCK_SKEW_SECS: u64 = 5;
/// Longest proof of a holder, in bytes. One with every claim takes some 600.
pub const PROOF_BYTES_MAX: usize = 4 * 1024;
/// How long a proof is good for, counted from the moment it names.
pub const PROOF_AGE_SECS_MAX: u64 = 60;
/// Longest identifier of a proof, in bytes; 128 random bits take 22.
pub const PROOF_ID_BYTES_MAX: usize = 128;
/// Proofs that a gateway's own memory of them holds: each is kept for some 70 s, in about 64 bytes.
pub const PROOFS_KEPT_MAX: usize = 1_000_000;
