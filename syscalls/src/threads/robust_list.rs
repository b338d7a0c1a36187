//! Locks that say so if their owner ends with them: a list in the program's memory, which the end of
//! a thread walks.

use muslin_abi::Errno;

use crate::context::Context;
use crate::user_mem;

const WAITERS: u32 = 0x8000_0000;
const OWNER_DIED: u32 = 0x4000_0000;
const TID_MASK: u32 = 0x3fff_ffff;

/// Entries that are looked at, as on Linux: a list may be a circle.
const ENTRIES_MAX: usize = 2048;

/// In an entry's address: the lock is one with priority inheritance.
const IS_PI: usize = 1;

/// Marks what a thread holds at its end, and calls `wake` for each word that others may wait for.
/// `head` is the address of the list's head: the first entry, the distance from an entry to its word,
/// and the entry that was being added or removed.
///
/// # Errors
/// `EFAULT` the list goes astray; what comes behind is left.
pub fn walk(
    context: &Context<'_>,
    head: usize,
    tid: i32,
    mut wake: impl FnMut(usize),
) -> Result<(), Errno> {
    let [first, offset, pending]: [usize; 3] = user_mem::read(context, head)?;
    let mut mark = |entry: usize, is_pending: bool| -> Result<(), Errno> {
        let word = (entry & !IS_PI).wrapping_add(offset);
        if !word.is_multiple_of(4) {
            return Err(Errno::EFAULT);
        }
        let value: u32 = user_mem::read(context, word)?;
        let is_pi = entry & IS_PI != 0;
        // It was being given away: the word says so already, and who waits has not been woken.
        if is_pending && !is_pi && value == 0 {
            wake(word);
        }
        if value & TID_MASK == tid as u32 {
            let new = value & WAITERS | OWNER_DIED;
            user_mem::write(context, word, &new)?;
            if !is_pi && value & WAITERS != 0 {
                wake(word);
            }
        }
        Ok(())
    };
    let mut entry = first;
    for _ in 0..ENTRIES_MAX {
        if entry & !IS_PI == head {
            break;
        }
        // Whoever wakes may take the entry's memory.
        let next: usize = user_mem::read(context, entry & !IS_PI)?;
        if entry & !IS_PI != pending & !IS_PI {
            mark(entry, false)?;
        }
        entry = next;
    }
    if pending != 0 {
        mark(pending, true)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;
    use std::vec::Vec;

    const TID: i32 = 77;

    /// A head, and entries whose words are 16 bytes behind them.
    fn list(world: &World, words: &[u32], pending: usize) -> (usize, Vec<usize>) {
        let head = world.room(4096);
        let entries: Vec<usize> = (1..=words.len()).map(|index| head + 64 * index).collect();
        let put = |address: usize, value: usize| world.put(address, &value.to_le_bytes());
        for (index, (&entry, word)) in entries.iter().zip(words).enumerate() {
            put(entry, entries.get(index + 1).copied().unwrap_or(head));
            world.put(entry + 16, &word.to_le_bytes());
        }
        put(head, entries.first().copied().unwrap_or(head));
        put(head + 8, 16);
        put(
            head + 16,
            pending.checked_sub(1).map_or(0, |index| entries[index]),
        );
        (head, entries)
    }

    fn words(world: &World, entries: &[usize]) -> Vec<u32> {
        let word = |entry: &usize| world.get_value(entry + 16);
        entries.iter().map(word).collect()
    }

    fn end(world: &World, head: usize) -> (Result<(), Errno>, Vec<usize>) {
        let mut woken = Vec::new();
        let result = walk(&world.context(), head, TID, |word| woken.push(word));
        (result, woken)
    }

    #[test]
    fn what_the_thread_held_is_marked_and_who_waits_is_woken() {
        let world = World::new();
        let tid = TID as u32;
        let (head, entries) = list(&world, &[tid, tid | WAITERS, 5, 0], 0);
        let (result, woken) = end(&world, head);
        assert_eq!(result, Ok(()));
        assert_eq!(woken, [entries[1] + 16]);
        assert_eq!(
            words(&world, &entries),
            [OWNER_DIED, OWNER_DIED | WAITERS, 5, 0]
        );
    }

    #[test]
    fn one_that_was_being_given_away_is_seen_last_and_once() {
        let world = World::new();
        let (head, entries) = list(&world, &[0, TID as u32], 1);
        assert_eq!(end(&world, head), (Ok(()), [entries[0] + 16].to_vec()));
        assert_eq!(words(&world, &entries), [0, OWNER_DIED]);
    }

    #[test]
    fn bad_lists_end() {
        let world = World::new();
        assert_eq!(end(&world, 8).0, Err(Errno::EFAULT));
        let (head, entries) = list(&world, &[TID as u32, TID as u32], 0);
        world.put(entries[1], &entries[0].to_le_bytes());
        assert_eq!(end(&world, head).0, Ok(()));
        world.put(entries[0], &8_usize.to_le_bytes());
        assert_eq!(end(&world, head).0, Err(Errno::EFAULT));
    }
}
