//! The pages of a channel: this guest's, which the other one is let at, or the other one's, which are put
//! in the place of pages of this guest.

use alloc::alloc::{Layout, alloc_zeroed, dealloc};
use alloc::vec::Vec;
use core::ops::Range;

use muslin_abi::Errno;

use super::linger::Kept;
use crate::abi::{
    GNTST_okay, GNTTABOP_map_grant_ref, GNTTABOP_unmap_grant_ref, gnttab_map_grant_ref,
    gnttab_unmap_grant_ref,
};
use crate::grants::Grant;
use crate::hypercall::grant_table;
use crate::{PAGE_BYTES, host, shared};

/// Pages in a row, at their own addresses.
#[derive(Debug)]
struct Block {
    start: *mut u8,
    pages: usize,
}

impl Block {
    /// Pages of zeros.
    ///
    /// # Errors
    /// `ENOMEM`.
    fn take(pages: usize) -> Result<Self, Errno> {
        // SAFETY: there is at least one page. What is aligned to pages comes from the memory as it is.
        let start = unsafe { alloc_zeroed(layout(pages)?) };
        match start.is_null() {
            true => Err(Errno::ENOMEM),
            false => Ok(Self { start, pages }),
        }
    }

    fn page(&self, index: usize) -> *mut u8 {
        self.start.wrapping_add(index * PAGE_BYTES)
    }
}

fn layout(pages: usize) -> Result<Layout, Errno> {
    Layout::from_size_align(pages * PAGE_BYTES, PAGE_BYTES).map_err(|_| Errno::ENOMEM)
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Ok(layout) = layout(self.pages) {
            // SAFETY: it was taken so, and whoever had it has let go.
            unsafe { dealloc(self.start, layout) };
        }
    }
}

/// Pages of this guest that another one may use.
#[derive(Debug)]
pub struct Lent {
    block: Option<Block>,
    grants: Vec<Grant>,
}

// SAFETY: nobody else has the pages but the other guest.
unsafe impl Send for Lent {}

impl Lent {
    /// Lends pages of zeros to a guest.
    ///
    /// # Errors
    /// `ENOMEM` · `ENOSPC` there are no grants left.
    pub fn new(domain: u16, pages: usize) -> Result<Self, Errno> {
        let mut lent = Self {
            block: None,
            grants: Vec::new(),
        };
        let room = lent.grants.try_reserve_exact(pages);
        room.map_err(|_| Errno::ENOMEM)?;
        let block = lent.block.insert(Block::take(pages)?);
        for index in 0..pages {
            let page = block.page(index);
            let grant = shared::with(|shared| shared.grant_memory(domain, page))?;
            lent.grants.push(grant);
        }
        Ok(lent)
    }

    /// A page.
    pub fn page(&self, index: usize) -> *mut u8 {
        match &self.block {
            Some(block) => block.page(index),
            None => core::ptr::null_mut(),
        }
    }

    /// How the other guest names a page.
    pub fn grant(&self, index: usize) -> u32 {
        self.grants.get(index).map_or(0, |grant| grant.0)
    }
}

impl Kept for Lent {
    fn take_back(&mut self) -> usize {
        self.grants.retain(|&grant| {
            let ended = shared::with(|shared| shared.end_grant(grant));
            ended == Err(Errno::EBUSY)
        });
        self.grants.len()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.take_back() > 0 {
            // What another guest still has must never be anything else.
            core::mem::forget(self.block.take());
        }
    }
}

/// Pages of another guest, at addresses of this one.
#[derive(Debug)]
pub struct Borrowed {
    block: Option<Block>,
    domain: u16,
    /// What the mappings are called, page by page.
    handles: Vec<u32>,
}

// SAFETY: nobody else has the pages but the other guest.
unsafe impl Send for Borrowed {}

impl Borrowed {
    /// Room for as many pages.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn room(domain: u16, pages: usize) -> Result<Self, Errno> {
        let mut handles = Vec::new();
        let room = handles.try_reserve_exact(pages);
        room.map_err(|_| Errno::ENOMEM)?;
        Ok(Self {
            block: Some(Block::take(pages)?),
            domain,
            handles,
        })
    }

    /// Puts the page that this grant names behind those that are there.
    ///
    /// # Errors
    /// `EPROTO` there is no such page for this guest · `ENOSPC` there is no room · `ENOMEM`.
    pub fn add(&mut self, grant: u32) -> Result<(), Errno> {
        let block = self.block.as_ref().ok_or(Errno::ENOSPC)?;
        if self.handles.len() == block.pages {
            return Err(Errno::ENOSPC);
        }
        let page = block.page(self.handles.len());
        let machine = host::machine();
        // SAFETY: the page is the block's, and nobody uses it.
        unsafe { machine.vacate(page as usize) }?;
        let mut map = gnttab_map_grant_ref {
            host_addr: page as u64,
            flags: machine.map_flags(),
            ref_: grant,
            dom: self.domain,
            ..gnttab_map_grant_ref::default()
        };
        // SAFETY: nothing is at that address.
        let asked = unsafe { grant_table(GNTTABOP_map_grant_ref, core::slice::from_mut(&mut map)) };
        if asked.is_ok() && map.status == GNTST_okay {
            self.handles.push(map.handle);
            return Ok(());
        }
        // SAFETY: nothing was put there.
        if unsafe { machine.take_back(page as usize) }.is_err() {
            // There is a hole in the block, which must not be used for anything.
            core::mem::forget(self.block.take());
        }
        Err(Errno::EPROTO)
    }

    /// A page.
    pub fn page(&self, index: usize) -> *mut u8 {
        match &self.block {
            Some(block) => block.page(index),
            None => core::ptr::null_mut(),
        }
    }

    /// Takes these pages away. They are not used any more.
    fn give_back(&mut self, pages: Range<usize>) -> Result<(), Errno> {
        // A block with a hole is not ours to name any more.
        self.block.as_ref().ok_or(Errno::EIO)?;
        for index in pages {
            let page = self.page(index) as usize;
            let mut unmap = gnttab_unmap_grant_ref {
                host_addr: page as u64,
                handle: self.handles.get(index).copied().unwrap_or(u32::MAX),
                ..gnttab_unmap_grant_ref::default()
            };
            // SAFETY: nobody uses the page any more.
            unsafe {
                grant_table(GNTTABOP_unmap_grant_ref, core::slice::from_mut(&mut unmap))?;
                if unmap.status != GNTST_okay {
                    return Err(Errno::EIO);
                }
                host::machine().take_back(page)?;
            }
        }
        Ok(())
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if self.give_back(0..self.handles.len()).is_err() {
            // As long as something else may be there it must not be used for anything.
            core::mem::forget(self.block.take());
        }
    }
}
