//! Memory: which addresses the program may use, and the calls that change it.
//!
//! - `pages`: the page allocator, which the kernel's heap grows by as well
//! - `map`: the region map, [`AddressSpace`]
//! - `calls`: the handlers

mod calls;
mod map;
#[allow(
    unsafe_code,
    reason = "keeps its bits in the memory itself, clears and copies pages"
)]
mod pages;
#[cfg(test)]
mod tests;

pub use calls::*;
pub use map::{Access, AddressSpace, Kind, MoveFlags, Place, Usage};
pub use pages::{Owner, Pages};
