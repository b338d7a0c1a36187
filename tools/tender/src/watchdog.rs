//! Sees from outside when one thread of a guest keeps the processor for long while others could run:
//! threads of a guest take turns, and one that makes no calls never ends its turn.

use std::fmt;
use std::time::{Duration, Instant};

use muslin_abi::pulse::{MAGIC, NEXT_NS, READY, SEEN_NS, THREAD, TURNS, WORDS};

use crate::image::Segment;

/// How long a thread may keep the processor, and who is told of one that does not give it away.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long.
    pub time: Duration,
    /// Is given a line that says who and where.
    pub tell: fn(&str),
}

/// What is known of a guest's turns.
pub(crate) struct Watchdog<'image> {
    segments: &'image [Segment<'image>],
    patience: Duration,
    place: Place,
    /// What was seen when the present turn was seen first, and when that was.
    first: Option<(Words, Instant)>,
    /// Somebody was told of this turn.
    is_told: bool,
}

/// The words of a guest.
pub(crate) type Words = [u64; WORDS];

enum Place {
    Unknown,
    At(u64),
    /// The image is of somebody else.
    Nowhere,
}

/// A thread that keeps the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stuck {
    thread: u64,
    held: Duration,
    ready: u64,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (thread, seconds) = (self.thread, self.held.as_secs_f64());
        write!(
            f,
            "thread {thread} has kept the processor for {seconds:.1} s while "
        )?;
        match self.ready {
            0 => write!(f, "a timer is overdue"),
            1 => write!(f, "another one could run"),
            ready => write!(f, "{ready} others could run"),
        }
    }
}

impl<'image> Watchdog<'image> {
    /// Knows nothing yet.
    pub(crate) fn new(segments: &'image [Segment<'image>], patience: Duration) -> Self {
        Self {
            segments,
            patience,
            place: Place::Unknown,
            first: None,
            is_told: false,
        }
    }

    /// How often to look.
    pub(crate) fn period(&self) -> Duration {
        self.patience / 2
    }

    /// Looks at the guest; who should be told of, once for each turn.
    pub(crate) fn look(
        &mut self,
        now: Instant,
        read: impl FnOnce(u64) -> Option<Words>,
    ) -> Option<Stuck> {
        if matches!(self.place, Place::Unknown) {
            // Not at the start: looking for it takes time in large images.
            self.place = find(self.segments).map_or(Place::Nowhere, Place::At);
        }
        let Place::At(address) = self.place else {
            return None;
        };
        let words = read(address)?;
        let Some((_, since)) = self.first.filter(|(first, _)| first[TURNS] == words[TURNS]) else {
            self.first = Some((words, now));
            self.is_told = false;
            return None;
        };
        let held = now.saturating_duration_since(since);
        if self.is_told || held < self.patience || words[THREAD] == 0 {
            return None;
        }
        // The guest's clock is not ours; but as much time has gone by there since it was looked at.
        let left_ns = u128::from(words[NEXT_NS].saturating_sub(words[SEEN_NS]));
        let is_overdue = words[NEXT_NS] != 0 && left_ns < held.as_nanos();
        if words[READY] == 0 && !is_overdue {
            return None;
        }
        self.is_told = true;
        Some(Stuck {
            thread: words[THREAD],
            held,
            ready: words[READY],
        })
    }
}

/// Where the words are: behind the mark in what the image brings for its data.
fn find(segments: &[Segment<'_>]) -> Option<u64> {
    let mark: Vec<u8> = MAGIC.iter().flat_map(|word| word.to_le_bytes()).collect();
    let written = segments.iter().filter(|segment| segment.can_write);
    written.into_iter().find_map(|segment| {
        let skip = segment.address.wrapping_neg() as usize % 8;
        let bytes = segment.bytes.get(skip..)?;
        let words = bytes.chunks_exact(8).count();
        let at = (0..words).find(|at| bytes[at * 8..].starts_with(&mark))?;
        Some(segment.address + (skip + at * 8 + mark.len()) as u64)
    })
}

/// What was read, as words.
pub(crate) fn words_of(bytes: &[u8]) -> Option<Words> {
    let mut words = Words::default();
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_le_bytes(bytes.try_into().ok()?);
    }
    (bytes.len() == size_of::<Words>()).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURN: u64 = 7;

    fn stuck_after(words: &[Words], patience_ms: u64, step_ms: u64) -> Vec<Option<String>> {
        // A mark and words at the end of a segment whose address is no multiple of 8.
        let mut bytes = vec![0; 12];
        bytes.extend(MAGIC.iter().flat_map(|word| word.to_le_bytes()));
        bytes.extend([0; size_of::<Words>()]);
        let segment = Segment {
            address: 0x10_0004,
            bytes: &bytes,
            pages: 0x10_0000..0x10_1000,
            can_read: true,
            can_write: true,
            can_execute: false,
        };
        let segments = [segment];
        let mut watchdog = Watchdog::new(&segments, Duration::from_millis(patience_ms));
        let start = Instant::now();
        let times = (0..).map(|step| start + Duration::from_millis(step * step_ms));
        let look = |(words, now): (&Words, Instant)| {
            let read = |address| (address == 0x10_0020).then_some(*words);
            watchdog.look(now, read).map(|stuck| stuck.to_string())
        };
        words.iter().zip(times).map(look).collect()
    }

    #[test]
    fn a_turn_that_is_long_is_told_once() {
        let words = [TURN, 3, 2, 0, 100];
        let said = stuck_after(&[words; 5], 1000, 600);
        let line = "thread 3 has kept the processor for 1.2 s while 2 others could run";
        assert_eq!(said, [None, None, Some(line.to_owned()), None, None]);
        let next = [TURN + 1, 3, 1, 0, 100];
        let said = stuck_after(&[words, words, next, next, next], 1000, 600);
        let line = "thread 3 has kept the processor for 1.2 s while another one could run";
        assert_eq!(said[4].as_deref(), Some(line));
        assert!(said[..4].iter().all(Option::is_none));
    }

    #[test]
    fn a_timer_is_overdue_when_so_much_time_has_gone_by() {
        let with_timer = |left_ms: u64| [TURN, 1, 0, 5_000 + left_ms * 1_000_000, 5_000];
        let line = "thread 1 has kept the processor for 1.2 s while a timer is overdue";
        let said = stuck_after(&[with_timer(1100); 3], 1000, 600);
        assert_eq!(said[2].as_deref(), Some(line));
        let said = stuck_after(&[with_timer(1300); 3], 1000, 600);
        assert_eq!(said, [None, None, None]);
    }

    #[test]
    fn who_disturbs_nobody_is_left_alone() {
        for words in [[TURN, 1, 0, 0, 9], [TURN, 0, 0, 1, 9], [TURN, 0, 4, 0, 9]] {
            assert_eq!(
                stuck_after(&[words; 4], 1000, 600),
                [None, None, None, None]
            );
        }
    }
}
