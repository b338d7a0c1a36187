//! Pages that a file and the mappings of it hold together.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use super::pages::{Owner, Pages};

/// A page of a file, and the address that shows it.
pub type Shown = (usize, Arc<SharedPage>);

/// A page of a file that mappings may show. It goes back when nobody holds it any more.
///
/// The program reads and writes it at any time between calls, as it does its own memory.
pub struct SharedPage {
    pages: &'static Pages,
    address: usize,
    /// The file has a byte there; or the page is behind the end.
    is_in_file: AtomicBool,
}

impl SharedPage {
    /// Takes over a page that is in use for files.
    pub fn new(pages: &'static Pages, address: usize) -> Arc<Self> {
        Arc::new(Self {
            pages,
            address,
            is_in_file: AtomicBool::new(true),
        })
    }

    /// Where it can be read and written.
    pub fn address(&self) -> usize {
        self.address
    }

    /// Whether the file has a byte there.
    pub fn is_in_file(&self) -> bool {
        self.is_in_file.load(Ordering::Relaxed)
    }

    /// The file's end has come to lie behind the page, or before it.
    pub fn set_in_file(&self, is_in_file: bool) {
        self.is_in_file.store(is_in_file, Ordering::Relaxed);
    }

    /// What it holds.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: 1. The page is in use until this is dropped. 2. Nothing changes it meanwhile: one
        // thread runs at a time, and it runs here.
        unsafe { &*self.pages.bytes(self.address) }
    }

    /// What it holds, to be changed.
    pub fn bytes_mut(page: &mut Arc<Self>) -> &mut [u8] {
        // SAFETY: 1. The page is in use until the last holder drops it. 2. Other holders are
        // mappings, which touch no bytes; the program does not run meanwhile.
        unsafe { &mut *page.pages.bytes(page.address) }
    }
}

impl Drop for SharedPage {
    fn drop(&mut self) {
        let end = self.address + self.pages.page_bytes();
        self.pages.free(self.address..end, Owner::Files);
    }
}
