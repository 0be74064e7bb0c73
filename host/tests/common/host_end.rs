//! The host's end of the line: it is opened, read and written as any other one.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::MutexGuard,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep_until},
};
use xyloop::device::{DeviceError, Opener, Transport};
use xyloop_protocol::link::Role;

use super::virtual_rig::{PLACE, VirtualRig, World};

impl Opener for VirtualRig {
    fn open(&self) -> Pin<Box<dyn Future<Output = Result<Transport, DeviceError>> + Send + '_>> {
        let mut world = self.shared.lock();
        let opened = if world.is_away {
            Err(DeviceError::NoListener { place: PLACE.into(), reason: "nobody is there".into() })
        } else {
            world.cable.open();
            let connection = world.cable.connection();
            let end = HostEnd { rig: self.clone(), connection, sleeps: [None, None], rest: Vec::new(), taken: 0 };
            Ok(Transport::over(end, PLACE, None))
        };
        Box::pin(std::future::ready(opened))
    }
}

struct HostEnd {
    rig: VirtualRig,
    /// Dead as soon as the line has another one.
    connection: u64,
    /// What reading and what writing wait for.
    sleeps: [Option<Pin<Box<Sleep>>>; 2],
    /// A piece that arrived, and how much of it was read.
    rest: Vec<u8>,
    taken: usize,
}

impl HostEnd {
    /// Whether that time of the line's clock is still to come; we are woken then, or when something happens to the line.
    fn waits(&mut self, which: usize, at_us: Option<u64>, cx: &mut Context<'_>) -> bool {
        self.rig.shared.lock().cable.wait_at_the_host(cx.waker());
        let Some(at_us) = at_us else { return true };
        let mut sleep = Box::pin(sleep_until(self.rig.shared.at(at_us)));
        let pending = sleep.as_mut().poll(cx).is_pending();
        self.sleeps[which] = Some(sleep);
        pending
    }
}

/// The line, while the connection is.
fn open_line(rig: &VirtualRig, connection: u64) -> Option<MutexGuard<'_, World>> {
    Some(rig.shared.lock()).filter(|world| world.cable.carries(connection))
}

impl AsyncRead for HostEnd {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let rest = &self.rest[self.taken..];
            if !rest.is_empty() {
                let length = buf.remaining().min(rest.len());
                buf.put_slice(&rest[..length]);
                self.taken += length;
                return Poll::Ready(Ok(()));
            }
            let now_us = self.rig.shared.now_us();
            let (piece, next_us) = {
                let Some(mut world) = open_line(&self.rig, self.connection) else { return Poll::Ready(Ok(())) };
                (world.cable.take(Role::Device, now_us), world.cable.next_arrival_us(Role::Device))
            };
            if let Some(piece) = piece {
                (self.rest, self.taken) = (piece, 0);
                // There may be a cut in it.
                self.rig.shared.changed.notify_one();
            } else if self.waits(0, next_us, cx) {
                return Poll::Pending;
            }
        }
    }
}

impl AsyncWrite for HostEnd {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let now_us = self.rig.shared.now_us();
            let writable_us = {
                let Some(mut world) = open_line(&self.rig, self.connection) else {
                    return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
                };
                let writable_us = world.cable.writable_at_us(Role::Host);
                if writable_us <= now_us {
                    world.cable.write(Role::Host, now_us, bytes);
                    drop(world);
                    self.rig.shared.changed.notify_one();
                    return Poll::Ready(Ok(bytes.len()));
                }
                writable_us
            };
            if self.waits(1, Some(writable_us), cx) {
                return Poll::Pending;
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
