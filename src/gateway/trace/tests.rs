use std::sync::{Arc, Mutex};

use super::*;
use crate::model::{ManualClock, Timestamp};

#[derive(Default)]
struct Kept(Mutex<Vec<SpanRecord>>);

impl Export for Kept {
    fn export(&self, span: SpanRecord) {
        self.0.lock().unwrap().push(span);
    }
}

fn traces(share: f64) -> (Traces, Arc<Kept>, Arc<ManualClock>) {
    let kept = Arc::<Kept>::default();
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(5)));
    (Traces::new(Arc::clone(&kept) as _, Arc::clone(&clock) as _, share), kept, clock)
}

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn a_place_is_read_strictly_and_written_back() {
    let place = TraceContext::parse(PARENT).unwrap();
    assert_eq!(place.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!((place.to_string().as_str(), place.is_sampled), (PARENT, true));
    assert!(!TraceContext::parse(&PARENT.replace("-01", "-02")).unwrap().is_sampled);
    assert_eq!(TraceContext::parse(&format!(" {PARENT}\t")), Some(place));
    // A later version may say more.
    assert_eq!(TraceContext::parse(&PARENT.replacen("00-", "01-", 1)), Some(place));
    assert_eq!(
        TraceContext::parse(&format!("{}-more", PARENT.replacen("00-", "cc-", 1))),
        Some(place)
    );
    for bad in [
        "",
        "00",
        &PARENT[..54],
        &format!("{PARENT}0"),
        &format!("{PARENT}-more"),
        &PARENT.replacen("00-", "ff-", 1),
        &PARENT.replacen("00-", "0-", 1),
        &PARENT.replace("4bf9", "4BF9"),
        &PARENT.replace("4bf9", "xyz0"),
        &PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
        &PARENT.replace("00f067aa0ba902b7", &"0".repeat(16)),
        &PARENT.replace('-', "_"),
    ] {
        assert_eq!(TraceContext::parse(bad), None, "{bad}");
    }
}

#[test]
fn a_span_lasts_until_it_is_dropped_and_knows_what_is_above_it() {
    let (traces, kept, clock) = traces(0.0);
    let parent = TraceContext::parse(PARENT).unwrap();
    let mut span = traces.begin(Kind::Server, "tools/call", Some(parent));
    clock.set(Timestamp::from_millis(7));
    let mut up = span.child(Kind::Client);
    up.set("a", "b");
    clock.set(Timestamp::from_millis(9));
    drop(up);
    span.rename(|| "tools/call x".to_owned());
    span.fail("not-granted");
    span.fail("403");
    assert_eq!(kept.0.lock().unwrap().len(), 1);
    drop(span);
    let kept = kept.0.lock().unwrap();
    let [up, span] = &kept[..] else { panic!("{kept:?}") };
    assert_eq!((span.context.trace, span.parent), (parent.trace, Some(parent.span)));
    assert_eq!((up.context.trace, up.parent), (parent.trace, Some(span.context.span)));
    assert_eq!((span.is_parent_remote, up.is_parent_remote), (true, false));
    assert_eq!((span.began, span.ended, up.began, up.ended), (5000, 9000, 7000, 9000));
    assert_eq!((span.name.as_str(), up.name.as_str()), ("tools/call x", "tools/call"));
    assert_eq!((span.error.as_deref(), up.error.as_deref()), (Some("not-granted"), None));
    assert_eq!(up.attributes, [("a", Value::Text("b".to_owned()))]);
    assert!(span.context.span != up.context.span && span.context.span != parent.span);
}

#[test]
fn only_what_is_sampled_is_collected() {
    let unsampled = TraceContext { is_sampled: false, ..TraceContext::parse(PARENT).unwrap() };
    let count = |share: f64, parent| {
        let (traces, kept, _) = traces(share);
        for _ in 0..400 {
            drop(traces.begin(Kind::Server, "x", parent).child(Kind::Client));
        }
        kept.0.lock().unwrap().len() / 2
    };
    assert_eq!((count(1.0, None), count(0.0, None), count(1.0, Some(unsampled))), (400, 0, 0));
    // Beyond 11 standard deviations.
    assert!((80..=320).contains(&count(0.5, None)));
    assert_eq!(Traces::default().begin(Kind::Server, "x", None).context(), None);
}
