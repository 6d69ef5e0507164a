//! All rows: who does what, on tokens of which depth.

use hardtack::token::UnverifiedToken;

use crate::biscuits::Authorizing;
use crate::bound::{Chain, Door};
use crate::floors::{Lookup, Signatures};
use crate::jwt_cedar;
use crate::measure::{Row, check, timed};
use crate::ours::{Gateway, Issuer};
use crate::warrants::Chain as Warrants;

/// How many children of one parent there are, each of which a gateway meets once.
const CHILDREN: usize = 16;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "`Subject::label` says it")]
pub enum Subject {
    OursWarm,
    OursBound,
    OursChild,
    OursCold,
    OursVerify,
    OursVerifyChild,
    OursDelegate,
    BiscuitWarm,
    BiscuitCold,
    BiscuitVerify,
    WarrantWhole,
    WarrantWithoutProof,
    WarrantDecode,
    WarrantDecoded,
    WarrantRemembered,
    WarrantConstraints,
    JwtCold,
    JwtVerify,
    CedarWarm,
    CedarAlone,
    FloorSignature,
    FloorSignatures,
    FloorBatch,
    FloorLookup,
}

impl Subject {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 24] = [
        Self::OursWarm,
        Self::OursBound,
        Self::OursChild,
        Self::OursCold,
        Self::OursVerify,
        Self::OursVerifyChild,
        Self::OursDelegate,
        Self::BiscuitWarm,
        Self::BiscuitCold,
        Self::BiscuitVerify,
        Self::WarrantWhole,
        Self::WarrantWithoutProof,
        Self::WarrantDecode,
        Self::WarrantDecoded,
        Self::WarrantRemembered,
        Self::WarrantConstraints,
        Self::JwtCold,
        Self::JwtVerify,
        Self::CedarWarm,
        Self::CedarAlone,
        Self::FloorSignature,
        Self::FloorSignatures,
        Self::FloorBatch,
        Self::FloorLookup,
    ];

    /// Who does it, and what, in a few words.
    pub fn label(self) -> (&'static str, &'static str) {
        match self {
            Self::OursWarm => ("Hardtack", "warm: token met before"),
            Self::OursBound => ("Hardtack", "warm, bound: with its proof"),
            Self::OursChild => ("Hardtack", "child of a token met before"),
            Self::OursCold => ("Hardtack", "cold: text to decision"),
            Self::OursVerify => ("Hardtack", "verify alone"),
            Self::OursVerifyChild => ("Hardtack", "verify a known parent's child"),
            Self::OursDelegate => ("Hardtack", "delegate to the next holder"),
            Self::BiscuitWarm => ("biscuit-auth", "warm: authorizer alone"),
            Self::BiscuitCold => ("biscuit-auth", "cold: text to decision"),
            Self::BiscuitVerify => ("biscuit-auth", "verify alone"),
            Self::WarrantWhole => ("tenuo", "whole request, with its proof"),
            Self::WarrantWithoutProof => ("tenuo", "whole request, without proof"),
            Self::WarrantDecode => ("tenuo", "decode alone"),
            Self::WarrantDecoded => ("tenuo", "kept decoded: chain + proof"),
            Self::WarrantRemembered => ("tenuo", "chain remembered: proof alone"),
            Self::WarrantConstraints => ("tenuo", "leaf constraints alone"),
            Self::JwtCold => ("JWT + Cedar", "cold: text to decision"),
            Self::JwtVerify => ("JWT", "verify alone"),
            Self::CedarWarm => ("Cedar", "warm: request + authorize"),
            Self::CedarAlone => ("Cedar", "authorize alone, request ready"),
            Self::FloorSignature => ("floor", "one ed25519 verify_strict"),
            Self::FloorSignatures => ("floor", "the token's signatures alone"),
            Self::FloorBatch => ("floor", "the same in one batch"),
            Self::FloorLookup => ("floor", "SHA-256 of the text + moka get"),
        }
    }

    /// Whether its cost can have anything to do with the depth.
    pub fn has_depth(self) -> bool {
        let flat = [
            Self::JwtCold,
            Self::JwtVerify,
            Self::CedarWarm,
            Self::CedarAlone,
            Self::FloorSignature,
        ];
        !flat.contains(&self)
    }
}

/// What the rows of one depth work on.
pub struct Fixture {
    /// Hops.
    pub depth: usize,
    /// The token that Hardtack and biscuit-auth verify.
    pub token: UnverifiedToken,
    /// The token it was narrowed from, and others narrowed from that one.
    pub family: Option<(String, Vec<String>)>,
    /// A gateway that has met the token.
    pub gateway: Gateway,
    /// A bound token of the same depth, and a gateway of its own.
    pub bound: (Chain, Door),
}

impl Fixture {
    /// Mints, and makes sure that what is measured allows and refuses what it should.
    pub fn new(issuer: &mut Issuer, depth: usize) -> Self {
        let token = issuer.token(depth);
        let family = depth.checked_sub(1).map(|parent| {
            let parent = issuer.token(parent);
            let children = (0..CHILDREN).map(|_| issuer.narrowed(&parent, depth).to_text());
            (parent.to_text(), children.collect())
        });
        let gateway = issuer.gateway();
        assert!(gateway.decide(&token.to_text()), "ours allows");
        assert!(gateway.refuses_more(&token.to_text(), depth), "ours refuses");
        let chain = Chain::new(issuer, depth);
        let door = chain.door(issuer.gateway());
        let shown = chain.show(issuer);
        assert!(chain.decide(&door, &shown), "ours allows a bound call");
        assert!(!chain.decide(&door, &shown), "ours refuses a proof that was used");
        Self { depth, token, family, gateway, bound: (chain, door) }
    }
}

/// The rows of all depths and all subjects.
pub fn all<'a>(
    issuer: &'a Issuer,
    fixtures: &'a [Fixture],
    jwt: &'a jwt_cedar::Gateway,
) -> Vec<Row<'a>> {
    let mut rows = without_depth(jwt);
    for fixture in fixtures {
        rows.extend(ours(issuer, fixture));
        rows.extend(biscuits(issuer, fixture));
        rows.extend(warrants(fixture.depth));
        rows.extend(floors(fixture));
    }
    rows
}

fn ours<'a>(issuer: &'a Issuer, fixture: &'a Fixture) -> Vec<Row<'a>> {
    let Fixture { depth, token, family, gateway, bound: (chain, door) } = fixture;
    let text = token.to_text();
    let roots = issuer.roots();
    let warm = text.clone();
    let mut rows = vec![
        Row::repeated(Subject::OursWarm, *depth, move || gateway.decide(&warm)),
        Row::custom(Subject::OursCold, *depth, 16, move |operations| {
            (0..operations)
                .map(|_| {
                    let gateway = gateway.fresh();
                    timed(|| check(|| gateway.decide(&text)))
                })
                .sum()
        }),
        Row::repeated(Subject::OursVerify, *depth, move || issuer.verify(&roots, token.as_bytes())),
        Row::custom(Subject::OursBound, *depth, 64, move |operations| {
            let shown: Vec<_> = (0..operations).map(|_| chain.show(issuer)).collect();
            timed(|| shown.iter().for_each(|shown| check(|| chain.decide(door, shown))))
        }),
        Row::repeated(Subject::OursDelegate, *depth, move || chain.delegate(depth + 1)),
    ];
    if let Some((parent, children)) = family {
        let (known, child) = issuer.family(parent, &children[0]);
        let verify = move || issuer.verify_child(&known, &child);
        rows.push(Row::repeated(Subject::OursVerifyChild, *depth, verify));
        let run = move |operations| {
            let gateway = gateway.fresh();
            check(|| gateway.decide(parent));
            let children = children.iter().take(operations as usize);
            timed(|| children.for_each(|child| check(|| gateway.decide(child))))
        };
        rows.push(Row::custom(Subject::OursChild, *depth, CHILDREN as u32, run));
    }
    rows
}

fn biscuits<'a>(issuer: &Issuer, fixture: &'a Fixture) -> Vec<Row<'a>> {
    let Fixture { depth, token, .. } = fixture;
    let authorizing = || Authorizing::new(issuer.biscuit_key(), *depth);
    let (warm, cold, verify) = (authorizing(), authorizing(), authorizing());
    let biscuit = warm.verify(token.as_bytes()).expect("biscuit");
    let text = token.to_text();
    vec![
        Row::repeated(Subject::BiscuitWarm, *depth, move || warm.warm(&biscuit)),
        Row::repeated(Subject::BiscuitCold, *depth, move || cold.cold(&text)),
        Row::repeated(Subject::BiscuitVerify, *depth, move || {
            verify.verify(token.as_bytes()).is_some()
        }),
    ]
}

fn warrants<'a>(depth: usize) -> Vec<Row<'a>> {
    let chain = || Warrants::new(depth);
    let (without, decode, constraints) = (chain(), chain(), chain());
    assert!(constraints.refuses_more(), "tenuo refuses");
    // A proof is signed for each batch, outside the time taken.
    let proven = |subject, with: fn(&Warrants, &crate::warrants::Proof) -> bool| {
        let chain = chain();
        Row::custom(subject, depth, u32::MAX, move |operations| {
            let proof = chain.prove();
            timed(|| (0..operations).for_each(|_| check(|| with(&chain, &proof))))
        })
    };
    vec![
        proven(Subject::WarrantWhole, Warrants::whole),
        Row::repeated(Subject::WarrantWithoutProof, depth, move || without.without_proof()),
        Row::repeated(Subject::WarrantDecode, depth, move || decode.decode().is_some()),
        proven(Subject::WarrantDecoded, Warrants::decoded),
        proven(Subject::WarrantRemembered, Warrants::remembered),
        Row::repeated(Subject::WarrantConstraints, depth, move || constraints.constraints_alone()),
    ]
}

fn without_depth(jwt: &jwt_cedar::Gateway) -> Vec<Row<'_>> {
    assert!(jwt.refuses_more(), "Cedar refuses");
    let ready = jwt.ready();
    let one = Signatures::new(0, 400);
    vec![
        Row::repeated(Subject::JwtCold, 0, || jwt.cold()),
        Row::repeated(Subject::JwtVerify, 0, || jwt.verify().is_some()),
        Row::repeated(Subject::CedarWarm, 0, || jwt.warm()),
        Row::repeated(Subject::CedarAlone, 0, move || jwt.decide(&ready)),
        Row::repeated(Subject::FloorSignature, 0, move || one.verify()),
    ]
}

fn floors(fixture: &Fixture) -> Vec<Row<'_>> {
    let Fixture { depth, token, .. } = fixture;
    let signatures = || Signatures::new(*depth, token.as_bytes().len());
    let (strict, batch) = (signatures(), signatures());
    let text = token.to_text();
    let lookup = Lookup::new(&text);
    vec![
        Row::repeated(Subject::FloorSignatures, *depth, move || strict.verify()),
        Row::repeated(Subject::FloorBatch, *depth, move || batch.verify_batch()),
        Row::repeated(Subject::FloorLookup, *depth, move || lookup.get(&text)),
    ]
}
