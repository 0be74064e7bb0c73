//! How this firmware ends: what it leaves behind, and the reset that makes the outputs safe.
//!
//! The chips' clear line falls as soon as the microcontroller is reset (a pull-down, see the plant's Hello), so every end is
//! a reset.

use core::{cell::UnsafeCell, mem::MaybeUninit, panic::PanicInfo};

use cortex_m::peripheral::SCB;
use cortex_m_rt::{ExceptionFrame, exception};
use xyloop_board_common::last_words::{Boot, BootCause, RECORD_WORDS, Record, Text};

/// Survives a reset: the start-up code leaves this section alone.
#[unsafe(link_section = ".uninit.last_words")]
static RECORD: Place<RECORD_WORDS> = Place(UnsafeCell::new(MaybeUninit::uninit()));

/// Survives a reset too.
#[unsafe(link_section = ".uninit.mishap")]
static MISHAP: Place<1> = Place(UnsafeCell::new(MaybeUninit::uninit()));
const GONE_WRONG: u32 = 0x676f_6e65;

struct Place<const WORDS: usize>(UnsafeCell<MaybeUninit<[u32; WORDS]>>);

// SAFETY: one core, and every access goes through `load` and `store` below, which hold no reference. An exception that comes
// in the middle of a store finds a record whose CRC is wrong, and that is a case the reader knows.
unsafe impl<const WORDS: usize> Sync for Place<WORDS> {}

fn load() -> Record {
    // SAFETY: the memory is this static's and always there; volatile reads of plain words, any bits are a value of them.
    Record(core::array::from_fn(|word| unsafe { RECORD.0.get().cast::<u32>().add(word).read_volatile() }))
}

fn store(record: &Record) {
    for (index, word) in record.0.iter().enumerate() {
        // SAFETY: as in `load`; `index` is below the record's length.
        unsafe { RECORD.0.get().cast::<u32>().add(index).write_volatile(*word) };
    }
}

/// Why this boot. QEMU clears the memory when it starts and keeps it over a reset; a reset without last words came from
/// outside, and the machine does not say why.
pub fn begin() -> Boot {
    let record = load();
    let by_hardware = if record.0 == [0; RECORD_WORDS] { BootCause::PowerOn } else { BootCause::Unknown };
    let (boot, next) = record.begin(by_hardware);
    store(&next);
    boot
}

/// Whether this is asked for the first time since the emulator's start, resets included.
pub fn is_first_mishap() -> bool {
    // SAFETY: as in `load`, of a static of one word.
    unsafe {
        let place = MISHAP.0.get().cast::<u32>();
        let first = place.read_volatile() != GONE_WRONG;
        place.write_volatile(GONE_WRONG);
        first
    }
}

fn leave(cause: BootCause, text: &Text) -> ! {
    store(&load().with_words(cause, text));
    SCB::sys_reset()
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let text = match info.location() {
        Some(at) => Text::of(format_args!("{}:{}: {}", at.file(), at.line(), info.message())),
        None => Text::of(format_args!("{}", info.message())),
    };
    leave(BootCause::Panic, &text)
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    leave(BootCause::HardFault, &Text::of(format_args!("at {:#010x}, called from {:#010x}", frame.pc(), frame.lr())))
}

/// The watchdog's first period is over.
#[exception]
unsafe fn NonMaskableInt() {
    leave(BootCause::Watchdog, &Text::of(format_args!("the main loop did not come round")))
}
