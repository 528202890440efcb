//! A file in bounded pieces: whole lines of it, or all of it where it is one document.

use bytes::{Bytes, BytesMut};
use promptlake_flow::{ByteBudget, BytePermit};

use super::inflate::{Inflated, ReadFault};
use crate::{FIRST_RESERVATION_BYTES, PAGE_MEMORY_FACTOR};

/// As many records as a page of Graph has, more or less.
const BLOCK_BYTES: usize = 256 * 1024;

/// Whole lines, or a whole document, with the permit for the bytes.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) bytes: Bytes,
    pub(crate) permit: BytePermit,
    /// Its first line, from 1.
    pub(crate) first_line: u64,
}

/// Reads one file block by block.
pub(crate) struct Blocks {
    bytes: Inflated,
    memory: ByteBudget,
    lines: bool,
    bytes_max: usize,
    buffer: BytesMut,
    /// So much of the buffer's beginning is known to hold no end of a line.
    without_end: usize,
    line: u64,
    given: u64,
    mark_passed: bool,
    ended: bool,
}

impl Blocks {
    /// `lines` or one document, each of at most `bytes_max`.
    pub(crate) fn new(bytes: Inflated, memory: ByteBudget, lines: bool, bytes_max: usize) -> Self {
        let buffer = BytesMut::new();
        Self {
            bytes,
            memory,
            lines,
            bytes_max,
            buffer,
            without_end: 0,
            line: 1,
            given: 0,
            mark_passed: false,
            ended: false,
        }
    }

    /// The next block; `None` at the end. A document gives one block, even where it is empty. Not cancel-safe: who
    /// stops waiting is done with the file.
    pub(crate) async fn next(&mut self) -> Result<Option<Block>, ReadFault> {
        let mut permit = self.memory.acquire(FIRST_RESERVATION_BYTES).await;
        loop {
            permit.grow_to(self.buffer.len().saturating_mul(PAGE_MEMORY_FACTOR)).await;
            if let Some(length) = self.block_length()? {
                return Ok(self.take(length, permit));
            }
            match self.bytes.next().await? {
                Some(bytes) => self.buffer.extend_from_slice(&bytes),
                None => self.ended = true,
            }
            self.pass_byte_order_mark()?;
        }
    }

    /// How much of the buffer is a block; `None` while more has to be read.
    fn block_length(&mut self) -> Result<Option<usize>, ReadFault> {
        let too_large = ReadFault::TooLarge { line: self.line };
        if !self.lines {
            if self.buffer.len() > self.bytes_max {
                return Err(too_large);
            }
            return Ok(self.ended.then_some(self.buffer.len()));
        }
        let target = BLOCK_BYTES.min(self.bytes_max);
        let length = match self.end_of_lines(target) {
            Some(end) => end,
            None if self.ended => self.buffer.len(),
            None if self.buffer.len() > self.bytes_max => return Err(too_large),
            None => return Ok(None),
        };
        // One long line, with its end.
        if length > target && length > self.bytes_max.saturating_add(1) {
            return Err(too_large);
        }
        Ok(Some(length))
    }

    /// Behind the last line that ends within `target` bytes, once there are so many; else behind the first line.
    fn end_of_lines(&mut self, target: usize) -> Option<usize> {
        let is_end = |byte: &u8| *byte == b'\n';
        if self.buffer.len() < target {
            return None;
        }
        if self.without_end < target {
            if let Some(place) = self.buffer.iter().take(target).rposition(is_end) {
                return Some(place + 1);
            }
            self.without_end = target;
        }
        let place = self.buffer.iter().skip(self.without_end).position(is_end);
        let end = place.map(|place| self.without_end + place + 1);
        self.without_end = self.buffer.len();
        end
    }

    fn take(&mut self, length: usize, mut permit: BytePermit) -> Option<Block> {
        let nothing_left = if self.lines { length == 0 } else { self.given > 0 };
        if nothing_left {
            return None;
        }
        self.given += 1;
        self.without_end = 0;
        let bytes = self.buffer.split_to(length).freeze();
        permit.settle_at(length.saturating_mul(PAGE_MEMORY_FACTOR));
        let first_line = self.line;
        // What is longer than a block is one line.
        let lines =
            if length > BLOCK_BYTES { 1 } else { bytes.split(|byte| *byte == b'\n').count() as u64 - 1 };
        self.line += lines;
        Some(Block { bytes, permit, first_line })
    }

    /// Files from Windows may begin with one. UTF-16 is not guessed at.
    fn pass_byte_order_mark(&mut self) -> Result<(), ReadFault> {
        if self.mark_passed || (self.buffer.len() < 3 && !self.ended) {
            return Ok(());
        }
        self.mark_passed = true;
        if self.buffer.starts_with(b"\xff\xfe") || self.buffer.starts_with(b"\xfe\xff") {
            return Err(ReadFault::Utf16);
        }
        if self.buffer.starts_with(b"\xef\xbb\xbf") {
            drop(self.buffer.split_to(3));
        }
        Ok(())
    }
}
