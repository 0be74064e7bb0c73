//! xyloop on a Raspberry Pi Pico 2: converters on SPI0 behind a select expander, the host on USB.
//!
//! ```text
//! boot: cause and last words ► lines safe ► clocks, alarm, watchdog ► rig image ► converters ► USB ► loop
//! loop: USB in ► Controller ► USB out ► lamp ► alarm put off, watchdog fed
//! ```
//! # Design
//! One loop, no interrupts but the alarm that ends the firmware if the loop does not come round. Three nets under the outputs:
//! the Controller's deadman (the host is gone), the alarm (this loop is), the watchdog (interrupts are, too); and the
//! pull-down at the clear line, which needs no firmware at all. See README.md for the wiring.
#![no_std]
#![no_main]
#![warn(rust_2018_idioms)]

mod end;
mod hardware;
mod lamp;
mod nets;
mod spi;
mod usb;

use core::fmt::Write;

use embedded_hal::delay::DelayNs;
use rp235x_hal::{
    self as hal, Sio, Timer, Watchdog,
    clocks::init_clocks_and_plls,
    fugit::RateExtU32,
    gpio::{FunctionSpi, PinState, Pins, PullNone, PullUp},
    pac,
    rosc::RingOscillator,
    timer::CopyableTimer0,
    usb::UsbBus,
};
use usb_device::bus::UsbBusAllocator;
use xyloop_board_common::{About, Room, last_words::Text, start};
use xyloop_firmware::{Replica, rig_image::RigImage};
use xyloop_protocol::{crc::Crc32c, message::State};

use self::{
    hardware::{Lines, Pico},
    lamp::Pattern,
    nets::Nets,
    spi::Bus,
    usb::Usb,
};

/// Crystal of the Pico 2, Hz.
const CRYSTAL_HZ: u32 = 12_000_000;
/// Processor and SPI, as `init_clocks_and_plls` sets them, Hz.
pub const CPU_HZ: u32 = 150_000_000;
/// Where the rig image lies: the last 256 KiB of flash.
const RIG_IMAGE: usize = 0x103c_0000;
const RIG_IMAGE_BYTES: usize = 256 * 1024;
/// RAM that must be left for the stack.
const STACK_LEAST: usize = 64 * 1024;
const RAM: usize = 520 * 1024;

xyloop_board_common::memory! {
    /// For 15 × 15 sites coupled to their neighbour shells 1 to 4: 64 shots of them, or 256 of a small rig.
    struct Memory = Room {
        sites: 225, couplings: 1930, inputs: 8, outputs: 10, chips: 128,
        shots: 256, results: 64 * Room::result_bytes(225), link: 16 * 1024, payload: 1024,
    };
}

const _: () = assert!(size_of::<Memory>() + STACK_LEAST <= RAM, "no room for the stack");

/// What makes this an image that the boot ROM starts.
#[unsafe(link_section = ".start_block")]
#[used]
static IMAGE_DEFINITION: hal::block::ImageDef = hal::block::ImageDef::secure_exe();

/// For `picotool info`.
#[unsafe(link_section = ".bi_entries")]
#[used]
static ABOUT: [hal::binary_info::EntryAddr; 3] = [
    hal::binary_info::rp_cargo_bin_name!(),
    hal::binary_info::rp_cargo_version!(),
    hal::binary_info::rp_program_description!(c"xyloop: trains arrays of coupled oscillators; host on USB"),
];

/// Microseconds since the start.
#[derive(Clone, Copy)]
pub struct Clock(Timer<CopyableTimer0>);

impl Clock {
    pub fn now_us(self) -> u64 {
        self.0.get_counter().ticks()
    }
}

/// Waits by counting cycles: nanoseconds matter at select lines.
#[derive(Clone, Copy)]
pub struct Delay;

impl DelayNs for Delay {
    fn delay_ns(&mut self, ns: u32) {
        // Steps of 20 ns: a division of 64 bits would take longer than most of these waits.
        const CYCLES: u32 = CPU_HZ / 50_000_000;
        cortex_m::asm::delay(ns.div_ceil(20) * CYCLES);
    }
}

#[hal::entry]
fn main() -> ! {
    static mut MEMORY: Memory = Memory::new();
    let Some(mut pac) = pac::Peripherals::take() else { unreachable!("main runs once") };
    let boot = end::begin(&pac.WATCHDOG, &pac.POWMAN);

    // Before anything else: every line where it is safe. A pin that becomes an output has its level first.
    let pins = Pins::new(pac.IO_BANK0, pac.PADS_BANK0, Sio::new(pac.SIO).gpio_bank0, &mut pac.RESETS);
    let (low, high) = (PinState::Low, PinState::High);
    let lines = Lines {
        clear_n: pins.gpio11.into_push_pull_output_in_state(low),
        live: pins.gpio21.into_push_pull_output_in_state(low),
        ldac_n: pins.gpio10.into_pull_type().into_push_pull_output_in_state(high),
        reset_n: pins.gpio12.into_push_pull_output_in_state(high),
        reset: pins.gpio13.into_pull_type().into_push_pull_output_in_state(low),
        convert: pins.gpio14.into_pull_type().into_push_pull_output_in_state(high),
        busy: pins.gpio15.into_floating_input(),
        ready_n: pins.gpio17.into_pull_up_input(),
        trigger: pins.gpio20.into_pull_type().into_push_pull_output_in_state(low),
    };
    let enable = pins.gpio9.into_pull_type::<PullUp>().into_push_pull_output_in_state(high);
    let mut armed = pins.gpio22.into_push_pull_output_in_state(low);
    let mut led = pins.gpio25.into_push_pull_output_in_state(low);
    macro_rules! address {
        ($($pin:ident)*) => { [$(pins.$pin.into_pull_type::<PullNone>().into_push_pull_output().into_dyn_pin()),*] };
    }
    let address = address!(gpio2 gpio3 gpio4 gpio5 gpio6 gpio7 gpio8);

    let mut watchdog = Watchdog::new(pac.WATCHDOG);
    let clocks = match init_clocks_and_plls(
        CRYSTAL_HZ,
        pac.XOSC,
        pac.CLOCKS,
        pac.PLL_SYS,
        pac.PLL_USB,
        &mut pac.RESETS,
        &mut watchdog,
    ) {
        Ok(clocks) => clocks,
        Err(_) => panic!("the clocks did not start"),
    };
    let mut timer = Timer::new_timer0(pac.TIMER0, &mut pac.RESETS, &clocks);
    let clock = Clock(timer);
    let Some(alarm) = timer.alarm_0() else { unreachable!("main runs once") };
    let nets = Nets::new(alarm, watchdog, clock);

    let pins = (
        pins.gpio19.into_function::<FunctionSpi>(),
        pins.gpio16.into_function::<FunctionSpi>(),
        pins.gpio18.into_function::<FunctionSpi>(),
    );
    let spi = hal::Spi::<_, _, _, 8>::new(pac.SPI0, pins);
    let (spi, _) = spi.init(&mut pac.RESETS, CPU_HZ.Hz(), 1.MHz(), embedded_hal::spi::MODE_1).free();

    let (serial, random) = identity(&RingOscillator::new(pac.ROSC).initialize(), boot.boots);
    let bus = UsbBus::new(pac.USB, pac.USB_DPRAM, clocks.usb_clock, true, &mut pac.RESETS);
    let bus = UsbBusAllocator::new(bus);

    // SAFETY: flash that the linker script keeps free of code; nothing in this firmware writes flash.
    let image = unsafe { core::slice::from_raw_parts(RIG_IMAGE as *const u8, RIG_IMAGE_BYTES) };
    let mut replica = [Replica::default()];
    let started = RigImage::parse(image).map_err(|error| Text::of(format_args!("{error}"))).and_then(|image| {
        let bus =
            Bus { spi, address, enable, highest_hz: image.spi_hz(), gap_ns: image.gap_ns(), selected: None, set: None };
        let about = About {
            model: "pico2",
            serial: serial.as_str(),
            boot_id: random,
            boot_cause: boot.cause,
            boot_note: boot.note.as_str(),
        };
        nets.tighten(image.deadman_ms());
        let pico = Pico::new(bus, lines, clock, &nets, image);
        let serial = if image.serial().is_empty() { serial.as_str() } else { image.serial() };
        start(pico, image, &about, MEMORY.buffers(&mut replica))
            .map(|controller| (controller, serial))
            .map_err(|error| Text::of(format_args!("{error}")))
    });

    let (mut controller, serial) = match started {
        Ok(started) => started,
        Err(why) => {
            let (mut usb, mut next_us) = (Usb::new(&bus, serial.as_str()), 0);
            loop {
                let now_us = clock.now_us();
                usb.poll();
                usb.read(&mut [0; 64]);
                if now_us >= next_us && usb.is_idle() {
                    next_us = now_us + 1_000_000;
                    let (why, note) = (why.as_str(), boot.note.as_str());
                    let _ = write!(
                        usb,
                        "xyloop pico2 {}: {why}. Outputs stay off. Make an image: xyloop config board RIG --image rig.bin; \
                         flash it (hold BOOTSEL while plugging in): picotool load -o {RIG_IMAGE:#x} rig.bin\r\n",
                        env!("CARGO_PKG_VERSION"),
                    );
                    if !note.is_empty() {
                        let _ = write!(usb, "What ran before left behind: {note}\r\n");
                    }
                }
                usb.flush();
                lamp::show(&mut led, Pattern::NoRig, now_us);
                nets.hold();
            }
        }
    };
    let mut usb = Usb::new(&bus, serial);
    loop {
        let now_us = clock.now_us();
        if usb.poll() {
            controller.hang_up();
        }
        let mut bytes = [0; 64];
        let count = usb.read(&mut bytes);
        controller.receive(now_us, &bytes[..count]);
        controller.poll(now_us);
        usb.write_more(|out| controller.transmit(clock.now_us(), out));
        let state = controller.state();
        let _ = embedded_hal::digital::OutputPin::set_state(
            &mut armed,
            PinState::from(matches!(state, State::Ready | State::Running)),
        );
        lamp::show(&mut led, Pattern::of(state), now_us);
        nets.hold();
    }
}

/// The chip's number in hex, and a number drawn for this boot.
fn identity(rosc: &RingOscillator<hal::rosc::Enabled>, boots: u32) -> (Text, u32) {
    let mut seed = Crc32c::new();
    seed.update(&boots.to_le_bytes());
    // Either source would do; a board of which one fails is not the same at every boot.
    for _ in 0..8 {
        let byte = (0..8).fold(0, |byte, _| byte << 1 | u8::from(rosc.get_random_bit()));
        seed.update(&[byte]);
    }
    if let Ok(Some(random)) = hal::rom_data::sys_info_api::boot_random() {
        seed.update(&random.0.to_le_bytes());
    }
    let serial = match hal::rom_data::sys_info_api::chip_info() {
        Ok(Some(chip)) => Text::of(format_args!("{:08x}{:08x}", chip.wafer_id, chip.device_id)),
        _ => Text::of(format_args!("unknown")),
    };
    (serial, seed.finish())
}
