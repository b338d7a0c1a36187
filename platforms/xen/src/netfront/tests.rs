#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::boxed::Box;
use std::prelude::rust_2024::*;
use std::rc::Rc;
use std::{assert, assert_eq, vec};

use core::cell::RefCell;

use muslin_abi::Errno;
use muslin_abi::net_device::{OFFLOAD_BYTES, OFFLOADED_BYTES_MAX};

use super::device::{Net, PAGES, Pages, Seen};
use super::offload::Left;
use crate::hostile::Numbers;
use crate::hostile::world::{Beside, World, granted};
use crate::ring::Broken;

/// The tree with a device, before anything was said.
const TREE: &[(&str, &str)] = &[
    ("device/vif/0/backend", "/back"),
    ("device/vif/0/backend-id", "0"),
    ("device/vif/0/mac", "00:16:3e:00:00:01"),
    ("/back/state", "2"),
    ("/back/feature-sg", "1"),
    ("/back/feature-gso-tcpv4", "1"),
    ("/back/feature-gso-tcpv6", "1"),
    ("/back/feature-ipv6-csum-offload", "1"),
];
const STATE: &str = "device/vif/0/state";

/// Where entries begin, how large those of what goes and of what comes are, and how many there are.
const RING_AT: usize = 64;
const OUT_BYTES: usize = 12;
const IN_BYTES: usize = 8;
const RING_SIZE: u32 = 256;

/// A frame that the back end got: its bytes, its flags, and what was said of its cutting.
type Got = (Vec<u8>, u16, Option<(u8, u16)>);

/// A frame for the guest: its parts, and the rest as in [`Got`].
type Given = (Vec<Vec<u8>>, u16, Option<(u8, u16)>);

/// A back end that keeps what comes, and gives what it is told to.
#[derive(Default)]
struct Back {
    taken: u32,
    given: u32,
    got: Vec<Got>,
    to_give: Vec<Given>,
    /// It answers nothing that goes.
    is_slow: bool,
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn ring(beside: &Beside, name: &str) -> Option<u32> {
    beside.tree.get(name)?.parse().ok()
}

impl Back {
    fn serve(&mut self, beside: &mut Beside) {
        let state = |name: &str| beside.tree.get(name).map(String::as_str);
        if (state(STATE), state("/back/state")) == (Some("4"), Some("2")) {
            beside.write("/back/state", "4");
        }
        if let Some(out) = ring(beside, "device/vif/0/tx-ring-ref")
            && !self.is_slow
        {
            self.take(beside, out);
        }
        if let Some(come) = ring(beside, "device/vif/0/rx-ring-ref") {
            self.give(beside, come);
        }
    }

    fn take(&mut self, beside: &Beside, out: u32) {
        let asked = word(granted(beside, out, 0, 4), 0);
        let entry = |number: u32| RING_AT + (number % RING_SIZE) as usize * OUT_BYTES;
        let mut frame: Vec<u8> = vec![];
        let (mut len, mut flags, mut cut) = (0, 0, None);
        while self.taken != asked {
            let place = granted(beside, out, entry(self.taken), OUT_BYTES);
            let request = place.to_vec();
            let is_first = frame.is_empty();
            if is_first {
                (len, flags) = (usize::from(half(&request, 10)), half(&request, 6));
            }
            place[..4].copy_from_slice(&[request[8], request[9], 0, 0]);
            let mut rest = granted(beside, word(&request, 0), half(&request, 4).into(), 0).len();
            // The first tells the length of all: what is in it is what is not in the others.
            let next = self.taken.wrapping_add(1);
            let mut others = 0;
            if is_first {
                let mut at = next.wrapping_add(u32::from(half(&request, 6) & 8 != 0));
                let mut more = half(&request, 6) & 4 != 0;
                while more {
                    let other = granted(beside, out, entry(at), OUT_BYTES);
                    others += usize::from(half(other, 10));
                    more = half(other, 6) & 4 != 0;
                    at = at.wrapping_add(1);
                }
                rest += len - others;
            } else {
                rest = half(&request, 10).into();
            }
            frame.extend_from_slice(granted(beside, word(&request, 0), 0, rest));
            self.taken = next;
            if half(&request, 6) & 8 != 0 {
                let extra = granted(beside, out, entry(self.taken), OUT_BYTES);
                assert_eq!(extra[..2], [1, 0]);
                cut = Some((extra[4], half(extra, 2)));
                extra[..4].copy_from_slice(&[0xff, 0xff, 1, 0]);
                self.taken = self.taken.wrapping_add(1);
            }
            if half(&request, 6) & 4 == 0 {
                assert_eq!(frame.len(), len);
                self.got
                    .push((std::mem::take(&mut frame), flags & 3, cut.take()));
            }
        }
        granted(beside, out, 8, 4).copy_from_slice(&self.taken.to_le_bytes());
        // It wants to be told of the next.
        let next = self.taken.wrapping_add(1);
        granted(beside, out, 4, 4).copy_from_slice(&next.to_le_bytes());
    }

    fn give(&mut self, beside: &Beside, come: u32) {
        let offered = word(granted(beside, come, 0, 4), 0);
        let entry = |number: u32| RING_AT + (number % RING_SIZE) as usize * IN_BYTES;
        while let Some((parts, flags, cut)) = self.to_give.first() {
            let places = parts.len() + usize::from(cut.is_some());
            if (offered.wrapping_sub(self.given) as usize) < places {
                break;
            }
            for (at, part) in parts.iter().enumerate() {
                let place = granted(beside, come, entry(self.given), IN_BYTES);
                granted(beside, word(place, 4), 3, part.len()).copy_from_slice(part);
                let mut said = if at == 0 { *flags } else { 0 };
                said |= if at + 1 < parts.len() { 4 } else { 0 };
                said |= if at == 0 && cut.is_some() { 8 } else { 0 };
                place[2..4].copy_from_slice(&3_u16.to_le_bytes());
                place[4..6].copy_from_slice(&said.to_le_bytes());
                place[6..8].copy_from_slice(&(part.len() as u16).to_le_bytes());
                self.given = self.given.wrapping_add(1);
                if let Some((kind, size)) = cut.filter(|_| at == 0) {
                    let place = granted(beside, come, entry(self.given), IN_BYTES);
                    let [low, high] = size.to_le_bytes();
                    place.copy_from_slice(&[1, 0, low, high, kind, 0, 0, 0]);
                    self.given = self.given.wrapping_add(1);
                }
            }
            self.to_give.remove(0);
        }
        granted(beside, come, 8, 4).copy_from_slice(&self.given.to_le_bytes());
    }
}

fn pages() -> &'static Pages {
    Box::leak(Box::new(Pages::new()))
}

/// A world with a back end that keeps to the rules, and the device.
fn honest(is_offloaded: bool) -> (World<'static>, Rc<RefCell<Back>>, &'static Pages, Net) {
    let back = Rc::new(RefCell::new(Back::default()));
    let serving = back.clone();
    let mut world = World::new(TREE, move |beside| serving.borrow_mut().serve(beside));
    let pages = pages();
    let seen = Seen::find(&mut world, 0).unwrap();
    assert!(seen.has_offload);
    let net = Net::connect(&mut world, pages, &seen, is_offloaded).unwrap();
    (world, back, pages, net)
}

/// A frame of TCP over IPv4 with so much behind its headers.
fn frame(len: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..54 + len).map(|at| (at * 3 + at / 256) as u8).collect();
    frame[12..15].copy_from_slice(&[8, 0, 0x45]);
    frame[23] = 6;
    frame
}

#[test]
fn frames_go_in_as_many_pages_as_they_need() {
    let (mut world, back, pages, mut net) = honest(true);
    let lengths = [0, 1446, 4042, 4043, 30_000, 65_000];
    for (at, len) in lengths.into_iter().cycle().take(60).enumerate() {
        let (kind, size) = [(0, 0), (1, 1448), (4, 1428)][at % 3];
        let mut bytes = vec![1, kind, 54, 0, size as u8, (size >> 8) as u8, 34, 0, 16, 0];
        bytes.extend(frame(len));
        assert_eq!(net.send(&mut world, pages, &bytes), Ok(Ok(())));
        let (got, flags, cut) = back.borrow_mut().got.pop().unwrap();
        assert!(got == frame(len));
        assert_eq!(flags, 3);
        assert_eq!(
            cut,
            (kind != 0).then_some((if kind == 1 { 1 } else { 2 }, size))
        );
    }
    // What makes no sense goes nowhere.
    for (kind, size) in [(3, 100), (1, 0), (0x81, 100)] {
        let mut bytes = vec![1, kind, 54, 0, size, 0, 34, 0, 16, 0];
        bytes.extend(frame(5000));
        assert_eq!(net.send(&mut world, pages, &bytes), Ok(Err(Errno::EINVAL)));
    }
    assert!(back.borrow().got.is_empty());
    // A slow back end: so many pages go, and no more until some are back.
    back.borrow_mut().is_slow = true;
    let bytes = [vec![0; OFFLOAD_BYTES], frame(30_000)].concat();
    for _ in 0..PAGES / 8 {
        assert_eq!(net.send(&mut world, pages, &bytes), Ok(Ok(())));
    }
    assert_eq!(net.send(&mut world, pages, &bytes), Ok(Err(Errno::EAGAIN)));
    back.borrow_mut().is_slow = false;
    back.borrow_mut().serve(&mut world.beside.borrow_mut());
    assert_eq!(net.send(&mut world, pages, &bytes), Ok(Ok(())));
    assert_eq!(back.borrow().got.len(), PAGES / 8 + 1);
}

#[test]
fn frames_come_in_any_number_of_pages() {
    let (mut world, back, pages, mut net) = honest(true);
    let mut room = vec![0; OFFLOADED_BYTES_MAX];
    let none = Ok(Err(Errno::EAGAIN));
    assert_eq!(net.receive(&mut world, pages, &mut room), none);
    for round in 0..100 {
        let mut parts: Vec<Vec<u8>> = frame(40 * round * round % 65_000)
            .chunks(4000 - round)
            .map(<[u8]>::to_vec)
            .collect();
        let whole = parts.concat();
        let cut = (round % 3 == 0).then_some((1, 1448));
        // Two at once, and one that is too short for a header.
        let mut to_give = vec![(vec![vec![9; 13]], 0, None), (parts.clone(), 3, cut)];
        parts.truncate(1);
        to_give.push((parts.clone(), 1, None));
        back.borrow_mut().to_give = to_give;
        let mut expected = vec![1, 0, 0, 0, 0, 0, 34, 0, 16, 0];
        if let Some((kind, size)) = cut {
            expected[1] = kind;
            expected[4..6].copy_from_slice(&u16::to_le_bytes(size));
        }
        expected.extend(whole);
        let mut found = vec![];
        while found.len() < 2 {
            back_serves(&back, &world);
            if let Ok(len) = net.receive(&mut world, pages, &mut room).unwrap() {
                found.push(room[..len].to_vec());
            }
        }
        assert!(found[0] == expected, "{round}");
        assert_eq!(found[1][..OFFLOAD_BYTES], [2, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert!(found[1][OFFLOAD_BYTES..] == parts[0]);
        assert_eq!(net.receive(&mut world, pages, &mut room), none);
    }
}

fn back_serves(back: &Rc<RefCell<Back>>, world: &World<'_>) {
    back.borrow_mut().serve(&mut world.beside.borrow_mut());
}

#[test]
fn without_offloads_the_back_end_is_told_so() {
    for is_offloaded in [false, true] {
        let (world, _, _, _) = honest(is_offloaded);
        let beside = world.beside.borrow();
        for name in ["sg", "gso-tcpv4", "gso-tcpv6", "ipv6-csum-offload"] {
            let said = &beside.tree[&std::format!("device/vif/0/feature-{name}")];
            assert_eq!(said, if is_offloaded { "1" } else { "0" });
        }
        let said = &beside.tree["device/vif/0/feature-no-csum-offload"];
        assert_eq!(said, if is_offloaded { "0" } else { "1" });
    }
    for less in 4..TREE.len() {
        let mut tree = TREE.to_vec();
        tree.remove(less);
        let mut world = World::new(&tree, |_| {});
        assert!(!Seen::find(&mut world, 0).unwrap().has_offload);
    }
}

#[test]
fn headers_say_what_rings_say() {
    let frames = [frame(10), {
        let mut frame = frame(40);
        frame[12..15].copy_from_slice(&[0x86, 0xdd, 0x60]);
        frame[20] = 17;
        frame
    }];
    for (bytes, place) in frames.iter().zip([[34, 0, 16, 0], [54, 0, 6, 0]]) {
        let left = Left {
            needs_sum: true,
            ..Left::default()
        };
        let mut header = [0xff; OFFLOAD_BYTES];
        left.write(&mut header, bytes);
        assert_eq!((header[0], &header[6..]), (1, &place[..]));
        assert_eq!(Left::of(&header), Some(left));
    }
    // Of a frame that nobody knows, only what is known to be right is said.
    let mut header = [0xff; OFFLOAD_BYTES];
    let both = Left {
        needs_sum: true,
        has_good_sum: true,
        cut: None,
    };
    both.write(&mut header, &[0; 60]);
    assert_eq!(header, [2, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for len in 0..54 {
        both.write(&mut header, &frames[0][..len]);
    }
}

#[test]
fn a_device_that_does_not_come_to_work_is_named_and_leaves_nothing() {
    let mut nobody = World::new(&[], |_| {});
    assert_eq!(Seen::find(&mut nobody, 0).unwrap_err(), Errno::ENODEV);
    for (name, value, errno) in [
        ("/back/state", "1", Errno::ETIMEDOUT),
        ("/back/state", "5", Errno::ENXIO),
        ("/back/state", "7", Errno::EPROTO),
        ("device/vif/0/mac", "00:16:3e", Errno::EPROTO),
        ("device/vif/0/mac", "00:16:3e:0:0:0:0", Errno::EPROTO),
        ("device/vif/0/mac", "none", Errno::EPROTO),
        ("device/vif/0/backend-id", "70000", Errno::EPROTO),
    ] {
        let mut tree: Vec<_> = TREE.iter().copied().filter(|(it, _)| *it != name).collect();
        tree.push((name, value));
        let mut world = World::new(&tree, |_| {});
        assert_eq!(Seen::find(&mut world, 0).unwrap_err(), errno, "{value}");
    }
    for (next, denied, grants_max, errno) in [
        ("2", None, 1000, Errno::ETIMEDOUT),
        ("5", None, 1000, Errno::ENXIO),
        ("8", None, 1000, Errno::EPROTO),
        ("2", Some("tx-ring-ref"), 1000, Errno::EACCES),
        ("2", Some("feature-sg"), 1000, Errno::EACCES),
        ("2", Some("state"), 1000, Errno::EACCES),
        ("2", None, 1, Errno::ENOSPC),
        ("2", None, 129, Errno::ENOSPC),
    ] {
        let mut world = World::new(TREE, |beside| {
            let is_asked = beside.tree.get(STATE).is_some_and(|state| state == "4");
            if is_asked && beside.tree["/back/state"] != next {
                beside.write("/back/state", next);
            }
        });
        world.beside.borrow_mut().denied = denied;
        world.beside.borrow_mut().grants_max = grants_max;
        let seen = Seen::find(&mut world, 0).unwrap();
        let net = Net::connect(&mut world, pages(), &seen, true);
        assert_eq!(net.unwrap_err(), errno, "{next} {denied:?} {grants_max}");
        let beside = world.beside.borrow();
        assert_eq!(beside.granted.len(), beside.grants_back);
        assert!(!beside.has_channel);
    }
}

#[test]
fn a_back_end_that_goes_away_is_noticed_without_a_frame() {
    for end in ["5", "6", "3", ""] {
        let (mut world, _, pages, mut net) = honest(true);
        let mut room = vec![0; OFFLOADED_BYTES_MAX];
        let none = net.receive(&mut world, pages, &mut room);
        assert_eq!(none, Ok(Err(Errno::EAGAIN)));
        match end {
            "" => world.beside.borrow_mut().remove("/back/state"),
            end => world.beside.borrow_mut().write("/back/state", end),
        }
        back_tells(&world);
        let gone = net.receive(&mut world, pages, &mut room);
        assert_eq!(gone, Err(Broken::Gone), "{end}");
        net.give_up(&mut world);
        assert_eq!(world.beside.borrow().tree[STATE], "6");
    }
}

/// What xenstore has to say reaches the guest.
fn back_tells(world: &World<'_>) {
    world.beside.borrow_mut().step();
}

#[test]
fn a_hostile_back_end_is_found_out_or_harmless() {
    let mut found_out = [0; 4];
    let pages = pages();
    let mut room = vec![0; OFFLOADED_BYTES_MAX];
    for seed in 1..1500 {
        let mut back = Back::default();
        let mut numbers = Numbers::new(seed);
        let mut chances = Numbers::new(seed ^ 0x5555);
        let mut world = World::new(TREE, move |beside| {
            back.serve(beside);
            back.got.clear();
            let (Some(out), Some(come)) = (
                ring(beside, "device/vif/0/tx-ring-ref"),
                ring(beside, "device/vif/0/rx-ring-ref"),
            ) else {
                return;
            };
            let mut give = |parts: &[usize], flags, cut| {
                let parts = parts.iter().map(|len| vec![7; *len]).collect();
                back.to_give.push((parts, flags, cut));
            };
            let value = numbers.next();
            let place = (value >> 40) as u32 % 4;
            match numbers.below(14) {
                0 => give(&[100], 3, None),
                1 => give(&[4000, 4000, 10], 1, Some((value as u8, value as u16))),
                2 => give(&[4000; 17], 0, None),
                3 => give(&[1; 21], 0, None),
                // How far it says it is.
                4 => granted(beside, out, 8, 1)[0] = value as u8,
                5 => granted(beside, come, 8, 2).copy_from_slice(&[value as u8, 1]),
                // Its answers: which, how long, where, and what follows.
                6 if back.taken > place => {
                    let at = (back.taken - 1 - place) % RING_SIZE;
                    let at = RING_AT + at as usize * OUT_BYTES;
                    granted(beside, out, at, 4).copy_from_slice(&[value as u8 % 70, 0, 1, 0]);
                }
                7 | 8 if back.given > place => {
                    let at = (back.given - 1 - place) % RING_SIZE;
                    let at = RING_AT + at as usize * IN_BYTES;
                    let said = value.to_le_bytes();
                    granted(beside, come, at, 8)[place as usize..]
                        .copy_from_slice(&said[place as usize..]);
                }
                _ => {}
            }
            if value.is_multiple_of(61) {
                beside.write("/back/state", value % 9);
            }
        });
        let Ok(seen) = Seen::find(&mut world, 0) else {
            continue;
        };
        let Ok(mut net) = Net::connect(&mut world, pages, &seen, true) else {
            continue;
        };
        for _ in 0..60 {
            back_tells(&world);
            let done = match chances.below(3) {
                0 => {
                    let cut = chances.below(2) as u8;
                    let mut bytes = vec![1, cut, 0, 0, 100, 0, 34, 0, 16, 0];
                    bytes.resize(60 + chances.below(65_000) as usize, 0);
                    net.send(&mut world, pages, &bytes).map(|_| ())
                }
                1 => {
                    crate::guest::Guest::wait(&mut world, None);
                    Ok(())
                }
                _ => net.receive(&mut world, pages, &mut room).map(|done| {
                    let len = done.unwrap_or(OFFLOAD_BYTES);
                    assert!((OFFLOAD_BYTES..=room.len()).contains(&len));
                }),
            };
            match done {
                Ok(()) => continue,
                Err(Broken::Count { .. }) => found_out[0] += 1,
                Err(Broken::Id(_)) => found_out[1] += 1,
                Err(Broken::Length { .. }) => found_out[2] += 1,
                Err(Broken::Gone) => found_out[3] += 1,
            }
            net.give_up(&mut world);
            break;
        }
    }
    assert!(found_out.iter().all(|count| *count > 10), "{found_out:?}");
}
