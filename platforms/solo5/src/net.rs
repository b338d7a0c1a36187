//! Network devices, as a tender attached them, or as the environment of a process names them.
//!
//! Nothing of this is in the tables of a host: only who asks for a device names it, so other images hold
//! none of it.

use core::cell::UnsafeCell;
use core::fmt;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

use muslin_abi::net_device::{HEADER_BYTES, OFFLOAD_BYTES, OFFLOADED_BYTES_MAX};
use muslin_abi::{Errno, Sysno};
use muslin_platform::NetDevice;

use crate::calls;
use crate::host::host;
use crate::hvt::HVT;
use crate::manifest::{ENTRIES_MAX, Entry};
use crate::spt::SPT;

/// How a host moves frames.
pub trait Frames: Sync {
    /// Takes a frame.
    ///
    /// # Errors
    /// `EAGAIN` none is there · `EIO`.
    fn receive(&self, device: &Net, frame: &mut [u8]) -> Result<usize, Errno>;
    /// Sends a frame.
    ///
    /// # Errors
    /// `EAGAIN` the device takes no more now · `EIO`.
    fn send(&self, device: &Net, frame: &[u8]) -> Result<(), Errno>;
    /// Has frames be as [`NetDevice::offload`] says.
    ///
    /// # Errors
    /// `EOPNOTSUPP`.
    fn offload(&self, device: &Net) -> Result<(), Errno>;
}

/// A network device.
pub struct Net {
    /// Its index in the manifest, by which guests of hvt name it.
    pub handle: usize,
    /// What the tender says of it.
    pub entry: Entry,
    host: &'static dyn Frames,
    /// Whoever moves frames knows of what is in front.
    is_offloaded: AtomicBool,
}

impl Net {
    /// The lengths that frames may have.
    fn lengths(&self) -> core::ops::RangeInclusive<usize> {
        if self.is_offloaded.load(Ordering::Relaxed) {
            OFFLOAD_BYTES + HEADER_BYTES..=OFFLOADED_BYTES_MAX
        } else {
            HEADER_BYTES..=HEADER_BYTES + self.mtu_bytes()
        }
    }
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry.name())
    }
}

impl NetDevice for Net {
    fn mac(&self) -> [u8; 6] {
        self.entry.mac()
    }
    fn mtu_bytes(&self) -> usize {
        self.entry.mtu_bytes()
    }
    fn offload(&self) -> Result<(), Errno> {
        self.host.offload(self)?;
        self.is_offloaded.store(true, Ordering::Relaxed);
        Ok(())
    }
    fn receive(&self, frame: &mut [u8]) -> Result<usize, Errno> {
        if frame.len() < *self.lengths().end() {
            return Err(Errno::EINVAL);
        }
        self.host.receive(self, frame)
    }
    fn send(&self, frame: &[u8]) -> Result<(), Errno> {
        if !self.lengths().contains(&frame.len()) {
            return Err(Errno::EINVAL);
        }
        self.host.send(self, frame)
    }
}

/// The devices, once somebody has asked.
struct Nets(UnsafeCell<Option<[Option<Net>; ENTRIES_MAX]>>);

// SAFETY: written once, by the first who asks, when nobody has a reference; threads take turns.
unsafe impl Sync for Nets {}

static NETS: Nets = Nets(UnsafeCell::new(None));

/// The device of this number, counted from 0 without gaps, and its name.
pub fn device(index: usize) -> Option<(&'static str, &'static dyn NetDevice)> {
    let net = found(index)?;
    Some((net.entry.name(), net))
}

/// The same for each frame: a name is looked for in its bytes.
pub fn nameless(index: usize) -> Option<&'static dyn NetDevice> {
    Some(found(index)?)
}

fn found(index: usize) -> Option<&'static Net> {
    let place = NETS.0.get();
    // SAFETY: nobody writes it but this, before there is a reference into it.
    let devices = unsafe {
        if (*place).is_none() {
            *place = Some(find());
        }
        (*place).as_ref()?
    };
    devices.get(index)?.as_ref()
}

/// Those of this guest or process.
fn find() -> [Option<Net>; ENTRIES_MAX] {
    let mut devices = [const { None }; ENTRIES_MAX];
    let mut places = devices.iter_mut();
    let mut put = |host: &'static dyn Frames, handle, entry| {
        if let Some(place) = places.next() {
            *place = Some(Net {
                handle,
                entry,
                host,
                is_offloaded: AtomicBool::new(false),
            });
        }
    };
    let chosen = ptr::from_ref(host());
    if ptr::addr_eq(chosen, &SPT) {
        let found = SPT.nets();
        found.for_each(|(handle, entry)| put(&HostTaps, handle, entry));
    } else if ptr::addr_eq(chosen, &HVT) {
        let found = HVT.nets();
        found.for_each(|(handle, entry)| put(&HVT, handle, entry));
    } else {
        // Only an image has a manifest of its own.
        #[cfg(target_os = "none")]
        crate::process_nets::open(&mut |handle, entry| put(&HostTaps, handle, entry));
    }
    devices
}

/// The descriptors that the manifest has: frames move by calls of the host.
struct HostTaps;

impl Frames for HostTaps {
    fn receive(&self, device: &Net, frame: &mut [u8]) -> Result<usize, Errno> {
        let fd = device.entry.host_fd;
        if device.entry.has_offload() && !device.is_offloaded.load(Ordering::Relaxed) {
            return muslin_tap::receive_bare(call, fd, frame);
        }
        muslin_tap::receive(call, fd, frame)
    }
    fn send(&self, device: &Net, frame: &[u8]) -> Result<(), Errno> {
        let fd = device.entry.host_fd;
        if device.entry.has_offload() && !device.is_offloaded.load(Ordering::Relaxed) {
            return muslin_tap::send_bare(call, fd, frame);
        }
        muslin_tap::send(call, fd, frame)
    }
    fn offload(&self, device: &Net) -> Result<(), Errno> {
        if !device.entry.has_offload() {
            return Err(Errno::EOPNOTSUPP);
        }
        muslin_tap::offload(call, device.entry.host_fd).map_err(|_| Errno::EOPNOTSUPP)
    }
}

/// A call of the host.
///
/// # Safety
/// As [`calls::call`].
pub unsafe fn call(nr: Sysno, args: [usize; 6]) -> isize {
    // SAFETY: as the caller promises.
    unsafe { calls::call(nr.0 as usize, args) }
}
