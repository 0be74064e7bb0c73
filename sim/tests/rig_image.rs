//! Rig images: where channels go, that damage is noticed, what has no image.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::*;
use xyloop_firmware::rig_image::{Channel, ChipKind, ImageError, RigImage};
use xyloop_hil_config::rig_image::{BoardPlan, PlanError, image};
use xyloop_protocol::units::{DacCode, Turn};
use xyloop_sim::{
    Description,
    rack::{Rack, RackError},
};

#[test]
fn images_place_channels_in_order_and_come_back_as_they_were() {
    let description =
        Description { serial: "sim-äöü-äöü-äöü-äöü-äöü-äöü".into(), ..ideal(large(), 1) };
    let bytes = image(&description, &BoardPlan::default()).unwrap();
    let image = RigImage::parse(&bytes).unwrap();
    let count = |kind| image.chips().filter(|chip| *chip == kind).count();
    assert_eq!([ChipKind::Ad5370, ChipKind::Ad5676r, ChipKind::Ad7606].map(count), [60, 1, 57]);
    assert_eq!((image.sites(), image.couplings().len()), (225, 1930));
    assert_eq!(image.coupling_channels().nth(41), Some(Channel { chip: 1, channel: 1 }));
    assert_eq!(image.field_channels().last(), Some(Channel { chip: 59, channel: 19 }));
    assert_eq!(image.input_channels().collect::<Vec<_>>(), [0, 1].map(|channel| Channel { chip: 60, channel }));
    assert_eq!(image.read_channels().last(), Some(Channel { chip: 117, channel: 1 }));
    assert!(image.safe_couplings().chain(image.safe_fields()).all(|code| code == DacCode(0x8000)));
    assert!(image.safe_inputs().all(|turn| turn == Turn(0)));
    assert_eq!((image.spi_hz(), image.gap_ns(), image.deadman_ms()), (20_000_000, 500, 250));
    assert_eq!(image.converters(), CONVERTERS);
    assert!(description.serial.starts_with(image.serial()) && (31..=32).contains(&image.serial().len()));
    // 24 bits at 20 MHz and the gap: 1.7 us each.
    let times = image.times();
    assert_eq!(
        (times.generation_us, times.fields_us, times.read_us),
        ((2382 * 17_u32).div_ceil(10), 765, 5 + (57 * 69_u32).div_ceil(10))
    );
}

#[test]
fn every_damaged_byte_of_an_image_is_noticed() {
    let bytes = image(&tiny(), &BoardPlan::default()).unwrap();
    assert!(RigImage::parse(&bytes).is_ok());
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            let refused = RigImage::parse(&damaged).err();
            let expected = match at {
                0..4 => Some(ImageError::Magic),
                4..6 => Some(ImageError::Version(u16::from_le_bytes([damaged[4], damaged[5]]))),
                // A wrong length: not enough bytes, or the CRC of others.
                8..12 => refused.filter(|error| matches!(error, ImageError::Length | ImageError::Crc)),
                _ => Some(ImageError::Crc),
            };
            assert!(refused.is_some() && refused == expected, "byte {at}, bit {bit}: {refused:?}");
        }
    }
}

#[test]
fn rigs_that_no_board_carries_have_no_image() {
    let kinds = |dac, adc| BoardPlan { dac, adc, ..BoardPlan::default() };
    let refused = image(&ideal(large(), 1), &kinds(ChipKind::Ad5676r, ChipKind::Ad7606));
    assert_eq!(refused, Err(PlanError::TooManyChips { chips: 298 + 1 + 57 }));
    let refused = image(&tiny(), &kinds(ChipKind::Ad5370, ChipKind::Ad5676r));
    assert!(matches!(refused, Err(PlanError::Refused(ImageError::Channel(_)))), "{refused:?}");
    // And an image of one rig does not go with another.
    let bytes = image(&tiny(), &BoardPlan::default()).unwrap();
    let refused = Rack::new(ideal(small(), 1), &RigImage::parse(&bytes).unwrap()).err();
    assert!(matches!(refused, Some(RackError::Image("sites"))), "{refused:?}");
}
