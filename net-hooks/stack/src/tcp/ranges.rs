//! What acknowledgements tell of bytes that arrived behind a hole (RFC 2018), and of those that came twice
//! (RFC 2883).
//!
//! The transfer names one range in a segment: that of what came last, else the first. Those named before are said
//! again behind it, so that acknowledgements which are lost take nothing with them.

use super::flight::Range;
use super::segment::{RANGES_MAX, is_before};

/// The ranges of one connection that are told.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Ranges {
    /// The one that was named last comes first.
    behind: [Range; RANGES_MAX],
    count: usize,
    /// What came twice, until that is told.
    again: Option<Range>,
}

impl Ranges {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.count == 0 && self.again.is_none()
    }

    /// All before `ack` is there.
    pub fn forget(&mut self, ack: u32) {
        self.keep(|(_, end)| is_before(ack, end));
    }

    fn keep(&mut self, is_kept: impl Fn(Range) -> bool) {
        let before = core::mem::take(&mut self.behind);
        let kept = before.iter().take(self.count).filter(|&&it| is_kept(it));
        let places = self.behind.iter_mut();
        self.count = places.zip(kept).map(|(place, &it)| *place = it).count();
    }

    /// The transfer names this range.
    pub fn name(&mut self, range: Range) {
        let (start, end) = range;
        if !is_before(start, end) {
            return;
        }
        self.keep(|(other_start, other_end)| {
            is_before(other_end, start) || is_before(end, other_start)
        });
        self.count = (self.count + 1).min(RANGES_MAX);
        self.behind[..self.count].rotate_right(1);
        self.behind[0] = range;
    }

    /// A segment came, when all before `next` was there: notes what of it had come before.
    pub fn hear(&mut self, (start, end): Range, next: u32) {
        let is_told = |&(told_start, told_end): &Range| {
            !is_before(start, told_start) && !is_before(told_end, end)
        };
        if is_before(start, next) {
            self.again = Some((start, if is_before(next, end) { next } else { end }));
        } else if self.behind[..self.count].iter().any(is_told) {
            self.again = Some((start, end));
        }
    }

    /// What an acknowledgement tells in so many ranges; how many there are. What came twice is told once.
    pub fn tell(&mut self, most: usize, into: &mut [Range; RANGES_MAX]) -> usize {
        let all = self.again.take().into_iter();
        let all = all.chain(self.behind.iter().take(self.count).copied());
        let places = into.iter_mut().take(most);
        places.zip(all).map(|(place, it)| *place = it).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(ranges: &mut Ranges, most: usize) -> alloc::vec::Vec<Range> {
        let mut into = [(0, 0); RANGES_MAX];
        let count = ranges.tell(most, &mut into);
        into[..count].to_vec()
    }

    #[test]
    fn the_last_one_comes_first_and_those_that_meet_are_one() {
        let mut ranges = Ranges::default();
        let first = u32::MAX - 20;
        let of = |start: u32, end: u32| (first.wrapping_add(start), first.wrapping_add(end));
        for range in [of(10, 20), of(30, 40), of(50, 60)] {
            ranges.name(range);
        }
        let all = [of(50, 60), of(30, 40), of(10, 20)];
        assert_eq!(told(&mut ranges, 4), all);
        assert_eq!(told(&mut ranges, 3), all);
        assert_eq!(told(&mut ranges, 1), all[..1]);
        // A hole between two is filled.
        ranges.name(of(10, 40));
        assert_eq!(told(&mut ranges, 4), [of(10, 40), of(50, 60)]);
        for start in [70, 80, 90] {
            ranges.name(of(start, start + 5));
        }
        let last = [of(90, 95), of(80, 85), of(70, 75), of(10, 40)];
        assert_eq!(told(&mut ranges, 4), last);
        ranges.forget(of(40, 0).0);
        assert_eq!(told(&mut ranges, 4), last[..3]);
        ranges.forget(of(95, 0).0);
        assert!(ranges.is_empty());
    }

    #[test]
    fn what_came_twice_is_told_once() {
        let mut ranges = Ranges::default();
        ranges.hear((100, 200), 100);
        assert!(ranges.is_empty());
        ranges.name((300, 400));
        // Behind the hole again, before it again, and half of it.
        ranges.hear((320, 400), 200);
        assert_eq!(told(&mut ranges, 3), [(320, 400), (300, 400)]);
        assert_eq!(told(&mut ranges, 3), [(300, 400)]);
        ranges.hear((100, 200), 200);
        assert_eq!(told(&mut ranges, 3), [(100, 200), (300, 400)]);
        ranges.hear((150, 250), 200);
        assert_eq!(told(&mut ranges, 3), [(150, 200), (300, 400)]);
    }
}
