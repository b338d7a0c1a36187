//! Names of numbers as an image holds them: one text, in the order of the numbers. These run on from each
//! other but for a few leaps, so nothing stands beside a name, and nothing is to be relocated.

/// Numbers that follow each other.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    first: u16,
    last: u16,
    /// How many names stand before that of the first.
    place: u16,
}

/// How many runs a list of ascending numbers has.
pub(crate) const fn count(numbers: &[u16]) -> usize {
    let mut count = 0;
    let mut place = 0;
    while place < numbers.len() {
        if place == 0 || numbers[place] != numbers[place - 1] + 1 {
            count += 1;
        }
        place += 1;
    }
    count
}

/// The runs of a list of ascending numbers.
pub(crate) const fn runs<const COUNT: usize>(numbers: &[u16]) -> [Run; COUNT] {
    let nothing = Run {
        first: 0,
        last: 0,
        place: 0,
    };
    let mut runs = [nothing; COUNT];
    let mut count = 0;
    let mut place = 0;
    while place < numbers.len() {
        let number = numbers[place];
        if place == 0 || number != numbers[place - 1] + 1 {
            runs[count] = Run {
                first: number,
                last: number,
                place: place as u16,
            };
            count += 1;
        } else {
            runs[count - 1].last = number;
        }
        place += 1;
    }
    runs
}

/// The name of a number; `names` has a blank behind each.
pub(crate) fn name(runs: &[Run], names: &'static str, number: usize) -> Option<&'static str> {
    let number = u16::try_from(number).ok()?;
    let run = runs
        .iter()
        .find(|run| run.first <= number && number <= run.last)?;
    let mut before = run.place + (number - run.first);
    let mut start = 0;
    for (at, byte) in names.bytes().enumerate() {
        if byte == b' ' {
            if before == 0 {
                return names.get(start..at);
            }
            before -= 1;
            start = at + 1;
        }
    }
    None
}
