//! Network devices for handlers: C symbols of `muslin.h`.

use core::ffi::c_int;

use crate::below::net;
use muslin_abi::Errno;
use muslin_abi::args::to_raw;
use muslin_abi::net_device::{NAME_BYTES, NetDevice};

/// What the device of this number is: 0 or -ENODEV.
///
/// # Safety
/// `what` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_net_device(index: u32, what: *mut NetDevice) -> c_int {
    let Some((name, device)) = net::device(index as usize) else {
        return -Errno::ENODEV.raw();
    };
    let mut found = NetDevice {
        mac: device.mac(),
        mtu_bytes: device.mtu_bytes() as u16,
        ..NetDevice::default()
    };
    let places = found.name.iter_mut().take(NAME_BYTES - 1);
    places
        .zip(name.bytes())
        .for_each(|(place, byte)| *place = byte);
    // SAFETY: as the caller promises.
    unsafe { what.write(found) };
    0
}

/// Has frames leave work to the other side; see `muslin.h`.
#[unsafe(no_mangle)]
extern "C" fn muslin_net_offload(index: u32) -> c_int {
    let device = net::nameless(index as usize).ok_or(Errno::ENODEV);
    to_raw(device.and_then(|device| device.offload().map(|()| 0))) as c_int
}

/// Takes a frame; see `muslin.h`.
///
/// # Safety
/// `frame` has `len_bytes`, which are the caller's.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_net_receive(index: u32, frame: *mut u8, len_bytes: usize) -> isize {
    // SAFETY: as the caller promises.
    let frame = unsafe { core::slice::from_raw_parts_mut(frame, len_bytes) };
    let device = net::nameless(index as usize).ok_or(Errno::ENODEV);
    to_raw(device.and_then(|device| device.receive(frame)))
}

/// Sends a frame; see `muslin.h`.
///
/// # Safety
/// `frame` has `len_bytes`.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_net_send(index: u32, frame: *const u8, len_bytes: usize) -> isize {
    // SAFETY: as the caller promises.
    let frame = unsafe { core::slice::from_raw_parts(frame, len_bytes) };
    let device = net::nameless(index as usize).ok_or(Errno::ENODEV);
    to_raw(device.and_then(|device| device.send(frame).map(|()| len_bytes)))
}
