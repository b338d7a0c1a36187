//! Sees from outside when one thread of a guest keeps the processor for long while others could run:
//! threads of a guest take turns, and one that makes no calls never ends its turn.

use std::fmt;
use std::time::{Duration, Instant};

use muslin_abi::pulse::{MAGIC, NEXT_NS, READY, SEEN_NS, THREAD, TURNS, WORDS};

use crate::image::Image;

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
    image: &'image Image<'image>,
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
    seconds: u64,
    ready: u64,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (thread, seconds) = (self.thread, self.seconds);
        write!(
            f,
            "thread {thread} has kept the processor for {seconds} s while "
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
    pub(crate) fn new(image: &'image Image<'image>, patience: Duration) -> Self {
        Self {
            image,
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
            self.place = find(self.image).map_or(Place::Nowhere, Place::At);
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
            seconds: held.as_secs(),
            ready: words[READY],
        })
    }
}

/// Where the words are: behind the mark in what the image brings for its data.
fn find(image: &Image<'_>) -> Option<u64> {
    let mark: Vec<u8> = MAGIC.iter().flat_map(|word| word.to_le_bytes()).collect();
    let written = image.segments.iter().filter(|segment| segment.can_write);
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
