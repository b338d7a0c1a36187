//! Network devices of a process: TAP devices by name, or descriptors that it inherits, as the environment
//! says: `MUSLIN_NET="service=tap0,other=@5"`, or as for images of Solo5 that run as processes
//! `MUSLIN_NET_service=tap0`; and `MUSLIN_NET_MAC` for their addresses, in the same order.

use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU8, AtomicU32, Ordering};

use muslin_abi::Errno;
use muslin_abi::net_device::{
    HEADER_BYTES, NAME_BYTES, NetDevice, OFFLOAD_BYTES, OFFLOADED_BYTES_MAX,
};
use muslin_tap::Problem;

use crate::console;
use crate::fd_api;
use crate::heap;
use crate::hidden;
use crate::kernel;
use crate::lock;
use crate::option;
use crate::raw;

/// As many devices there may be.
pub const COUNT_MAX: usize = 8;

const VARIABLE: &str = "MUSLIN_NET";
const VARIABLE_SERVICE: &str = "MUSLIN_NET_service";
const VARIABLE_MAC: &str = "MUSLIN_NET_MAC";

static FDS: [AtomicI32; COUNT_MAX] = [const { AtomicI32::new(-1) }; COUNT_MAX];
static WHAT: [AtomicPtr<NetDevice>; COUNT_MAX] =
    [const { AtomicPtr::new(core::ptr::null_mut()) }; COUNT_MAX];
static COUNT: AtomicU32 = AtomicU32::new(0);
/// What is in front of their frames: nothing, zeros that nobody sees, or what the caller knows of.
static FRONTS: [AtomicU8; COUNT_MAX] = [const { AtomicU8::new(NO_FRONT) }; COUNT_MAX];
const NO_FRONT: u8 = 0;
const HIDDEN_FRONT: u8 = 1;
const OFFLOADED: u8 = 2;

/// The devices' descriptors, below 0 where there is none or none any more.
pub fn descriptors() -> impl Iterator<Item = i32> {
    FDS.iter().map(|fd| fd.load(Ordering::Relaxed))
}

/// Opens what the environment names. Any number of times. What cannot be opened ends the process with a
/// line.
pub fn open() {
    static OPENING: lock::Word = lock::Word::new();
    static IS_OPEN: AtomicBool = AtomicBool::new(false);
    if IS_OPEN.load(Ordering::Acquire) {
        return;
    }
    if fd_api::start().is_err() {
        refuse(b"", "needs descriptors, and the process can have no more");
    }
    OPENING.locked(|| {
        if IS_OPEN.load(Ordering::Relaxed) {
            return;
        }
        if let Some(list) = option::variable(VARIABLE) {
            list.to_bytes()
                .split(|&byte| byte == b',')
                .filter(|word| !word.is_empty())
                .for_each(open_word);
        } else if let Some(from) = option::variable(VARIABLE_SERVICE) {
            open_one(from.to_bytes(), b"service", from.to_bytes());
        }
        IS_OPEN.store(true, Ordering::Release);
    });
}

/// Ends the process with a line about a word of the variable.
fn refuse(word: &[u8], why: &str) -> ! {
    console::refuse(&[b"muslin: MUSLIN_NET: ", word, b" ", why.as_bytes()])
}

/// Opens the device of one word: `name=interface` or `name=@descriptor`.
fn open_word(word: &[u8]) {
    let Some(sign) = word.iter().position(|&byte| byte == b'=') else {
        refuse(
            word,
            "is no device; write name=interface or name=@descriptor",
        );
    };
    open_one(word, &word[..sign], &word[sign + 1..]);
}

/// Opens the next device; `word` is what it is called in a line about it.
fn open_one(word: &[u8], name: &[u8], from: &[u8]) {
    let index = COUNT.load(Ordering::Relaxed) as usize;
    let (Some(place), Some(fd_place), Some(front)) =
        (WHAT.get(index), FDS.get(index), FRONTS.get(index))
    else {
        refuse(word, "is one too many; there can be 8 devices");
    };
    let mut what = NetDevice::default();
    match what.name.get_mut(..name.len()) {
        Some(room) if !name.is_empty() && name.len() < NAME_BYTES => room.copy_from_slice(name),
        _ => refuse(word, "has no good name; it takes 1 to 67 characters"),
    }
    let tap = match muslin_tap::open(raw::call, from) {
        Ok(tap) => tap,
        Err(problem @ Problem::Other(errno)) => {
            let mut digits = [0; 20];
            let number = console::decimal(errno.raw() as usize, &mut digits);
            let why = problem.text().as_bytes();
            console::refuse(&[
                b"muslin: MUSLIN_NET: ",
                word,
                b" ",
                why,
                b" (errno ",
                number,
                b")",
            ]);
        }
        Err(problem) => refuse(word, problem.text()),
    };
    what.mtu_bytes = tap.mtu_bytes;
    what.mac = address(index, word);
    let Some(kept) = heap::allocate(size_of::<NetDevice>(), align_of::<NetDevice>()) else {
        refuse(word, "finds no memory");
    };
    let kept = kept.cast::<NetDevice>();
    // SAFETY: new memory of the right size, never freed.
    unsafe { kept.write(what) };
    if tap.has_offload {
        front.store(HIDDEN_FRONT, Ordering::Relaxed);
    }
    place.store(kept, Ordering::Release);
    fd_place.store(hidden::hide(tap.fd), Ordering::Release);
    COUNT.store(index as u32 + 1, Ordering::Release);
}

/// The Ethernet address of a device: the variable's part for it, else a random one that is locally
/// administered.
fn address(index: usize, word: &[u8]) -> [u8; 6] {
    const LOCAL: u8 = 0x02;
    const MULTICAST: u8 = 0x01;
    if let Some(text) = option::variable(VARIABLE_MAC)
        && let Some(part) = text.to_bytes().split(|&byte| byte == b',').nth(index)
    {
        return match parse_address(part) {
            Some(mac) if mac[0] & MULTICAST == 0 => mac,
            _ => console::refuse(&[
                b"muslin: MUSLIN_NET_MAC: ",
                text.to_bytes(),
                b": write addresses as 02:00:00:00:00:01, with commas between",
            ]),
        };
    }
    let mut mac = [0; 6];
    if !kernel::random(&mut mac) {
        refuse(word, "finds no random bytes for its address");
    }
    mac[0] = mac[0] & !MULTICAST | LOCAL;
    mac
}

fn parse_address(text: &[u8]) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(|&byte| byte == b':');
    for byte in &mut mac {
        let part = core::str::from_utf8(parts.next()?).ok()?;
        *byte = u8::from_str_radix(part, 16)
            .ok()
            .filter(|_| part.len() == 2)?;
    }
    parts.next().is_none().then_some(mac)
}

fn what(index: u32) -> Option<(&'static NetDevice, i32)> {
    open();
    let index = index as usize;
    let what = WHAT.get(index)?.load(Ordering::Acquire);
    let fd = FDS.get(index)?.load(Ordering::Acquire);
    // SAFETY: null, or a device that stays.
    Some((unsafe { what.as_ref() }?, fd))
}

/// What the device of this number is: 0 or -ENODEV.
///
/// # Safety
/// `device` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_net_device(index: u32, device: *mut NetDevice) -> i32 {
    match what(index) {
        Some((known, _)) => {
            // SAFETY: as the caller promises.
            unsafe { device.write(*known) };
            0
        }
        None => -Errno::ENODEV.raw(),
    }
}

fn front(index: u32) -> u8 {
    let place = FRONTS.get(index as usize);
    place.map_or(NO_FRONT, |place| place.load(Ordering::Relaxed))
}

/// The lengths that frames of a device may have.
fn lengths(index: u32, what: &NetDevice) -> core::ops::RangeInclusive<usize> {
    if front(index) == OFFLOADED {
        OFFLOAD_BYTES + HEADER_BYTES..=OFFLOADED_BYTES_MAX
    } else {
        HEADER_BYTES..=HEADER_BYTES + usize::from(what.mtu_bytes)
    }
}

/// Has frames leave work to the other side; see `muslin.h`.
#[unsafe(no_mangle)]
extern "C" fn muslin_net_offload(index: u32) -> i32 {
    let Some((_, fd)) = what(index) else {
        return -Errno::ENODEV.raw();
    };
    let is_done = front(index) != NO_FRONT && muslin_tap::offload(raw::call, fd).is_ok();
    match FRONTS.get(index as usize) {
        Some(place) if is_done => {
            place.store(OFFLOADED, Ordering::Relaxed);
            0
        }
        _ => -Errno::EOPNOTSUPP.raw(),
    }
}

/// Takes a frame that has come; see `muslin.h`.
///
/// # Safety
/// `frame` is as long, and writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_net_receive(index: u32, frame: *mut u8, len_bytes: usize) -> isize {
    let Some((what, fd)) = what(index) else {
        return refused(Errno::ENODEV);
    };
    if len_bytes < *lengths(index, what).end() {
        return refused(Errno::EINVAL);
    }
    if fd < 0 {
        return refused(Errno::EIO);
    }
    // SAFETY: as the caller promises.
    let frame = unsafe { core::slice::from_raw_parts_mut(frame, len_bytes) };
    let receive = match front(index) {
        HIDDEN_FRONT => muslin_tap::receive_bare,
        _ => muslin_tap::receive,
    };
    match receive(raw::call, fd, frame) {
        Ok(0) => lost(index),
        Ok(got) => got as isize,
        Err(Errno::EAGAIN | Errno::EINTR) => refused(Errno::EAGAIN),
        Err(_) => lost(index),
    }
}

/// The device is gone: nobody waits for it any more.
fn lost(index: u32) -> isize {
    if let Some(fd) = FDS.get(index as usize) {
        fd.store(-1, Ordering::Release);
    }
    refused(Errno::EIO)
}

/// Sends a frame; see `muslin.h`.
///
/// # Safety
/// `frame` is as long.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_net_send(index: u32, frame: *const u8, len_bytes: usize) -> isize {
    let Some((what, fd)) = what(index) else {
        return refused(Errno::ENODEV);
    };
    if !lengths(index, what).contains(&len_bytes) {
        return refused(Errno::EINVAL);
    }
    if fd < 0 {
        return refused(Errno::EIO);
    }
    // SAFETY: as the caller promises.
    let frame = unsafe { core::slice::from_raw_parts(frame, len_bytes) };
    let send = match front(index) {
        HIDDEN_FRONT => muslin_tap::send_bare,
        _ => muslin_tap::send,
    };
    match send(raw::call, fd, frame) {
        Ok(()) => len_bytes as isize,
        Err(Errno::EAGAIN | Errno::EINTR | Errno::ENOBUFS) => refused(Errno::EAGAIN),
        Err(_) => refused(Errno::EIO),
    }
}

fn refused(errno: Errno) -> isize {
    -(errno.raw() as isize)
}
