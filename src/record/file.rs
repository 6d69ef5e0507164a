use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::audit::{self, Fault, FaultKind};
use super::chain::{Entry, Hash, Head};
use super::event::Record;
use super::sink::{Sink, SinkError};
use crate::model::Timestamp;

/// Every head takes as many bytes in its file, so that one replaces another in one write.
const HEAD_BYTES: usize = 128;

/// When a log is forced to the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fsync {
    /// Before each write returns: a written record survives a loss of power.
    #[default]
    EveryRecord,
    /// So often: a loss of power takes the records since, a crash of the process none.
    Interval(Duration),
    /// Whenever the system likes. After a loss of power the head may be ahead of the log, which
    /// looks like a shortened log and is refused like one.
    Never,
}

/// How to open a log.
#[derive(Clone, Copy, Debug)]
pub struct FileOptions {
    /// When it is forced to the disk.
    pub fsync: Fsync,
    /// The head of the log that this one goes on from.
    pub anchor: Head,
}

impl Default for FileOptions {
    fn default() -> Self {
        Self { fsync: Fsync::default(), anchor: Head::START }
    }
}

/// A log in a file that is only ever appended to, by one writer, readable by its owner alone.
///
/// *Shape*: `FILE` holds the lines and `FILE.head` the place of the last one. The log is forced to
/// the disk before the head that names its end is written, so a head ahead of its log means that
/// lines were taken away. Opening reads and checks the whole file.
#[derive(Debug)]
pub struct FileSink {
    log: Arc<Mutex<Log>>,
    fsync: Fsync,
    ticker: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
}

#[derive(Debug)]
struct Log {
    file: File,
    head_file: File,
    /// The place and the length of the last whole line; absent after a failure.
    end: Option<(Head, u64)>,
    /// Whether lines wait to be forced to the disk.
    waiting: bool,
}

impl FileSink {
    /// Opens a log, or makes one, and goes on after its last whole line.
    ///
    /// *Shape*: the bytes of a line that its writer did not finish are dropped, and a line tells
    /// of them; `now` is the moment it names.
    ///
    /// *Errors*: [`SinkError`] where the file is in use, cannot be read, or was changed.
    pub fn open(path: &Path, options: FileOptions, now: Timestamp) -> Result<Self, SinkError> {
        let mut file = private().append(true).open(path)?;
        file.try_lock().map_err(|_| SinkError::Busy)?;
        let head_path = head_path(path);
        let length = file.seek(SeekFrom::End(0))?;
        let head_file = private().write(true).truncate(false).open(&head_path)?;
        let head = open_head(&head_file, length, options.anchor)?;
        let (torn, whole) = torn_end(&mut file, length)?;
        file.seek(SeekFrom::Start(0))?;
        let lines = BufReader::new((&file).take(whole));
        let summary =
            audit::verify_from(lines, options.anchor, Some(&head)).map_err(SinkError::Changed)?;
        if whole < length {
            file.set_len(whole)?;
        }
        let mut log = Log { file, head_file, end: Some((summary.head, whole)), waiting: false };
        if whole < length {
            let dropped_bytes = length - whole;
            let entry = Entry::Recovered { time: now, dropped_bytes, dropped: torn };
            log.append(entry)?;
        }
        log.force()?;
        sync_directory(path)?;
        let log = Arc::new(Mutex::new(log));
        let ticker = match options.fsync {
            Fsync::Interval(every) => Some(ticker(Arc::clone(&log), every)?),
            Fsync::EveryRecord | Fsync::Never => None,
        };
        Ok(Self { log, fsync: options.fsync, ticker })
    }

    /// Where the head of the log at this path is kept.
    pub fn head_path(path: &Path) -> PathBuf {
        head_path(path)
    }

    /// Reads the head that is kept beside the log at this path.
    ///
    /// *Errors*: [`SinkError::NoHead`] where there is none that can be read.
    pub fn read_head(path: &Path) -> Result<Head, SinkError> {
        File::open(head_path(path)).ok().as_ref().and_then(parse_head).ok_or(SinkError::NoHead)
    }

    /// The last line's place.
    ///
    /// *Errors*: [`SinkError::Broken`] after a failed write.
    pub fn head(&self) -> Result<Head, SinkError> {
        lock(&self.log).end.map(|(head, _)| head).ok_or(SinkError::Broken)
    }
}

impl Sink for FileSink {
    fn write(&self, record: Record) -> Result<(), SinkError> {
        let mut log = lock(&self.log);
        log.append(Entry::Decision(Box::new(record)))?;
        match self.fsync {
            Fsync::EveryRecord => log.force(),
            Fsync::Interval(_) => Ok(()),
            Fsync::Never => log.write_head(),
        }
    }

    fn blocks(&self) -> bool {
        self.fsync == Fsync::EveryRecord
    }
}

impl Drop for FileSink {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.ticker.take() {
            drop(stop);
            // A ticker that panicked has nothing left to do.
            let _ = thread.join();
        }
        // Nobody is left to tell; the next opening checks the file.
        let mut log = lock(&self.log);
        let _ = log.force();
        // Closing alone would not do: a process just forked may hold the file open a little longer.
        let _ = log.file.unlock();
    }
}

impl Log {
    /// Writes one line, or takes back what was written of it.
    fn append(&mut self, entry: Entry) -> Result<(), SinkError> {
        let (head, length) = self.end.ok_or(SinkError::Broken)?;
        let (mut line, next) = head.append(entry)?;
        line.push(b'\n');
        if let Err(error) = self.file.write_all(&line) {
            if self.file.set_len(length).is_err() {
                self.end = None;
            }
            return Err(error.into());
        }
        let written = u64::try_from(line.len()).map_err(|_| SinkError::TooLong)?;
        self.end = Some((next, length.saturating_add(written)));
        self.waiting = true;
        Ok(())
    }

    /// Forces the lines to the disk, then the head that names the last one. A system that failed
    /// to do so once may have dropped the data, so nothing is written after a failure.
    fn force(&mut self) -> Result<(), SinkError> {
        if !self.waiting {
            return self.end.map(|_| ()).ok_or(SinkError::Broken);
        }
        let forced = self
            .file
            .sync_data()
            .map_err(SinkError::from)
            .and_then(|()| self.write_head())
            .and_then(|()| Ok(self.head_file.sync_data()?));
        match forced {
            Ok(()) => self.waiting = false,
            Err(_) => self.end = None,
        }
        forced
    }

    fn write_head(&mut self) -> Result<(), SinkError> {
        let (head, _) = self.end.ok_or(SinkError::Broken)?;
        Ok(store_head(&self.head_file, &head)?)
    }
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forces the log to the disk every so often until the sink is dropped.
fn ticker(
    log: Arc<Mutex<Log>>,
    every: Duration,
) -> Result<(mpsc::Sender<()>, JoinHandle<()>), SinkError> {
    let (stop, stopped) = mpsc::channel::<()>();
    let run = move || {
        while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
            // A failure breaks the log, and the next write says so.
            let _ = lock(&log).force();
        }
    };
    let thread = thread::Builder::new().name("hardtack-record".to_owned()).spawn(run)?;
    Ok((stop, thread))
}

fn head_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".head");
    PathBuf::from(name)
}

/// Options for a file that its owner alone may read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Reads the head, or writes the first one before there is a line.
fn open_head(file: &File, log_length: u64, anchor: Head) -> Result<Head, SinkError> {
    if file.metadata()?.len() > 0 {
        return parse_head(file).ok_or(SinkError::NoHead);
    }
    if log_length > 0 {
        return Err(SinkError::NoHead);
    }
    store_head(file, &anchor)?;
    file.sync_all()?;
    Ok(anchor)
}

fn parse_head(mut file: &File) -> Option<Head> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(1024).read_to_string(&mut text).ok()?;
    text.parse().ok()
}

/// Puts a head in the place of the one before; both take the same bytes.
fn store_head(mut file: &File, head: &Head) -> io::Result<()> {
    let text = format!("{:<width$}\n", head.to_string(), width = HEAD_BYTES - 1);
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text.as_bytes())
}

/// The hash of what follows the last line feed, and where that starts.
fn torn_end(file: &mut File, length: u64) -> Result<(Hash, u64), SinkError> {
    let longest = u64::try_from(super::chain::LINE_BYTES_MAX).unwrap_or(u64::MAX);
    let start = length.saturating_sub(longest + 1);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    (&*file).take(length - start).read_to_end(&mut tail)?;
    let line_feed = tail.iter().rposition(|byte| *byte == b'\n');
    if line_feed.is_none() && start > 0 {
        return Err(SinkError::Changed(Fault { line: 0, what: FaultKind::TooLong }));
    }
    let whole = line_feed.map_or(0, |at| at + 1);
    let torn = tail.get(whole..).unwrap_or_default();
    Ok((Hash::of(torn), start + u64::try_from(whole).unwrap_or(0)))
}

/// Makes the names of new files survive a loss of power.
fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    match cfg!(unix) {
        true => File::open(parent.unwrap_or(Path::new(".")))?.sync_all(),
        false => Ok(()),
    }
}
