//! The line to the host: a USB serial port (CDC-ACM), polled by the main loop.

use core::fmt;

use rp235x_hal::usb::UsbBus;
use usb_device::{
    LangID,
    bus::UsbBusAllocator,
    device::{StringDescriptors, UsbDevice, UsbDeviceBuilder, UsbDeviceState, UsbVidPid},
};
use usbd_serial::{SerialPort, USB_CLASS_CDC};

/// Van Ooijen Technische Informatica's pair for CDC-ACM devices, which all may use that tell themselves apart by name.
const IDS: UsbVidPid = UsbVidPid(0x16c0, 0x27dd);
/// Bytes of frames on their way, beyond what the USB classes buffer.
const OUT: usize = 1024;
const STORE: usize = 512;

/// The serial port.
pub struct Usb<'a> {
    device: UsbDevice<'a, UsbBus>,
    serial: SerialPort<'a, UsbBus, [u8; STORE], [u8; STORE]>,
    out: [u8; OUT],
    sent: usize,
    length: usize,
    connected: bool,
}

impl<'a> Usb<'a> {
    pub fn new(bus: &'a UsbBusAllocator<UsbBus>, serial_number: &'a str) -> Self {
        let serial = SerialPort::new_with_store(bus, [0; STORE], [0; STORE]);
        let names =
            StringDescriptors::new(LangID::EN_US).manufacturer("xyloop").product("pico2").serial_number(serial_number);
        let builder = UsbDeviceBuilder::new(bus, IDS).device_class(USB_CLASS_CDC);
        let builder = match builder.strings(&[names]).and_then(|builder| builder.max_packet_size_0(64)) {
            Ok(builder) => builder,
            Err(error) => panic!("USB descriptors: {error:?}"),
        };
        Self { device: builder.build(), serial, out: [0; OUT], sent: 0, length: 0, connected: false }
    }

    /// Serves the bus. Whether the host has just closed the port or pulled the cable.
    pub fn poll(&mut self) -> bool {
        self.device.poll(&mut [&mut self.serial]);
        let connected = self.device.state() == UsbDeviceState::Configured && self.serial.dtr();
        let gone = self.connected && !connected;
        self.connected = connected;
        if gone {
            // What was for the one who left is not for the next.
            (self.sent, self.length) = (0, 0);
        }
        if !connected {
            // Nor may the last words of one who left latch anything.
            while self.serial.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
        }
        gone
    }

    /// Takes what came; how much of `into` it fills.
    pub fn read(&mut self, into: &mut [u8]) -> usize {
        self.serial.read(into).unwrap_or(0)
    }

    /// Hands over what is to be sent; `fill` is asked for more when all of it is on its way.
    pub fn write_more(&mut self, fill: impl FnOnce(&mut [u8]) -> usize) {
        if self.sent == self.length {
            (self.sent, self.length) = (0, fill(&mut self.out));
        }
        self.push();
    }

    fn push(&mut self) {
        if let Some(rest @ [_, ..]) = self.out.get(self.sent..self.length) {
            self.sent += self.serial.write(rest).unwrap_or(0);
        }
        // What is left waits for the next turn.
        let _ = self.serial.flush();
    }

    /// Sends what has been written as text.
    pub fn flush(&mut self) {
        self.write_more(|_| 0);
    }

    /// Whether there is nothing of an earlier text or frame left to send.
    pub fn is_idle(&self) -> bool {
        self.sent == self.length
    }
}

/// Text for whoever looks with a terminal; what does not fit is dropped.
impl fmt::Write for Usb<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.sent == self.length {
            (self.sent, self.length) = (0, 0);
        }
        let room = &mut self.out[self.length..];
        let count = text.len().min(room.len());
        room[..count].copy_from_slice(&text.as_bytes()[..count]);
        self.length += count;
        Ok(())
    }
}
