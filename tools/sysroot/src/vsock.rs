//! Sockets of `AF_VSOCK`, which only images for Xen can have. They are in the runtime object, and the linker
//! keeps them for whoever names [`SYMBOL`]: no call of a program's shows that it wants them.

/// What takes them into an image.
pub const SYMBOL: &str = "__muslin_vsock";
