//! What was sent and is not acknowledged: its bytes, to be sent again, and what is known of each
//! segment.
//!
//! Who is lost is found as in RFC 8985: a segment that was sent well before one that arrived. So a
//! repetition that is lost is found too, and frames that overtake each other are not taken for
//! losses. A peer that tells of no ranges (RFC 2018) is counted by its duplicates.

use alloc::collections::VecDeque;

use super::segment::is_before;
use super::timing::Timing;

/// How many segments behind a hole mean a loss, as long as no segment was ever late.
const DUPLICATES: u32 = 3;
/// How late a segment may be, at least, where segments are known to be late.
const LATE_NS: u64 = 1_000_000;
/// How often a tail is sent again before the timer runs out: a probe may be lost, and so may its answer.
const PROBES_MAX: u32 = 3;
/// A queue that is empty keeps no more memory than this while nothing is sent.
const KEPT_BYTES: usize = 2048;

/// What is known of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    OnItsWay,
    /// The peer has it, and something before it is missing.
    Arrived,
    /// It is to be sent again.
    Lost,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    start: u32,
    end: u32,
    /// The last time.
    sent_ns: u64,
    fate: Fate,
    is_repeated: bool,
}

impl Sent {
    fn len(&self) -> u32 {
        self.end.wrapping_sub(self.start)
    }
}

/// A range of sequence numbers.
pub(crate) type Range = (u32, u32);

/// What came of an acknowledgement.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct News {
    /// How many numbers are newly behind the oldest one that is not acknowledged.
    pub acknowledged: u32,
    /// How many are newly known to have arrived, behind a hole or before it.
    pub arrived: u32,
    /// Something was newly found lost.
    pub has_loss: bool,
}

/// What an acknowledgement tells of segments that were not known to have arrived.
#[derive(Clone, Copy, Default, Debug)]
struct Heard {
    bytes: u32,
    /// One of them was sent more than once.
    is_repeated: bool,
    /// How long ago the last one was sent that was sent once.
    took_ns: Option<u64>,
}

impl Heard {
    /// How long the way there and back took. Where a repetition was what the peer answered, it may have had the
    /// others for long, and said so to nobody who heard it.
    fn sample_ns(&self) -> Option<u64> {
        self.took_ns.filter(|_| !self.is_repeated)
    }
}

/// What was sent and is not acknowledged.
pub(crate) struct Flight {
    /// The bytes from the oldest one on.
    bytes: VecDeque<u8>,
    segments: VecDeque<Sent>,
    /// The oldest number that is not acknowledged, and the next one to send.
    oldest: u32,
    next: u32,
    on_its_way: u32,
    lost: u32,
    /// Nothing before this number is lost.
    lost_from: u32,
    arrived: u32,
    /// Of what arrived, what was sent last: when, and its end.
    newest: (u64, u32),
    /// The highest number that arrived.
    highest: u32,
    /// Segments were late once.
    is_disordered: bool,
    /// Duplicates of a peer that tells of no ranges.
    duplicates: u32,
    /// What may be lost is looked at again.
    doubt_ns: u64,
    /// When the last segment was sent.
    sent_ns: u64,
    /// Since when an acknowledgement of something new is missing.
    since_ns: u64,
    /// How often the tail was sent again to see whether it is lost, since anything was heard.
    probes: u32,
    pub timing: Timing,
}

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Due {
    Nothing,
    /// The timer ran out: all of it is lost.
    Timeout,
    /// The tail may be lost: it is to be sent again, once.
    Tail,
    /// What was doubtful may be lost now.
    Doubt,
}

impl Flight {
    pub fn new(next: u32, timing: Timing) -> Self {
        Self {
            bytes: VecDeque::new(),
            segments: VecDeque::new(),
            oldest: next,
            next,
            on_its_way: 0,
            lost: 0,
            lost_from: next,
            arrived: 0,
            newest: (0, next),
            highest: next,
            is_disordered: false,
            duplicates: 0,
            doubt_ns: u64::MAX,
            sent_ns: 0,
            since_ns: 0,
            probes: 0,
            timing,
        }
    }

    /// The oldest number that is not acknowledged.
    pub fn oldest(&self) -> u32 {
        self.oldest
    }

    /// The number after the last one that was sent.
    pub fn next(&self) -> u32 {
        self.next
    }

    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// How many numbers are not acknowledged.
    pub fn len(&self) -> u32 {
        self.next.wrapping_sub(self.oldest)
    }

    /// How many numbers are in the network.
    pub fn on_its_way(&self) -> u32 {
        self.on_its_way
    }

    /// Whether something is to be sent again.
    pub fn has_lost(&self) -> bool {
        self.lost > 0
    }

    /// Whether there is memory for so many bytes more.
    pub fn has_room(&mut self, len: usize, mss: usize) -> bool {
        let segments = len / mss.max(1) + 2;
        self.bytes.try_reserve(len).is_ok() && self.segments.try_reserve(segments).is_ok()
    }

    /// Whether it has much memory that nothing is in.
    pub fn keeps_much(&self) -> bool {
        self.segments.is_empty() && self.bytes.capacity() > KEPT_BYTES
    }

    /// Gives back the memory that nothing is in. Not as soon as all is acknowledged: what is sent next would
    /// have to take it again, as new pages.
    pub fn rest(&mut self) {
        if self.keeps_much() {
            self.bytes = VecDeque::new();
            self.segments = VecDeque::new();
        }
    }

    /// A segment was sent for the first time: with these bytes, and perhaps with the end.
    pub fn push(&mut self, now_ns: u64, bytes: &[u8], has_end: bool) {
        let start = self.next;
        if self.lost == 0 {
            // Numbers go round: one from long ago would lie before some of these, and behind others.
            self.lost_from = self.oldest;
        }
        self.next = start.wrapping_add(bytes.len() as u32 + u32::from(has_end));
        if self.segments.is_empty() {
            self.since_ns = now_ns;
        }
        self.bytes.extend(bytes);
        self.segments.push_back(Sent {
            start,
            end: self.next,
            sent_ns: now_ns,
            fate: Fate::OnItsWay,
            is_repeated: false,
        });
        self.on_its_way += self.next.wrapping_sub(start);
        self.sent_ns = now_ns;
        self.probes = 0;
    }

    /// Takes an acknowledgement: of all before `ack`, and of ranges behind. `is_duplicate`: it says
    /// nothing new, and the peer tells of no ranges. `echo_ns`: how long ago the peer was sent
    /// what it echoes.
    pub fn acknowledge(
        &mut self,
        now_ns: u64,
        ack: u32,
        ranges: &[Range],
        is_duplicate: bool,
        echo_ns: Option<u64>,
        mss: u32,
    ) -> News {
        let mut news = News::default();
        let mut heard = Heard::default();
        if is_before(self.oldest, ack) && !is_before(self.next, ack) {
            news.acknowledged = ack.wrapping_sub(self.oldest);
            while let Some(first) = self.segments.front_mut()
                && is_before(first.start, ack)
            {
                let mut segment = *first;
                if is_before(ack, segment.end) {
                    // A part of it: the rest stays.
                    first.start = ack;
                    segment.end = ack;
                } else {
                    self.segments.pop_front();
                }
                self.leave(&segment);
                self.note_arrival(now_ns, &segment, &mut heard);
            }
            let data = (news.acknowledged as usize).min(self.bytes.len());
            self.bytes.drain(..data);
            self.oldest = ack;
            self.duplicates = 0;
            self.since_ns = now_ns;
        }
        for &(start, end) in ranges {
            self.mark_arrived(now_ns, start, end, &mut heard);
        }
        let echo_ns = echo_ns.filter(|_| news.acknowledged > 0);
        if let Some(sample_ns) = heard.sample_ns().or(echo_ns) {
            self.timing.sample(sample_ns);
        }
        news.arrived = heard.bytes;
        if news.acknowledged > 0 || news.arrived > 0 {
            self.probes = 0;
        }
        if news.acknowledged > 0 {
            self.timing.back_off = 0;
        }
        if self
            .segments
            .front()
            .is_some_and(|it| it.fate == Fate::Arrived)
        {
            // The peer had it, and forgot it: it was free to.
            self.lose_all(Fate::Arrived);
            news.has_loss = true;
        }
        if is_duplicate && !self.is_empty() {
            self.duplicates += 1;
            if self.duplicates == DUPLICATES {
                news.has_loss |= self.lose_first();
            }
        }
        news.has_loss |= self.look_for_losses(now_ns, mss);
        news
    }

    /// A peer without ranges acknowledged a part of what was sent before a loss: the next hole.
    pub fn lose_first(&mut self) -> bool {
        match self.segments.front_mut() {
            Some(first) if first.fate == Fate::OnItsWay && !first.is_repeated => {
                first.fate = Fate::Lost;
                let len = first.len();
                self.on_its_way -= len;
                self.lost += len;
                self.lost_from = self.oldest;
                true
            }
            _ => false,
        }
    }

    /// Takes a segment out of the counts.
    fn leave(&mut self, segment: &Sent) {
        let count = match segment.fate {
            Fate::OnItsWay => &mut self.on_its_way,
            Fate::Arrived => &mut self.arrived,
            Fate::Lost => &mut self.lost,
        };
        *count -= segment.len();
    }

    /// A segment is known to have arrived.
    fn note_arrival(&mut self, now_ns: u64, segment: &Sent, heard: &mut Heard) {
        if segment.fate == Fate::Arrived {
            return;
        }
        heard.bytes += segment.len();
        heard.is_repeated |= segment.is_repeated;
        let took_ns = now_ns.saturating_sub(segment.sent_ns);
        if segment.is_repeated {
            // So soon, it was the one that had been sent before.
            if took_ns < self.timing.shortest_ns() {
                return;
            }
        } else {
            heard.took_ns = Some(took_ns);
            self.is_disordered |= is_before(segment.end, self.highest);
        }
        if is_before(self.highest, segment.end) {
            self.highest = segment.end;
        }
        let this = (segment.sent_ns, segment.end);
        if self.newest.0 < this.0 || (self.newest.0 == this.0 && is_before(self.newest.1, this.1)) {
            self.newest = this;
        }
    }

    fn mark_arrived(&mut self, now_ns: u64, start: u32, end: u32, heard: &mut Heard) {
        // What was acknowledged already, or never sent, is no news.
        if !is_before(start, end) || is_before(start, self.oldest) || is_before(self.next, end) {
            return;
        }
        let first = self
            .segments
            .partition_point(|segment| is_before(segment.start, start));
        for place in first..self.segments.len() {
            let segment = self.segments[place];
            if is_before(end, segment.end) {
                break;
            }
            if segment.fate != Fate::Arrived {
                self.leave(&segment);
                self.arrived += segment.len();
                self.note_arrival(now_ns, &segment, heard);
                self.segments[place].fate = Fate::Arrived;
            }
        }
    }

    /// Finds segments that were sent well before one that arrived.
    fn look_for_losses(&mut self, now_ns: u64, mss: u32) -> bool {
        self.doubt_ns = u64::MAX;
        if self.arrived == 0 && self.segments.iter().next().is_none_or(|it| !it.is_repeated) {
            return false;
        }
        let is_sure = !self.is_disordered && self.arrived >= DUPLICATES * mss;
        let may_be_late_ns = if is_sure {
            0
        } else {
            (self.timing.smooth_ns() / 4).max(LATE_NS)
        };
        let patience_ns = self.timing.latest_ns() + may_be_late_ns;
        let (newest_ns, newest_end) = self.newest;
        let mut has_loss = false;
        for segment in &mut self.segments {
            let is_older = segment.sent_ns < newest_ns
                || (segment.sent_ns == newest_ns && is_before(segment.end, newest_end));
            if !is_older {
                if segment.is_repeated {
                    continue;
                }
                break;
            }
            if segment.fate != Fate::OnItsWay {
                continue;
            }
            let due_ns = segment.sent_ns + patience_ns;
            if due_ns <= now_ns || may_be_late_ns == 0 {
                segment.fate = Fate::Lost;
                self.on_its_way -= segment.len();
                self.lost += segment.len();
                self.lost_from = earlier(self.lost_from, segment.start);
                has_loss = true;
            } else {
                self.doubt_ns = self.doubt_ns.min(due_ns);
            }
        }
        has_loss
    }

    /// When something is due.
    pub fn deadline(&self) -> u64 {
        if self.segments.is_empty() {
            return u64::MAX;
        }
        self.timeout_ns().min(self.doubt_ns).min(self.tail_ns())
    }

    fn timeout_ns(&self) -> u64 {
        self.since_ns + self.timing.timeout_ns()
    }

    /// When the tail is sent again, to see whether it is lost.
    fn tail_ns(&self) -> u64 {
        if self.probes == PROBES_MAX || self.timing.back_off > 0 {
            return u64::MAX;
        }
        match self.timing.tail_ns(self.segments.len() == 1, self.probes) {
            Some(wait_ns) => self.sent_ns + wait_ns,
            None => u64::MAX,
        }
    }

    /// What is due now.
    pub fn due(&self, now_ns: u64) -> Due {
        match () {
            () if self.segments.is_empty() => Due::Nothing,
            () if self.timeout_ns() <= now_ns => Due::Timeout,
            () if self.doubt_ns <= now_ns => Due::Doubt,
            () if self.tail_ns() <= now_ns => Due::Tail,
            () => Due::Nothing,
        }
    }

    /// What was doubtful is looked at again. Whether something is lost.
    pub fn doubt(&mut self, now_ns: u64, mss: u32) -> bool {
        self.look_for_losses(now_ns, mss)
    }

    /// The timer ran out: nothing is on its way any more.
    pub fn time_out(&mut self, now_ns: u64) {
        self.lose_all(Fate::OnItsWay);
        self.duplicates = 0;
        self.doubt_ns = u64::MAX;
        self.since_ns = now_ns;
        self.timing.back_off();
    }

    /// Segments that are longer than this did not arrive.
    pub fn lose_longer(&mut self, mss: u32) {
        for segment in &mut self.segments {
            if segment.fate == Fate::OnItsWay && segment.len() > mss + 1 {
                segment.fate = Fate::Lost;
                self.on_its_way -= segment.len();
                self.lost += segment.len();
            }
        }
        self.lost_from = self.oldest;
    }

    /// The segment that was pushed last did not leave: it is to be sent in other pieces.
    pub fn keep_back(&mut self) {
        self.lose(self.segments.len().saturating_sub(1));
    }

    /// All segments that are this count as lost.
    fn lose_all(&mut self, fate: Fate) {
        for segment in &mut self.segments {
            if segment.fate == fate {
                segment.fate = Fate::Lost;
            }
        }
        let count = match fate {
            Fate::OnItsWay => &mut self.on_its_way,
            Fate::Arrived => &mut self.arrived,
            Fate::Lost => return,
        };
        self.lost += core::mem::take(count);
        self.lost_from = self.oldest;
    }

    /// The tail is to be sent again: it counts as lost until then. Where something behind the first hole arrived,
    /// or that was in vain, it is what the peer misses first.
    pub fn probe_tail(&mut self, now_ns: u64) {
        let is_open = |it: &Sent| it.fate == Fate::OnItsWay;
        let place = match (self.lost, self.arrived, self.probes) {
            (0, 0, 0) => self.segments.iter().rposition(is_open),
            (0, ..) => self.segments.iter().position(is_open),
            _ => None,
        };
        self.probes += 1;
        self.since_ns = now_ns;
        if let Some(place) = place {
            self.lose(place);
        }
    }

    /// A segment that is on its way counts as lost.
    fn lose(&mut self, place: usize) {
        if let Some(segment) = self.segments.get_mut(place)
            && segment.fate == Fate::OnItsWay
        {
            segment.fate = Fate::Lost;
            self.on_its_way -= segment.len();
            self.lost += segment.len();
            self.lost_from = earlier(self.lost_from, segment.start);
        }
    }

    /// The next segment that is to be sent again, of at most `mss` bytes: its numbers.
    pub fn next_lost(&mut self, mss: u32) -> Option<Range> {
        if self.lost == 0 {
            return None;
        }
        // Those before are not looked at again and again: there may be thousands of one byte each.
        let from = self.lost_from;
        let from = self
            .segments
            .partition_point(|it| is_before(it.start, from));
        let place = (from..self.segments.len()).find(|&place| {
            self.segments
                .get(place)
                .is_some_and(|it| it.fate == Fate::Lost)
        })?;
        self.lost_from = self.segments[place].start;
        // Without memory to cut it, it waits for the timer.
        self.segments.try_reserve(1).ok()?;
        let segment = &mut self.segments[place];
        // The end, which takes a number but no room, goes with the last byte.
        if segment.len() > mss + 1 {
            let rest = Sent {
                start: segment.start.wrapping_add(mss),
                ..*segment
            };
            segment.end = rest.start;
            self.segments.insert(place + 1, rest);
        }
        let segment = &self.segments[place];
        Some((segment.start, segment.end))
    }

    /// The bytes of a segment, and whether the end follows them.
    pub fn content(&self, (start, end): Range) -> (impl Iterator<Item = &[u8]>, bool) {
        let from = start.wrapping_sub(self.oldest) as usize;
        let to = end.wrapping_sub(self.oldest) as usize;
        let has_end = to > self.bytes.len();
        let to = to.min(self.bytes.len());
        let (front, back) = self.bytes.as_slices();
        let cut = front.len();
        let pieces = [
            &front[from.min(cut)..to.min(cut)],
            &back[from.saturating_sub(cut)..to.saturating_sub(cut)],
        ];
        (pieces.into_iter(), has_end)
    }

    /// This segment was sent again.
    pub fn repeat(&mut self, now_ns: u64, (start, _): Range) {
        let place = self
            .segments
            .partition_point(|segment| is_before(segment.start, start));
        if let Some(segment) = self.segments.get_mut(place)
            && segment.fate == Fate::Lost
        {
            segment.fate = Fate::OnItsWay;
            segment.is_repeated = true;
            segment.sent_ns = now_ns;
            let len = segment.len();
            self.lost -= len;
            self.on_its_way += len;
            if start == self.oldest {
                self.since_ns = now_ns;
            }
        }
        self.sent_ns = now_ns;
    }
}

/// The one of two numbers that comes first.
fn earlier(one: u32, other: u32) -> u32 {
    if is_before(other, one) { other } else { one }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    /// A flight of so many segments of a byte each, from a number on.
    fn of(first: u32, count: u32) -> Flight {
        let mut flight = Flight::new(first, Timing::default());
        for _ in 0..count {
            flight.push(0, b"x", false);
        }
        flight
    }

    #[test]
    fn what_was_looked_at_is_not_looked_at_again() {
        // Across the end of the numbers.
        let first = u32::MAX - 500;
        let mut flight = of(first, 1000);
        flight.time_out(1);
        for number in 0..1000 {
            let start = first.wrapping_add(number);
            assert_eq!(flight.next_lost(1448), Some((start, start.wrapping_add(1))));
            assert_eq!(flight.lost_from, start);
            flight.repeat(2, (start, start.wrapping_add(1)));
        }
        assert_eq!(flight.next_lost(1448), None);
    }

    #[test]
    fn what_is_lost_before_others_comes_first() {
        let mut flight = of(0, 100);
        // The last one is sent again to see whether it is lost.
        flight.probe_tail(1);
        assert_eq!(flight.next_lost(1448), Some((99, 100)));
        // Nothing was in the way of the ranges, so what lies before them is lost.
        flight.acknowledge(2, 10, &[(50, 60)], false, None, 1);
        assert_eq!(flight.next_lost(1448), Some((10, 11)));
        flight.repeat(3, (10, 11));
        assert_eq!(flight.next_lost(1448), Some((11, 12)));
        flight.time_out(4);
        assert_eq!(flight.next_lost(1448), Some((10, 11)));
    }

    const MS: u64 = 1_000_000;

    #[test]
    fn an_answer_to_a_repetition_says_nothing_of_how_long_others_took() {
        let mut flight = of(0, 4);
        flight.acknowledge(MS, 1, &[], false, None, 1);
        assert_eq!(flight.timing.smooth_ns(), MS);
        flight.time_out(200 * MS);
        assert_eq!(flight.next_lost(1), Some((1, 2)));
        flight.repeat(200 * MS, (1, 2));
        // The others had arrived long before, and the answers were lost.
        flight.acknowledge(201 * MS, 4, &[], false, None, 1);
        assert_eq!(flight.timing.smooth_ns(), MS);
        flight.push(300 * MS, b"x", false);
        flight.acknowledge(309 * MS, 5, &[], false, None, 1);
        assert_eq!(flight.timing.smooth_ns(), 2 * MS);
    }

    #[test]
    fn a_repetition_of_the_oldest_has_its_whole_time() {
        let mut flight = of(0, 10);
        flight.acknowledge(500 * MS, 0, &[(1, 10)], false, None, 1);
        flight.repeat(500 * MS, (0, 1));
        // It is heard of after 500 ms: the timeout of 500 + 4 * 250 counts from it.
        assert_eq!(flight.timeout_ns(), 2000 * MS);
    }

    #[test]
    fn probes_come_later_each_time_and_end() {
        let mut flight = of(0, 10);
        flight.acknowledge(MS, 2, &[], false, None, 1);
        let mut times = Vec::new();
        while flight.tail_ns() < flight.timeout_ns() {
            let now_ns = flight.tail_ns();
            assert_eq!(flight.due(now_ns), Due::Tail);
            times.push(now_ns / MS);
            flight.probe_tail(now_ns);
            let place = if times.len() == 1 { 9 } else { 2 };
            assert_eq!(flight.next_lost(1), Some((place, place + 1)));
            flight.repeat(now_ns, (place, place + 1));
        }
        assert_eq!(times, [10, 30, 70]);
        // An answer, though it acknowledges nothing, allows them again: of the hole.
        flight.acknowledge(71 * MS, 2, &[(9, 10)], false, None, 1);
        assert!(flight.has_lost());
    }
}
