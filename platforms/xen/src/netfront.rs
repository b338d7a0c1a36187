//! Networks of another guest: the front end of a network device.
//!
//! Frames go through pages that the back end may use for good: some wait for what comes, some hold what
//! goes. Of what comes nothing but a whole frame in one page is taken. A back end that breaks the rules
//! loses the device: every call then says `EIO`.
//!
//! Source: Xen 4.17 `xen/include/public/io/netif.h`.

use core::cell::UnsafeCell;
use core::sync::atomic::{Ordering, fence};

use muslin_abi::Errno;
use muslin_abi::net_device::HEADER_BYTES;
use muslin_platform::NetDevice;

use crate::grants::Grant;
use crate::ring::{Broken, Open, Ring};
use crate::shared::{self, Page};
use crate::xenbus::{Front, State};
use crate::{PAGE_BYTES, console, events, hypercall};

/// Pages for frames that come, and for frames that go.
const PAGES: usize = 64;
/// Devices that are looked for.
const NETS_MAX: usize = 2;
/// What a frame holds behind its header.
const MTU_BYTES: usize = 1500;

/// In a response: the frame goes on in the next one.
const MORE_DATA: u16 = 1 << 2;
/// In a response: something else comes between.
const EXTRA_INFO: u16 = 1 << 3;

/// A frame that goes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Outgoing {
    grant: u32,
    offset: u16,
    flags: u16,
    id: u16,
    size: u16,
}

#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Gone {
    id: u16,
    status: i16,
}

/// A page for a frame that comes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Offer {
    id: u16,
    pad: u16,
    grant: u32,
}

#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Incoming {
    id: u16,
    offset: u16,
    flags: u16,
    /// The frame's length, or an error.
    status: i16,
}

/// The pages of a device.
#[derive(Debug)]
struct Pages {
    out_ring: Page,
    in_ring: Page,
    outgoing: [Page; PAGES],
    incoming: [Page; PAGES],
}

/// A device that works, or did.
#[derive(Debug)]
struct Net {
    out: Ring<Outgoing, Gone>,
    out_open: Open<(), PAGES>,
    out_grants: [Grant; PAGES],
    incoming: Ring<Offer, Incoming>,
    in_open: Open<(), PAGES>,
    in_grants: [Grant; PAGES],
    /// The rest of a frame of several pages comes, which is dropped.
    is_in_frame: bool,
    port: u32,
    mac: [u8; 6],
    is_lost: bool,
}

/// A device's place.
#[derive(Debug)]
struct Place {
    name: &'static str,
    pages: Pages,
    net: Cell,
}

#[derive(Debug)]
struct Cell(UnsafeCell<Option<Net>>);

// SAFETY: threads take turns, and none is taken away while it is in a device's call.
unsafe impl Sync for Cell {}

static PLACES: [Place; NETS_MAX] = [Place::new("vif0"), Place::new("vif1")];

/// The device of this number, counted from 0 without gaps, and its name.
pub fn device(index: usize) -> Option<(&'static str, &'static dyn NetDevice)> {
    let place = PLACES.get(index)?;
    place.is_there(index).then_some((place.name, place))
}

impl Place {
    const fn new(name: &'static str) -> Self {
        Self {
            name,
            pages: Pages {
                out_ring: Page::new(),
                in_ring: Page::new(),
                outgoing: [const { Page::new() }; PAGES],
                incoming: [const { Page::new() }; PAGES],
            },
            net: Cell(UnsafeCell::new(None)),
        }
    }

    #[allow(
        clippy::mut_from_ref,
        reason = "threads take turns, and calls do not nest"
    )]
    fn net(&self) -> &mut Option<Net> {
        // SAFETY: as the reason says.
        unsafe { &mut *self.net.0.get() }
    }

    /// Is the device there? It is connected by the first who asks.
    fn is_there(&'static self, number: usize) -> bool {
        let net = self.net();
        if net.is_none() {
            match Net::connect(&self.pages, number as u64) {
                Ok(found) => *net = Some(found),
                Err(Errno::ENOENT | Errno::ENODEV) => {}
                Err(errno) => self.complain(errno.name().unwrap_or("it cannot be connected")),
            }
        }
        net.is_some()
    }

    fn complain(&self, why: &str) {
        for text in [
            "muslin: the network device ",
            self.name,
            " is lost: ",
            why,
            "\n",
        ] {
            console::write(text.as_bytes());
        }
    }

    /// Does something with the device, and gives it up if its back end breaks the rules.
    fn with<T>(
        &self,
        work: impl FnOnce(&mut Net) -> Result<Result<T, Errno>, Broken>,
    ) -> Result<T, Errno> {
        let net = self.net().as_mut().ok_or(Errno::ENODEV)?;
        if net.is_lost {
            return Err(Errno::EIO);
        }
        work(net).unwrap_or_else(|broken| {
            net.is_lost = true;
            self.complain(broken.name());
            Err(Errno::EIO)
        })
    }
}

impl NetDevice for Place {
    fn mac(&self) -> [u8; 6] {
        self.net().as_ref().map_or([0; 6], |net| net.mac)
    }
    fn mtu_bytes(&self) -> usize {
        MTU_BYTES
    }
    fn offload(&self) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }
    fn receive(&self, frame: &mut [u8]) -> Result<usize, Errno> {
        if frame.len() < HEADER_BYTES + MTU_BYTES {
            return Err(Errno::EINVAL);
        }
        self.with(|net| net.receive(&self.pages, frame))
    }
    fn send(&self, frame: &[u8]) -> Result<(), Errno> {
        if !(HEADER_BYTES..=HEADER_BYTES + MTU_BYTES).contains(&frame.len()) {
            return Err(Errno::EINVAL);
        }
        self.with(|net| net.send(&self.pages, frame))
    }
}

impl Net {
    fn connect(pages: &'static Pages, number: u64) -> Result<Self, Errno> {
        shared::with(|shared| {
            let front = Front::find(&mut shared.store, "vif", number)?;
            front.wait_for(&mut shared.store, State::INIT_WAIT)?;
            let out_ring = shared.grant(front.domain, &pages.out_ring, false)?;
            let in_ring = shared.grant(front.domain, &pages.in_ring, false)?;
            let mut out_grants = [out_ring; PAGES];
            for (grant, page) in out_grants.iter_mut().zip(&pages.outgoing) {
                *grant = shared.grant(front.domain, page, true)?;
            }
            let mut in_grants = [in_ring; PAGES];
            for (grant, page) in in_grants.iter_mut().zip(&pages.incoming) {
                *grant = shared.grant(front.domain, page, false)?;
            }
            let port = events::allocate_unbound(front.domain)?;
            events::watch(port)?;
            let store = &mut shared.store;
            let mut room = [0; 32];
            let mac = mac(front.own_text(store, "mac", &mut room)?).ok_or(Errno::EPROTO)?;
            let mut net = Self {
                // SAFETY: the pages are these rings'.
                out: unsafe { Ring::new(pages.out_ring.pointer()) },
                out_open: Open::new(),
                out_grants,
                // SAFETY: as above.
                incoming: unsafe { Ring::new(pages.in_ring.pointer()) },
                in_open: Open::new(),
                in_grants,
                is_in_frame: false,
                port,
                mac,
                is_lost: false,
            };
            for _ in 0..PAGES {
                net.offer();
            }
            net.incoming.publish();
            front.say_number(store, "tx-ring-ref", out_ring.0.into())?;
            front.say_number(store, "rx-ring-ref", in_ring.0.into())?;
            front.say_number(store, "event-channel", port.into())?;
            for (name, value) in [
                ("request-rx-copy", b"1"),
                ("feature-rx-notify", b"1"),
                // Frames must come with their sums, and in one page.
                ("feature-no-csum-offload", b"1"),
                ("feature-sg", b"0"),
            ] {
                front.say(store, name, value)?;
            }
            front.enter(store, State::CONNECTED)?;
            front.wait_for(store, State::CONNECTED)?;
            Ok(net)
        })
    }

    /// Offers a page that is not.
    fn offer(&mut self) {
        if let Ok(id) = self.in_open.put(()) {
            let offer = Offer {
                id: id as u16,
                pad: 0,
                grant: self.in_grants[id].0,
            };
            // The ring has more room than there are pages.
            let _ = self.incoming.push(offer);
        }
    }

    fn receive(&mut self, pages: &Pages, frame: &mut [u8]) -> Result<Result<usize, Errno>, Broken> {
        loop {
            let Some(incoming) = self.incoming.pop()? else {
                if self.incoming.ask_to_be_told() {
                    continue;
                }
                return Ok(Err(Errno::EAGAIN));
            };
            let id = usize::from(incoming.id);
            self.in_open.take(incoming.id.into())?;
            let taken = self.taken(&pages.incoming[id], incoming, frame)?;
            self.offer();
            if self.incoming.publish() {
                hypercall::notify(self.port).map_err(|_| Broken::Gone)?;
            }
            if let Some(len) = taken {
                return Ok(Ok(len));
            }
        }
    }

    /// The frame of a response, if it is a whole one.
    fn taken(
        &mut self,
        page: &Page,
        incoming: Incoming,
        frame: &mut [u8],
    ) -> Result<Option<usize>, Broken> {
        let is_rest = self.is_in_frame;
        self.is_in_frame = incoming.flags & MORE_DATA != 0;
        let is_whole = !is_rest && incoming.flags & (MORE_DATA | EXTRA_INFO) == 0;
        // An error is a frame less.
        let Ok(len) = usize::try_from(incoming.status) else {
            return Ok(None);
        };
        let start = usize::from(incoming.offset);
        let room = frame.len().min(PAGE_BYTES.saturating_sub(start));
        if len > room {
            return Err(Broken::Length {
                said: len as u32,
                room: room as u32,
            });
        }
        if !is_whole || len < HEADER_BYTES {
            return Ok(None);
        }
        // SAFETY: in the page, which the back end may write and no more; the frame has room.
        unsafe {
            let from = page.pointer().add(start);
            from.copy_to_nonoverlapping(frame.as_mut_ptr(), len);
        }
        fence(Ordering::Acquire);
        Ok(Some(len))
    }

    fn send(&mut self, pages: &Pages, frame: &[u8]) -> Result<Result<(), Errno>, Broken> {
        while let Some(gone) = self.out.pop()? {
            self.out_open.take(gone.id.into())?;
        }
        let Ok(id) = self.out_open.put(()) else {
            // Told when there is room again.
            self.out.ask_to_be_told();
            return Ok(Err(Errno::EAGAIN));
        };
        // SAFETY: the page is free, and longer than any frame.
        unsafe {
            let to = pages.outgoing[id].pointer();
            to.copy_from_nonoverlapping(frame.as_ptr(), frame.len());
        }
        let request = Outgoing {
            grant: self.out_grants[id].0,
            offset: 0,
            flags: 0,
            id: id as u16,
            size: frame.len() as u16,
        };
        // The ring has more room than there are pages.
        let _ = self.out.push(request);
        if self.out.publish() {
            hypercall::notify(self.port).map_err(|_| Broken::Gone)?;
        }
        Ok(Ok(()))
    }
}

/// Six bytes in hexadecimal, with colons between them.
fn mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.trim_end_matches('\0').split(':');
    for byte in &mut mac {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}
