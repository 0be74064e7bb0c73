//! Equilibria as an Arrow IPC stream: schema, columns, one write per record batch. The only module that names arrow.
//!
//! A stream cannot be reopened to be appended to, so there is one file per process: `equilibria/000000.arrows`, ….

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, FixedSizeListArray, Float64Array, RecordBatch, StringArray, UInt8Array, UInt16Array, UInt32Array,
    UInt64Array,
};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use xyloop_protocol::units::Flags;

use super::appender::{Appender, Sink};
use super::error::FolderError;
use super::rows::EquilibriumRow;

/// Holds what a stream says about itself, in the metadata of its schema.
#[derive(Clone, Debug)]
pub(super) struct StreamHeader {
    /// The run it belongs to.
    pub run_id: String,
    /// Sites of the array.
    pub site_count: usize,
    /// Sites whose phases are in a row, in this order.
    pub sites: Vec<u16>,
}

/// Writes the open stream.
pub(super) struct Equilibria<S> {
    /// Encodes into memory; what it holds is written as one piece.
    encoder: StreamWriter<Vec<u8>>,
    schema: SchemaRef,
    sites: usize,
    file: Appender<S>,
}

impl<S: Sink> Equilibria<S> {
    /// Begins a stream: the schema is written at once, so that readers can open it before there is a row.
    pub fn start(file: Appender<S>, header: &StreamHeader) -> Result<Self, FolderError> {
        let schema = Arc::new(schema(header));
        let encoder =
            StreamWriter::try_new(Vec::new(), &schema).map_err(|error| FolderError::unwritable(file.path(), &error))?;
        let mut stream = Self { encoder, schema, sites: header.sites.len(), file };
        stream.write_encoded()?;
        Ok(stream)
    }

    /// Writes rows as one record batch with one write; the number of bytes written. After an error the stream is as it
    /// was before, and the rows may be tried again.
    pub fn append(&mut self, rows: &[EquilibriumRow]) -> Result<u64, FolderError> {
        if let Some(row) = rows.iter().find(|row| row.phases.len() != self.sites) {
            let (shot, found, expected) = (row.shot, row.phases.len(), self.sites);
            let reason = format!("an equilibrium of shot {shot} has {found} phases, the log is for {expected} sites");
            return Err(FolderError::unwritable(self.file.path(), &reason));
        }
        let batch = columns(rows, &self.schema, self.sites)
            .and_then(|columns| RecordBatch::try_new(self.schema.clone(), columns));
        let encoded = batch.and_then(|batch| self.encoder.write(&batch));
        self.write_result(encoded)
    }

    /// Writes the end of the stream and closes the file; its length in bytes.
    pub fn finish(mut self) -> Result<u64, FolderError> {
        let encoded = self.encoder.finish();
        self.write_result(encoded)?;
        Ok(self.file.length())
    }

    fn write_result(&mut self, encoded: Result<(), ArrowError>) -> Result<u64, FolderError> {
        if let Err(error) = encoded {
            self.encoder.get_mut().clear();
            return Err(FolderError::unwritable(self.file.path(), &error));
        }
        self.write_encoded()
    }

    fn write_encoded(&mut self) -> Result<u64, FolderError> {
        let piece = self.encoder.get_mut();
        let written = self.file.append(piece).map(|()| piece.len() as u64);
        piece.clear();
        written
    }
}

/// Lists the columns of a stream, each with its `unit` and its `meaning`, in the order of [`columns`].
fn schema(header: &StreamHeader) -> Schema {
    let flags: Vec<String> = Flags::NAMES.iter().map(|(flag, name)| format!("{} = {name}", flag.0)).collect();
    let flags = format!("what the device noticed, a set of bits: {}", flags.join(", "));
    let sites: Vec<String> = header.sites.iter().map(u16::to_string).collect();
    let phases = DataType::FixedSizeList(phase_item(), header.sites.len() as i32);
    let fields = vec![
        field("epoch", DataType::UInt32, "1", "epoch, from 1; 0 in the evaluation"),
        field("step", DataType::UInt32, "1", "optimiser steps done before it"),
        field(
            "shot",
            DataType::UInt64,
            "1",
            "shot id, assigned by the host, never reused within a run; evaluations from 2^40 on",
        ),
        field("sample", DataType::UInt32, "1", "row in the data set, from 0"),
        field("start", DataType::UInt32, "1", "which of the sample's random starts, from 0"),
        field("stream", DataType::Utf8, "name", "train or eval"),
        field("segment", DataType::UInt8, "1", "index of the segment in the shot plan, from 0"),
        field("kind", DataType::Utf8, "name", "free, nudge or release"),
        field("beta", DataType::Float64, "model unit of h", "nudge strength, signed; 0 if not nudged"),
        field("generation", DataType::UInt32, "1", "number of the parameters in force"),
        field("crc", DataType::UInt32, "1", "CRC-32C of their codes"),
        field("flags", DataType::UInt16, "bits", &flags),
        field("settle_us", DataType::UInt32, "us", "time from the segment's start until the read"),
        field("residual_turn", DataType::UInt16, "2^-16 turn", "largest change between the last two windows"),
        field("moved_turn", DataType::UInt16, "2^-16 turn", "largest distance of a site from the shot's free state"),
        field("phases", phases, "2^-16 turn", "phases of the sites in the schema metadata `sites`; 2^16 = 2 pi rad"),
    ];
    let metadata = [
        ("format", "1".to_owned()),
        ("run_id", header.run_id.clone()),
        ("site_count", header.site_count.to_string()),
        ("sites", format!("[{}]", sites.join(","))), // JSON
    ];
    Schema::new_with_metadata(fields, metadata.map(|(key, value)| (key.to_owned(), value)))
}

fn field(name: &str, data_type: DataType, unit: &str, meaning: &str) -> Field {
    let metadata = [("unit", unit), ("meaning", meaning)].map(|(key, value)| (key.to_owned(), value.to_owned()));
    Field::new(name, data_type, false).with_metadata(HashMap::from(metadata))
}

fn phase_item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::UInt16, false))
}

/// Returns the rows, column by column, in the order of [`schema`].
fn columns(rows: &[EquilibriumRow], schema: &Schema, sites: usize) -> Result<Vec<ArrayRef>, ArrowError> {
    let u32s =
        |of: fn(&EquilibriumRow) -> u32| Arc::new(UInt32Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
    let u16s =
        |of: fn(&EquilibriumRow) -> u16| Arc::new(UInt16Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
    let names = |of: fn(&EquilibriumRow) -> &'static str| {
        Arc::new(StringArray::from_iter_values(rows.iter().map(of))) as ArrayRef
    };
    let mut phases = Vec::with_capacity(rows.len() * sites);
    for row in rows {
        phases.extend_from_slice(&row.phases);
    }
    let phases = Arc::new(UInt16Array::from(phases));
    let phases = FixedSizeListArray::try_new_with_length(phase_item(), sites as i32, phases, None, rows.len())?;
    let columns = vec![
        u32s(|row| row.epoch),
        u32s(|row| row.step),
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.shot))),
        u32s(|row| row.sample),
        u32s(|row| row.start),
        names(|row| row.stream.name()),
        Arc::new(UInt8Array::from_iter_values(rows.iter().map(|row| row.segment))),
        names(|row| row.kind.name()),
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.beta))),
        u32s(|row| row.generation),
        u32s(|row| row.crc),
        u16s(|row| row.flags),
        u32s(|row| row.settle_us),
        u16s(|row| row.residual_turn),
        u16s(|row| row.moved_turn),
        Arc::new(phases) as ArrayRef,
    ];
    debug_assert_eq!(columns.len(), schema.fields().len());
    Ok(columns)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use arrow_ipc::reader::StreamReader;

    use super::super::appender::tests::Memory;
    use super::super::rows::{SegmentKind, Stream};
    use super::*;

    fn rows(shot: u64, count: usize) -> Vec<EquilibriumRow> {
        let row = EquilibriumRow {
            epoch: 1,
            step: 2,
            shot,
            sample: 3,
            start: 0,
            stream: Stream::Train,
            segment: 1,
            kind: SegmentKind::Free,
            beta: 0.0,
            generation: 4,
            crc: 0xdead_beef,
            flags: 0,
            settle_us: 250,
            residual_turn: 1,
            moved_turn: 0,
            phases: vec![0, 0x8000, 0xffff],
        };
        vec![row; count]
    }

    fn stream(disk: &Memory) -> Equilibria<Memory> {
        let file = Appender::new(disk.clone(), Path::new("runs/x/equilibria/000000.arrows"), 0);
        let header = StreamHeader { run_id: "x".to_owned(), site_count: 3, sites: vec![0, 1, 2] };
        Equilibria::start(file, &header).unwrap()
    }

    fn batches(disk: &Memory) -> Vec<RecordBatch> {
        let bytes = disk.0.lock().unwrap().bytes.clone();
        StreamReader::try_new(bytes.as_slice(), None).unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn one_write_for_the_schema_and_one_per_batch_and_readable_after_each() {
        let disk = Memory::default();
        let mut stream = stream(&disk);
        assert_eq!(disk.0.lock().unwrap().writes.len(), 1);
        assert_eq!(batches(&disk).len(), 0);
        for nth in 1..=5 {
            let bytes = stream.append(&rows(nth, 100 * nth as usize)).unwrap();
            assert_eq!(disk.0.lock().unwrap().writes.len(), nth as usize + 1);
            assert_eq!(disk.0.lock().unwrap().writes[nth as usize] as u64, bytes);
            assert_eq!(batches(&disk).len(), nth as usize);
        }
        let length = stream.finish().unwrap();
        assert_eq!(length, disk.0.lock().unwrap().bytes.len() as u64);
        assert_eq!(disk.0.lock().unwrap().writes.len(), 7);
        assert_eq!(batches(&disk).iter().map(RecordBatch::num_rows).sum::<usize>(), 1500);
    }

    #[test]
    fn after_a_full_disk_the_stream_is_whole_and_takes_the_same_rows_again() {
        let disk = Memory::default();
        let mut stream = stream(&disk);
        stream.append(&rows(1, 10)).unwrap();
        let room = disk.0.lock().unwrap().bytes.len() + 100;
        disk.0.lock().unwrap().room = room;
        assert!(matches!(stream.append(&rows(2, 10)), Err(FolderError::Io { .. })));
        assert_eq!(batches(&disk).len(), 1);

        disk.0.lock().unwrap().room = usize::MAX;
        stream.append(&rows(2, 10)).unwrap();
        stream.finish().unwrap();
        assert_eq!(batches(&disk).len(), 2);
    }

    #[test]
    fn a_row_with_another_number_of_phases_is_refused_and_nothing_is_written() {
        let disk = Memory::default();
        let mut stream = stream(&disk);
        let mut odd = rows(77, 2);
        odd[1].phases.pop();
        let message = stream.append(&odd).unwrap_err().to_string();
        assert!(message.contains("shot 77") && message.contains("000000.arrows"), "{message}");
        assert_eq!(disk.0.lock().unwrap().writes.len(), 1);
    }
}
