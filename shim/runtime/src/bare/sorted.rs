//! Lists of free blocks in the order of their addresses. A block's first word is the address of the
//! next one; 0 is the end. Sorting needs no memory but the blocks' own.

/// More runs than there can be: each is twice as long as the one before.
const RUNS: usize = usize::BITS as usize;

/// The block after `block`.
///
/// # Safety
/// `block` is a block of a list.
pub unsafe fn next(block: usize) -> usize {
    // SAFETY: as the caller promises.
    unsafe { (block as *const usize).read() }
}

/// Sorts the list that begins with `list`, the lowest address first; its new beginning.
///
/// # Safety
/// The list's blocks are aligned for a word, and nobody else uses them.
pub unsafe fn sorted(mut list: usize) -> usize {
    let mut runs = [0; RUNS];
    // SAFETY: blocks of the caller's list, each in one run.
    unsafe {
        while list != 0 {
            let rest = next(list);
            (list as *mut usize).write(0);
            let mut run = list;
            for place in &mut runs {
                if *place == 0 {
                    *place = run;
                    break;
                }
                run = merged(core::mem::take(place), run);
            }
            list = rest;
        }
        runs.into_iter().fold(0, |all, run| merged(all, run))
    }
}

/// Two sorted lists as one.
///
/// # Safety
/// As for [`sorted`]; no block is in both.
unsafe fn merged(mut one: usize, mut other: usize) -> usize {
    let mut first = 0;
    let mut link: *mut usize = &raw mut first;
    while one != 0 && other != 0 {
        if other < one {
            core::mem::swap(&mut one, &mut other);
        }
        // SAFETY: `link` is `first` or the first word of a block, and `one` is a block.
        unsafe {
            link.write(one);
            link = one as *mut usize;
            one = next(one);
        }
    }
    // SAFETY: as above.
    unsafe { link.write(one | other) };
    first
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{next, sorted};
    use std::vec::Vec;

    /// A list of the blocks with these numbers, in this order.
    fn addresses_in_order(numbers: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let mut blocks = std::vec![[0_usize; 2]; numbers.len()];
        let start = blocks.as_mut_ptr() as usize;
        let address = |number: usize| start + number * 16;
        let mut list = 0;
        for &number in numbers.iter().rev() {
            // SAFETY: a block of the vector.
            unsafe { (address(number) as *mut usize).write(list) };
            list = address(number);
        }
        let mut found = Vec::new();
        // SAFETY: the list was just made.
        unsafe {
            list = sorted(list);
            while list != 0 {
                found.push(list);
                list = next(list);
            }
        }
        (found, (0..numbers.len()).map(address).collect())
    }

    #[test]
    fn blocks_come_in_order_and_none_is_lost() {
        for count in [0, 1, 2, 3, 7, 64, 1000] {
            // 389 and the counts have no common divisor, so each number comes once.
            let numbers: Vec<usize> = (0..count).map(|at| at * 389 % count).collect();
            let (found, expected) = addresses_in_order(&numbers);
            assert_eq!(found, expected);
        }
    }
}
