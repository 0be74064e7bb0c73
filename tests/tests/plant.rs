//! `xyloop sim plant` with the firmware's own front end at the other end of a socket or of FIFOs, and `xyloop config board`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    time::Duration,
};

use xyloop_firmware::{
    Board, SafeTable,
    carrier::{ACKNOWLEDGEMENT, Broken, Carrier, Remote},
    front_end::{FrontEnd, Memory},
    rig_image::RigImage,
};
use xyloop_protocol::units::{DacCode, Turn};
use xyloop_tests::{Running, WorkFolder, config, small};

const HELLO: &[u8; 19] = b"\x01\0\x10xyloop carrier 1";

/// Two streams of bytes.
struct Wire<W, R>(W, R);

impl<W: Write, R: Read> Carrier for Wire<W, R> {
    fn send(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.0.write_all(bytes).map_err(|_| Broken)
    }

    fn receive(&mut self, bytes: &mut [u8]) -> Result<(), Broken> {
        self.1.read_exact(bytes).map_err(|_| Broken)
    }
}

/// The image of the 25-site rig, as `config board` writes it.
fn image(here: &WorkFolder) -> &'static [u8] {
    let done = here.xyloop(&["config", "board", &small(), "--image", "rig.bin"]).expect_code(0);
    assert!(done.stdout.starts_with("Rig `xor-5x5-4nsq`: "), "{done}");
    fs::read(here.path().join("rig.bin")).unwrap().leak()
}

/// Sets the chips up as firmware does after a start: registers, read-back, safe codes, latch.
fn boots(bytes: &'static [u8], carrier: impl Carrier) -> bool {
    let image = RigImage::parse(bytes).unwrap();
    let memory = Memory {
        fields: vec![DacCode::default(); 2 * usize::from(image.sites())].leak(),
        readings: vec![0; 8 * image.chips().len()].leak(),
    };
    let couplings: Vec<DacCode> = image.safe_couplings().collect();
    let fields: Vec<DacCode> = image.safe_fields().collect();
    let inputs: Vec<Turn> = image.safe_inputs().collect();
    let safe = SafeTable { couplings: &couplings, fields: &fields, inputs: &inputs };
    FrontEnd::new(Remote::new(carrier, image.crc()), image, memory).unwrap().recover(&safe).is_ok()
}

fn plant(here: &WorkFolder, more: &[&str]) -> (Running, String) {
    let process = here.start(&[&["sim", "plant", "--config", &small()], more].concat());
    let place = process.wait_for_stdout("");
    (process, place)
}

fn connect(place: &str) -> Wire<TcpStream, TcpStream> {
    let stream = TcpStream::connect(place.strip_prefix("tcp://").expect(place)).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    Wire(stream.try_clone().unwrap(), stream)
}

#[test]
fn a_plant_on_tcp_serves_one_board_after_the_other_and_keeps_its_record() {
    let here = WorkFolder::new();
    let image = image(&here);
    let (process, place) = plant(&here, &["--tcp", "--record", "codes.csv"]);
    assert!(boots(image, connect(&place)));
    assert!(boots(image, connect(&place)), "the next board");
    process.kill();
    let read = || fs::read_to_string(here.path().join("codes.csv")).unwrap();
    let count = |record: &str, event: &str| record.lines().filter(|line| line.split(',').nth(1) == Some(event)).count();
    let record = read();
    assert!(record.ends_with('\n'));
    assert_eq!((count(&record, "event"), count(&record, "power"), count(&record, "hello")), (1, 1, 2));
    assert_eq!(count(&record, "error"), 0, "{record}");
    assert!(count(&record, "write") > 300);

    let (process, place) = plant(&here, &["--tcp", "--record", "codes.csv"]);
    let mut board = connect(&place);
    // What is left over from an earlier board, then a greeting, then nonsense.
    board.send(&[4, 0, 9, 1]).unwrap();
    board.send(HELLO).unwrap();
    let mut answer = [0; ACKNOWLEDGEMENT.len()];
    board.receive(&mut answer).unwrap();
    assert_eq!(answer, ACKNOWLEDGEMENT);
    board.send(&[0x77; 40]).unwrap();
    assert_eq!(board.1.read(&mut answer).unwrap(), 0, "cut off");
    process.wait_for_stderr("the board is cut off: the board's stream makes no sense at byte 19");
    assert!(boots(image, connect(&place)));
    process.interrupt();
    let done = process.finish().expect_code(0);
    assert!(
        done.stderr.contains("2 starts, 0 shots, 2 latches, 0 conversions, ") && done.stderr.contains("; 0 wrong ("),
        "{done}"
    );
    let record = read();
    assert_eq!((count(&record, "event"), count(&record, "power"), count(&record, "hello")), (1, 2, 4), "it went on");
}

#[test]
fn a_plant_behind_fifos_may_die_and_come_back() {
    let here = WorkFolder::new();
    let image = image(&here);
    let (process, place) = plant(&here, &["--fifo", "board"]);
    assert_eq!(place, "board");
    let names = ["spi.request", "spi.reply"].map(|name| here.path().join("board").join(name));
    let open = |write: bool, path: &Path| File::options().write(write).read(!write).open(path).unwrap();
    let wire = || Wire(open(true, &names[0]), open(false, &names[1]));
    // A board that died in the middle of a message, with an answer that it did not take.
    let mut first = wire();
    first.send(HELLO).unwrap();
    first.send(&[3, 0, 30, 1, 2]).unwrap();
    drop(first);
    assert!(boots(image, wire()));
    let mut board = wire();
    process.kill();
    assert!(names.iter().all(|name| name.exists()));
    let (process, _) = plant(&here, &["--fifo", "board"]);
    board.send(&[2, 0, 3, 1]).unwrap();
    assert!(boots(image, board), "the same FIFOs");
    process.interrupt();
    let done = process.finish().expect_code(0);
    assert!(done.stderr.contains("1 starts, "), "{done}");
    assert!(names.iter().all(|name| !name.exists()), "removed");

    fs::write(&names[1], "mine").unwrap();
    let done = here.xyloop(&["sim", "plant", "--config", &small(), "--fifo", "board"]);
    let done = done.expect_code(2).expect_stderr(&["spi.reply", "there is something else of that name"]);
    assert_eq!(done.stdout, "");
    assert_eq!(fs::read_to_string(&names[1]).unwrap(), "mine");
}

#[test]
fn a_board_is_planned_from_its_rig() {
    let here = WorkFolder::new();
    let rig = config("rigs/xor-15x15-4nsq.toml");
    let done = here.xyloop(&["config", "board", &rig, "--image", "rig.bin", "--csv", "wiring.csv"]).expect_code(0);
    for words in [
        "118 chips",
        " 60 x ad5370 ",
        "  1 x ad5676r ",
        " 57 x ad7606 ",
        "2380 of  2400 channels  couplings, x and y of each site",
        "    4050 us  a generation",
        "     765 us  all bias fields",
        "     399 us  one reading",
    ] {
        assert!(done.stdout.contains(words), "{words}\n{done}");
    }
    let bytes = fs::read(here.path().join("rig.bin")).unwrap();
    let image = RigImage::parse(&bytes).unwrap();
    assert_eq!((image.sites(), image.chips().len(), image.serial()), (225, 118, "sim-xor-15x15-4nsq"));
    let wiring = fs::read_to_string(here.path().join("wiring.csv")).unwrap();
    let lines: Vec<&str> = wiring.lines().collect();
    assert_eq!(lines.len(), 1 + 1930 + 450 + 2 + 450);
    assert_eq!(lines[..2], ["what,index,sites,chip,kind,channel", "coupling,0,0 1,0,ad5370,0"]);
    assert_eq!(lines[1 + 1930 + 1], "field y,0,0,48,ad5370,11");
    assert_eq!(lines[1 + 2380], "input,0,80,60,ad5676r,0");
    assert_eq!(lines.last(), Some(&"Q,224,224,117,ad7606,1"));

    let settings = ["--set", "board.adc=\"ads131m08\"", "--set", "board.spi_mhz=10", "--json"];
    let value = here.xyloop(&[&["config", "board", &rig], &settings[..]].concat()).expect_code(0).json();
    assert_eq!((&value["chips"][2]["kind"], &value["chips"][2]["chips"]), (&"ads131m08".into(), &57.into()));
    // Four conversions at 128 samples, then 240 bits and the gap of each chip.
    assert_eq!(value["read_us"], 130 + (57_u32 * 245).div_ceil(10));
    let done = here.xyloop(&["config", "board", &rig, "--set", "board.dac=\"ad5676r\""]).expect_code(2);
    let _ = done.expect_stderr(&["needs 356 converter chips", "at most 128"]);
    let done = here.xyloop(&["config", "board", &rig, "--set", "board.adc=\"ad5370\""]).expect_code(2);
    let _ = done.expect_stderr(&["`board.adc` is \"ad5370\", a DAC", "`ad7606` or `ads131m08`"]);
}
