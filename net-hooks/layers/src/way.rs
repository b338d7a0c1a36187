//! One direction of a device: frames go in, and come out when their time has come.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::counters::Counters;
use crate::faults::Faults;
use crate::random::Random;

/// More frames than these are not on their way: the next ones are lost.
pub const QUEUE_FRAMES_MAX: usize = 1024;

/// How long a frame waits for one that overtakes it, in nanoseconds.
const OVERTAKEN_NS_MAX: u64 = 5_000_000;

/// What became of a frame that was to be handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It arrived.
    Done,
    /// It is not taken now: it stays the first.
    Later,
    /// Nobody will take it.
    Lost,
}

/// One direction.
#[derive(Debug)]
pub struct Way {
    faults: Faults,
    random: Random,
    /// By the time when they arrive, and the order in which they came.
    queue: BTreeMap<(u64, u64), Vec<u8>>,
    /// One that is to be overtaken, and until when it waits for that.
    held: Option<(u64, Vec<u8>)>,
    next_number: u64,
    counters: Counters,
}

impl Way {
    /// A direction; `number` makes its faults others than those of the same seed elsewhere.
    pub fn new(faults: Faults, number: u64) -> Self {
        let mut random = Random::new(number);
        Self {
            faults,
            random: Random::new(faults.seed ^ random.next()),
            queue: BTreeMap::new(),
            held: None,
            next_number: 0,
            counters: Counters::default(),
        }
    }

    /// What went over it.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// A frame was lost before it came here.
    pub fn count_lost(&mut self) {
        self.counters.dropped += 1;
    }

    /// Takes a frame.
    pub fn push(&mut self, frame: &[u8], now_ns: u64) {
        let fate = self.faults.fate(&mut self.random, frame.len() as u64 * 8);
        if fate.is_lost || self.queue.len() >= QUEUE_FRAMES_MAX {
            self.counters.dropped += 1;
            return;
        }
        let mut frame = frame.to_vec();
        if let Some(bit) = fate.wrong_bit
            && let Some(byte) = frame.get_mut((bit / 8) as usize)
        {
            *byte ^= 1 << (bit % 8);
        }
        if fate.is_overtaken && self.held.is_none() {
            self.held = Some((now_ns + OVERTAKEN_NS_MAX, frame));
            return;
        }
        let time_ns = now_ns + fate.delay_ns;
        if fate.is_doubled {
            self.enqueue(time_ns, frame.clone());
        }
        self.enqueue(time_ns, frame);
        if let Some((_, overtaken)) = self.held.take() {
            self.enqueue(time_ns, overtaken);
        }
    }

    /// Hands on the frames whose time has come, until one is not taken. `true`: one is left.
    pub fn deliver(&mut self, now_ns: u64, mut to: impl FnMut(&[u8]) -> Delivery) -> bool {
        if let Some((_, overtaken)) = self.held.take_if(|(until_ns, _)| *until_ns <= now_ns) {
            self.enqueue(now_ns, overtaken);
        }
        while let Some(first) = self.queue.first_entry()
            && first.key().0 <= now_ns
        {
            match to(first.get()) {
                Delivery::Later => return true,
                Delivery::Done => self.counters.count(first.get()),
                Delivery::Lost => self.counters.dropped += 1,
            }
            first.remove();
        }
        false
    }

    /// When there is something to hand on.
    pub fn next_ns(&self) -> Option<u64> {
        let queued = self
            .queue
            .first_key_value()
            .map(|((time_ns, _), _)| *time_ns);
        let held = self.held.as_ref().map(|(until_ns, _)| *until_ns);
        queued.into_iter().chain(held).min()
    }

    fn enqueue(&mut self, time_ns: u64, frame: Vec<u8>) {
        self.queue.insert((time_ns, self.next_number), frame);
        self.next_number += 1;
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    /// Sends frames of a number each, one in a millisecond, and tells what arrives.
    fn sent(faults: Faults, count: u8) -> (Vec<Vec<u8>>, Counters) {
        let mut way = Way::new(faults, 1);
        let mut arrived = Vec::new();
        for ms in 0..u64::from(count) + 100 {
            let now_ns = ms * 1_000_000;
            if ms < u64::from(count) {
                way.push(&[ms as u8; 4], now_ns);
            }
            let is_left = way.deliver(now_ns, |frame| {
                arrived.push(frame.to_vec());
                Delivery::Done
            });
            assert!(!is_left);
        }
        assert_eq!(way.next_ns(), None);
        (arrived, way.counters())
    }

    fn all(count: u8) -> Vec<Vec<u8>> {
        (0..count).map(|number| vec![number; 4]).collect()
    }

    #[test]
    fn without_faults_frames_go_straight() {
        let (arrived, counters) = sent(Faults::default(), 200);
        assert_eq!(arrived, all(200));
        assert_eq!(
            counters,
            Counters {
                frames: 200,
                bytes: 800,
                dropped: 0
            }
        );
    }

    #[test]
    fn lost_frames_are_counted() {
        let (arrived, counters) = sent(
            Faults {
                seed: 4,
                loss: 300,
                ..Faults::default()
            },
            200,
        );
        assert!((30..90).contains(&counters.dropped), "{counters}");
        assert_eq!(arrived.len() as u64, 200 - counters.dropped);
        assert!(arrived.is_sorted());
    }

    #[test]
    fn doubled_frames_arrive_twice() {
        let (arrived, _) = sent(
            Faults {
                duplicate: 1000,
                ..Faults::default()
            },
            100,
        );
        let twice: Vec<Vec<u8>> = all(100)
            .into_iter()
            .flat_map(|it| [it.clone(), it])
            .collect();
        assert_eq!(arrived, twice);
    }

    #[test]
    fn overtaken_frames_come_behind_the_next_one() {
        let (mut arrived, _) = sent(
            Faults {
                reorder: 1000,
                ..Faults::default()
            },
            6,
        );
        let order: Vec<u8> = arrived.iter().map(|frame| frame[0]).collect();
        assert_eq!(order, [1, 0, 3, 2, 5, 4]);
        arrived.sort();
        assert_eq!(arrived, all(6));
        // The last one is not kept for ever.
        assert_eq!(
            sent(
                Faults {
                    reorder: 1000,
                    ..Faults::default()
                },
                1
            )
            .0,
            all(1)
        );
    }

    #[test]
    fn late_frames_arrive_all_the_same() {
        let (mut arrived, _) = sent(
            Faults {
                seed: 2,
                delay: 500,
                ..Faults::default()
            },
            200,
        );
        assert!(!arrived.is_sorted());
        arrived.sort();
        assert_eq!(arrived, all(200));
    }

    #[test]
    fn a_damaged_frame_has_one_wrong_bit() {
        let (arrived, _) = sent(
            Faults {
                corrupt: 1000,
                ..Faults::default()
            },
            200,
        );
        for (number, frame) in arrived.iter().enumerate() {
            let wrong: u32 = frame
                .iter()
                .map(|byte| (byte ^ number as u8).count_ones())
                .sum();
            assert_eq!(wrong, 1, "{number}");
        }
    }

    #[test]
    fn a_seed_decides_and_another_decides_otherwise() {
        let faults = |seed| Faults {
            seed,
            loss: 100,
            reorder: 100,
            duplicate: 100,
            corrupt: 100,
            delay: 100,
        };
        assert_eq!(sent(faults(1), 200), sent(faults(1), 200));
        assert_ne!(sent(faults(1), 200), sent(faults(2), 200));
    }

    #[test]
    fn directions_of_one_seed_have_faults_of_their_own() {
        let lost = |number| {
            let mut way = Way::new(
                Faults {
                    loss: 500,
                    ..Faults::default()
                },
                number,
            );
            let mut lost = Vec::new();
            for _ in 0..100 {
                let before = way.counters().dropped;
                way.push(&[0; 60], 0);
                lost.push(way.counters().dropped > before);
            }
            lost
        };
        assert_eq!(lost(0), lost(0));
        assert_ne!(lost(0), lost(1));
    }

    #[test]
    fn what_is_not_taken_stays_first_and_the_queue_has_an_end() {
        let mut way = Way::new(Faults::default(), 0);
        for _ in 0..QUEUE_FRAMES_MAX + 3 {
            way.push(&[1; 60], 5);
        }
        assert_eq!(way.counters().dropped, 3);
        assert!(!way.deliver(4, |_| unreachable!("its time has not come")));
        assert!(way.deliver(5, |_| Delivery::Later));
        assert_eq!((way.next_ns(), way.counters().frames), (Some(5), 0));
        assert!(!way.deliver(5, |_| Delivery::Lost));
        assert_eq!(way.counters().dropped as usize, QUEUE_FRAMES_MAX + 3);
    }
}
