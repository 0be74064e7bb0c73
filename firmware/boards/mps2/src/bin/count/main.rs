//! What the firmware costs, counted inside the emulated machine: instructions per received code, per shot and per sent phase,
//! and how deep the stack gets.
//!
//! A host's end of the link and a script drive the real Controller over the real front end and drivers; only the chips are
//! made up ([`chips`]). Started by `firmware/boards/sizes` with `-icount shift=10` (see [`counter`]) and a rig image.
//! Results are lines of a name and a number on the emulator's output. Instructions are not cycles.
#![no_std]
#![no_main]

mod chips;
mod counter;
mod memory;
mod pair;
mod script;
mod stack;

use core::panic::PanicInfo;

use cortex_m_rt::{ExceptionFrame, entry, exception};
use cortex_m_semihosting::{debug, hprintln};
use xyloop_board_common::{About, start};
use xyloop_firmware::{Replica, rig_image::RigImage};
use xyloop_mps2::rig_image;
use xyloop_protocol::{
    link::{Config, Link, Role},
    message::BootCause,
    units::DacCode,
};

use self::{
    chips::Chips,
    counter::{Counter, Tally},
    memory::{HostMemory, Memory},
    pair::CountedPair,
};

#[entry]
fn main() -> ! {
    cortex_m::interrupt::disable();
    stack::paint();
    let counter = Counter::start();
    let memory = cortex_m::singleton!(: Memory = Memory::new()).expect("main runs once");
    let replicas = cortex_m::singleton!(: [Replica; 1] = [Replica::default()]).expect("main runs once");
    let of_host = cortex_m::singleton!(: HostMemory = HostMemory::new()).expect("main runs once");
    let of_line = cortex_m::singleton!(: pair::Memory = pair::Memory::new()).expect("main runs once");
    let parse = Tally::default();
    let image = match counter.count(&parse, || RigImage::parse(rig_image())) {
        Ok(image) => image,
        Err(error) => panic!("{error}"),
    };
    let buffers = memory.buffers(replicas);
    memory::report(&buffers);
    let about = About { model: "counted", serial: "1", boot_id: 5, boot_cause: BootCause::PowerOn, boot_note: "" };
    let codes = cortex_m::singleton!(: chips::Codes = [[0; _]; _]).expect("main runs once");
    let begin = Tally::default();
    let device = match counter.count(&begin, || start(Chips::new(image, codes), image, &about, buffers)) {
        // If the made-up chips did not answer as the drivers want, the first commit is refused.
        Ok(device) => device,
        Err(error) => panic!("{error}"),
    };
    hprintln!("start.image {}", parse.instructions());
    hprintln!("start.controller {}", begin.instructions());
    hprintln!("ram.controller {}", size_of_val(&device));
    let host = Link::new(Role::Host, of_host.storage(), Config::host());
    let generations = cortex_m::singleton!(: script::Codes = [[DacCode(0); _]; _]).expect("main runs once");
    script::run(&mut CountedPair::new(device, host, counter, of_line), image, generations);
    let (all, deepest) = stack::used();
    hprintln!("stack.all {}", all);
    hprintln!("stack.deepest_call {}", deepest);
    end(debug::EXIT_SUCCESS)
}

fn end(status: debug::ExitStatus) -> ! {
    debug::exit(status);
    loop {
        cortex_m::asm::nop();
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    hprintln!("failed: {}", info);
    end(debug::EXIT_FAILURE)
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    hprintln!("failed: fault at {:#010x}", frame.pc());
    end(debug::EXIT_FAILURE)
}
