//! What the Controller says: answers to commands, and results as far as the link has room for them.

use xyloop_protocol::message::{
    self, Bytes, Contrast, Equilibrium, Event, Identity, Limits, LinkCounts, ReadOut, Reason, Refusal, Report, Status,
};

use super::{Controller, MOST_OUTPUTS_WITH_CONTRAST};
use crate::{board::Board, shot::kept_bytes};

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
    pub(super) fn send_results(&mut self) {
        while let Some((index, ordinal)) = self.shots.slots.next_to_send() {
            if self.link.send_room() < self.sizes.message() {
                return;
            }
            let outputs = self.who.wiring.outputs;
            let slot = *self.shots.slots.slot(index);
            let Some(row) = slot.rows().get(ordinal) else { return };
            let bytes = kept_bytes(slot.read_out, self.sizes.sites, outputs.len());
            let kept = self.shots.slots.results(index);
            let mut data = kept.get(ordinal * bytes..(ordinal + 1) * bytes).unwrap_or_default();
            // The outputs alone travel with contrast; they are gathered in a scratch that is free between shots.
            let mut gathered = [0; 2 * MOST_OUTPUTS_WITH_CONTRAST];
            if slot.read_out == ReadOut::Contrast {
                let words = gathered.as_chunks_mut::<2>().0.iter_mut();
                for (word, site) in words.zip(outputs) {
                    let at = 2 * usize::from(*site);
                    word.copy_from_slice(data.get(at..at + 2).unwrap_or(&[0, 0]));
                }
                data = gathered.get(..2 * outputs.len()).unwrap_or_default();
            }
            let report = Report::Equilibrium(Equilibrium {
                shot: slot.id,
                segment: row.segment,
                generation: slot.generation,
                origin: slot.origin,
                flags: row.flags,
                settle_us: row.settle_us,
                residual_turn: row.residual_turn,
                moved_turn: row.moved_turn,
                data: Bytes(data),
            });
            let event = Event { tag: 0, report };
            let Some(bytes) = message::encode(&event, self.message_out) else { return };
            if self.link.send(bytes).is_err() {
                return;
            }
            self.shots.slots.mark_sent(index);
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
        };
        self.send(
            tag,
            &Report::Identity(Identity {
                vendor: who.vendor,
                model: who.model,
                serial: who.serial,
                firmware: env!("CARGO_PKG_VERSION"),
                boot_id: who.boot_id,
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
        let most = self.sizes.message().saturating_sub(64) / 4;
        let part = rest.get(..most).unwrap_or(rest);
        let mut gathered = [0; 1024];
        let mut count = 0;
        for (word, sum) in gathered.as_chunks_mut::<4>().0.iter_mut().zip(part) {
            *word = sum.to_le_bytes();
            count += 4;
        }
        let report = Report::Contrast(Contrast {
            shots: contrast.shots,
            left_out: contrast.left_out,
            saturated: contrast.saturated,
            first,
            sums: Bytes(gathered.get(..count).unwrap_or_default()),
        });
        self.send(tag, &report);
        count as u32 / 4
    }
}
