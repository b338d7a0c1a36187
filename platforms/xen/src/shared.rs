//! What this guest has with others: its store, its grants, and pages for them.

use alloc::alloc::{Layout, alloc_zeroed};
use core::cell::UnsafeCell;

use muslin_abi::Errno;

use crate::abi::{
    __guest_handle_xen_pfn_t, DOMID_SELF, GNTST_okay, GNTTABOP_setup_table, gnttab_setup_table,
};
use crate::grants::{Grant, Grants};
use crate::guest::Guest;
use crate::hypercall::{grant_table, notify};
use crate::turn::Turn;
use crate::xenstore::{Bell, Store};
use crate::{PAGE_BYTES, clock, events, host};

/// Pages of the grant table.
const TABLE_PAGES: usize = 2;

/// A page that others may be let at.
#[repr(C, align(4096))]
pub struct Page(UnsafeCell<[u8; PAGE_BYTES]>);

// SAFETY: it is used by pointer only, by one device.
unsafe impl Sync for Page {}

impl Page {
    /// A page of zeros.
    pub const fn new() -> Self {
        Self(UnsafeCell::new([0; PAGE_BYTES]))
    }

    /// Pages of zeros, for good.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn several<const COUNT: usize>() -> Result<&'static [Self; COUNT], Errno> {
        const { assert!(COUNT > 0) };
        // SAFETY: the layout has a size. What is aligned to pages comes from the memory as it is.
        let start = unsafe { alloc_zeroed(Layout::new::<[Self; COUNT]>()) };
        // SAFETY: zeros are such pages; nobody else has them, and they are never given back.
        unsafe { start.cast::<[Self; COUNT]>().as_ref() }.ok_or(Errno::ENOMEM)
    }

    /// Its address.
    pub const fn pointer(&self) -> *mut u8 {
        self.0.get().cast()
    }
}

impl core::fmt::Debug for Page {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:p}", self.pointer())
    }
}

/// xenstore's end of a channel.
#[derive(Clone, Copy, Debug)]
pub struct Door(u32);

impl Bell for Door {
    fn ring(&self) {
        // Without its channel no answer comes; nobody else could be told.
        let _ = notify(self.0);
    }
    fn wait(&self) {
        events::wait_for_port(self.0);
    }
}

/// What there is.
#[derive(Debug)]
pub struct Shared {
    /// xenstore.
    pub store: Store<Door>,
    grants: Grants,
}

static SHARED: Turn<Option<Shared>> = Turn::new(None);
static TABLE: [Page; TABLE_PAGES] = [const { Page::new() }; TABLE_PAGES];

/// Does something with it; it is set up for the first who asks.
///
/// # Errors
/// `ENODEV`: a machine's first guest has no others · what Xen says · those of `work`.
pub fn with<T>(work: impl FnOnce(&mut Shared) -> Result<T, Errno>) -> Result<T, Errno> {
    let place = SHARED.get();
    if place.is_none() {
        *place = Some(Shared::set_up()?);
    }
    place.as_mut().ok_or(Errno::ENODEV).and_then(work)
}

impl Shared {
    fn set_up() -> Result<Self, Errno> {
        let ring = host::xenstore().ok_or(Errno::ENODEV)?;
        let port = ring.port;
        events::watch(port)?;
        let mut frames = [0; TABLE_PAGES];
        // One that is not allowed as many grants nothing, which whoever finds a device is told.
        let pages = if table(&mut frames)? { TABLE_PAGES } else { 0 };
        for (index, (page, frame)) in TABLE.iter().zip(frames).take(pages).enumerate() {
            // SAFETY: nobody uses these pages but the table.
            unsafe { host::machine().place_grants(page.pointer() as usize, index, frame) };
        }
        // SAFETY: the loader's page; the table's pages, one behind the other.
        unsafe {
            Ok(Self {
                store: Store::new(ring.address as *mut u8, Door(port)),
                grants: Grants::new(TABLE[0].pointer(), pages),
            })
        }
    }

    /// Lets guest `domain` read and write a page of memory, which is at its own address.
    ///
    /// # Errors
    /// As [`grant`](Self::grant).
    pub fn grant_memory(&mut self, domain: u16, page: *mut u8) -> Result<Grant, Errno> {
        let frame = host::machine_frame(page as usize);
        self.grants.grant(domain, frame, false)
    }

    /// Takes it back.
    ///
    /// # Errors
    /// `EBUSY`: the other guest still has it.
    pub fn end_grant(&mut self, grant: Grant) -> Result<(), Errno> {
        self.grants.end(grant)
    }
}

/// Asks for the table, with as many frames; whether it is allowed.
fn table(frames: &mut [u64]) -> Result<bool, Errno> {
    let mut setup = gnttab_setup_table {
        dom: DOMID_SELF,
        nr_frames: frames.len() as u32,
        status: GNTST_okay,
        frame_list: __guest_handle_xen_pfn_t {
            p: frames.as_mut_ptr(),
        },
    };
    // SAFETY: the operation's argument, with room for as many frames as are asked for.
    unsafe { grant_table(GNTTABOP_setup_table, core::slice::from_mut(&mut setup)) }?;
    Ok(setup.status == GNTST_okay)
}

impl Guest for Shared {
    type Bell = Door;

    fn store(&mut self) -> &mut Store<Door> {
        &mut self.store
    }

    fn grant(
        &mut self,
        domain: u16,
        page: &'static Page,
        is_read_only: bool,
    ) -> Result<Grant, Errno> {
        let frame = host::machine_frame(page.pointer() as usize);
        self.grants.grant(domain, frame, is_read_only)
    }

    fn take_back(&mut self, grant: Grant) -> bool {
        self.grants.end(grant).is_ok()
    }

    fn channel(&mut self, domain: u16) -> Result<u32, Errno> {
        let port = events::allocate_unbound(domain)?;
        events::watch(port).inspect_err(|_| events::close(port))?;
        Ok(port)
    }

    fn close(&mut self, port: u32) {
        events::close(port);
    }

    fn notify(&mut self, port: u32) -> Result<(), Errno> {
        notify(port)
    }

    fn now_ns(&self) -> u64 {
        clock::system_time_ns()
    }

    fn wait(&mut self, until_ns: Option<u64>) {
        events::wait(until_ns);
    }
}
