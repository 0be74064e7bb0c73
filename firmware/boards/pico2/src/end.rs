//! How this firmware ends: outputs cut by one register write, last words in RAM that survives a reset, then a reset of the
//! whole chip. And, at the next boot, why it came.

use core::{fmt, mem::MaybeUninit, panic::PanicInfo};

use cortex_m_rt::{ExceptionFrame, exception};
use rp235x_hal::pac::{self, interrupt};
use xyloop_board_common::last_words::{Boot, BootCause, RECORD_WORDS, Record, Text};

/// GPIO number of the clear line of all DACs, low: outputs at ground.
pub const CLEAR: u8 = 11;
/// GPIO number of the line that closes the switches behind the outputs, high: outputs live.
pub const LIVE: u8 = 21;

/// In the watchdog's scratch register 0 while this firmware runs it: the boot ROM resets by watchdog, too, but not with this
/// number, and power-on and the reset pin clear it.
const RUNNING: u32 = u32::from_le_bytes(*b"XYLW");

/// The start-up code leaves it alone.
#[unsafe(link_section = ".uninit.LAST_WORDS")]
static mut LAST_WORDS: MaybeUninit<Record> = MaybeUninit::uninit();

fn load() -> Record {
    // SAFETY: a record is words of which any value is valid, read volatile because they come from the boot before. Whoever
    // writes them has interrupts off and does not return (`end`), or is `begin`, before anything else runs.
    Record(unsafe { (&raw const LAST_WORDS).cast::<[u32; RECORD_WORDS]>().read_volatile() })
}

fn store(record: Record) {
    // SAFETY: as in `load`.
    unsafe { (&raw mut LAST_WORDS).cast::<Record>().write_volatile(record) }
}

/// Why this boot, and what was left behind. To be called once, before the watchdog is set up.
pub fn begin(watchdog: &pac::WATCHDOG, powman: &pac::POWMAN) -> Boot {
    let (reason, reset) = (watchdog.reason().read(), powman.chip_reset().read());
    let ours = watchdog.scratch0().read().bits() == RUNNING;
    let by_hardware = if reason.timer().bit() && ours {
        BootCause::Watchdog
    } else if reason.timer().bit() || reason.force().bit() {
        BootCause::Asked
    } else if reset.had_por().bit() {
        BootCause::PowerOn
    } else if reset.had_bor().bit() || reset.had_glitch_detect().bit() {
        BootCause::BrownOut
    } else if reset.had_run_low().bit() {
        BootCause::Pin
    } else if reset.had_dp_reset_req().bit() || reset.had_rescue().bit() || reset.had_hzd_sys_reset_req().bit() {
        BootCause::Asked
    } else {
        BootCause::Unknown
    };
    // SAFETY: a scratch register takes any value; of those the boot ROM reads, this is none.
    watchdog.scratch0().write(|w| unsafe { w.bits(RUNNING) });
    let (boot, record) = load().begin(by_hardware);
    store(record);
    boot
}

/// Outputs to ground and off, by one write that needs nothing else of this firmware to work.
fn cut_outputs() {
    // SAFETY: the register clears the pins that are named and no others, in one store; both are safe when low, whoever else
    // drives them and whenever it happens.
    unsafe { (*pac::SIO::PTR).gpio_out_clr().write(|w| w.bits(1 << CLEAR | 1 << LIVE)) };
}

fn end(cause: BootCause, text: fmt::Arguments<'_>) -> ! {
    cut_outputs();
    cortex_m::interrupt::disable();
    store(load().with_words(cause, &Text::of(text)));
    rp235x_hal::reset()
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    cut_outputs();
    match info.location() {
        Some(at) => {
            // Of a path of this crate or another the file's name is enough; a text has room for 120 bytes.
            let file = at.file().rsplit(['/', '\\']).next().unwrap_or_default();
            end(BootCause::Panic, format_args!("{file}:{}: {}", at.line(), info.message()))
        }
        None => end(BootCause::Panic, format_args!("{}", info.message())),
    }
}

// SAFETY: a fault handler may come at any time, within any other code; this one touches registers and its own static only.
#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    cut_outputs();
    // SAFETY: reads the fault status, which has no side effect.
    let status = unsafe { (*cortex_m::peripheral::SCB::PTR).cfsr.read() };
    end(BootCause::HardFault, format_args!("pc {:#010x}, lr {:#010x}, cfsr {status:#010x}", frame.pc(), frame.lr()))
}

/// The alarm that the main loop puts off with every turn: it did not come round for too long.
#[interrupt]
fn TIMER0_IRQ_0() {
    end(BootCause::Watchdog, format_args!("the main loop did not come round"))
}
