//! A parallel sort: a million numbers from a fixed seed, sorted by rayon, compared with the standard
//! library's own sort.

use std::process::ExitCode;

use rayon::prelude::*;

const NUMBERS: usize = 1_000_000;

fn main() -> ExitCode {
    let numbers = numbers(NUMBERS, 0x6d75_736c_696e);
    let mut parallel = numbers.clone();
    parallel.par_sort_unstable();
    let mut plain = numbers;
    plain.sort_unstable();
    if parallel != plain {
        eprintln!("sort: the two results differ");
        return ExitCode::FAILURE;
    }
    let sum: u64 = parallel.par_iter().map(|n| n & 0xffff).sum();
    let longest = parallel.par_iter().map(|n| n.to_string().len()).max();
    println!("sorted {} numbers", parallel.len());
    println!("smallest {} largest {}", parallel[0], parallel[NUMBERS - 1]);
    println!("sum of low halves {sum}, longest {longest:?} digits");
    ExitCode::SUCCESS
}

/// A xorshift sequence.
fn numbers(count: usize, seed: u64) -> Vec<u64> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        })
        .collect()
}
