//! What can be put on a line at the host's end: faults on it, and a recording of it.
//!
//! Recorded is what the *host* sees: bytes to the device before the faults, bytes from it after them.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};
use xyloop_protocol::{
    fault::{FaultCounts, FaultInjector, Faults},
    link::Role,
    trace::LineRecorder,
};

use super::transport::Transport;

/// Bytes read at once.
const READ_BYTES: usize = 16 << 10;

/// Puts faults on a line and records it; both go on from one opened line to the next.
#[derive(Clone)]
pub(super) struct LineTap(Arc<Mutex<State>>);

struct State {
    to_device: FaultInjector,
    to_host: FaultInjector,
    recorder: Option<LineRecorder>,
    started: Instant,
}

impl LineTap {
    pub fn new(faults: &Faults, recorder: Option<LineRecorder>) -> Self {
        let [to_device, to_host] = [Role::Host, Role::Device].map(|sender| FaultInjector::new(faults, sender));
        Self(Arc::new(Mutex::new(State { to_device, to_host, recorder, started: Instant::now() })))
    }

    /// Puts itself on a line that was just opened.
    pub fn put_on(&self, transport: Transport) -> Transport {
        let mut state = self.lock();
        state.to_device.mend();
        state.to_host.mend();
        drop(state);
        let (place, baud) = (transport.place.clone(), transport.baud);
        let tapped = TappedLine {
            inner: transport,
            tap: self.clone(),
            outgoing: Vec::new(),
            incoming: Vec::new(),
            taken: 0,
            scratch: vec![0; READ_BYTES],
            sleep: None,
        };
        Transport::over(tapped, place, baud)
    }

    /// Counts the faults that were done so far: to the device, to the host.
    pub fn counts(&self) -> [FaultCounts; 2] {
        let state = self.lock();
        [state.to_device.counts(), state.to_host.counts()]
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn now_us(&self) -> u64 {
        self.started.elapsed().as_micros() as u64
    }

    fn record(&mut self, sender: Role, bytes: &[u8]) {
        if let Some(recorder) = &mut self.recorder {
            recorder.record(sender, bytes);
        }
    }

    fn is_cut(&self) -> bool {
        self.to_device.is_cut() || self.to_host.is_cut()
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let Some(recorder) = self.recorder.take() else { return };
        let (lost_bytes, error) = recorder.finish();
        if let Some(error) = error {
            tracing::warn!("the recording of the line ended early: {error}");
        } else if lost_bytes > 0 {
            tracing::warn!("{lost_bytes} bytes are missing in the recording of the line: the disk did not keep up");
        }
    }
}

/// Carries bytes over a line with faults and a recording on it.
struct TappedLine {
    inner: Transport,
    tap: LineTap,
    /// On the way to the device.
    outgoing: Vec<u8>,
    /// On the way to the host, and how much of it was taken.
    incoming: Vec<u8>,
    taken: usize,
    scratch: Vec<u8>,
    /// Until the faults let something go.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl TappedLine {
    /// Writes what is on the way to the device.
    fn push_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            match ready!(Pin::new(&mut self.inner).poll_write(cx, &self.outgoing))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => drop(self.outgoing.drain(..written)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Lets go what the faults have held long enough; when there is more, if nothing comes before.
    fn release(&mut self) -> Option<Instant> {
        let mut state = self.tap.lock();
        let now_us = state.now_us();
        state.to_device.pull(now_us, &mut self.outgoing);
        let before = self.incoming.len();
        state.to_host.pull(now_us, &mut self.incoming);
        state.record(Role::Device, self.incoming.get(before..).unwrap_or_default());
        let due_us = [&state.to_device, &state.to_host].into_iter().filter_map(FaultInjector::next_release_us).min()?;
        Some(state.started + Duration::from_micros(due_us))
    }
}

impl AsyncRead for TappedLine {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if let Some(rest) = this.incoming.get(this.taken..).filter(|rest| !rest.is_empty()) {
                let length = rest.len().min(buf.remaining());
                buf.put_slice(rest.get(..length).unwrap_or(rest));
                this.taken += length;
                return Poll::Ready(Ok(()));
            }
            this.incoming.clear();
            this.taken = 0;
            let due = this.release();
            if this.incoming.is_empty() && this.tap.lock().is_cut() {
                return Poll::Ready(Ok(()));
            }
            // The reader is polled all the time: it also moves what writing left behind.
            if let Poll::Ready(Err(error)) = this.push_out(cx) {
                return Poll::Ready(Err(error));
            }
            if !this.incoming.is_empty() {
                continue;
            }
            let mut read = ReadBuf::new(&mut this.scratch);
            match Pin::new(&mut this.inner).poll_read(cx, &mut read)? {
                Poll::Ready(()) if read.filled().is_empty() => return Poll::Ready(Ok(())),
                Poll::Ready(()) => {
                    let mut state = this.tap.lock();
                    let now_us = state.now_us();
                    state.to_host.push(now_us, read.filled());
                }
                Poll::Pending => {
                    let Some(due) = due else { return Poll::Pending };
                    let mut sleep = Box::pin(sleep_until(due));
                    let pending = sleep.as_mut().poll(cx).is_pending();
                    this.sleep = Some(sleep);
                    if pending {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

impl AsyncWrite for TappedLine {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.push_out(cx))?;
        let mut state = self.tap.lock();
        if state.is_cut() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let now_us = state.now_us();
        state.record(Role::Host, bytes);
        state.to_device.push(now_us, bytes);
        drop(state);
        self.release();
        match self.push_out(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(bytes.len())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.push_out(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.push_out(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
