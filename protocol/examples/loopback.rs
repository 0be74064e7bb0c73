//! Carries one question and its answer between the two ends of a link, in one process, over a line that loses frames.
//!
//!     cargo run -p xyloop-protocol --example loopback
//!
//! The link does no I/O and reads no clock: this program carries the bytes and says what time it is.

use xyloop_protocol::{
    fault::{FaultInjector, Faults},
    frame,
    link::{Config, InFlight, Link, Role, Storage},
    message::{self, Command, Event, Reason, Refusal, Report, Request},
};

/// Gives a link memory for frames of 256 bytes and for 1 kB under way in each direction.
fn link(role: Role, config: Config) -> Link<'static> {
    let storage = Storage {
        frame: vec![0; frame::storage_len(256)].leak(),
        receive: vec![0; 1024].leak(),
        send: vec![0; 1024].leak(),
        flight: vec![InFlight::default(); 16].leak(),
    };
    Link::new(role, storage, config)
}

/// Writes what one end has to say to its injector, and gives the other end what gets through.
fn carry(now_us: u64, from: &mut Link<'_>, line: &mut FaultInjector, to: &mut Link<'_>) {
    let (mut written, mut arrived) = ([0; 2048], Vec::new());
    let length = from.transmit(now_us, &mut written);
    line.push(now_us, &written[..length]);
    line.pull(now_us, &mut arrived);
    to.receive(now_us, &arrived);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let faults: Faults = "drop=0.3,seed=7".parse()?;
    let [mut up, mut down] = [Role::Host, Role::Device].map(|sender| FaultInjector::new(&faults, sender));
    let (mut host, mut device) = (link(Role::Host, Config::host()), link(Role::Device, Config::device()));
    let (mut asked, mut answered, mut buffer) = (false, None, [0; 256]);

    println!("the host asks for session 1, over a line with {faults}");
    host.connect(1, b"", 0)?;
    // A look every millisecond; a real program sleeps until `next_wakeup_us`, or until bytes come.
    for now_us in (0..10_000_000).step_by(1000) {
        carry(now_us, &mut host, &mut up, &mut device);
        carry(now_us, &mut device, &mut down, &mut host);
        if !asked && host.session() == Some(1) {
            println!("{:4} ms  connected; the host sends a request", now_us / 1000);
            let request = Request { tag: 42, command: Command::Retire(5) };
            host.send(message::encode(&request, &mut buffer).ok_or("the request is too long")?)?;
            asked = true;
        }
        if let Some(request) = device.front().and_then(message::decode::<Request<'_>>) {
            println!("{:4} ms  the device got {request:?} and has no shots to forget", now_us / 1000);
            let report = Report::Refused(Refusal { reason: Reason::OutOfRange, detail: 0 });
            let event = Event { tag: request.tag, report };
            device.send(message::encode(&event, &mut buffer).ok_or("the answer is too long")?)?;
            device.pop();
        }
        if let Some(event) = host.front().and_then(message::decode::<Event<'_>>) {
            println!("{:4} ms  the host got {event:?}", now_us / 1000);
            answered = Some(event.tag);
            host.pop();
        }
        if answered.is_some() && host.all_acked() && device.all_acked() {
            break;
        }
    }
    let resends = host.counters().resends + device.counters().resends;
    println!("to the device {}; to the host {}; {resends} frames sent again", up.counts(), down.counts());
    assert_eq!(answered, Some(42), "the answer names its request");
    assert!(up.counts().drops + down.counts().drops > 0, "the line was bad");
    Ok(())
}
