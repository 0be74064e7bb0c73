//! Things at the other end of a line that are no proper device: silent ones, babbling ones, ones of other versions.
//!
//! Each runs on a thread of its own until the test's process ends.

use std::{
    fs::File,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::OwnedFd,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{Mode, OFlags},
    pty::OpenptFlags,
    termios::OptionalActions,
};
use xyloop_protocol::link::{self, Link};
use xyloop_testbench::{LinkMemory, LinkSizes};

/// A pseudo-terminal in raw mode without anything behind it.
pub struct Pty {
    /// The end where the device would be.
    pub master: File,
    /// The path a host opens.
    pub path: String,
    /// Kept open so that the master outlives hosts that come and go.
    _slave: OwnedFd,
}

impl Pty {
    /// A new one.
    #[expect(clippy::new_without_default, reason = "it takes something from the system")]
    pub fn new() -> Self {
        let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        rustix::pty::grantpt(&master).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let path = rustix::pty::ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = rustix::fs::open(&path, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let mut settings = rustix::termios::tcgetattr(&slave).unwrap();
        settings.make_raw();
        rustix::termios::tcsetattr(&slave, OptionalActions::Now, &settings).unwrap();
        Self { master: File::from(master), path, _slave: slave }
    }

    /// Sends back every byte it gets, like a loopback plug.
    #[must_use]
    pub fn echoing(self) -> Self {
        let mut line = self.master.try_clone().unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = line.read(&mut buffer) {
                if line.write_all(&buffer[..length]).is_err() {
                    return;
                }
            }
        });
        self
    }

    /// Prints a line again and again, like a console or an instrument of another make.
    #[must_use]
    pub fn printing(self, text: &str) -> Self {
        let mut line = self.master.try_clone().unwrap();
        let text = format!("{text}\r\n");
        thread::spawn(move || while line.write_all(text.as_bytes()).is_ok() {});
        self
    }

    /// Sends numbers without end, frame delimiters among them, like an instrument of another make.
    #[must_use]
    pub fn babbling(self) -> Self {
        let mut line = self.master.try_clone().unwrap();
        thread::spawn(move || {
            let mut state = 1_u64;
            loop {
                let bytes: Vec<u8> = (0..256)
                    .map(|_| {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                        (state >> 33) as u8 & 0x7f
                    })
                    .collect();
                if line.write_all(&bytes).is_err() {
                    return;
                }
            }
        });
        self
    }
}

/// A TCP device that takes the first exchange as a device of another kind would, and says nothing else. Serves one host
/// after the other; the place to pass to `--device`.
pub fn device(config: link::Config, greeting: Vec<u8>) -> String {
    listen(move |stream| {
        let _ = answer(stream, config, &greeting);
    })
}

/// A TCP peer that closes every connection at once.
pub fn closing() -> String {
    listen(drop)
}

/// A TCP peer that takes connections and says nothing.
pub fn listening() -> String {
    let streams = std::sync::Mutex::new(Vec::new());
    listen(move |stream| streams.lock().unwrap().push(stream))
}

/// A place at which nobody listens (any more).
pub fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("tcp://{}", listener.local_addr().unwrap())
}

fn listen(serve: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = format!("tcp://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            serve(stream.unwrap());
        }
    });
    place
}

fn answer(mut stream: TcpStream, config: link::Config, greeting: &[u8]) -> std::io::Result<()> {
    let started = Instant::now();
    let now_us = || started.elapsed().as_micros() as u64;
    let mut memory = LinkMemory::new(LinkSizes::new(1024, 4096, 4096));
    let mut link = Link::new(link::Role::Device, memory.storage(), config);
    link.set_greeting(greeting).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(10)))?;
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => link.receive(now_us(), &buffer[..length]),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
        loop {
            let length = link.transmit(now_us(), &mut buffer);
            if length == 0 {
                break;
            }
            stream.write_all(&buffer[..length])?;
        }
    }
}
