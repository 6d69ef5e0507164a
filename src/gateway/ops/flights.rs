//! How many calls are in flight, of everybody and of one task.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::StatusCode;

use crate::config::gateway::Limits;
use crate::guard::Refusal;
use crate::model::{Code, Reason};

/// The calls in flight.
///
/// *Shape*: cheap to clone; all clones count together. A call is in flight until its [`Flight`] is
/// dropped.
#[derive(Clone, Default)]
pub struct Flights(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    all: usize,
    /// No task without a call in flight is here.
    tasks: HashMap<[u8; 32], usize>,
}

/// One call in flight.
pub struct Flight {
    flights: Flights,
    owner: [u8; 32],
}

impl Flights {
    /// Begins a call of this owner, where there is room for one more.
    ///
    /// *Errors*: a refusal with `too-many-calls`: 503 where the gateway is full, 429 where the owner's
    /// task is.
    pub fn begin(&self, owner: [u8; 32], limits: &Limits) -> Result<Flight, Refusal> {
        let refused = |why| Refusal::from(Reason::new(Code::TooManyCalls, why));
        let mut counts = self.counts();
        if counts.all >= limits.calls_max {
            let refusal = refused("the gateway has as many calls in flight as it may");
            return Err(refusal.with_status(StatusCode::SERVICE_UNAVAILABLE));
        }
        let of_task = counts.tasks.get(&owner).copied().unwrap_or_default();
        if of_task >= limits.task_calls_max {
            return Err(refused("the task has as many calls in flight as it may"));
        }
        counts.all += 1;
        counts.tasks.insert(owner, of_task + 1);
        Ok(Flight { flights: self.clone(), owner })
    }

    /// How many calls are in flight.
    pub fn count(&self) -> usize {
        self.counts().all
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut counts = self.flights.counts();
        counts.all = counts.all.saturating_sub(1);
        match counts.tasks.get_mut(&self.owner) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.tasks.remove(&self.owner)),
        }
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flights({})", self.count())
    }
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flight")
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Response;

    use super::super::until_sent;
    use super::*;

    #[test]
    fn a_task_and_everybody_have_a_bound() {
        let (flights, limits) = (Flights::default(), Limits { calls_max: 3, task_calls_max: 2 });
        let status = |owner: u8| {
            flights.begin([owner; 32], &limits).map_err(|refusal| refusal.status().as_u16())
        };
        let (one, two) = (status(1).unwrap(), status(1).unwrap());
        assert_eq!(status(1).unwrap_err(), 429);
        let other = status(2).unwrap();
        assert_eq!(status(3).unwrap_err(), 503);
        drop(one);
        let third = status(3).unwrap();
        assert_eq!(flights.count(), 3);
        drop((two, other, third));
        assert_eq!((flights.count(), flights.counts().tasks.len()), (0, 0));
    }

    #[tokio::test]
    async fn a_call_lasts_until_its_answer_was_sent() {
        let (flights, limits) = (Flights::default(), Limits { calls_max: 1, task_calls_max: 1 });
        let flight = flights.begin([1; 32], &limits).unwrap();
        let response = until_sent(Response::new(Body::from("sent")), flight);
        assert_eq!(flights.count(), 1);
        let body = axum::body::to_bytes(response.into_body(), 10).await.unwrap();
        assert_eq!((&body[..], flights.count()), (&b"sent"[..], 0));
    }
}
