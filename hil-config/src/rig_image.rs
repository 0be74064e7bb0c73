//! The rig image of a rig: which chips its board carries and which channel drives or reads what.
//!
//! Chips are filled in order: couplings, then x and y of each site, on the first DACs; inputs on DACs of their own behind
//! them; I and Q of each site on the ADCs behind those.

use xyloop_firmware::rig_image::{CHIPS_MAX, Parts, SERIAL_MAX};
pub use xyloop_firmware::rig_image::{Channel, ChipKind, ImageError, RigImage};
use xyloop_lattice::Graph;
use xyloop_protocol::{units::DacCode, wiring::Converters};

use crate::wiring::WiringLists;

/// Says which converters a board carries, and how they are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoardPlan {
    /// Drives couplings and bias fields.
    pub dac: ChipKind,
    /// Drives inputs.
    pub input_dac: ChipKind,
    /// Reads I and Q.
    pub adc: ChipKind,
    /// Clock of the SPI buses, Hz.
    pub spi_hz: u32,
    /// What the board needs between two transactions, nanoseconds.
    pub gap_ns: u32,
}

impl Default for BoardPlan {
    fn default() -> Self {
        Self {
            dac: ChipKind::Ad5370,
            input_dac: ChipKind::Ad5676r,
            adc: ChipKind::Ad7606,
            spi_hz: 20_000_000,
            gap_ns: 500,
        }
    }
}

/// Holds what an image says of its rig beside the chips.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Sites, couplings, input and output sites.
    pub graph: &'a Graph,
    /// Bits and ranges.
    pub converters: Converters,
    /// Outputs go safe after this silence, milliseconds.
    pub deadman_ms: u16,
    /// Serial number that the board announces; cut to what an image holds.
    pub serial: &'a str,
}

/// Says why a rig has no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// More chips than a board can select.
    #[error(
        "the rig needs {chips} converter chips, one board selects at most {CHIPS_MAX}: choose chips with more channels or a smaller lattice"
    )]
    TooManyChips {
        /// How many it needs.
        chips: usize,
    },
    /// More sites, couplings or terminals than an image can number.
    #[error("the rig has {sites} sites; an image numbers at most 65535: no board can carry it")]
    TooLarge {
        /// Sites of the graph.
        sites: usize,
    },
    /// Made, and not accepted by the firmware's own check.
    #[error("the firmware would refuse the image: {0}")]
    Refused(ImageError),
}

/// Makes the image of a rig on such a board.
///
/// # Errors
/// If it needs more chips than a board selects, or a kind of chip cannot do what it is planned for.
pub fn image<'a>(subject: impl Into<Subject<'a>>, board: &BoardPlan) -> Result<Vec<u8>, PlanError> {
    let Subject { graph, converters: c, deadman_ms, serial } = subject.into();
    let sites = u16::try_from(graph.len()).map_err(|_| PlanError::TooLarge { sites: graph.len() })?;
    let lists = WiringLists::new(graph);
    let (couplings, inputs) = (lists.couplings.len(), lists.inputs.len());
    let fields = 2 * graph.len();
    let parts = [(board.dac, couplings + fields), (board.input_dac, inputs), (board.adc, fields)];
    let needed = parts.map(|(kind, channels)| channels.div_ceil(usize::from(kind.channels())));
    let total = needed.iter().sum();
    if total > CHIPS_MAX {
        return Err(PlanError::TooManyChips { chips: total });
    }
    let (mut chips, mut channels) = (Vec::new(), Vec::new());
    for ((kind, count), needed) in parts.into_iter().zip(needed) {
        let (first, each) = (chips.len(), usize::from(kind.channels()));
        let place = |nth: usize| Channel { chip: (first + nth / each) as u8, channel: (nth % each) as u8 };
        channels.extend((0..count).map(place));
        chips.extend(std::iter::repeat_n(kind, needed));
    }
    let mid = |bits, count| std::iter::repeat_n(DacCode::mid(bits).0, count);
    let inputs_at_zero = std::iter::repeat_n(0, inputs);
    let safe: Vec<u16> =
        mid(c.coupling_bits, couplings).chain(mid(c.field_bits, fields)).chain(inputs_at_zero).collect();
    let parts = Parts {
        sites,
        couplings: &lists.couplings,
        inputs: &lists.inputs,
        outputs: &lists.outputs,
        converters: c,
        deadman_ms,
        serial: &serial[..serial.floor_char_boundary(SERIAL_MAX)],
        spi_hz: board.spi_hz,
        gap_ns: board.gap_ns,
        chips: &chips,
        channels: &channels,
        safe: &safe,
    };
    let mut bytes = vec![0; parts.len()];
    // The serial number was cut and the length is the image's own.
    parts.write(&mut bytes).ok_or(PlanError::Refused(ImageError::Length))?;
    RigImage::parse(&bytes).map_err(PlanError::Refused)?;
    Ok(bytes)
}
