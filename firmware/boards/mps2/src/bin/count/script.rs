//! What is counted: generations, shots and what is sent of them, in either codec; and everything else that takes stack: a
//! greeting, deadmen, a fault and its end.

use cortex_m_semihosting::hprintln;
use xyloop_firmware::{generations::crc_of, keyed::philox, rig_image::RigImage};
use xyloop_protocol::{
    codec::{Codec, rice},
    message::{
        Block, Bytes, CodeArray, Command, Cost, Differences, Generation, Kick, Nudge, Plan, ReadOut, Segment, Settle,
        Shot, Stage, State,
    },
    units::{DacCode, Flags, ShotId},
};

use crate::{chips::phase, counter::Tally, pair::CountedPair};

/// Shots of each batch.
const SHOTS: u32 = 8;
/// Equilibria of a shot: free, +β, release, −β.
const EQUILIBRIA: u32 = 4;
/// Codes of the largest rig.
const CODES: usize = 1930 + 2 * 225;
/// Most inputs, and outputs.
const TERMINALS: usize = 2;
/// Bytes of a message in front of its codes, at most, as the host has it.
const HEAD: usize = 64;
/// The second window, at which a state that rests has settled.
pub const SETTLED_US: u32 = SETTLE.min_us + SETTLE.window_us;
const SETTLE: Settle =
    Settle { min_us: 4000, window_us: 1000, reads_per_window: 4, tolerance_turn: 10, timeout_us: 40_000 };
const DEADMAN_US: u64 = 300_000;

/// Two generations of codes.
pub type Codes = [[DacCode; CODES]; 2];

/// All of it, in order. Not inlined, so that only its own frame lies between the firmware's main loop and its calls.
#[inline(never)]
pub fn run(pair: &mut CountedPair<'_>, image: RigImage<'static>, codes: &mut Codes) {
    let (sites, couplings) = (u32::from(image.sites()), image.couplings().len());
    for (name, value) in [
        ("rig.sites", u64::from(sites)),
        ("rig.couplings", couplings as u64),
        ("rig.codes", couplings as u64 + 2 * u64::from(sites)),
        ("rig.chips", image.chips().len() as u64),
        ("rig.shots", SHOTS.into()),
    ] {
        hprintln!("{} {}", name, value);
    }
    hprintln!("bus.transaction_100 {}", pair.transactions());
    pair.connect();
    pair.ask(Command::Identify);
    let [codes, other] = codes.each_mut().map(|codes| &mut codes[..couplings + 2 * sites as usize]);
    draw(codes, other);
    let first = generation(pair, "words", (1, codes), None, couplings);
    let second = generation(pair, "delta", (2, other), Some((first, codes)), couplings);
    idle(pair);
    for (name, read_out, codec) in [
        ("phases_words", ReadOut::Phases, Codec::Words),
        ("phases_delta", ReadOut::Phases, Codec::Delta),
        ("contrast_words", ReadOut::Contrast, Codec::Words),
        ("contrast_delta", ReadOut::Contrast, Codec::Delta),
    ] {
        shots(pair, name, (second, read_out, codec), &image);
    }
    fault(pair, second, &image);
}

/// Codes all over the range, and others a training step away: by what 25 Adam steps of the 15 × 15 XOR task differ.
fn draw(codes: &mut [DacCode], other: &mut [DacCode]) {
    for (index, (code, other)) in codes.iter_mut().zip(other).enumerate() {
        let [word, step, ..] = philox([3, 4], [index as u32, 0, 0, 0]);
        *code = DacCode(word as u16);
        *other = DacCode((word as u16).wrapping_add((step % 33) as u16).wrapping_sub(16));
    }
}

/// Stages and commits a generation, as words or as differences to the one before.
fn generation(
    pair: &mut CountedPair<'_>,
    name: &str,
    (number, codes): (u32, &[DacCode]),
    before: Option<(Generation, &[DacCode])>,
    couplings: usize,
) -> Generation {
    let (stage, mut pieces, mut sent, mut bytes) = (Tally::default(), 0, 0, [0; 1024]);
    let most = (usize::from(pair.heard.max_message) - HEAD) / 2;
    for (block, range) in [(Block::Couplings, 0..couplings), (Block::Fields, couplings..codes.len())] {
        let mut first = range.start;
        while first < range.end {
            let mut count = (range.end - first).min(most);
            let codes = &codes[first..first + count];
            let words = bytes.as_chunks_mut::<2>().0.iter_mut().zip(codes);
            let array = match before {
                None => {
                    words.for_each(|(word, code)| *word = code.0.to_le_bytes());
                    sent += 2 * count;
                    CodeArray::Words(Bytes(&bytes[..2 * count]))
                }
                Some((base, before)) => {
                    let folded =
                        codes.iter().zip(&before[first..]).map(|(to, from)| rice::fold16(to.0.wrapping_sub(from.0)));
                    let length;
                    (count, length) = rice::encode_part::<16>(folded, &mut bytes[..2 * most]);
                    sent += length;
                    CodeArray::Differences(Differences { base, count: count as u32, coded: Bytes(&bytes[..length]) })
                }
            };
            pair.tell(Command::Stage(Stage {
                generation: number,
                block,
                first: (first - range.start) as u32,
                codes: array,
            }));
            (first, pieces) = (first + count, pieces + 1);
        }
    }
    pair.answered(&stage, pieces);
    let generation = Generation { number, crc: crc_of(codes) };
    let commit = pair.ask(Command::Commit(generation));
    hprintln!("{}.stage {}", name, stage.instructions());
    hprintln!("{}.stage_bytes {}", name, sent);
    hprintln!("{}.commit {}", name, commit.instructions());
    generation
}

/// A look when there is nothing to do.
fn idle(pair: &mut CountedPair<'_>) {
    let tally = Tally::default();
    for _ in 0..100 {
        pair.poll(&tally);
    }
    hprintln!("poll.idle_100 {}", tally.instructions());
}

/// A batch: the shots are queued, the host leaves and they run alone, the deadman comes, and a host that returns is sent all
/// that was measured. So running and sending are counted apart.
fn shots(
    pair: &mut CountedPair<'_>,
    name: &str,
    (generation, read_out, codec): (Generation, ReadOut, Codec),
    image: &RigImage<'_>,
) {
    let nudge = |beta_q8| Segment::Nudge(Nudge { beta_q8, cost: Cost::Log { bound_q14: 1638 } });
    let mut segments = [Segment::End; 8];
    segments[..5].copy_from_slice(&[Segment::Kick, Segment::Free, nudge(76_800), Segment::Release, nudge(-76_800)]);
    pair.ask(Command::Plan(Plan {
        run: 1,
        generation,
        segments,
        kick: Kick { seed: 77, range_steps: 20_000, duration_us: 2000 },
        settle: SETTLE,
        reads: 1,
        read_out,
        basin_tolerance_turn: 500,
        leave_out: Flags::default(),
        codec,
    }));
    let (queue, run, safe) = (Tally::default(), Tally::default(), Tally::default());
    let before = pair.device.counts();
    let last = before.shots_finished + u64::from(SHOTS);
    pair.chips().held = true;
    for id in before.shots_finished + 1..=last {
        shoot(pair, id, image);
    }
    pair.turns(&queue);
    assert_eq!(pair.device.state(), State::Running, "the shots were not queued");
    pair.leave();
    pair.chips().held = false;
    let mut polls = 0;
    while pair.device.counts().shots_finished < last {
        pair.poll(&run);
        polls += 1;
        assert!(polls < 10_000, "the shots do not come to an end");
    }
    let reads = pair.device.counts().reads - before.reads;
    pair.now_us += DEADMAN_US;
    pair.poll(&safe);
    assert!(matches!(pair.device.state(), State::Safe(_)), "the deadman did not come");

    pair.heard.bytes = 0;
    pair.heard.equilibria = 0;
    let send = pair.connect();
    pair.until(&send, |pair| pair.heard.equilibria == SHOTS * EQUILIBRIA);
    let bytes = pair.heard.bytes;
    (pair.heard.bytes, pair.heard.sums) = (0, 0);
    let collect = Tally::default();
    if read_out == ReadOut::Contrast {
        let sums = image.couplings().len() as u32 + 2 * u32::from(image.sites());
        pair.tell(Command::Collect(0));
        pair.until(&collect, |pair| pair.heard.sums == sums);
        pair.turns(&collect);
    }
    pair.tell(Command::Retire(last));
    pair.turns(&Tally::default());
    // What the connection itself takes.
    pair.leave();
    let connect = pair.connect();
    let arm = pair.ask(Command::Arm(generation));
    for (what, number) in [
        ("queue", queue.instructions()),
        ("run", run.instructions()),
        ("polls", polls),
        ("reads", reads),
        ("deadman", safe.instructions()),
        ("send", send.instructions().saturating_sub(connect.instructions())),
        ("send_bytes", bytes.into()),
        ("connect", connect.instructions()),
        ("arm", arm.instructions()),
    ] {
        hprintln!("{}.{} {}", name, what, number);
    }
    if read_out == ReadOut::Contrast {
        hprintln!("{}.collect {}", name, collect.instructions());
        hprintln!("{}.collect_bytes {}", name, pair.heard.bytes);
    }
}

/// Sends a shot with inputs at phase zero and targets an eighth of a turn from the free state.
fn shoot(pair: &mut CountedPair<'_>, id: ShotId, image: &RigImage<'_>) {
    let (zeros, mut targets) = ([0; 2 * TERMINALS], [0; 2 * TERMINALS]);
    for (place, site) in targets.as_chunks_mut::<2>().0.iter_mut().zip(image.outputs()) {
        *place = phase(site, 1).0.wrapping_add(1 << 13).to_le_bytes();
    }
    let (inputs, outputs) = (2 * image.inputs().len(), 2 * image.outputs().len());
    let (inputs, targets) = (Bytes(&zeros[..inputs]), Bytes(&targets[..outputs]));
    pair.tell(Command::Shot(Shot { id, flip: false, inputs, targets }));
}

/// A converter that fails under a shot, and the way back.
fn fault(pair: &mut CountedPair<'_>, generation: Generation, image: &RigImage<'_>) {
    let id = pair.device.counts().shots_finished + 1;
    let segments = core::array::from_fn(|index| match index {
        0 => Segment::Kick,
        1 => Segment::Free,
        _ => Segment::End,
    });
    pair.ask(Command::Plan(Plan {
        run: 2,
        generation,
        segments,
        kick: Kick { seed: 1, range_steps: 1, duration_us: 1 },
        settle: SETTLE,
        reads: 1,
        read_out: ReadOut::Outputs,
        basin_tolerance_turn: 500,
        leave_out: Flags::default(),
        codec: Codec::Words,
    }));
    pair.chips().broken = true;
    pair.heard.states = 0;
    shoot(pair, id, image);
    pair.until(&Tally::default(), |pair| pair.heard.states > 0);
    assert!(matches!(pair.device.state(), State::Faulted(_)), "a converter that fails is no fault");
    pair.chips().broken = false;
    let clear = pair.ask(Command::Clear);
    hprintln!("fault.clear {}", clear.instructions());
    pair.ask(Command::Arm(generation));
    assert_eq!(pair.device.state(), State::Running, "the shot was forgotten");
    pair.ask(Command::Status);
}
