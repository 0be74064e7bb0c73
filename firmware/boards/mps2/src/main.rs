//! The emulated board: MPS2+ with image AN386 as `qemu-system-arm -M mps2-an386` models it, a Cortex-M4F at 25 MHz.
//!
//! UART0 is the host's line. The chips are at the other end of two FIFOs or of UART1 ([`spi`]). The rig image lies at
//! 0x00380000, behind it a random number that is new at each start of the emulator.
//!
//! One loop does everything, and interrupts are masked for good: a byte from the host or the tick of a millisecond only end
//! its sleep. Nothing can be lost between the look and the sleep, because what is pending ends a `wfi` at once.
#![no_std]
#![no_main]

mod clock;
mod end;
mod spi;
mod uart;
mod watchdog;

use cortex_m::{
    asm,
    peripheral::{NVIC, SCB, syst::SystClkSource},
};
use cortex_m_rt::entry;
use xyloop_board_common::{About, Room, start};
use xyloop_firmware::{Controller, Replica, carrier::Remote, front_end::FrontEnd, rig_image::RigImage};
use xyloop_mps2::rig_image;
use xyloop_protocol::message::State;

use self::{clock::Clock, spi::SpiCarrier, uart::Uart};

const RANDOM: *const u32 = 0x003f_fff8 as *const u32;
/// What is to go wrong, so that tests see what becomes of it: 1 (hang) or 2 (panic) << 16 | shots finished until
/// then.
const MISHAP: *const u32 = 0x003f_fff0 as *const u32;
/// Bytes taken from the line, or given to it, in one turn of the loop.
const CHUNK: usize = 512;
/// A machine that is shared may take an emulator off the processor for so long: its watchdog waits at least that.
const STARVED_MS: u16 = 2000;
/// A tick that ends sleep: 1 ms at 25 MHz.
const TICK: u32 = 25_000;

xyloop_board_common::memory! {
    /// Room for what 4 MB of RAM hold: far more than a real board has.
    struct Memory = Room {
        sites: 1024, couplings: 12_000, inputs: 64, outputs: 64, chips: 128,
        shots: 256, results: 600_000, link: 32_768, payload: 1024,
    };
}

#[entry]
fn main() -> ! {
    cortex_m::interrupt::disable();
    watchdog::start(STARVED_MS);
    let mut clock = Clock::start();
    let boot = end::begin();
    let memory = cortex_m::singleton!(: Memory = Memory::new()).expect("main runs once");
    let replicas = cortex_m::singleton!(: [Replica; 1] = [Replica::default()]).expect("main runs once");
    let image = rig_image();
    // SAFETY: two aligned words behind the rig image, in memory the linker places nothing in (memory.x).
    let random = unsafe { [RANDOM.read_volatile(), RANDOM.add(1).read_volatile()] };
    // SAFETY: as above.
    let mishap = unsafe { MISHAP.read_volatile() };
    let image = match RigImage::parse(image) {
        Ok(image) => image,
        Err(error) => panic!("{error}"),
    };
    watchdog::start(image.deadman_ms().max(STARVED_MS));
    let about = About {
        model: "emulated board (mps2-an386)",
        serial: "mps2",
        // Another one at each boot, and at each start of the emulator.
        boot_id: (random[0] ^ random[1]).wrapping_add(boot.boots.wrapping_mul(0x9e37_79b9)),
        boot_cause: boot.cause,
        boot_note: boot.note.as_str(),
    };
    let mut host = Uart::host();
    let hardware = Remote::new(SpiCarrier::find(clock), image.crc());
    let mut controller = match start(hardware, image, &about, memory.buffers(replicas)) {
        Ok(controller) => controller,
        Err(error) => panic!("{error}"),
    };
    tick_every_millisecond();
    let mut output = Output { bytes: [0; CHUNK], from: 0, to: 0 };
    loop {
        let busy = turn(&mut controller, &mut clock, &mut host, &mut output);
        if mishap != 0 && controller.counts().shots_finished >= u64::from(mishap as u16) && end::is_first_mishap() {
            go_wrong(mishap);
        }
        watchdog::feed();
        if !busy && !host.has_received() {
            asm::wfi();
        }
        // What ended the sleep has been seen.
        NVIC::unpend(uart::Received0);
        SCB::clear_pendst();
    }
}

fn go_wrong(mishap: u32) -> ! {
    if mishap >> 16 == 2 {
        panic!("as was asked for");
    }
    loop {
        asm::nop();
    }
}

/// Bytes on their way to the host.
struct Output {
    bytes: [u8; CHUNK],
    from: usize,
    to: usize,
}

/// One turn of the loop; whether there is more to do at once.
fn turn(
    controller: &mut Controller<'_, FrontEnd<'_, Remote<SpiCarrier>>>,
    clock: &mut Clock,
    host: &mut Uart,
    output: &mut Output,
) -> bool {
    let mut input = [0; CHUNK];
    let received = host.receive(&mut input);
    let now_us = clock.now_us();
    if received > 0 {
        controller.receive(now_us, &input[..received]);
    }
    controller.poll(now_us);
    if output.from == output.to {
        (output.from, output.to) = (0, controller.transmit(now_us, &mut output.bytes));
    }
    let sent = host.send(&output.bytes[output.from..output.to]);
    output.from += sent;
    let due = controller.next_wakeup_us().is_some_and(|at_us| at_us <= clock.now_us());
    received > 0 || sent > 0 || due || controller.state() == State::Running
}

fn tick_every_millisecond() {
    if let Some(peripherals) = cortex_m::Peripherals::take() {
        let mut ticks = peripherals.SYST;
        ticks.set_clock_source(SystClkSource::Core);
        ticks.set_reload(TICK - 1);
        ticks.clear_current();
        ticks.enable_interrupt();
        ticks.enable_counter();
    }
}
