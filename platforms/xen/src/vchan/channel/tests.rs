//! Two honest ends, and one end whose other one is not.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use core::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::vec::Vec;

use super::*;
use crate::hostile::{Numbers, Page};

/// Counts how often an end was told.
#[derive(Clone, Default)]
struct Told(Rc<Cell<usize>>);

impl Tell for Told {
    fn tell(&self) {
        self.0.set(self.0.get() + 1);
    }
}

/// Rings of their own need pages in a row.
fn pages(lengths: Lengths) -> ([*mut u8; 2], Vec<Vec<u64>>) {
    let mut rooms: Vec<Vec<u64>> = lengths
        .pages()
        .iter()
        .map(|count| std::vec![0; count * PAGE_BYTES / 8])
        .collect();
    let pointers = [0, 1].map(|index| rooms[index].as_mut_ptr().cast());
    (pointers, rooms)
}

fn ends(page: &Page, rings: [*mut u8; 2], lengths: Lengths) -> [(Channel<Told>, Told); 2] {
    // SAFETY: the pages are the test's, and outlive the ends.
    unsafe {
        lay_out(page.pointer(), lengths);
        let (by_client, by_server) = (Told::default(), Told::default());
        let other = by_server.clone();
        let server = Channel::new(page.pointer(), rings, lengths, true, other);
        let mut grants = [0; 2 * RING_PAGES_MAX];
        let found = look(page.pointer(), &mut grants).unwrap();
        assert_eq!(found, lengths);
        let other = by_client.clone();
        let client = Channel::new(page.pointer(), rings, found, false, other);
        [(server, by_client), (client, by_server)]
    }
}

#[test]
fn lengths_are_those_of_libxenvchan() {
    for (bytes, left, right) in [
        (0, 10, 11),
        (1024, 10, 11),
        (1025, 12, 12),
        (4096, 12, 12),
        (4097, 13, 13),
        (1 << 20, 20, 20),
        (usize::MAX, 20, 20),
    ] {
        assert_eq!(Lengths::of(bytes), Lengths { left, right });
    }
    assert_eq!(Lengths::of(1024).pages(), [0, 0]);
    assert_eq!(Lengths::of(5000).pages(), [2, 2]);
    assert_eq!(Lengths::check(11, 13).unwrap().pages(), [0, 2]);
    for (left, right) in [
        (9, 12),
        (12, 21),
        (10, 10),
        (11, 11),
        (0, 0),
        (u16::MAX, 12),
    ] {
        let broken = Lengths::check(left, right).unwrap_err();
        assert_eq!(broken, Broken::Lengths { left, right });
    }
}

/// An end that writes numbers in order, sleeps when it can do nothing, and is woken when it is told.
struct Walker {
    end: Channel<Told>,
    told: Told,
    heard: usize,
    sent: u8,
    is_asleep: bool,
    expected: VecDeque<u8>,
}

#[test]
fn honest_ends_hear_all_in_order_and_are_told_when_they_must_be() {
    for seed in 1..150 {
        let mut numbers = Numbers::new(seed);
        let lengths = match numbers.below(4) {
            0 => Lengths::of(1000),
            1 => Lengths {
                left: 11,
                right: 10,
            },
            2 => Lengths {
                left: 11,
                right: 12,
            },
            _ => Lengths::of(5000),
        };
        let page = Page::new();
        let (rings, _rooms) = pages(lengths);
        let [server, client] = ends(&page, rings, lengths);
        assert!(server.0.state().unwrap().is_awaited);
        client.0.come();
        assert!(!server.0.state().unwrap().is_awaited);
        let mut walkers = [server, client].map(|(end, told)| Walker {
            end,
            told,
            heard: 0,
            sent: 0,
            is_asleep: false,
            expected: VecDeque::new(),
        });
        let mut moved = 0;
        for _ in 0..3000 {
            let index = numbers.below(2) as usize;
            let (walker, others) = match &mut walkers {
                [one, other] if index == 0 => (one, other),
                [one, other] => (other, one),
            };
            if walker.is_asleep && walker.told.0.get() == walker.heard {
                // Nobody told it: then there is nothing to read, and no room to write.
                let state = walker.end.state().unwrap();
                assert_eq!(state.ready, 0, "seed {seed}: it sleeps and is not told");
                assert_eq!(state.room, 0, "seed {seed}: it sleeps and is not told");
                continue;
            }
            walker.heard = walker.told.0.get();
            walker.is_asleep = false;
            let mut room = [0; 700];
            let len = numbers.below(700) as usize;
            if numbers.below(2) == 0 {
                let count = walker.end.read(&mut room[..len]).unwrap();
                for &byte in &room[..count] {
                    assert_eq!(Some(byte), walker.expected.pop_front());
                }
                moved += count;
            } else {
                for (at, byte) in room.iter_mut().enumerate() {
                    *byte = walker.sent.wrapping_add(at as u8);
                }
                let count = walker.end.write(&room[..len]).unwrap();
                others.expected.extend(&room[..count]);
                walker.sent = walker.sent.wrapping_add(count as u8);
            }
            let state = walker.end.state().unwrap();
            assert_eq!(state.ready as usize, walker.expected.len());
            walker.is_asleep = state.ready == 0 && state.room == 0;
        }
        assert!(moved > 50_000, "{moved}");
        let [server, client] = walkers;
        client.end.fall_silent();
        let state = server.end.state().unwrap();
        assert!(state.is_silent && !state.is_gone);
        server.end.go();
        assert!(client.end.state().unwrap().is_gone);
        assert_eq!(
            client.end.state().unwrap().ready as usize,
            client.expected.len()
        );
    }
}

#[test]
fn counts_that_cannot_be_are_named() {
    let lengths = Lengths::of(1000);
    let mut page = Page::new();
    let (rings, _rooms) = pages(lengths);
    let [(mut server, _), (mut client, _)] = ends(&page, rings, lengths);
    let mut set = |at: usize, value: u32| {
        page.bytes()[at..at + 4].copy_from_slice(&value.to_le_bytes());
    };
    set(LEFT_AT + 4, 1025);
    let (said, room) = (1025, 1024);
    assert_eq!(server.state(), Err(Broken::Written { said, room }));
    assert_eq!(
        server.read(&mut [0; 8]),
        Err(Broken::Written { said, room })
    );
    set(LEFT_AT + 4, 1024);
    assert_eq!(server.state().unwrap().ready, 1024);
    set(LEFT_AT, 1);
    let (said, room) = (u32::MAX, 1024);
    assert_eq!(client.write(&[0; 8]), Err(Broken::Read { said, room }));
}

#[test]
fn a_hostile_end_is_found_out_or_harmless() {
    for seed in 1..3000 {
        let mut numbers = Numbers::new(seed);
        let lengths = match numbers.below(2) {
            0 => Lengths::of(1000),
            _ => Lengths::of(5000),
        };
        let mut page = Page::new();
        let (rings, _rooms) = pages(lengths);
        let [(server, _), (client, _)] = ends(&page, rings, lengths);
        let mut end = if numbers.below(2) == 0 {
            server
        } else {
            client
        };
        for _ in 0..60 {
            match numbers.below(4) {
                0 => {
                    let at = match numbers.below(2) {
                        0 => numbers.below(24),
                        _ => numbers.below(PAGE_BYTES as u64),
                    };
                    let byte = match numbers.below(2) {
                        0 => numbers.below(4),
                        _ => numbers.next(),
                    };
                    page.bytes()[at as usize] = byte as u8;
                }
                1 => {
                    let mut room = [0; 500];
                    match end.read(&mut room) {
                        Ok(count) => assert!(count <= 500),
                        Err(broken) => assert!(matches!(broken, Broken::Written { .. })),
                    }
                }
                2 => match end.write(&[7; 500]) {
                    Ok(count) => assert!(count <= 500),
                    Err(broken) => assert!(matches!(broken, Broken::Read { .. })),
                },
                _ => {
                    if let Ok(state) = end.state() {
                        assert!(state.ready <= end.incoming.size);
                        assert!(state.room <= end.outgoing.size);
                    }
                }
            }
            let mut grants = [0; 2 * RING_PAGES_MAX];
            // SAFETY: the page is the test's.
            if let Ok(lengths) = unsafe { look(page.pointer(), &mut grants) } {
                assert!(lengths.pages().iter().sum::<usize>() <= 2 * RING_PAGES_MAX);
            }
        }
    }
}
