//! The platform, whichever way the image was entered.

use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use muslin_abi::Errno;
use muslin_abi::fault::FaultRecord;
use muslin_arch::exceptions::{Exceptions, LastWords};
use muslin_arch::fault::Scene;
use muslin_arch::host::{Above, Entered, Host};
use muslin_arch::places::Places;
use muslin_arch::traps::Frame;
use muslin_arch::{entropy, thread_pointer};
use muslin_platform::{
    BlockDevice, Clock, Console, Entropy, Memory, Paging, Platform, Power, Protection, Wait,
};

use crate::layout::{STACK_GUARD, STACK_START};
use crate::machine::Machine;
use crate::pv::PV;
use crate::pvh::{self, PVH};
use crate::{PAGE_BYTES, blkfront, clock, console, events, power};

/// The guest's platform.
#[derive(Debug)]
pub struct Xen {
    places: Places,
    /// Where the module lies that was loaded with the image, and its length in bytes.
    initrd: [AtomicUsize; 2],
    /// Where xenstore's ring is, and its port; 0 if there is none.
    xenstore: AtomicUsize,
    xenstore_port: AtomicU32,
    /// It is the machine's first guest.
    is_first: AtomicBool,
    exceptions: Exceptions,
}

/// The one platform of the guest.
static XEN: Xen = Xen {
    places: Places::new(),
    initrd: [const { AtomicUsize::new(0) }; 2],
    xenstore: AtomicUsize::new(0),
    xenstore_port: AtomicU32::new(0),
    is_first: AtomicBool::new(false),
    exceptions: Exceptions::new(),
};

struct Chosen(UnsafeCell<&'static dyn Machine>);

// SAFETY: written once, by `enter`, when nothing else runs.
unsafe impl Sync for Chosen {}

static MACHINE: Chosen = Chosen(UnsafeCell::new(&PV));

/// How Xen runs this guest. [`enter`] must have been called.
pub(crate) fn machine() -> &'static dyn Machine {
    // SAFETY: nobody writes it any more.
    unsafe { *MACHINE.0.get() }
}

/// The frame that Xen and other guests know a page of this guest's memory by. `address` is the memory's
/// own.
pub fn machine_frame(address: usize) -> u64 {
    machine().machine_frame(address)
}

/// The host. [`enter`] must have been called.
#[inline(always)]
pub fn host() -> &'static dyn Host {
    &XEN
}

/// Takes over from the loader. `image` is where the image lies, with its zeroed data, and `segments`
/// what may be done with its pages.
///
/// # Safety
/// The image was just entered, by one of the two entries, and this is called once.
pub unsafe fn enter(
    image: Range<usize>,
    segments: &mut dyn Iterator<Item = (Range<usize>, Protection)>,
    above: Above,
    _environment: *mut *const u8,
) -> Entered {
    // SAFETY: nothing else runs.
    unsafe { XEN.exceptions.begin(above) };
    // SAFETY: the loader's, if the image was entered there; nothing has been written yet.
    let in_machine = pvh::entry::start_info().map(|info| unsafe { *info });
    let is_first = match &in_machine {
        Some(info) => info.is_first(),
        // SAFETY: as above.
        None => unsafe { PV.is_first() },
    };
    XEN.is_first.store(is_first, Ordering::Relaxed);
    // SAFETY: the image was entered there; the rest the caller promises.
    let started = unsafe {
        match &in_machine {
            Some(info) => {
                *MACHINE.0.get() = &PVH;
                PVH.start(info, &image, segments, above.call)
            }
            None => PV.start(&image, segments, above.call),
        }
    };
    let Some(started) = started else {
        console::write(b"muslin: too little memory: give the guest more (--mem, or memory= in its configuration)\n");
        power::end(1, false, is_first);
    };
    events::mask_all();
    XEN.places.set(started.memory, STACK_START..image.start);
    if let Some(ring) = started.xenstore {
        XEN.xenstore.store(ring.address, Ordering::Relaxed);
        XEN.xenstore_port.store(ring.port, Ordering::Relaxed);
    }
    if let Some(initrd) = started.initrd {
        XEN.initrd[0].store(initrd.start, Ordering::Relaxed);
        XEN.initrd[1].store(initrd.len(), Ordering::Relaxed);
    }
    Entered::AsGuest(started.command_line)
}

/// What is found out at the start.
pub(crate) struct Started {
    /// The memory of the library OS, cleared.
    pub memory: Range<usize>,
    /// The command line.
    pub command_line: &'static CStr,
    /// Where the module lies that was loaded with the image.
    pub initrd: Option<Range<usize>>,
    /// xenstore, which a machine's first guest has not.
    pub xenstore: Option<Ring>,
}

/// A page that is shared with a service of the machine's first guest.
#[derive(Clone, Copy, Debug)]
pub struct Ring {
    /// Its address.
    pub address: usize,
    /// The port by which both sides tell each other.
    pub port: u32,
}

/// The ring of xenstore; a machine's first guest has none.
pub fn xenstore() -> Option<Ring> {
    let address = XEN.xenstore.load(Ordering::Relaxed);
    (address != 0).then(|| Ring {
        address,
        port: XEN.xenstore_port.load(Ordering::Relaxed),
    })
}

/// Handles an exception; `address` is what a page fault was about.
pub(crate) fn on_exception(frame: &mut Frame, address: usize) {
    XEN.exceptions.handle(frame, address, &XEN);
}

impl Scene for Xen {
    fn stack_guard(&self) -> Range<usize> {
        STACK_GUARD
    }
    fn protection_at(&self, address: usize) -> Option<Protection> {
        machine().protection_at(address)
    }
    fn word_at(&self, address: usize) -> u64 {
        // SAFETY: the caller has seen that it may be read.
        unsafe { (address as *const u64).read_unaligned() }
    }
}

impl LastWords for Xen {
    fn say(&self, text: &[u8]) {
        self.write(text);
    }
    fn end(&self, status: i32, _record: Option<FaultRecord>) -> ! {
        power::end(status, true, self.is_first.load(Ordering::Relaxed))
    }
}

impl Host for Xen {
    unsafe fn set_thread_pointer(&self, block: *mut u8) {
        // SAFETY: as the caller promises.
        unsafe {
            if !thread_pointer::try_write(block) {
                machine().set_thread_pointer(block);
            }
        }
    }
    fn initrd(&self) -> Option<&'static [u8]> {
        let [start, len_bytes] = [0, 1].map(|at| self.initrd[at].load(Ordering::Relaxed));
        // SAFETY: the loader has put it there, and it is not the library OS's memory.
        (len_bytes != 0)
            .then(|| unsafe { core::slice::from_raw_parts(start as *const u8, len_bytes) })
    }
}

impl Platform for Xen {
    fn name(&self) -> &'static str {
        machine().name()
    }
    fn block(&self, index: usize) -> Option<(&str, &dyn BlockDevice)> {
        blkfront::device(index)
    }
    muslin_platform::own_parts!(memory: Memory, clock: Clock, wait: Wait, entropy: Entropy, console: Console, power: Power);
}

impl Memory for Xen {
    fn range(&self) -> Range<usize> {
        self.places.memory()
    }
    fn page_bytes(&self) -> usize {
        PAGE_BYTES
    }
    fn protect(&self, pages: Range<usize>, protection: Protection) -> Result<(), Errno> {
        machine().protect_frames(pages, protection);
        Ok(())
    }
    fn stack(&self) -> Range<usize> {
        self.places.stack()
    }
    fn paging(&self) -> Option<&dyn Paging> {
        Some(machine().paging())
    }
}

impl Clock for Xen {
    fn monotonic_ns(&self) -> u64 {
        clock::system_time_ns()
    }
    fn realtime_ns(&self) -> i64 {
        clock::wall_time_ns()
    }
}

impl Wait for Xen {
    fn wait_until(&self, deadline_ns: Option<u64>) {
        events::wait(deadline_ns);
    }
}

impl Entropy for Xen {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Errno> {
        entropy::fill(bytes, self)
    }
}

impl Console for Xen {
    fn write(&self, bytes: &[u8]) -> usize {
        console::write(bytes)
    }
    fn read(&self, bytes: &mut [u8]) -> usize {
        console::read(bytes)
    }
    fn is_quiet(&self) -> bool {
        console::is_quiet()
    }
}

impl Power for Xen {
    fn exit(&self, status: i32) -> ! {
        power::end(status, false, self.is_first.load(Ordering::Relaxed))
    }
}
