//! Law 7 and the log: every line that was changed, dropped, swapped or added is found.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use hardtack::decide::Decision;
use hardtack::model::{Args, Code, JsonProfile, Reason, Timestamp};
use hardtack::record::audit::{self, FaultKind, Filter};
use hardtack::record::{
    FileOptions, FileSink, Fsync, Hash, Head, MemorySink, Record, Redaction, Sink, SinkError,
    WriterSink,
};
use proptest::prelude::*;

fn record(n: u64) -> Record {
    let decision = match n % 2 {
        0 => Decision::Allow { grant: 0 },
        _ => Decision::deny(Reason::new(Code::NotGranted, "no grant covers the call")),
    };
    let mut record = Record::new(Timestamp::from_secs(1_800_000_000 + n), "gw", "p1", decision);
    record.task = Some(format!("task-{n}"));
    record.tool = Some("crm/get".parse().unwrap());
    record.args = Some(serde_json::json!({"id": n, "name": "Ünï"}));
    record.micros = n;
    record
}

fn log(lines: u64) -> (Vec<u8>, Head) {
    let sink = MemorySink::new();
    (0..lines).for_each(|n| sink.write(record(n)).unwrap());
    (sink.text(), sink.head())
}

fn lines(text: &[u8]) -> Vec<Vec<u8>> {
    text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

#[test]
fn a_whole_log_is_counted() {
    let (text, head) = log(5);
    let summary = audit::verify(&text[..], Some(&head)).unwrap();
    assert_eq!((summary.lines, summary.allowed, summary.denied), (5, 3, 2));
    assert_eq!(summary.head, head);
    assert_eq!(audit::verify(&b""[..], Some(&Head::START)).unwrap().lines, 0);
}

#[test]
fn a_line_has_its_fields_in_order_and_reads_back() {
    let (text, _) = log(2);
    insta::assert_snapshot!(String::from_utf8(text.clone()).unwrap());
    let read: Vec<_> = audit::read(&text[..]).map(Result::unwrap).collect();
    assert_eq!(read[1].entry.record(), Some(&record(1)));
}

type Tamper = fn(Vec<Vec<u8>>) -> Vec<Vec<u8>>;

#[test]
fn every_tampering_is_found() {
    let cases: [(&str, Tamper); 13] = [
        ("drop the first", |l| l[1..].to_vec()),
        ("drop one", |mut l| {
            l.remove(2);
            l
        }),
        ("drop the last", |l| l[..4].to_vec()),
        ("drop all", |_| Vec::new()),
        ("drop the last two", |l| l[..3].to_vec()),
        ("swap two", |mut l| {
            l.swap(1, 2);
            l
        }),
        ("reverse", |mut l| {
            l.reverse();
            l
        }),
        ("double one", |mut l| {
            let x = l[2].clone();
            l.insert(2, x);
            l
        }),
        ("double the last", |mut l| {
            let x = l[4].clone();
            l.push(x);
            l
        }),
        ("insert another log's", |mut l| {
            let x = lines(&log(7).0)[6].clone();
            l.insert(3, x);
            l
        }),
        ("cut inside the last", |mut l| {
            l[4].truncate(20);
            l
        }),
        ("cut inside one", |mut l| {
            l[2].truncate(20);
            l
        }),
        ("an empty line", |mut l| {
            l.insert(1, b"\n".to_vec());
            l
        }),
    ];
    let (text, head) = log(5);
    for (name, tamper) in cases {
        let tampered = tamper(lines(&text)).concat();
        let found = audit::verify(&tampered[..], Some(&head));
        assert!(found.is_err(), "{name}: {found:?}");
    }
}

#[test]
fn faults_say_where_and_what() {
    let (text, head) = log(5);
    let all = lines(&text);
    let fault = |text: &[Vec<u8>]| audit::verify(&text.concat()[..], Some(&head)).unwrap_err();
    let cut = fault(&all[..3]);
    assert_eq!((cut.line, cut.what), (4, FaultKind::Truncated { expected: 5 }));
    let gap = fault(&[&all[..1], &all[2..]].concat());
    assert_eq!((gap.line, gap.what), (2, FaultKind::Number { expected: 2, found: 3 }));
    let mut changed = all.clone();
    changed[1] = String::from_utf8(all[1].clone()).unwrap().replace("deny", "Deny").into_bytes();
    assert_eq!(fault(&changed).line, 2);
    let mut changed = all.clone();
    changed[1] = String::from_utf8(all[1].clone()).unwrap().replace("task-1", "task-2").into();
    assert_eq!((fault(&changed).line, fault(&changed).what), (3, FaultKind::Link));
    let mut changed = all.clone();
    changed[4] = String::from_utf8(all[4].clone()).unwrap().replace("task-4", "task-5").into();
    assert_eq!((fault(&changed).line, fault(&changed).what), (5, FaultKind::Head));
    // What a log alone cannot show: that its end was cut off between lines.
    assert!(audit::verify(&all[..3].concat()[..], None).is_ok());
}

proptest! {
    #[test]
    fn every_changed_byte_is_found(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let (mut text, head) = log(4);
        let at = at.index(text.len());
        prop_assume!(text[at] != to);
        text[at] = to;
        prop_assert!(audit::verify(&text[..], Some(&head)).is_err());
    }

    #[test]
    fn every_dropped_range_is_found(a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        let (mut text, head) = log(4);
        let (a, b) = (a.index(text.len()), b.index(text.len()));
        text.drain(a.min(b)..=a.max(b));
        prop_assert!(audit::verify(&text[..], Some(&head)).is_err());
    }
}

#[test]
fn filters_pick_tasks_and_refusals() {
    let (text, _) = log(4);
    let count = |filter: Filter| {
        audit::read(&text[..]).filter(|line| filter.takes(line.as_ref().unwrap())).count()
    };
    assert_eq!(count(Filter::default()), 4);
    assert_eq!(count(Filter { denied: true, ..Filter::default() }), 2);
    assert_eq!(count(Filter { task: Some("task-2".into()), denied: false }), 1);
    assert_eq!(count(Filter { task: Some("task-2".into()), denied: true }), 0);
}

struct Place {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    Place { path: dir.path().join("audit.jsonl"), _dir: dir }
}

fn open(place: &Place) -> Result<FileSink, SinkError> {
    FileSink::open(&place.path, FileOptions::default(), Timestamp::from_secs(1_900_000_000))
}

fn verified(place: &Place) -> audit::Summary {
    let head = FileSink::read_head(&place.path).unwrap();
    audit::verify(&fs::read(&place.path).unwrap()[..], Some(&head)).unwrap()
}

#[test]
fn a_file_goes_on_where_it_ended() {
    let place = place();
    for policy in [Fsync::EveryRecord, Fsync::Interval(Duration::from_millis(5)), Fsync::Never] {
        let options = FileOptions { fsync: policy, ..FileOptions::default() };
        let sink = FileSink::open(&place.path, options, Timestamp::default()).unwrap();
        (0..3).for_each(|n| sink.write(record(n)).unwrap());
    }
    assert_eq!(verified(&place).lines, 9);
    assert_eq!(verified(&place).head.seq, 9);
}

#[test]
fn the_head_follows_every_record() {
    for fsync in [Fsync::EveryRecord, Fsync::Never] {
        let place = place();
        let options = FileOptions { fsync, ..FileOptions::default() };
        let sink = FileSink::open(&place.path, options, Timestamp::default()).unwrap();
        for n in 0..3 {
            sink.write(record(n)).unwrap();
            assert_eq!(FileSink::read_head(&place.path).unwrap(), sink.head().unwrap());
        }
    }
}

#[test]
fn an_interval_forces_the_head_out_without_another_write() {
    let place = place();
    let fsync = Fsync::Interval(Duration::from_millis(5));
    let options = FileOptions { fsync, ..FileOptions::default() };
    let sink = FileSink::open(&place.path, options, Timestamp::default()).unwrap();
    sink.write(record(0)).unwrap();
    let forced = (0..400).any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        FileSink::read_head(&place.path).unwrap().seq == 1
    });
    assert!(forced);
}

#[test]
fn a_log_has_one_writer_and_one_reader() {
    let place = place();
    let sink = open(&place).unwrap();
    assert!(matches!(open(&place), Err(SinkError::Busy)));
    drop(sink);
    assert!(open(&place).is_ok());
    #[cfg(unix)]
    for path in [place.path.clone(), FileSink::head_path(&place.path)] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_torn_line_is_dropped_told_of_and_nothing_else_lost() {
    let whole = lines(&log(3).0);
    for cut in [1, 20, whole[2].len() - 1] {
        let place = place();
        let sink = open(&place).unwrap();
        (0..2).for_each(|n| sink.write(record(n)).unwrap());
        drop(sink);
        let mut file = fs::OpenOptions::new().append(true).open(&place.path).unwrap();
        file.write_all(&whole[2][..cut]).unwrap();
        drop(file);
        let sink = open(&place).unwrap();
        sink.write(record(5)).unwrap();
        drop(sink);
        let summary = verified(&place);
        assert_eq!((summary.lines, summary.recovered), (4, 1), "{cut}");
        let text = fs::read_to_string(&place.path).unwrap();
        assert!(text.contains(&format!("\"dropped_bytes\":{cut}")), "{text}");
        assert!(text.contains(&Hash::of(&whole[2][..cut]).to_string()), "{text}");
    }
}

#[test]
fn a_line_that_came_after_the_head_is_kept() {
    let place = place();
    let sink = open(&place).unwrap();
    sink.write(record(0)).unwrap();
    let head = fs::read(FileSink::head_path(&place.path)).unwrap();
    sink.write(record(1)).unwrap();
    drop(sink);
    fs::write(FileSink::head_path(&place.path), head).unwrap();
    assert_eq!(open(&place).unwrap().head().unwrap().seq, 2);
}

#[test]
fn a_changed_log_is_not_opened() {
    type Change = fn(&Place);
    let cases: [(&str, Change); 6] = [
        ("shortened", |p| {
            let text = fs::read(&p.path).unwrap();
            fs::write(&p.path, lines(&text)[..2].concat()).unwrap();
        }),
        ("the last line feed gone", |p| {
            let text = fs::read(&p.path).unwrap();
            fs::write(&p.path, &text[..text.len() - 1]).unwrap();
        }),
        ("emptied", |p| fs::write(&p.path, b"").unwrap()),
        ("changed", |p| {
            let text = fs::read_to_string(&p.path).unwrap();
            fs::write(&p.path, text.replace("task-2", "task-7")).unwrap();
        }),
        ("no head", |p| fs::remove_file(FileSink::head_path(&p.path)).unwrap()),
        ("bad head", |p| fs::write(FileSink::head_path(&p.path), b"x").unwrap()),
    ];
    for (name, change) in cases {
        let place = place();
        let sink = open(&place).unwrap();
        (0..3).for_each(|n| sink.write(record(n)).unwrap());
        drop(sink);
        change(&place);
        let opened = open(&place);
        assert!(matches!(opened, Err(SinkError::Changed(_) | SinkError::NoHead)), "{name}");
    }
}

#[test]
fn a_log_can_go_on_from_another() {
    let (_, anchor) = log(3);
    let place = place();
    let options = FileOptions { anchor, ..FileOptions::default() };
    let sink = FileSink::open(&place.path, options, Timestamp::default()).unwrap();
    sink.write(record(3)).unwrap();
    drop(sink);
    let text = fs::read(&place.path).unwrap();
    assert_eq!(audit::verify_from(&text[..], anchor, None).unwrap().head.seq, 4);
    assert!(audit::verify(&text[..], None).is_err());
    assert_eq!(anchor.to_string().parse(), Ok(anchor));
}

struct Failing(u32);

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += 1;
        match self.0 {
            2 => Err(std::io::Error::other("full")),
            _ => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stream_that_failed_takes_nothing_more() {
    let sink = WriterSink::new(Failing(0));
    assert!(sink.write(record(0)).is_ok());
    assert!(matches!(sink.write(record(1)), Err(SinkError::Io(_))));
    assert!(matches!(sink.write(record(2)), Err(SinkError::Broken)));
}

#[test]
fn a_record_longer_than_a_line_is_refused_and_harmless() {
    let place = place();
    let sink = open(&place).unwrap();
    let long = Record { intent: Some("x".repeat(1024 * 1024)), ..record(0) };
    assert!(matches!(sink.write(long), Err(SinkError::TooLong)));
    sink.write(record(1)).unwrap();
    drop(sink);
    assert_eq!(verified(&place).lines, 1);
}

#[test]
fn redacted_values_are_in_no_record() {
    let text =
        br#"{"user":"bob","PassWord":"hunter2","deep":[{"api_key":{"a":["k-123"]}}],"n":5.0}"#;
    let args = Args::parse(&text[..], JsonProfile::default()).unwrap();
    assert_eq!(Redaction::default().args(&args), None);
    let kept = Redaction::default().keeping_args().also(["USER"]).args(&args).unwrap().to_string();
    assert_eq!(
        kept,
        r#"{"user":"[redacted]","PassWord":"[redacted]","deep":[{"api_key":"[redacted]"}],"n":5.0}"#
    );
    let mut reasons = [Reason {
        fact: Some(r#"arg("PassWord", "hunter2")"#.into()),
        hint: Some("`k-123` would pass".into()),
        ..Reason::new(Code::CheckFailed, "`hunter2` is not 5.0")
    }];
    Redaction::default().reasons(&mut reasons, &args);
    let text = format!("{reasons:?}");
    assert!(!text.contains("hunter2") && !text.contains("k-123") && text.contains("5.0"), "{text}");
}
