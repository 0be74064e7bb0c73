//! The log of a run in progress: a thread that owns the growing files, and the handle through which rows reach it.
//!
//! Async code never touches a file: [`RunLog`] hands rows over through a queue and waits for the answer. There is room for
//! so many appends and no more: a slow disk slows the run down and never grows the memory. (Metrics, a line per epoch,
//! always have room.)

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::appender::{Appender, Sink};
use super::equilibria::{Equilibria, StreamHeader};
use super::error::FolderError;
use super::rows::{EquilibriumRow, MetricsRow};
use super::run_folder::RunFolder;
use crate::config::Keep;

/// Says what is logged.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// `log.equilibria`: with [`Keep::None`] no equilibria are written.
    pub equilibria: Keep,
    /// `metrics.csv` is written: there are epochs.
    pub metrics: bool,
    /// Sites of the array.
    pub site_count: usize,
    /// The sites whose phases are in every row, in this order: all, or the outputs.
    pub sites: Vec<u16>,
    /// Appends that may wait for the disk before the sender has to, at least 1.
    pub queue: usize,
}

impl LogOptions {
    /// Logs all phases of all equilibria of an array with `sites` sites.
    pub fn all(sites: u16) -> Self {
        Self::of_sites(usize::from(sites), (0..sites).collect())
    }

    /// Logs the phases of these sites of an array with `site_count` sites.
    pub fn of_sites(site_count: usize, sites: Vec<u16>) -> Self {
        Self { equilibria: Keep::All, metrics: true, site_count, sites, queue: 16 }
    }
}

/// Receipt for rows: they were handed to the operating system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// Rows written: all, or none with [`Keep::None`].
    pub rows: u64,
    /// Bytes they took.
    pub bytes: u64,
}

/// Says what a log came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Logged {
    /// Equilibria written.
    pub equilibria: u64,
    /// Bytes they took, schema included.
    pub bytes: u64,
    /// Epochs written.
    pub epochs: u64,
}

type Answer<T> = oneshot::Sender<Result<T, FolderError>>;

enum Order {
    /// The permit is the append's place in the queue, given back when it was dealt with.
    Append(Vec<EquilibriumRow>, OwnedSemaphorePermit, Answer<Written>),
    Metrics(MetricsRow, Answer<()>),
    Finish(Answer<Logged>),
}

/// Writes the log, from a thread of its own. Dropped without [`RunLog::finish`], it still closes the files properly, a
/// moment later.
#[derive(Debug)]
pub struct RunLog {
    orders: mpsc::UnboundedSender<Order>,
    room: Arc<Semaphore>,
    folder: PathBuf,
    keep: Keep,
}

impl RunLog {
    /// Opens `metrics.csv` and the next free `equilibria/NNNNNN.arrows` and starts the writer thread. Blocks on the disk
    /// for a moment.
    ///
    /// # Errors
    /// If a file cannot be made or written, or there is no thread to be had.
    pub fn start(folder: &RunFolder, options: LogOptions) -> Result<Self, FolderError> {
        let metrics = options.metrics.then(|| open_metrics(&folder.path().join("metrics.csv"))).transpose()?;
        let equilibria = match options.equilibria {
            Keep::None => None,
            Keep::All => {
                let LogOptions { site_count, sites, .. } = options;
                let header = StreamHeader { run_id: folder.id(), site_count, sites };
                Some(Equilibria::start(open_equilibria(&folder.path().join("equilibria"))?, &header)?)
            }
        };
        let writer = Writer { equilibria, metrics, logged: Logged::default(), unheard: None };
        Self::spawn(folder.path(), options.equilibria, options.queue, writer)
    }

    fn spawn<S: Sink>(folder: &Path, keep: Keep, queue: usize, writer: Writer<S>) -> Result<Self, FolderError> {
        let (orders, inbox) = mpsc::unbounded_channel();
        thread::Builder::new()
            .name("run log".to_owned())
            .spawn(move || writer.run(inbox))
            .map_err(|error| FolderError::write(folder, error))?;
        let room = Arc::new(Semaphore::new(queue.clamp(1, Semaphore::MAX_PERMITS)));
        Ok(Self { orders, room, folder: folder.to_owned(), keep })
    }

    /// Writes equilibria as one record batch; ready once they are written, so that their shots may be retired.
    ///
    /// Nothing happens before the future is first polled; rows are written in the order of these first polls. A future
    /// dropped later may or may not have been written. After an error the log is as it was before, and the rows may be
    /// tried again.
    ///
    /// # Errors
    /// If the disk refuses, or a row does not have the phases of the log's sites.
    pub fn append(
        &self,
        rows: Vec<EquilibriumRow>,
    ) -> impl Future<Output = Result<Written, FolderError>> + Send + use<> {
        let to_write = (self.keep == Keep::All && !rows.is_empty()).then_some(rows);
        let (orders, room, path) = (self.orders.clone(), self.room.clone(), self.folder.clone());
        async move {
            let Some(rows) = to_write else { return Ok(Written::default()) };
            let Ok(permit) = room.acquire_owned().await else { return Err(FolderError::Closed { path }) };
            let placed = Placed::new(&orders, path, |answer| Order::Append(rows, permit, answer));
            // Held no longer than needed: the thread ends with the last sender.
            drop(orders);
            placed.answer().await
        }
    }

    /// Writes an epoch's row, whether or not the future is polled; that is ready once the row is written. An error that is
    /// not waited for is the error of [`RunLog::finish`].
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn metrics(&self, row: MetricsRow) -> impl Future<Output = Result<(), FolderError>> + Send + use<> {
        Placed::new(&self.orders, self.folder.clone(), |answer| Order::Metrics(row, answer)).answer()
    }

    /// Ends the stream and closes the files, whether or not the future is polled; that is ready once it is done. Appends
    /// that are still waiting for room are refused.
    ///
    /// # Errors
    /// If the disk refuses, or an earlier error reached nobody because its future had been dropped.
    pub fn finish(self) -> impl Future<Output = Result<Logged, FolderError>> + Send + use<> {
        Placed::new(&self.orders, self.folder.clone(), Order::Finish).answer()
    }
}

/// Holds an order on its way; the answer is to be waited for.
struct Placed<T> {
    answered: oneshot::Receiver<Result<T, FolderError>>,
    path: PathBuf,
}

impl<T> Placed<T> {
    fn new(orders: &mpsc::UnboundedSender<Order>, path: PathBuf, order: impl FnOnce(Answer<T>) -> Order) -> Self {
        let (answer, answered) = oneshot::channel();
        // A closed log drops the order, and with it the answer: that is how it is noticed.
        let _ = orders.send(order(answer));
        Self { answered, path }
    }

    async fn answer(self) -> Result<T, FolderError> {
        self.answered.await.unwrap_or(Err(FolderError::Closed { path: self.path }))
    }
}

/// Holds what the thread owns.
struct Writer<S> {
    equilibria: Option<Equilibria<S>>,
    metrics: Option<Appender<S>>,
    logged: Logged,
    /// The first error that was not delivered.
    unheard: Option<FolderError>,
}

impl<S: Sink> Writer<S> {
    fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Order>) {
        while let Some(order) = inbox.blocking_recv() {
            match order {
                Order::Append(rows, permit, answer) => {
                    let written = self.append(&rows);
                    drop((rows, permit));
                    self.deliver(answer, written);
                }
                Order::Metrics(row, answer) => {
                    let metrics = self.metrics.as_mut();
                    let written = metrics.map_or(Ok(()), |metrics| metrics.append(row.line().as_bytes()));
                    self.logged.epochs += u64::from(written.is_ok());
                    self.deliver(answer, written);
                }
                Order::Finish(answer) => {
                    drop(inbox); // whoever is late is told that the log is closed
                    // Nobody left to tell if nobody listens.
                    let _ = answer.send(self.finish());
                    return;
                }
            }
        }
        let _ = self.finish();
    }

    fn append(&mut self, rows: &[EquilibriumRow]) -> Result<Written, FolderError> {
        let Some(equilibria) = self.equilibria.as_mut() else {
            return Ok(Written::default());
        };
        let bytes = equilibria.append(rows)?;
        let rows = rows.len() as u64;
        self.logged.equilibria += rows;
        Ok(Written { rows, bytes })
    }

    fn deliver<T>(&mut self, answer: Answer<T>, result: Result<T, FolderError>) {
        if let Err(Err(error)) = answer.send(result) {
            self.unheard.get_or_insert(error);
        }
    }

    fn finish(mut self) -> Result<Logged, FolderError> {
        if let Some(equilibria) = self.equilibria.take() {
            let length = equilibria.finish()?;
            self.logged.bytes = length;
        }
        match self.unheard {
            Some(error) => Err(error),
            None => Ok(self.logged),
        }
    }
}

fn open_metrics(path: &Path) -> Result<Appender<File>, FolderError> {
    let mut metrics = Appender::open(path).map_err(|error| FolderError::create(path, error))?;
    if metrics.length() == 0 {
        metrics.append(MetricsRow::HEADER.as_bytes())?;
    }
    Ok(metrics)
}

/// Takes the first number that is free: what another process wrote is never touched.
fn open_equilibria(folder: &Path) -> Result<Appender<File>, FolderError> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(FolderError::create(folder, error)),
        _ => {}
    }
    let mut number = 0_u32;
    loop {
        let path = folder.join(format!("{number:06}.arrows"));
        match Appender::create(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && number < 999_999 => number += 1,
            opened => return opened.map_err(|error| FolderError::create(&path, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::appender::tests::Memory;
    use super::super::rows::{SegmentKind, Stream};
    use super::*;

    fn row(shot: u64) -> EquilibriumRow {
        EquilibriumRow {
            epoch: 0,
            step: 0,
            shot,
            sample: 0,
            start: 0,
            stream: Stream::Eval,
            segment: 1,
            kind: SegmentKind::Free,
            beta: 0.0,
            generation: 1,
            crc: 1,
            flags: 0,
            settle_us: 1,
            residual_turn: 0,
            moved_turn: 0,
            phases: vec![7],
        }
    }

    fn log(disk: &Memory) -> RunLog {
        let header = StreamHeader { run_id: "x".to_owned(), site_count: 1, sites: vec![0] };
        let file = Appender::new(disk.clone(), Path::new("runs/x/equilibria/000000.arrows"), 0);
        let metrics = Some(Appender::new(Memory::default(), Path::new("runs/x/metrics.csv"), 0));
        let equilibria = Some(Equilibria::start(file, &header).unwrap());
        let writer = Writer { equilibria, metrics, logged: Logged::default(), unheard: None };
        RunLog::spawn(Path::new("runs/x"), Keep::All, 4, writer).unwrap()
    }

    fn set_room(disk: &Memory, more: Option<usize>) {
        let mut disk = disk.0.lock().unwrap();
        disk.room = more.map_or(usize::MAX, |more| disk.bytes.len() + more);
    }

    #[tokio::test]
    async fn a_full_disk_is_the_error_of_the_append_and_the_rows_can_be_tried_again() {
        let disk = Memory::default();
        let log = log(&disk);
        log.append(vec![row(1)]).await.unwrap();
        set_room(&disk, Some(10));
        for _ in 0..2 {
            let error = log.append(vec![row(2)]).await.unwrap_err();
            assert!(error.to_string().contains("000000.arrows"), "{error}");
            assert!(error.advice().next.contains("free space"), "{error:?}");
        }
        set_room(&disk, None);
        assert_eq!(log.append(vec![row(2)]).await.unwrap().rows, 1);
        let logged = log.finish().await.unwrap();
        assert_eq!((logged.equilibria, logged.bytes), (2, disk.0.lock().unwrap().bytes.len() as u64));
    }

    #[tokio::test]
    async fn appends_wait_for_room_and_get_it_back_also_after_errors() {
        let disk = Memory::default();
        let log = log(&disk);
        let all = log.room.clone().acquire_many_owned(4).await.unwrap();
        let mut waiting = Box::pin(log.append(vec![row(1)]));
        for _ in 0..3 {
            tokio::select! {
                biased;
                _ = &mut waiting => panic!("there is no room"),
                () = tokio::task::yield_now() => {}
            }
        }
        drop(all);
        assert_eq!(waiting.await.unwrap().rows, 1);
        set_room(&disk, Some(0));
        for _ in 0..9 {
            assert!(log.append(vec![row(2)]).await.is_err());
        }
        assert_eq!(log.room.available_permits(), 4);
    }

    #[tokio::test]
    async fn an_error_nobody_waited_for_is_told_at_the_end() {
        let disk = Memory::default();
        let log = log(&disk);
        set_room(&disk, Some(0));
        let (answer, deaf) = oneshot::channel();
        drop(deaf);
        let permit = log.room.clone().acquire_owned().await.unwrap();
        assert!(log.orders.send(Order::Append(vec![row(1)], permit, answer)).is_ok());
        log.metrics(MetricsRow::default()).await.unwrap(); // the append is over
        set_room(&disk, None);
        let message = log.finish().await.unwrap_err().to_string();
        assert!(message.contains("000000.arrows"), "{message}");
    }
}
