//! What the Controller says: answers to commands, and results as far as the link has room for them.

use xyloop_protocol::{
    codec::{Codec, read_out, rice},
    message::{
        self, Bytes, Contrast, Equilibria, EquilibriaWriter, Equilibrium, Event, Identity, Limits, LinkCounts, ReadOut,
        Reason, Refusal, Report, Status,
    },
};

use super::Controller;
use crate::{board::Board, plan::kept_bytes};

/// Bytes that are kept free in front of contrast sums for the rest of their message.
const SUMS_HEAD: usize = 64;

/// What a command is answered with, before it is put into a message.
pub(super) enum Answer {
    Nothing,
    Done,
    Refused(Refusal),
    Identity,
    Status,
}

impl Answer {
    pub fn refused(reason: Reason, detail: u64) -> Self {
        Self::Refused(Refusal { reason, detail })
    }
}

impl<B: Board> Controller<'_, B> {
    /// Hands finished shots to the link, as many of their equilibria in a message as fit.
    pub(super) fn send_results(&mut self) {
        while let Some((index, first)) = self.shots.slots.next_to_send() {
            if self.link.send_room() < self.sizes.message() {
                return;
            }
            let outputs = self.who.wiring.outputs;
            let slot = *self.shots.slots.slot(index);
            let kept = self.shots.slots.results(index);
            let each = kept_bytes(slot.read_out, self.sizes.sites, outputs.len());
            // Of all phases that are kept for the contrast, those of the outputs travel.
            let gathers = slot.read_out == ReadOut::Contrast;
            let words = if gathers { outputs.len() } else { each / 2 };
            let word = |ordinal: usize, index: usize| {
                let place = if gathers { outputs.get(index).copied().map_or(0, usize::from) } else { index };
                let at = ordinal * each + 2 * place;
                kept.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u16::from_le_bytes(*word))
            };
            let mut writer = EquilibriaWriter::new(self.message_out);
            let mut count = 0;
            for (ordinal, row) in slot.rows().iter().enumerate().skip(first) {
                let data = |place: &mut [u8]| {
                    if slot.codec == Codec::Delta {
                        return read_out::encode(ordinal, words, word, place);
                    }
                    // As words all of it fits, or nothing is sent.
                    let place = place.get_mut(..2 * words)?;
                    if gathers {
                        for (index, place) in place.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                            *place = word(ordinal, index).to_le_bytes();
                        }
                    } else {
                        place.copy_from_slice(kept.get(ordinal * each..(ordinal + 1) * each)?);
                    }
                    Some(2 * words)
                };
                let row = Equilibrium {
                    flags: row.flags,
                    settle_us: row.settle_us,
                    residual_turn: row.residual_turn,
                    moved_turn: row.moved_turn,
                    data: Bytes(&[]),
                };
                if !writer.push(&row, 2 * words, data) {
                    break;
                }
                count += 1;
            }
            let head = Equilibria {
                shot: slot.id,
                generation: slot.generation,
                origin: slot.origin,
                first: slot.rows().get(first).map_or(0, |row| row.segment),
                rows: Bytes(&[]),
            };
            let Some(bytes) = writer.finish(head) else { return };
            if self.link.send(bytes).is_err() {
                return;
            }
            self.shots.slots.mark_sent(index, count);
        }
    }

    pub(super) fn answer(&mut self, tag: u16, answer: &Answer, now_us: u64) {
        match *answer {
            Answer::Nothing => {}
            Answer::Done => self.send(tag, &Report::Done),
            Answer::Refused(refusal) => self.send(tag, &Report::Refused(refusal)),
            Answer::Identity => self.send_identity(tag),
            Answer::Status => {
                let status = self.status(now_us);
                self.send(tag, &Report::Status(status));
            }
        }
    }

    pub(super) fn send(&mut self, tag: u16, report: &Report<'_>) {
        if let Some(bytes) = message::encode(&Event { tag, report: *report }, self.message_out) {
            // There is room: commands are only taken when there is.
            let _ = self.link.send(bytes);
        }
    }

    fn send_identity(&mut self, tag: u16) {
        let (who, s) = (self.who, self.sizes);
        let limits = Limits {
            sites: s.sites as u16,
            couplings: s.couplings as u32,
            inputs: s.inputs as u16,
            outputs: s.outputs as u16,
            shot_slots: s.slots as u16,
            result_bytes: s.result_bytes as u32,
            replicas: s.replicas as u16,
            max_message: s.message() as u16,
            deadman_ms: who.deadman_ms,
            codecs: who.codecs,
        };
        self.send(
            tag,
            &Report::Identity(Identity {
                vendor: who.vendor,
                model: who.model,
                serial: who.serial,
                firmware: env!("CARGO_PKG_VERSION"),
                boot_id: who.boot_id,
                boot_cause: who.boot_cause,
                boot_note: who.boot_note,
                wiring_hash: who.wiring.hash(),
                calibration_id: 0,
                limits,
            }),
        );
    }

    fn status(&self, now_us: u64) -> Status {
        let (pending, unretired) = self.shots.slots.counts();
        let link = self.link.counters();
        Status {
            state: self.state(),
            generation: self.generations.current().unwrap_or_default(),
            uptime_us: now_us.saturating_sub(self.started_us.unwrap_or(now_us)),
            shots_pending: pending as u16,
            shots_unretired: unretired as u16,
            last_shot: self.shots.slots.last().unwrap_or(0),
            counts: self.counts,
            link: LinkCounts {
                bytes_in: link.bytes_in,
                bytes_out: link.bytes_out,
                bad_frames: u64::from(link.framing.bad() + link.foreign_session),
                resends: u64::from(link.resends),
                rtt_us: link.rtt_us,
                window_bytes: link.window,
                frame_bytes: link.payload,
            },
        }
    }

    /// Sends sums from this one on, as many as a message takes; how many.
    pub(super) fn send_contrast(&mut self, tag: u16, first: u32) -> u32 {
        let contrast = &self.shots.contrast;
        let rest = contrast.sums().get(first as usize..).unwrap_or_default();
        // As words they fit, whatever the codec.
        let part = rest.get(..self.sizes.message().saturating_sub(SUMS_HEAD) / 4).unwrap_or(rest);
        let Some(place) = self.message_out.get_mut(SUMS_HEAD..) else { return 0 };
        let (count, bytes) = match contrast.codec {
            Codec::Words => {
                for (word, sum) in place.as_chunks_mut::<4>().0.iter_mut().zip(part) {
                    *word = sum.to_le_bytes();
                }
                (part.len(), 4 * part.len())
            }
            Codec::Delta => rice::encode_part::<32>(part.iter().map(|sum| rice::fold32(*sum)), place),
        };
        let report = Report::Contrast(Contrast {
            shots: contrast.shots,
            left_out: contrast.left_out,
            saturated: contrast.saturated,
            first,
            count: count as u32,
            codec: contrast.codec,
            sums: Bytes(&[]),
        });
        let event = Event { tag, report };
        if let Some(bytes) = message::encode_in_front(&event, self.message_out, SUMS_HEAD..SUMS_HEAD + bytes) {
            // There is room: it was looked at before.
            let _ = self.link.send(bytes);
        }
        count as u32
    }
}
