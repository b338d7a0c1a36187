//! What bad wires do to frames, as a seed decides.

use core::fmt;
use core::str::FromStr;

use crate::random::Random;

/// How many thousandths there are.
const ALL: u64 = 1000;
/// How long a delayed frame is on its way, in nanoseconds: up to this.
const DELAY_NS_MAX: u64 = 50_000_000;

/// How many of a thousand frames are hit, by each kind of fault, and the seed that decides which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Decides: the same frames have the same fates by the same seed.
    pub seed: u64,
    /// Lost.
    pub loss: u16,
    /// Overtaken by the frame behind.
    pub reorder: u16,
    /// Delivered twice.
    pub duplicate: u16,
    /// Delivered with one wrong bit.
    pub corrupt: u16,
    /// Delivered up to 50 ms late.
    pub delay: u16,
}

/// What is to happen to one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) is_lost: bool,
    pub(crate) is_overtaken: bool,
    pub(crate) is_doubled: bool,
    /// The bit that is wrong.
    pub(crate) wrong_bit: Option<u64>,
    pub(crate) delay_ns: u64,
}

impl Faults {
    /// The fate of a frame of so many bits. Each takes as many numbers as any other, so that a rate
    /// decides for its own kind alone.
    pub(crate) fn fate(&self, random: &mut Random, bits: u64) -> Fate {
        let mut is_hit = |rate: u16| random.below(ALL) < u64::from(rate);
        let (is_lost, is_overtaken, is_doubled) = (
            is_hit(self.loss),
            is_hit(self.reorder),
            is_hit(self.duplicate),
        );
        let (is_wrong, is_late) = (is_hit(self.corrupt), is_hit(self.delay));
        let (bit, delay_ns) = (random.below(bits.max(1)), 1 + random.below(DELAY_NS_MAX));
        Fate {
            is_lost,
            is_overtaken,
            is_doubled,
            wrong_bit: is_wrong.then_some(bit),
            delay_ns: if is_late { delay_ns } else { 0 },
        }
    }
}

/// Words that are no faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadFaults {
    /// The first word is not a number.
    Seed,
    /// There is no such kind.
    Kind,
    /// A kind is given twice.
    Twice,
    /// What a kind is given is not a number of thousandths.
    Rate,
}

impl fmt::Display for BadFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seed => "its first word is not a seed, which is a number",
            Self::Kind => {
                "it has a word that is none of loss=, reorder=, duplicate=, corrupt=, delay="
            }
            Self::Twice => "it has a kind of fault twice",
            Self::Rate => "it has a rate that is not a number from 0 to 1000",
        })
    }
}

/// Reads `SEED,loss=10,reorder=5`.
impl FromStr for Faults {
    type Err = BadFaults;

    fn from_str(text: &str) -> Result<Self, BadFaults> {
        let mut words = text.split(',');
        let seed = words.next().unwrap_or_default();
        let mut faults = Self {
            seed: seed.parse().map_err(|_| BadFaults::Seed)?,
            ..Self::default()
        };
        let mut given = [""; 5];
        for (word, known) in words.zip(0..) {
            let (kind, rate) = word.split_once('=').ok_or(BadFaults::Kind)?;
            let place = match kind {
                "loss" => &mut faults.loss,
                "reorder" => &mut faults.reorder,
                "duplicate" => &mut faults.duplicate,
                "corrupt" => &mut faults.corrupt,
                "delay" => &mut faults.delay,
                _ => return Err(BadFaults::Kind),
            };
            if given.contains(&kind) {
                return Err(BadFaults::Twice);
            }
            if let Some(name) = given.get_mut::<usize>(known) {
                *name = kind;
            }
            let rate = rate.parse().map_err(|_| BadFaults::Rate)?;
            if u64::from(rate) > ALL {
                return Err(BadFaults::Rate);
            }
            *place = rate;
        }
        Ok(faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read() {
        let faults = "7,loss=10,reorder=5,duplicate=1,corrupt=1000,delay=0".parse();
        let expected = Faults {
            seed: 7,
            loss: 10,
            reorder: 5,
            duplicate: 1,
            corrupt: 1000,
            delay: 0,
        };
        assert_eq!(faults, Ok(expected));
        assert_eq!(
            "9".parse(),
            Ok(Faults {
                seed: 9,
                ..Faults::default()
            })
        );
        for (text, problem) in [
            ("", BadFaults::Seed),
            ("loss=10", BadFaults::Seed),
            ("-1,loss=10", BadFaults::Seed),
            ("1,", BadFaults::Kind),
            ("1,loss", BadFaults::Kind),
            ("1,lost=1", BadFaults::Kind),
            ("1,loss=1,loss=1", BadFaults::Twice),
            ("1,loss=", BadFaults::Rate),
            ("1,loss=1001", BadFaults::Rate),
            ("1,loss=1%", BadFaults::Rate),
        ] {
            assert_eq!(text.parse::<Faults>(), Err(problem), "{text}");
        }
    }

    #[test]
    fn rates_are_thousandths_and_one_kind_leaves_the_others_alone() {
        let fates = |faults: Faults| {
            let mut random = Random::new(3);
            core::array::from_fn::<_, 4000, _>(|_| faults.fate(&mut random, 480))
        };
        let one = fates(Faults {
            loss: 100,
            ..Faults::default()
        });
        let two = fates(Faults {
            loss: 100,
            corrupt: 500,
            delay: 1000,
            ..Faults::default()
        });
        let lost = one.iter().filter(|fate| fate.is_lost).count();
        assert!((320..480).contains(&lost), "{lost} of 4000");
        assert!(
            one.iter()
                .zip(&two)
                .all(|(one, two)| one.is_lost == two.is_lost)
        );
        let wrong = two.iter().filter_map(|fate| fate.wrong_bit);
        assert!((1800..2200).contains(&wrong.clone().count()));
        assert!(wrong.max().is_some_and(|bit| (400..480).contains(&bit)));
        assert!(
            two.iter()
                .all(|fate| (1..=DELAY_NS_MAX).contains(&fate.delay_ns))
        );
    }
}
