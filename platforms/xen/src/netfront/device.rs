//! The front end of a network device: frames by two rings.
//!
//! Frames go through pages that the back end may use for good: some wait for what comes, some hold what goes.
//! A back end answers what waits in the order in which it waits, so a page's number is that of its place in the
//! ring, and a frame may take several. Where both sides can, checksums and the cutting of long segments are
//! left to the other one.
//!
//! Source: Xen 4.17 `xen/include/public/io/netif.h`.

use core::mem::offset_of;
use core::sync::atomic::{Ordering, fence};

use muslin_abi::Errno;
use muslin_abi::net_device::{HEADER_BYTES, OFFLOAD_BYTES};

use super::offload::Left;
use crate::PAGE_BYTES;
use crate::abi::{
    self, NETRXF_csum_blank, NETRXF_data_validated, NETRXF_extra_info, NETRXF_more_data,
    NETTXF_csum_blank, NETTXF_data_validated, NETTXF_extra_info, NETTXF_more_data,
    netif_extra_info, netif_rx_request, netif_rx_response, netif_tx_request, netif_tx_response,
};
use crate::grants::Grant;
use crate::guest::{Guest, Taken};
use crate::ring::{Broken, Open, Ring};
use crate::shared::Page;
use crate::xenbus::{Front, State};

/// Pages for frames that come, and for frames that go.
pub const PAGES: usize = 64;
/// Places of a ring that one frame may take.
const PLACES_MAX: usize = 20;
/// What is granted.
const GRANTS: usize = 2 * PAGES + 2;

const _: () = {
    assert!(Ring::<netif_tx_request, netif_tx_response>::SIZE == abi::netif_tx_ring_size);
    assert!(Ring::<netif_rx_request, netif_rx_response>::SIZE == abi::netif_rx_ring_size);
    // What is said about a frame, as requests and responses hold it.
    assert!(offset_of!(netif_tx_request, gref) == offset_of!(netif_extra_info, type_));
    assert!(offset_of!(netif_tx_request, gref) + 2 == offset_of!(netif_extra_info, u));
    assert!(offset_of!(netif_rx_response, id) == offset_of!(netif_extra_info, type_));
    assert!(offset_of!(netif_rx_response, id) + 1 == offset_of!(netif_extra_info, flags));
    assert!(offset_of!(netif_rx_response, offset) == offset_of!(netif_extra_info, u));
};

/// The pages of a device.
#[derive(Debug)]
pub struct Pages {
    out_ring: Page,
    in_ring: Page,
    outgoing: [Page; PAGES],
    incoming: [Page; PAGES],
}

impl Pages {
    /// Pages of zeros.
    pub const fn new() -> Self {
        Self {
            out_ring: Page::new(),
            in_ring: Page::new(),
            outgoing: [const { Page::new() }; PAGES],
            incoming: [const { Page::new() }; PAGES],
        }
    }
}

/// A device that is there, and not connected yet.
#[derive(Debug)]
pub struct Seen {
    front: Front,
    /// Its address.
    pub mac: [u8; 6],
    /// Its back end takes and gives frames that leave work to the other side.
    pub has_offload: bool,
}

/// A device that works.
#[derive(Debug)]
pub struct Net {
    front: Front,
    out: Ring<netif_tx_request, netif_tx_response>,
    out_open: Open<(), PAGES>,
    out_grants: [Grant; PAGES],
    /// Places in the ring of what goes that are no requests, and are not answered yet.
    out_extras: usize,
    incoming: Ring<netif_rx_request, netif_rx_response>,
    in_grants: [Grant; PAGES],
    /// The page of the next response.
    in_next: usize,
    frame: Frame,
    port: u32,
    /// Its address.
    pub mac: [u8; 6],
    /// Frames have a header in front that says what is left to the other side.
    pub is_offloaded: bool,
    /// Changes in xenstore when the back end was looked at last.
    seen: u32,
}

/// What has come of a frame.
#[derive(Debug, Default)]
struct Frame {
    parts: [Part; PLACES_MAX],
    count: usize,
    /// Places of the ring, those among them that hold no part.
    places: usize,
    left: Left,
    is_dropped: bool,
    /// What comes next is said about it.
    has_extra: bool,
    /// More parts come.
    has_more: bool,
}

/// Part of a frame, in a page.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    page: usize,
    start: usize,
    len: usize,
}

impl Seen {
    /// Finds the device of this number.
    ///
    /// # Errors
    /// `ENODEV` there is none · those of xenstore and of its back end (`xenbus::why`).
    pub fn find(guest: &mut impl Guest, number: u64) -> Result<Self, Errno> {
        let front = Front::find(guest.store(), "vif", number).map_err(|errno| match errno {
            Errno::ENOENT => Errno::ENODEV,
            errno => errno,
        })?;
        front.wait_for(guest, State::INIT_WAIT)?;
        let store = guest.store();
        let mut room = [0; 32];
        let mac = mac(front.own_text(store, "mac", &mut room)?).ok_or(Errno::EPROTO)?;
        let has_offload = [
            "feature-sg",
            "feature-gso-tcpv4",
            "feature-gso-tcpv6",
            "feature-ipv6-csum-offload",
        ]
        .iter()
        .all(|name| front.number(store, name) == Ok(1))
            && front.number(store, "feature-no-csum-offload").unwrap_or(0) == 0;
        Ok(Self {
            front,
            mac,
            has_offload,
        })
    }
}

impl Net {
    /// Connects a device.
    ///
    /// # Errors
    /// Those of xenstore and of its back end (`xenbus::why`).
    pub fn connect(
        guest: &mut impl Guest,
        pages: &'static Pages,
        seen: &Seen,
        is_offloaded: bool,
    ) -> Result<Self, Errno> {
        let mut taken = Taken::new();
        let net = Self::agree(guest, pages, seen, is_offloaded, &mut taken);
        net.inspect_err(|_| {
            // It shall not hold what was granted.
            let _ = seen.front.enter(guest.store(), State::CLOSED);
            taken.give_back(guest);
        })
    }

    fn agree(
        guest: &mut impl Guest,
        pages: &'static Pages,
        seen: &Seen,
        is_offloaded: bool,
        taken: &mut Taken<GRANTS>,
    ) -> Result<Self, Errno> {
        let front = seen.front;
        let out_ring = taken.grant(guest, front.domain, &pages.out_ring, false)?;
        let in_ring = taken.grant(guest, front.domain, &pages.in_ring, false)?;
        let mut out_grants = [out_ring; PAGES];
        for (grant, page) in out_grants.iter_mut().zip(&pages.outgoing) {
            *grant = taken.grant(guest, front.domain, page, true)?;
        }
        let mut in_grants = [in_ring; PAGES];
        for (grant, page) in in_grants.iter_mut().zip(&pages.incoming) {
            *grant = taken.grant(guest, front.domain, page, false)?;
        }
        let port = taken.channel(guest, front.domain)?;
        let mut net = Self {
            front,
            // SAFETY: the pages are these rings'.
            out: unsafe { Ring::new(pages.out_ring.pointer()) },
            out_open: Open::new(),
            out_grants,
            out_extras: 0,
            // SAFETY: as above.
            incoming: unsafe { Ring::new(pages.in_ring.pointer()) },
            in_grants,
            in_next: 0,
            frame: Frame::default(),
            port,
            mac: seen.mac,
            is_offloaded,
            seen: 0,
        };
        for page in 0..PAGES {
            net.offer(page);
        }
        net.incoming.publish();
        let store = guest.store();
        front.say_number(store, "tx-ring-ref", out_ring.0.into())?;
        front.say_number(store, "rx-ring-ref", in_ring.0.into())?;
        front.say_number(store, "event-channel", port.into())?;
        front.say(store, "request-rx-copy", b"1")?;
        front.say(store, "feature-rx-notify", b"1")?;
        let (yes, no) = match is_offloaded {
            true => (b"1", b"0"),
            false => (b"0", b"1"),
        };
        front.say(store, "feature-no-csum-offload", no)?;
        for name in [
            "feature-sg",
            "feature-gso-tcpv4",
            "feature-gso-tcpv6",
            "feature-ipv6-csum-offload",
        ] {
            front.say(store, name, yes)?;
        }
        front.enter(store, State::CONNECTED)?;
        front.wait_for(guest, State::CONNECTED)?;
        Ok(net)
    }

    /// Gives it up. What its back end could use it may still use: nothing of it is taken back.
    pub fn give_up(&self, guest: &mut impl Guest) {
        let _ = self.front.enter(guest.store(), State::CLOSED);
    }

    /// Offers a page that is not.
    fn offer(&mut self, page: usize) {
        let offer = netif_rx_request {
            id: page as u16,
            pad: 0,
            gref: self.in_grants[page].0,
        };
        // The ring has more room than there are pages.
        let _ = self.incoming.push(offer);
    }

    /// Takes a frame that has come; its length, with the header in front if there is one.
    ///
    /// # Errors
    /// `EAGAIN` none is there · what the back end did that it must not.
    pub fn receive(
        &mut self,
        guest: &mut impl Guest,
        pages: &Pages,
        room: &mut [u8],
    ) -> Result<Result<usize, Errno>, Broken> {
        loop {
            let Some(incoming) = self.incoming.pop()? else {
                if self.incoming.ask_to_be_told() {
                    continue;
                }
                self.front.look_after(guest.store(), &mut self.seen)?;
                return Ok(Err(Errno::EAGAIN));
            };
            let page = self.in_next;
            self.in_next = (page + 1) % PAGES;
            self.frame.take(incoming, page)?;
            if self.frame.is_whole() {
                let frame = core::mem::take(&mut self.frame);
                let len = frame.copy(pages, room, self.is_offloaded);
                for place in 0..frame.places {
                    // They are offered again in their order.
                    self.offer((page + 1 + PAGES - frame.places + place) % PAGES);
                }
                if self.incoming.publish() {
                    guest.notify(self.port).map_err(|_| Broken::Gone)?;
                }
                if let Some(len) = len {
                    return Ok(Ok(len));
                }
            }
        }
    }

    /// Sends a frame, with the header in front if there is one.
    ///
    /// # Errors
    /// `EAGAIN` the device takes no more now · `EINVAL` the header makes no sense · what the back end did that it
    /// must not.
    pub fn send(
        &mut self,
        guest: &mut impl Guest,
        pages: &Pages,
        frame: &[u8],
    ) -> Result<Result<(), Errno>, Broken> {
        let (left, frame) = match self.is_offloaded {
            false => (Left::default(), frame),
            true => match frame.split_first_chunk::<OFFLOAD_BYTES>() {
                Some((header, frame)) => match Left::of(header) {
                    Some(left) => (left, frame),
                    None => return Ok(Err(Errno::EINVAL)),
                },
                None => return Ok(Err(Errno::EINVAL)),
            },
        };
        let count = frame.len().div_ceil(PAGE_BYTES);
        loop {
            self.take_back_sent()?;
            if self.out_open.free() >= count {
                break;
            }
            // Told when there is room again; unless there just was.
            if !self.out.ask_to_be_told() {
                self.front.look_after(guest.store(), &mut self.seen)?;
                return Ok(Err(Errno::EAGAIN));
            }
        }
        let mut flags = 0;
        if left.needs_sum {
            flags |= NETTXF_csum_blank | NETTXF_data_validated;
        }
        if left.cut.is_some() {
            flags |= NETTXF_extra_info;
        }
        for (at, piece) in frame.chunks(PAGE_BYTES).enumerate() {
            let Ok(id) = self.out_open.put(()) else {
                break;
            };
            // SAFETY: the page is free, and as long.
            unsafe {
                let to = pages.outgoing[id].pointer();
                to.copy_from_nonoverlapping(piece.as_ptr(), piece.len());
            }
            let is_last = at + 1 == count;
            // The ring has more room than there are pages.
            let _ = self.out.push(netif_tx_request {
                gref: self.out_grants[id].0,
                offset: 0,
                flags: flags | if is_last { 0 } else { NETTXF_more_data },
                id: id as u16,
                // The first one tells how long all of them are.
                size: if at == 0 { frame.len() } else { piece.len() } as u16,
            });
            flags = 0;
            if let Some((kind, size)) = left.cut
                && at == 0
            {
                let _ = self.out.push(netif_tx_request {
                    gref: u32::from(abi::XEN_NETIF_EXTRA_TYPE_GSO) | u32::from(size) << 16,
                    offset: kind.into(),
                    flags: 0,
                    id: 0,
                    size: 0,
                });
                self.out_extras += 1;
            }
        }
        if self.out.publish() {
            guest.notify(self.port).map_err(|_| Broken::Gone)?;
        }
        Ok(Ok(()))
    }

    /// Takes pages back that were sent.
    fn take_back_sent(&mut self) -> Result<(), Broken> {
        while let Some(gone) = self.out.pop()? {
            if gone.status == abi::NETIF_RSP_NULL {
                let less = self.out_extras.checked_sub(1);
                self.out_extras = less.ok_or(Broken::Id(gone.id.into()))?;
            } else {
                self.out_open.take(gone.id.into())?;
            }
        }
        Ok(())
    }
}

impl Frame {
    /// Takes what stands in the next place of the ring, whose page this is.
    fn take(&mut self, incoming: netif_rx_response, page: usize) -> Result<(), Broken> {
        if self.places == PLACES_MAX {
            return Err(Broken::Length {
                said: PLACES_MAX as u32 + 1,
                room: PLACES_MAX as u32,
            });
        }
        self.places += 1;
        if self.has_extra {
            let [kind, more] = incoming.id.to_le_bytes();
            self.has_extra = more & abi::XEN_NETIF_EXTRA_FLAG_MORE != 0;
            if kind == abi::XEN_NETIF_EXTRA_TYPE_GSO {
                self.left.cut = Some((incoming.flags as u8, incoming.offset));
            }
            return Ok(());
        }
        if usize::from(incoming.id) != page {
            return Err(Broken::Id(incoming.id.into()));
        }
        if self.places == 1 {
            self.has_extra = incoming.flags & NETRXF_extra_info != 0;
            self.left.needs_sum = incoming.flags & NETRXF_csum_blank != 0;
            self.left.has_good_sum = incoming.flags & NETRXF_data_validated != 0;
        }
        self.has_more = incoming.flags & NETRXF_more_data != 0;
        let Ok(len) = usize::try_from(incoming.status) else {
            // An error is a frame less.
            self.is_dropped = true;
            return Ok(());
        };
        let start = usize::from(incoming.offset);
        let room = PAGE_BYTES.saturating_sub(start);
        if len > room {
            return Err(Broken::Length {
                said: len as u32,
                room: room as u32,
            });
        }
        self.parts[self.count] = Part { page, start, len };
        self.count += 1;
        Ok(())
    }

    /// Has all of it come?
    fn is_whole(&self) -> bool {
        self.places > 0 && !self.has_extra && !self.has_more
    }

    /// Copies it, with a header in front if that is wanted; its length, unless it is of no use.
    fn copy(&self, pages: &Pages, room: &mut [u8], has_header: bool) -> Option<usize> {
        let parts = self.parts.get(..self.count)?;
        let len: usize = parts.iter().map(|part| part.len).sum();
        let front = if has_header { OFFLOAD_BYTES } else { 0 };
        let (header, rest) = room.split_at_mut_checked(front)?;
        let frame = rest.get_mut(..len)?;
        if self.is_dropped || len < HEADER_BYTES {
            return None;
        }
        let mut at = 0;
        for part in parts {
            // SAFETY: in the page, which the back end may write and no more; the frame has room.
            unsafe {
                let from = pages.incoming[part.page].pointer().add(part.start);
                from.copy_to_nonoverlapping(frame[at..].as_mut_ptr(), part.len);
            }
            at += part.len;
        }
        fence(Ordering::Acquire);
        if let Some(header) = header.first_chunk_mut::<OFFLOAD_BYTES>() {
            self.left.write(header, frame);
        }
        Some(front + len)
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
