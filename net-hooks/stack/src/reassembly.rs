//! Datagrams that arrive in parts.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::ip::{Parsed, Part};

/// How many datagrams may be incomplete: the oldest one gives way.
const DATAGRAMS_MAX: usize = 8;
/// How long the rest of a datagram may take.
const TIMEOUT_NS: u64 = 30_000_000_000;
/// The largest datagram.
const BYTES_MAX: usize = 65_535;
/// How many parts a datagram may have.
const PARTS_MAX: usize = 128;

struct Incomplete {
    from: IpAddr,
    to: IpAddr,
    protocol: u8,
    id: u32,
    since_ns: u64,
    content: Vec<u8>,
    /// What is there, as (start, end), in order, without overlaps.
    parts: Vec<(usize, usize)>,
    /// Known from the last part.
    len: Option<usize>,
}

/// The datagrams of which parts are missing.
#[derive(Default)]
pub(crate) struct Reassembly {
    waiting: VecDeque<Incomplete>,
}

impl Reassembly {
    /// Takes a part. Gives the content of the whole datagram once it is complete. A part that
    /// overlaps another one ends its datagram (RFC 5722): nobody honest sends that.
    pub fn take(
        &mut self,
        now_ns: u64,
        parsed: &Parsed,
        part: Part,
        content: &[u8],
    ) -> Option<Vec<u8>> {
        self.waiting
            .retain(|datagram| now_ns < datagram.since_ns + TIMEOUT_NS);
        let end = part.offset + content.len();
        if end > BYTES_MAX
            || content.is_empty()
            || (!part.is_last && !content.len().is_multiple_of(8))
        {
            return None;
        }
        let head = parsed.head;
        let place = self.waiting.iter().position(|datagram| {
            datagram.id == part.id
                && datagram.from == head.from
                && datagram.to == head.to
                && datagram.protocol == head.protocol
        });
        let place = place.unwrap_or_else(|| {
            if self.waiting.len() >= DATAGRAMS_MAX {
                self.waiting.pop_front();
            }
            self.waiting.push_back(Incomplete {
                from: head.from,
                to: head.to,
                protocol: head.protocol,
                id: part.id,
                since_ns: now_ns,
                content: Vec::new(),
                parts: Vec::new(),
                len: None,
            });
            self.waiting.len() - 1
        });
        let datagram = &mut self.waiting[place];
        match datagram.add(part, end, content) {
            Added::Incomplete => None,
            Added::Complete => self.waiting.remove(place).map(|datagram| datagram.content),
            Added::Wrong => {
                self.waiting.remove(place);
                None
            }
        }
    }
}

enum Added {
    Incomplete,
    Complete,
    Wrong,
}

impl Incomplete {
    fn add(&mut self, part: Part, end: usize, content: &[u8]) -> Added {
        let at = self
            .parts
            .iter()
            .position(|&(start, _)| start >= part.offset)
            .unwrap_or(self.parts.len());
        // The same part again is a copy on the way.
        if self.parts.get(at) == Some(&(part.offset, end)) {
            return Added::Incomplete;
        }
        let overlaps_next = self.parts.get(at).is_some_and(|&(start, _)| start < end);
        let overlaps_last = at > 0 && self.parts[at - 1].1 > part.offset;
        let is_past_end = self.len.is_some_and(|len| end > len || part.is_last);
        if overlaps_next || overlaps_last || is_past_end || self.parts.len() >= PARTS_MAX {
            return Added::Wrong;
        }
        if part.is_last {
            if self.content.len() > end {
                return Added::Wrong;
            }
            self.len = Some(end);
        }
        let more = end.saturating_sub(self.content.len());
        if self.content.try_reserve_exact(more).is_err() || self.parts.try_reserve(1).is_err() {
            return Added::Wrong;
        }
        if self.content.len() < end {
            self.content.resize(end, 0);
        }
        self.content[part.offset..end].copy_from_slice(content);
        self.parts.insert(at, (part.offset, end));
        let there: usize = self.parts.iter().map(|&(start, end)| end - start).sum();
        if self.len == Some(there) {
            Added::Complete
        } else {
            Added::Incomplete
        }
    }
}
