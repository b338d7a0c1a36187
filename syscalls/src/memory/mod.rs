//! Memory: which addresses the program may use, and the calls that change it.
//!
//! - `pages`: the page allocator, which the kernel's heap grows by as well, over `runs`
//! - `map`: the region map, [`AddressSpace`], over `regions`, which stand in a `treap`; `lazy` and
//!   `gaps` are for platforms that translate addresses, `take` is for the others; `remap` is what grows, shrinks
//!   and moves, `kinds` the words of all of these
//! - `shared`: pages that a file and mappings hold together
//! - `calls`: the handlers
//! - `report`: who holds the memory, when there is none left

mod calls;
mod gaps;
mod kinds;
mod lazy;
mod map;
#[cfg(test)]
mod million_tests;
#[allow(
    unsafe_code,
    reason = "keeps its bits in the memory itself, clears and copies pages"
)]
mod pages;
mod regions;
mod remap;
mod report;
mod runs;
#[allow(unsafe_code, reason = "reads and writes pages that mappings show")]
mod shared;
#[cfg(test)]
mod shared_tests;
mod take;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod translated_tests;
mod treap;

pub use calls::*;
pub use kinds::{Access, Kind, MoveFlags, Place, Usage};
pub use map::AddressSpace;
pub use pages::{Owner, Pages};
pub use shared::{SharedPage, Shown};
