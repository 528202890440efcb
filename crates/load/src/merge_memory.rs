//! What sorting and merging hold in memory, and how the share for it is divided among tables that are merged at once.
//!
//! Every figure follows from the settings and from what is merged, never from the machine: the size of row groups
//! decides where files and row groups end, and the same segments must give the same files.

use arrow_array::RecordBatch;

use crate::record::SegmentEntry;
use crate::segment::SegmentDecoder;

/// What one table's merge needs to be worth while: two parts of an upload, two row groups, and a dozen sorted runs.
const TABLE_BYTES_LEAST: usize = 32 * 1024 * 1024;

/// Tables merged at once, whatever memory allows: three of them hold nearly all bytes of a lake.
const TABLES_AT_ONCE_MAX: usize = 3;

/// A row group is at most this share of what a table's merge may hold: there are up to three of them, one that grows,
/// one that waits, and one that is being stored.
const ROW_GROUPS_OF_TABLE: usize = 10;

/// Readers work row group by row group: above this one they gain nothing more.
const ROW_GROUP_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A file ends with a row group, so row groups this many times smaller than files keep these close to their target.
const ROW_GROUPS_OF_FILE: usize = 4;

/// Row groups in memory at once.
const ROW_GROUPS_HELD: usize = 3;

/// What an encoder takes from its first row on: buffers of thirty columns, each with a compressor.
const ENCODER_BYTES: usize = 1024 * 1024;

/// What an upload holds: the part that is on its way, and the one that is being filled.
const UPLOAD_BYTES: usize = 2 * 5 * 1024 * 1024;

/// What the merge of one table may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TableShare {
    /// Sorted runs.
    pub(crate) runs_bytes: usize,
    /// A row group, encoded.
    pub(crate) row_group_bytes: usize,
}

impl TableShare {
    /// Divides `merge_bytes` among the tables that are merged at once, for files of `target_file_bytes`.
    pub(crate) fn of(merge_bytes: usize, target_file_bytes: usize) -> Self {
        let at_once = (merge_bytes / TABLE_BYTES_LEAST).clamp(1, TABLES_AT_ONCE_MAX);
        let table_bytes = merge_bytes / at_once;
        let row_group_bytes = (table_bytes / ROW_GROUPS_OF_TABLE)
            .min(ROW_GROUP_BYTES_MAX)
            .min(target_file_bytes / ROW_GROUPS_OF_FILE)
            .max(1);
        let beside_runs = ROW_GROUPS_HELD * row_group_bytes + ENCODER_BYTES + UPLOAD_BYTES;
        // Where there is next to no memory, as in tests, the runs get some of it all the same.
        let runs_bytes = table_bytes.saturating_sub(beside_runs).max(table_bytes / 4);
        Self { runs_bytes, row_group_bytes }
    }

    /// What merging these segments and rows holds: the runs, the row groups and the upload, none of them larger than
    /// what there is to merge.
    pub(crate) fn needed_bytes(&self, segments: &[SegmentEntry], rows: &[RecordBatch]) -> usize {
        let mut held: Vec<usize> = segments.iter().map(run_bytes).collect();
        held.sort_unstable_by(|a, b| b.cmp(a));
        // Two runs are merged even where they are larger than the share.
        let two: usize = held.iter().take(2).sum();
        let runs = held.iter().sum::<usize>().min(self.runs_bytes.max(two));
        let stored: u64 = segments.iter().map(|segment| segment.bytes).sum();
        let in_memory: usize = rows.iter().map(RecordBatch::get_array_memory_size).sum();
        let encoded = usize::try_from(stored).unwrap_or(usize::MAX).saturating_add(in_memory);
        let row_groups = (ROW_GROUPS_HELD * self.row_group_bytes).min(encoded);
        runs + in_memory + row_groups + UPLOAD_BYTES.min(encoded) + ENCODER_BYTES
    }
}

/// What sorting and staging rows holds beside them: their sort keys, which are no larger, and the upload.
pub(crate) fn of_sorting(rows: &[RecordBatch]) -> usize {
    let in_memory: usize = rows.iter().map(RecordBatch::get_array_memory_size).sum();
    in_memory + UPLOAD_BYTES.min(in_memory) + ENCODER_BYTES
}

/// How many of the segments, from the first, can be merged at once within `memory_bytes`; at least two, since fewer
/// would merge nothing.
pub(crate) fn fan_in(segments: &[SegmentEntry], memory_bytes: usize, runs_max: usize) -> usize {
    let mut held = 0;
    let fits = |entry: &&SegmentEntry| {
        held += run_bytes(entry);
        held <= memory_bytes
    };
    segments.iter().take(runs_max).take_while(fits).count().max(2)
}

fn run_bytes(entry: &SegmentEntry) -> usize {
    usize::try_from(SegmentDecoder::memory_bytes(entry)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use promptlake_model::Table;

    use super::*;

    const MIB: usize = 1024 * 1024;

    #[test]
    fn a_table_gets_what_the_tables_at_once_leave_it() {
        // Merge memory and target in MiB, tables at once, runs and row groups in KiB.
        for (merge_mib, target_mib, at_once, runs_kib, row_group_kib) in [
            (1, 256, 1, 256, 102),
            (32, 256, 1, 11_673, 3276),
            (64, 256, 2, 11_673, 3276),
            (128, 256, 3, 19_319, 4369),
            (768, 256, 3, 172_236, 26_214),
            (8192, 1024, 3, 2_588_330, 65_536),
            (128, 1, 3, 31_658, 256),
        ] {
            let share = TableShare::of(merge_mib * MIB, target_mib * MIB);
            let found = (share.runs_bytes >> 10, share.row_group_bytes >> 10);
            assert_eq!(found, (runs_kib, row_group_kib), "{merge_mib} MiB, files of {target_mib} MiB");
            let large = SegmentEntry { bytes: 1 << 40, batch_bytes_max: 256 << 10, ..segment() };
            let needed = share.needed_bytes(&vec![large; 10_000], &[]);
            assert!(merge_mib == 1 || at_once * needed <= merge_mib * MIB, "{merge_mib} MiB: {needed} bytes");
        }
    }

    #[test]
    fn small_tables_need_little_and_rows_of_megabytes_what_they_need() {
        let share = TableShare::of(32 * MIB, 256 * MIB);
        let small = SegmentEntry { bytes: 10_000, batch_bytes_max: 20_000, ..segment() };
        assert!(share.needed_bytes(&[small], &[]) < 2 * MIB);
        let huge = SegmentEntry { bytes: 1 << 30, batch_bytes_max: 20 << 20, ..segment() };
        assert!(share.needed_bytes(&vec![huge.clone(); 9], &[]) > 80 * MIB);
        assert_eq!(fan_in(&vec![huge; 9], share.runs_bytes, 512), 2);
    }

    fn segment() -> SegmentEntry {
        let (path, xxh3) = Default::default();
        SegmentEntry { path, table: Table::Raw, rows: 1, bytes: 1, xxh3, batch_bytes_max: 1 }
    }
}
