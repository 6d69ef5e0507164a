use std::future::{Future, pending};
use std::pin::Pin;

use rand::Rng;
use rand::rngs::OsRng;
use tokio::time::{Duration, Instant, sleep, sleep_until};

use super::authority::{Authority, FetchError};
use super::failure::Failure;
use super::fetch::nonce;
use super::learner::Learner;
use super::monitor::Mode;
use super::source::Messages;
use super::sync::Pace;
use crate::feed::{FeedError, Place, Question};

/// How old the view may stay with a stream that is not silent.
const LAG_MICROS_MAX: u64 = 10_000_000;
/// How often a question is asked at most.
const QUESTION_EVERY: Duration = Duration::from_secs(1);
/// The pause after what brought nothing new, so that nobody can keep a thread busy with it.
const IDLE: Duration = Duration::from_millis(10);
/// The pause before a source is asked again that did not keep the question.
const NOT_KEPT: Duration = Duration::from_millis(100);
/// How many failures in a row take a mode for broken.
const FAILURES_MAX: u32 = 2;

type Answering = Pin<Box<dyn Future<Output = (Question, Result<Vec<u8>, FetchError>)> + Send>>;
type Opening = Pin<Box<dyn Future<Output = Result<Messages, Failure>> + Send>>;

/// Follows sources, one at a time, in the best way that works.
pub(super) struct Driver {
    sources: Vec<Authority>,
    at: usize,
    learner: Learner,
    pace: Pace,
    failed_streams: u32,
    failed_polls: u32,
    failed_in_a_row: u32,
    stream_again: Instant,
}

impl Driver {
    pub(super) fn new(sources: Vec<Authority>, learner: Learner, pace: Pace) -> Self {
        let (failed_streams, failed_polls, failed_in_a_row) = (0, 0, 0);
        let stream_again = Instant::now();
        let at = 0;
        Self {
            sources,
            at,
            learner,
            pace,
            failed_streams,
            failed_polls,
            failed_in_a_row,
            stream_again,
        }
    }

    /// Follows for as long as there is something to follow.
    pub(super) async fn run(&mut self) {
        let mut opened = None;
        while let Some(source) = self.sources.get(self.at).cloned() {
            let mode = self.mode();
            let failure = match (opened.take(), mode) {
                (None, Mode::LongPoll | Mode::Poll) => match self.poll(&source, mode).await {
                    Ok(stream) => {
                        opened = Some(stream);
                        continue;
                    }
                    Err(failure) => {
                        self.failed_polls = self.failed_polls.saturating_add(1);
                        failure
                    }
                },
                (stream, _) => {
                    self.failed_streams = self.failed_streams.saturating_add(1);
                    // It forgets failures once it has worked for a while, this one too.
                    let failure = self.stream(&source, stream).await;
                    self.stream_again = Instant::now() + self.pace.stream_again;
                    failure
                }
            };
            self.learner.monitor.refused(&failure, self.at);
            if failure == Failure::Lost {
                break;
            }
            self.at = (self.at + 1) % self.sources.len();
            sleep(self.pause()).await;
        }
        tracing::error!("revocations are not followed any more: every call will be refused");
    }

    /// Keeps what is known.
    pub(super) async fn end(self) {
        if let (Some(keeper), Some(follower)) = (self.learner.keeper, &self.learner.follower) {
            keeper.end(follower).await;
        }
    }

    fn mode(&self) -> Mode {
        match (self.failed_streams < FAILURES_MAX, self.failed_polls < FAILURES_MAX) {
            (true, _) => Mode::Stream,
            (false, true) => Mode::LongPoll,
            (false, false) => Mode::Poll,
        }
    }

    /// The pause after a failure: twice as long each time, half of it left to chance, so that many
    /// gateways do not come back at once.
    fn pause(&mut self) -> Duration {
        let doublings = self.failed_in_a_row.min(16);
        self.failed_in_a_row = self.failed_in_a_row.saturating_add(1);
        let pause = self.pace.pause_min.saturating_mul(1 << doublings).min(self.pace.pause_max);
        pause.mul_f64(OsRng.gen_range(0.5..=1.0))
    }

    /// Follows a source by its stream, until that fails.
    async fn stream(&mut self, source: &Authority, opened: Option<Messages>) -> Failure {
        match self.listen(source, opened).await {
            Ok(never) => match never {},
            Err(failure) => failure,
        }
    }

    async fn listen(
        &mut self,
        source: &Authority,
        opened: Option<Messages>,
    ) -> Result<std::convert::Infallible, Failure> {
        let mut messages = match opened {
            Some(messages) => messages,
            None => source.feed_stream(self.learner.place()).await?,
        };
        let mut begun = Instant::now();
        let (mut asked_at, mut moved_at) = (begun, begun);
        let mut answering = Some(self.ask(source)?);
        loop {
            let before = (self.learner.made(), self.learner.place());
            tokio::select! {
                message = messages.next() => {
                    let (message, from) = (message?, Instant::now());
                    let heard = self.learner.hear(source, message, None).await;
                    // While a file was fetched, nothing else was heard.
                    begun += from.elapsed();
                    match heard {
                        // A source may be behind the one before it for a moment.
                        Err(failure @ Failure::Feed(FeedError::Rollback)) => {
                            self.learner.monitor.refused(&failure, self.at);
                        }
                        heard => heard?,
                    }
                }
                (asked, answer) = arriving(&mut answering) => {
                    answering = None;
                    let answered = match answer {
                        Ok(text) => self.learner.answer(source, text, &asked).await,
                        Err(error) => Err(error.into()),
                    };
                    match answered {
                        Err(failure @ Failure::Lost) => return Err(failure),
                        Err(failure) => self.learner.monitor.refused(&failure, self.at),
                        Ok(()) => {}
                    }
                }
                () = sleep_until(moved_at + self.pace.silence) => return Err(Failure::Silent),
            }
            let now = Instant::now();
            match (self.learner.made(), self.learner.place()) == before {
                true => sleep(IDLE).await,
                false => moved_at = now,
            }
            if now.duration_since(begun) >= self.pace.silence {
                if self.learner.view.age_micros().is_none_or(|age| age > LAG_MICROS_MAX) {
                    return Err(Failure::Lagging);
                }
                (self.failed_streams, self.failed_polls, self.failed_in_a_row) = (0, 0, 0);
            }
            if self.learner.made() != before.0 {
                self.learner.monitor.follows(self.at, Mode::Stream);
            }
            let may_ask = answering.is_none() && now.duration_since(asked_at) >= QUESTION_EVERY;
            if may_ask && self.learner.question(String::new())?.1 {
                (answering, asked_at) = (Some(self.ask(source)?), now);
            }
        }
    }

    /// Asks a question now.
    fn ask(&self, source: &Authority) -> Result<Answering, Failure> {
        let (asked, _) = self.learner.question(nonce())?;
        let source = source.clone();
        Ok(Box::pin(async move {
            let answer = source.feed_head(&asked, None).await;
            (asked, answer)
        }))
    }

    /// Follows a source by asking, until that fails, or until its stream works.
    async fn poll(&mut self, source: &Authority, mode: Mode) -> Result<Messages, Failure> {
        let mut opening = None;
        loop {
            let (began, made, place) = (Instant::now(), self.learner.made(), self.learner.place());
            let (asked, is_wanted) = self.learner.question(nonce())?;
            // An answer that was kept tells no age: it was made long after the question.
            let after = place.filter(|_| mode == Mode::LongPoll && !is_wanted);
            let after = after.map(|place| (place, self.pace.wait));
            let answer = source.feed_head(&asked, after);
            let text = tokio::select! {
                answer = answer => answer?,
                messages = self.try_stream(source, place, &mut opening) => return Ok(messages),
            };
            let asked = after.is_none().then_some(&asked);
            self.learner.hear(source, text, asked).await?;
            let (moved, now) = (self.learner.place() != place, Instant::now());
            if self.learner.made() == made {
                // Another key's head: its age is told by the answer to a question.
                match self.learner.question(String::new())?.1 && !is_wanted {
                    true => continue,
                    false => return Err(Failure::Silent),
                }
            }
            self.learner.monitor.follows(self.at, mode);
            self.failed_in_a_row = 0;
            if mode == Mode::LongPoll {
                self.failed_polls = 0;
            }
            let pause = match mode {
                Mode::Poll => self.pace.poll,
                _ if !moved && now.duration_since(began) < NOT_KEPT => NOT_KEPT,
                _ => continue,
            };
            tokio::select! {
                () = sleep(pause) => {}
                messages = self.try_stream(source, place, &mut opening) => return Ok(messages),
            }
        }
    }

    /// Tries the stream again when it is time to, beside whatever else is done.
    async fn try_stream(
        &mut self,
        source: &Authority,
        place: Option<Place>,
        opening: &mut Option<Opening>,
    ) -> Messages {
        loop {
            if opening.is_none() {
                sleep_until(self.stream_again).await;
                let opened = source.clone().feed_stream_begun(place, self.pace.silence);
                *opening = Some(Box::pin(opened));
            }
            let failure = match opening {
                Some(opened) => match opened.await {
                    Ok(messages) => return messages,
                    Err(failure) => failure,
                },
                None => continue,
            };
            *opening = None;
            self.stream_again = Instant::now() + self.pace.stream_again;
            self.learner.monitor.refused(&failure, self.at);
        }
    }
}

/// The answer, once it arrives.
async fn arriving(answering: &mut Option<Answering>) -> (Question, Result<Vec<u8>, FetchError>) {
    match answering {
        Some(answer) => answer.await,
        None => pending().await,
    }
}
