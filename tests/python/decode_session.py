"""Decodes a recorded session: decode_session.py RECORDING.

Written from docs/protocol.md alone, with the standard library alone; chapters in comments are those of that document.
RECORDING is a capture as chapter 14 describes it. Standard output: one JSON object a line for every session and every
message, the summary last. Exit code 1, and the reason on standard error, if the recording breaks a rule of the protocol;
2 if it is no recording.
"""

import json
import struct
import sys
from collections import Counter

HOST, DEVICE = 0, 1
SIDES = ("host", "device")
WIRE_VERSION = 4
M32 = 0xFFFFFFFF
# Bytes of a stream that are kept to compare repeats with; older ones are far outside any window.
KEPT = 1 << 18
# Longer runs of bytes than the longest frame (16-bit payload) are rubbish, chapter 1.4.
LONGEST_CONTENT = 15 + 65535 + 4


class Violation(Exception):
    """The recording breaks a rule."""


class NotARecording(Exception):
    """The file is none of ours."""


class Malformed(Exception):
    """Bytes that are not what they should be encoded to."""


def demand(condition, words):
    if not condition:
        raise Violation(words)


# Chapter 1.3: CRC-32C, reflected, by table.


def crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = crc_table()


def crc32c(data):
    crc, table = M32, TABLE
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc ^ M32


assert crc32c(b"123456789") == 0xE3069283


# Chapter 14: the recording.


def records(file):
    head = file.read(24)
    if len(head) < 24 or head[:4] != bytes.fromhex("d4c3b2a1"):
        raise NotARecording("not a little-endian pcap file")
    if struct.unpack_from("<I", head, 20)[0] != 147:
        raise NotARecording("a capture of another link type than 147")
    while head := file.read(16):
        seconds, micros, length, _ = struct.unpack("<4I", head) if len(head) == 16 else (0, 0, 0, 0)
        data = file.read(length)
        if len(head) < 16 or len(data) < length or length == 0 or data[0] > 1:
            raise NotARecording("a record is torn or damaged")
        yield seconds * 1_000_000 + micros, data[0], data[1:]


# Chapter 1: frames.


def uncobs(data):
    out, at = bytearray(), 0
    while at < len(data):
        code = data[at]
        if at + code > len(data):
            return None
        out += data[at + 1 : at + code]
        at += code
        if code < 0xFF and at < len(data):
            out.append(0)
    return bytes(out)


class Frame:
    def __init__(self, content):
        first, self.session, self.seq, self.ack, self.credit = struct.unpack_from("<BIIIH", content)
        self.version, self.side, self.kind = first >> 4, first >> 3 & 1, first & 7
        self.payload = content[15:-4]


class Deframer:
    def __init__(self, counts):
        self.collected, self.counts = bytearray(), counts

    def feed(self, data):
        *ended, rest = data.split(b"\0")
        for piece in ended:
            self.collect(piece)
            if self.collected:
                frame = self.judge(bytes(self.collected))
                if frame:
                    yield frame
            self.collected.clear()
        self.collect(rest)

    def collect(self, piece):
        # Beyond the longest frame it is rubbish whatever follows: no need to keep it.
        self.collected += piece[: 2 * LONGEST_CONTENT - len(self.collected)]

    def judge(self, encoded):
        content = uncobs(encoded)
        if content is None:
            why = "bad COBS"
        elif len(content) > LONGEST_CONTENT:
            why = "oversized"
        elif len(content) < 19:
            why = "short"
        elif crc32c(content[:-4]) != struct.unpack("<I", content[-4:])[0]:
            why = "bad CRC"
        elif content[0] & 7 > 5:
            why = "unknown kind"
        else:
            self.counts["good"] += 1
            return Frame(content)
        self.counts[why] += 1
        return None


# Chapter 5: the encoding of messages.


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise Malformed
        self.at += count
        return self.data[self.at - count : self.at]

    def u8(self):
        return self.take(1)[0]

    def bool(self):
        value = self.u8()
        if value > 1:
            raise Malformed
        return value == 1

    def varint(self, bits):
        value = 0
        for place in range((bits + 6) // 7):
            byte = self.u8()
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                if value >> bits:
                    raise Malformed
                return value
        raise Malformed

    def u16(self):
        return self.varint(16)

    def u32(self):
        return self.varint(32)

    def u64(self):
        return self.varint(64)

    def i32(self):
        value = self.varint(32)
        return -(value >> 1) - 1 if value & 1 else value >> 1

    def bytes(self):
        return self.take(self.varint(64))

    def str(self):
        try:
            return self.bytes().decode()
        except UnicodeDecodeError:
            raise Malformed from None

    def origin(self):
        return struct.unpack("<I", self.take(4))[0]


# Chapters 6 and 7: the types. A struct is a list of fields, an enum a list of variants with what they carry.

STRUCTS = {
    "Request": "tag:u16 command:Command",
    "Stage": "generation:u32 block:Block first:u32 codes:CodeArray",
    "Differences": "base:Generation count:u32 coded:bytes",
    "Generation": "number:u32 crc:u32",
    "Plan": "run:u32 generation:Generation segments:Segments kick:Kick settle:Settle reads:u8 read_out:ReadOut "
    "basin_tolerance_turn:u16 leave_out:u16 codec:Codec",
    "Nudge": "beta_q8:i32 cost:Cost",
    "Log": "bound_q14:u16",
    "Kick": "seed:u64 range_steps:u16 duration_us:u32",
    "Settle": "min_us:u32 window_us:u32 reads_per_window:u8 tolerance_turn:u16 timeout_us:u32",
    "Shot": "id:u64 flip:bool inputs:bytes targets:bytes",
    "Event": "tag:u16 report:Report",
    "Refusal": "reason:Reason detail:u64",
    "Identity": "vendor:str model:str serial:str firmware:str boot_id:u32 boot_cause:BootCause "
    "boot_note:str wiring_hash:u64 calibration_id:u64 limits:Limits",
    "Limits": "sites:u16 couplings:u32 inputs:u16 outputs:u16 shot_slots:u16 result_bytes:u32 replicas:u16 "
    "max_message:u16 deadman_ms:u16 codecs:u16",
    "Status": "state:State generation:Generation uptime_us:u64 shots_pending:u16 shots_unretired:u16 last_shot:u64 "
    "counts:Counts link:LinkCounts",
    "Counts": "shots_begun:u64 shots_finished:u64 shots_discarded:u64 equilibria:u64 reads:u64 deadman:u32",
    "LinkCounts": "bytes_in:u64 bytes_out:u64 bad_frames:u64 resends:u64 rtt_us:u32 window_bytes:u32 frame_bytes:u32",
    "Equilibria": "shot:u64 generation:u32 origin:origin first:u8 rows:bytes",
    "Equilibrium": "flags:u16 settle_us:u32 residual_turn:u16 moved_turn:u16 data:bytes",
    "Contrast": "shots:u32 left_out:u32 saturated:bool first:u32 count:u32 codec:Codec sums:bytes",
}
ENUMS = {
    "Command": "Identify Status Stage:Stage Commit:Generation Arm:Generation Plan:Plan Shot:Shot Retire:u64 "
    "Collect:u32 Abort Safe Clear",
    "Block": "Couplings Fields",
    "CodeArray": "Words:bytes Differences:Differences",
    "Codec": "Words Delta",
    "Segment": "End Kick Free Nudge:Nudge Release",
    "Cost": "Log:Log Cosine",
    "ReadOut": "Phases Outputs Iq Contrast",
    "Report": "Done Refused:Refusal Identity:Identity Status:Status Equilibria:Equilibria Contrast:Contrast "
    "State:State",
    "Reason": "Malformed OutOfRange Busy NotStaged CrcMismatch WrongGeneration NotReady NoPlan BadPlan Full OldShot "
    "Faulted NoCodec",
    "Fault": "Converter Board Plant Link",
    "BootCause": "Unknown PowerOn Pin Asked Watchdog Panic HardFault BrownOut",
    "SafeCause": "Reset Asked Deadman Cleared",
    "State": "Boot Safe:SafeCause Ready Running Faulted:Fault",
}
STRUCTS = {name: [tuple(field.split(":")) for field in fields.split()] for name, fields in STRUCTS.items()}
ENUMS = {name: [tuple((variant + ":").split(":")[:2]) for variant in text.split()] for name, text in ENUMS.items()}


def decode(reader, kind):
    """A struct becomes a dict, a variant its name or {name: data}."""
    if kind in STRUCTS:
        return {name: decode(reader, of) for name, of in STRUCTS[kind]}
    if kind in ENUMS:
        number = reader.u32()
        if number >= len(ENUMS[kind]):
            raise Malformed
        name, data = ENUMS[kind][number]
        return {name: decode(reader, data)} if data else name
    if kind == "Segments":
        return [decode(reader, "Segment") for _ in range(8)]
    return getattr(reader, kind)()


def message(data, kind):
    """A whole message."""
    reader = Reader(data)
    decoded = decode(reader, kind)
    if reader.at != len(data):
        raise Malformed
    return decoded


def words(data):
    demand(len(data) % 2 == 0, f"{len(data)} bytes are no 16-bit words")
    return list(struct.unpack(f"<{len(data) // 2}H", data))


# Chapter 5.1: codecs.


def unfold(value):
    return -(value >> 1) - 1 if value & 1 else value >> 1


def rice(data, count, width):
    """The folded-back numbers; whatever is not the code of so many is a violation."""
    bits, at, end = int.from_bytes(data, "little"), 0, 8 * len(data)
    of_k = 4 if width == 16 else 5
    largest, values = (1 << of_k) - 1, []

    def take(number):
        nonlocal bits, at
        demand(at + number <= end, "a Rice code that ends too early")
        value = bits & ((1 << number) - 1)
        bits, at = bits >> number, at + number
        return value

    while len(values) < count:
        k = take(of_k)
        for _ in range(min(32, count - len(values))):
            if k == largest:
                values.append(take(width))
                continue
            if k == largest - 1:
                values.append(0)
                continue
            zeros = 0
            while zeros < 16 and take(1) == 0:
                zeros += 1
            value = take(width) if zeros == 16 else zeros << k | take(k)
            demand(zeros < 16 or value >> k >= 16, "an escape before a value that has a shorter form")
            demand(value >> width == 0, "a value that is too large")
            values.append(value)
    demand(end - at < 8 and bits == 0, "bits behind a Rice code")
    return [unfold(value) for value in values]


def read_out(data, earlier, count, codec):
    """The words of an equilibrium; `earlier`: those of the same shot in front of it."""
    if len(data) == 2 * count:
        return words(data)
    demand(codec == "Delta" and earlier and 0 < len(data) < 2 * count, f"{len(data)} bytes are no read-out of {count} words")
    reference = data[0]
    demand(reference < len(earlier), f"a read-out against equilibrium {reference} of {len(earlier)}")
    free, other = earlier[0], earlier[reference]
    expected = free if reference == 0 else [2 * f - e for f, e in zip(free, other)]
    SUMMARY["read-outs coded"] += 1
    return [(e + d) & 0xFFFF for e, d in zip(expected, rice(data[1:], count, 16))]


def sums(contrast):
    data, count = contrast["sums"], contrast["count"]
    if contrast["codec"] == "Delta":
        SUMMARY["sums coded"] += count
        return rice(data, count, 32)
    demand(len(data) == 4 * count, f"{len(data)} bytes are no {count} sums")
    return list(struct.unpack(f"<{count}i", data))


# Chapter 2.4: streams.


class Stream:
    """One direction of a session: bytes by their offset, repeats compared, messages cut off."""

    def __init__(self, start, credit):
        self.start = start
        self.base = 0  # of the first byte kept
        self.known = bytearray()
        self.cut = 0  # of the first byte not yet part of a message handed out
        self.early = {}
        self.sent = 0  # behind the last byte seen
        self.edge = credit  # right edge, chapter 2.5

    @property
    def next(self):
        return self.base + len(self.known)

    def place(self, offset):
        """Bytes from the start of the stream, of what is nearest to the next byte expected; modulo 2^32 on the wire."""
        ahead = (offset - self.start - self.next) & M32
        return self.next + (ahead - (1 << 32) if ahead >> 31 else ahead)

    def acknowledged(self, ack, credit):
        """What the other side says of this stream."""
        place = self.place(ack)
        demand(0 <= place <= self.sent, f"an ack of stream byte {place}, of {self.sent} sent")
        self.edge = max(self.edge, place + credit)

    def take(self, seq, payload):
        at = self.place(seq)
        demand(at + len(payload) <= self.edge, f"stream bytes up to {at + len(payload)}, the credit ends at {self.edge}")
        self.sent = max(self.sent, at + len(payload))
        self.put(at, payload)
        for at in sorted(self.early):
            if at <= self.next:
                self.put(at, self.early.pop(at))

    def put(self, at, payload):
        demand(at >= 0, "bytes before the start of the stream")
        if at > self.next:
            for other, held in self.early.items():
                low, high = max(at, other), min(at + len(payload), other + len(held))
                same = low >= high or payload[low - at : high - at] == held[low - other : high - other]
                demand(same, f"stream bytes at {low} were sent again with another value")
            if len(payload) > len(self.early.get(at, b"")):
                self.early[at] = payload
            return
        low, high = max(at, self.base), min(at + len(payload), self.next)
        if low < high:
            same = payload[low - at : high - at] == self.known[low - self.base : high - self.base]
            demand(same, f"stream bytes at {low} were sent again with another value")
            SUMMARY["stream bytes repeated"] += high - low
        if at + len(payload) > self.next:
            self.known += payload[self.next - at :]

    def messages(self):
        while self.next >= self.cut + 2:
            at = self.cut - self.base
            (length,) = struct.unpack_from("<H", self.known, at)
            if self.next < self.cut + 2 + length:
                return
            self.cut += 2 + length
            yield bytes(self.known[at + 2 : at + 2 + length])
        drop = min(self.cut, self.next - KEPT) - self.base
        if drop > KEPT:
            del self.known[:drop]
            self.base += drop


class Shot:
    """A shot that was asked for, with the plans that may be in force for it."""

    def __init__(self, number, session, shot, plans):
        self.number, self.session, self.shot, self.plans = number, session, shot, plans
        self.refused = False

    def plan(self):
        taken = [plan for plan in self.plans if plan["done"]]
        return taken[-1] if taken else None

    def origin(self, plan):
        shot = self.shot
        rest = struct.pack("<QB", shot["id"], shot["flip"]) + shot["inputs"] + shot["targets"]
        return crc32c(plan["bytes"] + rest)


class Device:
    """What is known of a device from one start to the next: codes and shots, chapter 8."""

    def __init__(self, boot_id):
        self.boot_id = boot_id
        self.limits = None
        self.current = None  # generation in force, None if not known
        self.coming = None
        self.committed = {}
        self.staged = {}
        self.shots = {}  # by id, in the order in which they were asked for
        self.asked = 0

    def forget_codes(self):
        """A stage or commit was under way when the session ended: done or not, nobody knows."""
        self.current = self.coming = None
        self.committed, self.staged = {}, {}


class Session:
    def __init__(self, number, streams, device):
        self.number = number
        self.device = device
        self.streams = streams
        self.asked = []  # requests whose answer is still to come
        self.silent = {}  # shots by tag: answered only if refused
        self.collects = set()  # tags under which sums were asked for: answered when the shots are over
        self.plans = []
        self.rows = []
        self.states = {}  # words of the equilibria of a shot, so far
        self.malformed = 0

    # Chapter 3.1: answers come in the order of the requests, but for that of Collect (8.8).

    def request(self, data, request):
        tag, (name, body) = request["tag"], named(request["command"])
        demand(tag != 0, "a request with tag 0")
        if name == "Shot":
            self.device.asked += 1
            shot = Shot(self.device.asked, self, body, list(self.plans))
            self.device.shots.setdefault(body["id"], []).append(shot)
            self.silent[tag] = shot
        elif name == "Collect":
            self.collects.add(tag)
        elif name != "Retire":
            entry = {"tag": tag, "name": name, "body": body}
            if name == "Plan":
                entry["plan"] = {"done": False, "bytes": plan_bytes(data), "plan": body}
                self.plans.append(entry["plan"])
            self.asked.append(entry)

    def event(self, event):
        tag, (name, body) = event["tag"], named(event["report"])
        if name == "Equilibria":
            demand(tag == 0, f"equilibria with tag {tag}")
            return self.equilibria(body)
        if tag == 0:
            if name == "Refused":
                demand(body["reason"] == "Malformed", f"{body['reason']} with tag 0")
                self.malformed += 1
            else:
                demand(name == "State", f"{name} came unasked")
            return None
        if tag in self.collects:
            demand(name in ("Contrast", "Refused"), f"Collect was answered with {name}")
            if name == "Refused":
                self.collects.remove(tag)
            return None
        if name == "Refused" and (not self.asked or self.asked[0]["tag"] != tag):
            shot = self.silent.get(tag)
            demand(shot is not None, f"tag {tag} was refused and never asked")
            shot.refused = True
            return None
        demand(self.asked, f"tag {tag} was answered and never asked")
        entry = self.asked.pop(0)
        demand(entry["tag"] == tag, f"tag {tag} was answered, the next answer due is that of {entry['tag']}")
        if name == "Refused":
            # 8.2: it is in force, but went safe before it was latched.
            if entry["name"] == "Commit" and body["reason"] == "NotReady":
                self.commit(entry["body"])
            return None
        wanted = {"Identify": "Identity", "Status": "Status"}.get(entry["name"], "Done")
        demand(name == wanted, f"{entry['name']} was answered with {name}")
        self.done(entry, body)
        return None

    def done(self, entry, body):
        device, name, asked = self.device, entry["name"], entry["body"]
        if name == "Identify":
            device.limits = body["limits"]
            demand(body["boot_id"] == device.boot_id, "identity and greeting name different boots")
        elif name == "Status":
            demand(device.current in (None, body["generation"]), "the device holds another generation than was committed")
            device.current = body["generation"]
        elif name == "Stage":
            self.stage(asked)
        elif name == "Commit":
            self.commit(asked)
        elif name == "Arm":
            demand(device.current in (None, asked), "another generation was armed than is in force")
            device.current = asked
        elif name == "Plan":
            demand(device.current in (None, asked["generation"]), "a plan for another generation was taken")
            entry["plan"]["done"] = True
        elif name == "Collect":
            taken = [plan["plan"]["codec"] for plan in self.plans if plan["done"]]
            demand(not taken or taken[-1] == body["codec"], "sums in another codec than the plan's")
            demand(body["first"] == asked, f"sums from {body['first']} on, asked was {asked}")
            body["sums"] = sums(body)

    # Chapters 6.1 and 8.2.

    def stage(self, asked):
        device, block, first = self.device, asked["block"], asked["first"]
        name, codes = named(asked["codes"])
        if device.coming != asked["generation"]:
            device.staged, device.coming = dict(device.committed), asked["generation"]
        if name == "Words":
            for index, code in enumerate(words(codes)):
                device.staged[block, first + index] = code
            return
        demand(device.current in (None, codes["base"]), "differences to another generation than is in force were taken")
        for index, difference in enumerate(rice(codes["coded"], codes["count"], 16)):
            place = block, first + index
            if place in device.committed:
                device.staged[place] = (device.committed[place] + difference) & 0xFFFF
                SUMMARY["codes from differences"] += 1
            else:
                device.staged.pop(place, None)


    def commit(self, generation):
        device = self.device
        if device.coming != generation["number"]:
            known = device.current is not None and device.coming is not None
            demand(not known or device.current == generation, "a commit of what was not staged was done")
            device.current = generation
            return
        if device.limits:
            total = {"Couplings": device.limits["couplings"], "Fields": 2 * device.limits["sites"]}
            places = [(block, index) for block in total for index in range(total[block])]
            if all(place in device.staged for place in places):
                codes = b"".join(struct.pack("<H", device.staged[place]) for place in places)
                demand(crc32c(codes) == generation["crc"], f"generation {generation['number']} has another CRC")
                SUMMARY["generations checked"] += 1
            else:
                SUMMARY["generations not checked"] += 1
        device.committed, device.current, device.coming = dict(device.staged), generation, None

    # Chapters 3.4 and 8.5.

    def equilibria(self, body):
        """Each equilibrium of a message, with what all of them share."""
        reader, segment, rows = Reader(body["rows"]), body["first"], []
        while reader.at < len(body["rows"]) or not rows:
            row = decode(reader, "Equilibrium")
            row.update({key: body[key] for key in ("shot", "generation", "origin")}, segment=segment)
            row["known"] = self.equilibrium(row)
            rows.append(row)
            segment += 1
        return rows

    def equilibrium(self, row):
        """Whether it is of a shot that was asked for."""
        shots = [shot for shot in self.device.shots.get(row["shot"], []) if not shot.refused]
        found = None
        for shot in reversed(shots):
            # In this session under the plan in force then; in an earlier one the answer to the plan may be lost.
            plans = [shot.plan()] if shot.session is self else list(reversed(shot.plans))
            for plan in filter(None, plans):
                if shot.origin(plan) == row["origin"]:
                    found = found or (shot, plan)
        # The free state, segment 1, is the first; its words say how many there are.
        earlier = self.states.get(row["shot"], []) if row["segment"] > 1 else []
        count, codec = len(earlier[0]) if earlier else len(row["data"]) // 2, "Delta"
        where = f"shot {row['shot']}, segment {row['segment']}"
        if shots:
            demand(found, f"{where}: origin {row['origin']:08x} is not that of plan and shot")
            shot, plan = found
            plan = plan["plan"]
            demand(row["generation"] == plan["generation"]["number"], f"{where}: measured under another generation")
            expected = [i for i, segment in enumerate(plan["segments"]) if segment not in ("End", "Kick")]
            demand(row["segment"] in expected, f"{where}: the plan has no such equilibrium")
            codec = plan["codec"]
            if self.device.limits:
                limits, what = self.device.limits, plan["read_out"]
                count = (limits["sites"] if what in ("Phases", "Iq") else limits["outputs"]) * (2 if what == "Iq" else 1)
                right = len(row["data"]) == 2 * count or (codec == "Delta" and earlier)
                demand(right, f"{where}: {len(row['data'])} bytes, not {2 * count}")
            self.rows.append((shot, row["segment"], expected))
            SUMMARY["equilibria"] += 1
        else:
            SUMMARY["equilibria of unknown shots"] += 1
        row["data"] = read_out(row["data"], earlier, count, codec)
        self.states[row["shot"]] = earlier + [row["data"]]
        return bool(shots)

    def end(self):
        """Order and number of the equilibria, once it is known which shots were refused."""
        last, segments = None, []
        for shot, segment, expected in self.rows:
            if shot is not last:
                demand(not segments, f"shot {shot.shot['id']} began before the one in front of it was complete")
                ordered = last is None or shot.number > last.number
                demand(ordered, f"shot {shot.shot['id']} came out of turn, or twice")
                last, segments = shot, list(expected)
            demand(segments and segments[0] == segment, f"shot {shot.shot['id']}: segment {segment} out of turn, or twice")
            segments.pop(0)
        if any(entry["name"] in ("Stage", "Commit") for entry in self.asked):
            self.device.forget_codes()


def named(variant):
    return next(iter(variant.items())) if isinstance(variant, dict) else (variant, None)


def plan_bytes(data):
    """The bytes of a plan in a request: what is left behind tag and number of the command."""
    reader = Reader(data)
    reader.u16(), reader.u32()
    return data[reader.at :]


# Chapter 4: the greeting.


def greeted(greeting):
    if len(greeting) < 20:
        return None
    schema_hash, wiring_hash, boot_id = struct.unpack_from("<8sQI", greeting)
    length = greeting[20] if len(greeting) > 20 else 0
    serial = greeting[21 : 21 + length]
    if length > 64 or len(serial) < length:
        return None
    try:
        serial = serial.decode()
    except UnicodeDecodeError:
        return None
    return {"schema_hash": schema_hash, "wiring_hash": f"{wiring_hash:016x}", "boot_id": boot_id, "serial": serial}


# Chapter 2: sessions.


class Line:
    def __init__(self, emit):
        self.emit = emit
        self.frames = (Counter(), Counter())
        self.deframers = tuple(Deframer(counts) for counts in self.frames)
        self.opens = {}  # by session and host's start: the host's first credit
        self.offers = {}  # by session, host's start and device's start: the device's first credit, its payload
        self.pending = None  # of the offers, the newest
        self.session = None
        self.device = None
        self.sessions = 0
        self.dropped = Counter()

    def feed(self, time_us, side, data):
        for frame in self.deframers[side].feed(data):
            try:
                self.take(time_us, side, frame)
            except Violation as violation:
                raise Violation(f"at {time_us} us, {SIDES[side]}: {violation}") from None

    def take(self, time_us, side, frame):
        if frame.side != side:
            self.dropped["echoed"] += 1
        elif frame.kind in (2, 3):
            self.opening(side, frame)
        elif frame.version != WIRE_VERSION:
            self.dropped["other version"] += 1
        elif frame.kind == 4:
            self.reset(time_us, side, frame)
        else:
            self.stream(time_us, side, frame)

    def opening(self, side, frame):
        """Chapter 2.2: what a host asks and a device offers; neither is a session yet."""
        if frame.kind != 2 + side or len(frame.payload) < 7:
            self.dropped["malformed"] += 1
            return
        if side == HOST:
            self.opens[frame.session, frame.seq] = frame.credit
        elif frame.version == WIRE_VERSION and frame.payload[0] == WIRE_VERSION:
            offer, said = (frame.session, frame.ack, frame.seq), (frame.credit, frame.payload)
            if offer not in self.offers:
                self.offers[offer], self.pending = said, offer
            demand(self.offers[offer] == said, "an Accept was repeated with another content")
        else:
            self.dropped["other version"] += 1

    def confirm(self, time_us, frame):
        """A host's frame that names the start a device has just drawn makes the session."""
        if self.pending is None or (frame.session, frame.ack) != self.pending[::2] or frame.kind == 5:
            return
        number, host_start, device_start = self.pending
        credit, payload = self.offers[self.pending]
        window, greeting = struct.unpack_from("<I", payload, 3)[0], payload[7:]
        if (frame.seq - host_start) & M32 > window:
            return
        self.pending = None
        if self.session:
            self.session.end()
        said = greeted(greeting)
        if self.device is None or said is None or self.device.boot_id != said["boot_id"]:
            self.device = Device(said and said["boot_id"])
        streams = (Stream(host_start, credit), Stream(device_start, self.opens.get((number, host_start), 0)))
        self.session = Session(number, streams, self.device)
        self.sessions += 1
        self.emit(time_us, HOST, "Session", {"session": frame.session, "greeting": said})

    def reset(self, time_us, side, frame):
        """Chapter 2.3."""
        if side == HOST:
            self.dropped["malformed"] += 1
        elif self.session and self.session.number == frame.session:
            self.emit(time_us, side, "Reset", {"session": frame.session})

    def stream(self, time_us, side, frame):
        if side == HOST:
            self.confirm(time_us, frame)
        session = self.session
        if session is None or frame.session != session.number:
            self.dropped["other session"] += 1
            return
        if frame.kind == 5:
            self.emit(time_us, side, "Close", {"session": frame.session})
            return
        session.streams[1 - side].acknowledged(frame.ack, frame.credit)
        if frame.kind == 1:
            self.ranges(frame)
            return
        stream = session.streams[side]
        stream.take(frame.seq, frame.payload)
        for data in stream.messages():
            self.message(time_us, side, data)

    @staticmethod
    def ranges(frame):
        """Chapter 2.6: whole pairs, ascending, disjoint, with a gap in front of each."""
        demand(len(frame.payload) % 4 == 0 and len(frame.payload) <= 64, "an Ack with a payload of no ranges")
        reached = 0
        for start, length in struct.iter_unpack("<HH", frame.payload):
            demand(start > reached and length > 0, "an Ack whose ranges do not ascend")
            reached = start + length
        if frame.payload:
            SUMMARY["acks with ranges"] += 1

    def message(self, time_us, side, data):
        session, kind = self.session, ("Request", "Event")[side]
        try:
            decoded = message(data, kind)
        except Malformed:
            demand(side == HOST, f"an event of {len(data)} bytes cannot be decoded")
            self.emit(time_us, side, "Malformed", {"length": len(data)})
            return
        limits = session.device.limits
        if side == HOST and limits and len(data) > limits["max_message"]:
            self.emit(time_us, side, "TooLong", {"length": len(data)})
            return
        name, body = named(decoded["command" if side == HOST else "report"])
        if side == HOST:
            session.request(data, decoded)
        elif name == "Equilibria":
            try:
                rows = session.event(decoded)
            except Malformed:
                raise Violation(f"rows of {len(body['rows'])} bytes cannot be decoded") from None
            for row in rows:
                self.emit(time_us, side, "Equilibrium", row, decoded["tag"])
            return
        else:
            session.event(decoded)
        self.emit(time_us, side, name, body, decoded["tag"])

    def end(self):
        if self.session:
            self.session.end()


SUMMARY = Counter()


def plain(value):
    """For JSON: bytes in hexadecimal."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: plain(of) for key, of in value.items()}
    return [plain(of) for of in value] if isinstance(value, list) else value


def main(path):
    types = Counter()

    def emit(time_us, side, name, body, tag=None):
        types[name] += 1
        line = {"time_us": time_us, "from": SIDES[side], "is": name}
        if tag is not None:
            line["tag"] = tag
        if name == "Equilibrium":
            body = dict(body, origin=f"{body['origin']:08x}")
        if body is not None:
            line["body"] = plain(body)
        print(json.dumps(line))

    line, failure = Line(emit), None
    try:
        with open(path, "rb") as file:
            for time_us, side, data in records(file):
                line.feed(time_us, side, data)
        line.end()
    except Violation as violation:
        failure = str(violation)
    summary = {
        "sessions": line.sessions,
        "messages": types,
        "frames": {side: counts for side, counts in zip(SIDES, line.frames)},
        "dropped": line.dropped,
        "checks": SUMMARY,
        "violation": failure,
    }
    print(json.dumps({"summary": summary}))
    if failure:
        print(f"{path}: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: decode_session.py RECORDING")
    try:
        sys.exit(main(sys.argv[1]))
    except (NotARecording, OSError) as error:
        print(f"{sys.argv[1]}: {error}", file=sys.stderr)
        sys.exit(2)
