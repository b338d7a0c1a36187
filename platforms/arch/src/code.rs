//! How a call is made as a function.

/// The code of a slot: six words and the number; a value or a negative errno.
pub type Code = unsafe extern "C" fn(usize, usize, usize, usize, usize, usize, usize) -> isize;
