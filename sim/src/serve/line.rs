//! The line between the device's end and the way to the host: faults on it, and the recording of it.
//!
//! Recorded is what the *device's* end sees: bytes from the host after the faults, bytes to the host before them.

use std::time::{Duration, Instant};

use xyloop_firmware::{Board, Controller};
use xyloop_protocol::{
    fault::{FaultCounts, FaultInjector, Faults},
    link::Role,
    trace::LineRecorder,
};

/// What became of a line that was served.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct LineReport {
    /// The faults that were done, host to device and device to host, if any were asked for.
    pub faults: Option<[FaultCounts; 2]>,
    /// Bytes missing in the recording, because the disk did not keep up.
    pub unrecorded_bytes: u64,
    /// Why the recording ended early, if it did.
    pub recording: Option<std::io::Error>,
}

/// The line. Without faults and recording it costs nothing.
#[derive(Default)]
pub(super) struct Line {
    /// Host to device, device to host.
    faults: Option<Box<[FaultInjector; 2]>>,
    pub recorder: Option<LineRecorder>,
    started: Option<Instant>,
    arrived: Vec<u8>,
}

impl Line {
    /// Puts faults on it.
    pub fn set_faults(&mut self, faults: &Faults) {
        self.faults = Some(Box::new([Role::Host, Role::Device].map(|sender| FaultInjector::new(faults, sender))));
    }

    /// The injectors' clock, which goes on when the device is started anew.
    fn now_us(&mut self) -> u64 {
        self.started.get_or_insert_with(Instant::now).elapsed().as_micros() as u64
    }

    /// Bytes from the host on their way to the device.
    pub fn carry_in(&mut self, device: &mut Controller<'_, impl Board>, device_us: u64, bytes: &[u8]) {
        let now_us = self.now_us();
        if let Some([from_host, _]) = self.faults.as_deref_mut() {
            from_host.push(now_us, bytes);
            self.release(device, device_us);
        } else {
            self.arrive(device, device_us, bytes);
        }
    }

    /// Gives the device what the faults have held long enough.
    pub fn release(&mut self, device: &mut Controller<'_, impl Board>, device_us: u64) {
        let now_us = self.now_us();
        let Some([from_host, _]) = self.faults.as_deref_mut() else { return };
        let mut arrived = std::mem::take(&mut self.arrived);
        from_host.pull(now_us, &mut arrived);
        self.arrive(device, device_us, &arrived);
        arrived.clear();
        self.arrived = arrived;
    }

    fn arrive(&mut self, device: &mut Controller<'_, impl Board>, device_us: u64, bytes: &[u8]) {
        if let Some(recorder) = &mut self.recorder {
            recorder.record(Role::Host, bytes);
        }
        if !bytes.is_empty() {
            device.receive(device_us, bytes);
        }
    }

    /// The next bytes for the host; `None` if there are none now.
    pub fn carry_out(
        &mut self,
        device: &mut Controller<'_, impl Board>,
        device_us: u64,
        buffer: &mut [u8],
    ) -> Option<Vec<u8>> {
        loop {
            let length = device.transmit(device_us, buffer);
            let sent = buffer.get(..length).unwrap_or_default();
            if let Some(recorder) = &mut self.recorder {
                recorder.record(Role::Device, sent);
            }
            let now_us = self.now_us();
            let Some([_, to_host]) = self.faults.as_deref_mut() else {
                return (length > 0).then(|| sent.to_vec());
            };
            to_host.push(now_us, sent);
            let mut leaving = Vec::new();
            if to_host.pull(now_us, &mut leaving) > 0 {
                return Some(leaving);
            }
            if length == 0 {
                return None;
            }
        }
    }

    /// How long nothing can come out of it by itself, towards the device and, if it `takes` something, the host.
    pub fn quiet_for(&mut self, takes: bool) -> Option<Duration> {
        let now_us = self.now_us();
        let [from_host, to_host] = self.faults.as_deref()?;
        let from_host_us = from_host.next_release_us();
        let to_host_us = to_host.next_release_us().filter(|_| takes);
        let due_us = from_host_us.into_iter().chain(to_host_us).min()?;
        Some(Duration::from_micros(due_us.saturating_sub(now_us)))
    }

    /// Whether a fault has cut it.
    pub fn is_cut(&self) -> bool {
        self.faults.as_deref().is_some_and(|both| both.iter().any(FaultInjector::is_cut))
    }

    /// A new connection, or the end of one: nothing is left in it.
    pub fn mend(&mut self) {
        for injector in self.faults.as_deref_mut().into_iter().flatten() {
            injector.mend();
        }
    }

    /// Ends the recording and says what was done.
    pub fn finish(&mut self) -> LineReport {
        let (unrecorded_bytes, recording) = self.recorder.take().map_or((0, None), LineRecorder::finish);
        let faults = self.faults.as_deref().map(|both| both.each_ref().map(FaultInjector::counts));
        LineReport { faults, unrecorded_bytes, recording }
    }
}
