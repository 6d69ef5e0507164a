//! How old what a follower knows may be, by its own monotonic clock alone.

use crate::keys::VerifyingKey;
use crate::model::Timestamp;

/// How far two monotonic clocks may get apart while an answer serves.
const DRIFT_MICROS: u64 = 100_000;

/// How long times are counted from one answer.
const ANSWER_MICROS: u64 = 300_000_000;

/// What a follower asks to learn how old heads are: the answer was made after the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What the answer must contain.
    pub nonce: String,
    /// When it was asked, in microseconds of the follower's monotonic clock.
    pub(super) sent: u64,
    /// The newest place that the follower had heard of then.
    pub(super) seen: Option<(u64, u64)>,
}

/// Since when a follower knows what it knows.
///
/// *Shape*: the times of heads are counted from the answer to a question. A feed key has one clock
/// that never jumps, so that a head of the same key was made as long after that answer as their times
/// are apart. The answer itself was made after the question: a head is taken for older than it is by
/// as long as the answer took, and never for younger.
#[derive(Clone, Debug, Default)]
pub(super) struct Freshness {
    answer: Option<Answer>,
    /// When the head was made that the follower is at, at the earliest, and how long it is good for;
    /// in microseconds.
    fresh: Option<(u64, u64)>,
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    key: VerifyingKey,
    time: Timestamp,
    asked: u64,
}

impl Freshness {
    /// A head of this key and time answers a question of that moment.
    pub(super) fn answered(&mut self, key: VerifyingKey, time: Timestamp, asked: u64) {
        self.answer = Some(Answer { key, time, asked });
    }

    /// The earliest moment at which a head of this key and time may have been made; none as long as
    /// no question was answered lately with that key.
    pub(super) fn made(&self, key: &VerifyingKey, time: Timestamp, now: u64) -> Option<u64> {
        let answer = self.answer.filter(|answer| answer.key == *key)?;
        if now.saturating_sub(answer.asked) > ANSWER_MICROS {
            return None;
        }
        let micros = |from: Timestamp, to: Timestamp| {
            to.millis().saturating_sub(from.millis()).saturating_mul(1000)
        };
        let later = answer.asked.saturating_add(micros(answer.time, time));
        // What was made before the clock began is of no known age.
        let made = later.checked_sub(micros(time, answer.time))?;
        // Two clocks differ a little in speed. A head from further in the future is none: nobody may
        // hold it back until it has come.
        (made <= now.saturating_add(DRIFT_MICROS)).then(|| made.min(now))
    }

    /// What is known is what a head said that was made then, and is good for so long.
    pub(super) fn reached(&mut self, made: u64, good_for: u64) {
        let is_newer = self.fresh.is_none_or(|(before, _)| before <= made);
        if is_newer {
            self.fresh = Some((made, good_for));
        }
    }

    /// Nothing is known any more.
    pub(super) fn lose(&mut self) {
        self.fresh = None;
    }

    /// As [`super::Follower::fresh`].
    pub(super) fn fresh(&self) -> Option<(u64, u64)> {
        self.fresh
    }

    /// Whether a question should be asked, to count the times of this key's heads from.
    pub(super) fn wants_answer(&self, key: &VerifyingKey, now: u64, age_max: u64) -> bool {
        let known = self.answer.filter(|answer| answer.key == *key);
        known.is_none_or(|answer| now.saturating_sub(answer.asked) >= age_max)
    }
}
