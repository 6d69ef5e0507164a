//! Delegation tokens for AI agents: one task, one token, and every tool call decided where it is
//! made.
//!
//! A root authority issues one [Biscuit](https://www.biscuitsec.org/) token a task. Each agent
//! that delegates narrows it offline, so that permissions only shrink along the chain. A guard in
//! front of each tool verifies the token locally, decides the call with its arguments, and leaves
//! a record.
//!
//! # The six steps
//!
//! ```text
//! Grant --mint--> token --attenuate--> token --present--> Presented
//!   --verify--> Verified --decide--> Decision --record--> Record
//! ```
//!
//! Each consumes what the one before made, so that none can be left out:
//!
//! ```
//! use std::sync::Arc;
//!
//! use hardtack::attenuate::{Narrowing, attenuate};
//! use hardtack::decide::{Policy, Program, decide};
//! use hardtack::keys::{RootKey, TrustedRoots};
//! use hardtack::mint::{Task, mint};
//! use hardtack::model::{Args, JsonProfile, Request, Timestamp};
//! use hardtack::present::{Presented, to_authorization};
//! use hardtack::verify::{DangerUnrevoked, authenticate};
//! use hardtack::vocabulary::grant::grants_from_json;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Time and randomness are arguments.
//! let now: Timestamp = "2026-11-22T10:00:00Z".parse()?;
//! let mut rng = rand::rngs::OsRng;
//! let root = RootKey::generate(&mut rng);
//!
//! // The authority mints a token for one task …
//! let grants = grants_from_json(br#"[{"tool": "stripe/refund", "args": {"amount": {"max": 50}}}]"#)?;
//! let minted = mint(&Task::new(grants, None), &root, now, &mut rng)?;
//!
//! // … an agent narrows it before it hands it on …
//! let less = grants_from_json(br#"[{"tool": "stripe/refund", "args": {"amount": {"max": 20}}}]"#)?;
//! let narrowing = Narrowing { grants: less, ..Narrowing::default() };
//! let token = attenuate(&minted.token, &narrowing, &mut rng)?;
//!
//! // … the tool's guard takes it out of the call, verifies it, and decides.
//! let header = to_authorization(&token);
//! let presented = Presented::from_authorization([header.as_bytes()]).map_err(|r| r.message)?;
//! let roots = TrustedRoots::one(root.public());
//! let authentic = Arc::new(authenticate(presented, &roots).map_err(|r| r.message)?);
//! let program = Program::new(&authentic, &Policy::standard()?).map_err(|r| r.message)?;
//! let verified = authentic.admit(&DangerUnrevoked, now).map_err(|r| r.message)?;
//! let request = Request {
//!     tool: "stripe/refund".parse()?,
//!     args: Args::parse(r#"{"amount": 30}"#, JsonProfile::Interoperable)?,
//!     labels: Default::default(),
//!     audience: "payments-gateway".to_owned(),
//!     time: now,
//!     http: None,
//! };
//! let decision = decide(&verified, &program, &request);
//! assert_eq!(decision.code().map(|code| code.as_str()), Some("check-failed"));
//! assert_eq!(decision.reasons()[0].hint.as_deref(), Some("`amount` must be a number of at most 20"));
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! | feature | adds |
//! | --- | --- |
//! | (none) | the six steps, pure: no async runtime, no HTTP, no files |
//! | `guard` | the tower layer of [`guard`] for axum and any `http` service |
//! | `gateway` | [`gateway`]: keeping a guard's view of revocations in step with an authority |
//! | `proxy` | the rest of [`gateway`]: a reverse proxy and MCP proxy for tools that know nothing of tokens |
//! | `redis` | [`guard::RedisReplays`]: one memory of used proofs for several guards |
//! | `server` | the [`authority`], its [`store`], and [`fanout`], which serves its log |
//! | `client` | [`client`]: calls of guarded tools through `reqwest`, each with its proof |
//! | `cli` | the `hardtack` command |
//! | `full` | all of them; the default |

pub mod model;

pub mod keys;

pub mod vocabulary;

pub mod token;

pub mod mint;

pub mod attenuate;

pub mod present;

pub mod verify;

pub mod feed;

pub mod decide;

pub mod record;

#[cfg(any(feature = "guard", feature = "server", feature = "client"))]
pub mod config;

#[cfg(feature = "client")]
pub mod client;

#[cfg(feature = "guard")]
pub mod guard;

pub mod mcp;

#[cfg(feature = "gateway")]
pub mod gateway;

#[cfg(feature = "server")]
pub mod store;

#[cfg(feature = "server")]
pub mod fanout;

#[cfg(feature = "server")]
pub mod authority;

#[cfg(all(feature = "gateway", feature = "server"))]
pub mod relay;

#[cfg(feature = "cli")]
pub mod cli;
