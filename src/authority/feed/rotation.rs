//! Which key signs heads, and when the next one begins to.

use crate::feed::{Certificate, FeedError, SignedCertificate};
use crate::keys::{FeedKey, RootKey};
use crate::model::{Clock, Timestamp};

const SECOND: u64 = 1_000_000;

/// How long a key signs, in microseconds.
const SIGNS: u64 = 24 * 60 * 60 * SECOND;
/// How long a certificate is published before its key signs.
const AHEAD: u64 = 30 * 60 * SECOND;
/// For how long after that it is good.
const OVERLAP: u64 = 60 * 60 * SECOND;
/// How far back a certificate reaches, in seconds.
const BACK_SECS: u64 = 10 * 60;

/// A moment, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// What the wall says.
    pub(super) wall: Timestamp,
    /// Microseconds of the monotonic clock.
    pub(super) micros: u64,
}

impl Moment {
    pub(super) fn of(clock: &dyn Clock) -> Self {
        Self { wall: clock.now(), micros: clock.micros() }
    }
}

/// The keys of a feed.
///
/// *Shape*: each key has a clock of its own: the wall's at the moment the key was made, and the time
/// that has passed since by the monotonic clock. So the times of one key's heads never jump, whatever
/// happens to the wall's, and a follower may count from one to the other; from one key's to another's
/// it must not.
#[derive(Debug)]
pub(super) struct Rotation {
    issuer: String,
    root: RootKey,
    current: Signer,
    next: Option<Signer>,
    /// Those that sign no more and are still good.
    old: Vec<Signer>,
}

#[derive(Clone, Debug)]
struct Signer {
    key: FeedKey,
    made: Moment,
    /// When it began to sign, by the monotonic clock.
    since: u64,
    until: Timestamp,
    certificate: SignedCertificate,
}

impl Signer {
    fn new(issuer: &str, root: &RootKey, key: FeedKey, made: Moment) -> Result<Self, FeedError> {
        let from = made.wall.millis().saturating_sub(BACK_SECS * 1000);
        let until = made.wall.plus_secs((AHEAD + SIGNS + OVERLAP) / SECOND);
        let certificate = Certificate {
            issuer: issuer.to_owned(),
            key: key.public(),
            from: Timestamp::from_millis(from),
            until,
        };
        let certificate = certificate.signed(root)?;
        Ok(Self { key, made, since: made.micros, until, certificate })
    }

    /// What its clock says at a moment of the monotonic one.
    fn time(&self, micros: u64) -> Timestamp {
        let later = micros.saturating_sub(self.made.micros) / 1000;
        let earlier = self.made.micros.saturating_sub(micros).div_ceil(1000);
        let millis = self.made.wall.millis().saturating_add(later).saturating_sub(earlier);
        Timestamp::from_millis(millis)
    }

    fn has_ended(&self, micros: u64) -> bool {
        self.time(micros) >= self.until
    }
}

impl Rotation {
    /// The first key, which signs at once.
    ///
    /// *Errors*: as [`Certificate::signed`].
    pub(super) fn new(
        issuer: String,
        root: RootKey,
        key: FeedKey,
        now: Moment,
    ) -> Result<Self, FeedError> {
        let current = Signer::new(&issuer, &root, key, now)?;
        Ok(Self { issuer, root, current, next: None, old: Vec::new() })
    }

    /// Makes and changes keys where it is time for that; says whether the certificates are others now.
    ///
    /// *Errors*: as [`Certificate::signed`]; the keys stay as they are then.
    pub(super) fn advance(
        &mut self,
        now: Moment,
        new_key: impl FnOnce() -> FeedKey,
    ) -> Result<bool, FeedError> {
        let known = self.old.len();
        self.old.retain(|signer| !signer.has_ended(now.micros));
        let mut is_other = self.old.len() != known;
        let signed = now.micros.saturating_sub(self.current.since);
        if self.next.is_none() && signed >= SIGNS - AHEAD {
            self.next = Some(Signer::new(&self.issuer, &self.root, new_key(), now)?);
            is_other = true;
        }
        let is_over = signed >= SIGNS;
        let has_ended = self.current.has_ended(now.micros);
        let known = |next: &mut Signer| now.micros.saturating_sub(next.made.micros) >= AHEAD;
        // A process that slept for days has nothing good to sign with but the newest.
        if let Some(next) = self.next.take_if(|next| has_ended || is_over && known(next)) {
            let next = Signer { since: now.micros, ..next };
            let last = std::mem::replace(&mut self.current, next);
            self.old.extend(Some(last).filter(|last| !last.has_ended(now.micros)));
            is_other = true;
        }
        Ok(is_other)
    }

    /// The key that signs now.
    pub(super) fn key(&self) -> &FeedKey {
        &self.current.key
    }

    /// What the clock of that key says at a moment of the monotonic one.
    pub(super) fn time(&self, micros: u64) -> Timestamp {
        self.current.time(micros)
    }

    /// The certificates of all keys that are good.
    pub(super) fn certificates(&self) -> Vec<SignedCertificate> {
        let signers = std::iter::once(&self.current).chain(&self.next).chain(&self.old);
        signers.map(|signer| signer.certificate.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::keys::{TrustedRoots, VerifyingKey};

    const MINUTE: u64 = 60 * SECOND;

    fn key(seed: u64) -> FeedKey {
        FeedKey::generate(&mut StdRng::seed_from_u64(seed))
    }

    /// Wall and monotonic clock go together, from some moment of each.
    fn at(micros: u64) -> Moment {
        let wall = Timestamp::from_millis(1_800_000_000_000 + micros / 1000);
        Moment { wall, micros: 7 * SECOND + micros }
    }

    fn root() -> RootKey {
        RootKey::generate(&mut StdRng::seed_from_u64(100))
    }

    fn started() -> Rotation {
        Rotation::new("issuer".to_owned(), root(), key(0), at(0)).unwrap()
    }

    fn listed(rotation: &Rotation) -> Vec<(VerifyingKey, Certificate)> {
        let roots = TrustedRoots::one(root().public());
        let open = |signed: &SignedCertificate| signed.open(&roots).unwrap().0;
        rotation.certificates().iter().map(open).map(|cert| (cert.key, cert)).collect()
    }

    /// Three days, looked at each ten minutes.
    #[test]
    fn each_key_is_listed_before_it_signs_and_while_its_heads_are_good() {
        let mut rotation = started();
        let (mut seed, mut since, mut signers) = (1, Vec::new(), vec![key(0).public()]);
        since.push((key(0).public(), 0));
        let mut changes = 0;
        for minute in (0..3 * 24 * 60 + 60).step_by(10) {
            let now = at(minute * MINUTE);
            let mut make = || {
                seed += 1;
                key(seed)
            };
            changes += u32::from(rotation.advance(now, &mut make).unwrap());
            let listed = listed(&rotation);
            for (key, _) in &listed {
                if !since.iter().any(|(known, _)| known == key) {
                    since.push((*key, minute));
                }
            }
            let signer = rotation.key().public();
            let time = rotation.time(now.micros);
            assert_eq!(time, now.wall);
            let certificate = &listed.iter().find(|(key, _)| *key == signer).unwrap().1;
            assert!(certificate.from <= time && time.plus_secs(1800) <= certificate.until);
            if signers.last() != Some(&signer) {
                let known = since.iter().find(|(key, _)| *key == signer).unwrap().1;
                assert!(minute - known >= 10, "known since {known}, signs from {minute}");
                // The one before is good for a while.
                let last = signers.last().unwrap();
                assert!(listed.iter().any(|(key, _)| key == last));
                signers.push(signer);
            }
            assert!(listed.len() <= 3);
        }
        assert_eq!(signers.len(), 4);
        // Each of three: made, signing; each of three before: forgotten, the last not yet.
        assert!((8..=9).contains(&changes), "{changes}");
    }

    #[test]
    fn the_time_of_a_key_never_jumps() {
        let rotation = started();
        for micros in [0, 1, 5 * SECOND, 20 * 60 * MINUTE] {
            let now = at(micros);
            assert_eq!(rotation.time(now.micros).millis(), 1_800_000_000_000 + micros / 1000);
        }
        // A moment before it was made.
        assert_eq!(rotation.time(4 * SECOND).millis(), 1_800_000_000_000 - 3000);
        // What the wall says later changes nothing.
        let mut rotation = started();
        let now = Moment { wall: Timestamp::from_secs(5), ..at(MINUTE) };
        assert!(!rotation.advance(now, || key(1)).unwrap());
        assert_eq!(rotation.time(now.micros), at(MINUTE).wall);
    }

    #[test]
    fn whoever_slept_for_days_signs_with_a_new_key() {
        let mut rotation = started();
        let now = at(72 * 60 * MINUTE);
        assert!(rotation.advance(now, || key(1)).unwrap());
        assert_eq!(rotation.key().public(), key(1).public());
        assert_eq!(listed(&rotation).len(), 1);
        assert!(!rotation.advance(now, || key(2)).unwrap());
    }

    #[test]
    fn late_is_no_reason_to_sign_with_a_key_that_nobody_knows() {
        let mut rotation = started();
        assert!(rotation.advance(at(SIGNS), || key(1)).unwrap());
        assert!(!rotation.advance(at(SIGNS + AHEAD - SECOND), || key(2)).unwrap());
        assert_eq!(rotation.key().public(), key(0).public());
        assert!(rotation.advance(at(SIGNS + AHEAD), || key(2)).unwrap());
        assert_eq!(rotation.key().public(), key(1).public());
    }
}
