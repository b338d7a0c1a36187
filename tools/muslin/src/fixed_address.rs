//! What the compiler's start code calls if it is there. Where it is not, the start code still has to
//! reach it, which it cannot from a fixed address above 2 GiB (see build.rs).

/// Ends what was registered to be called at the end: nothing was.
#[unsafe(no_mangle)]
extern "C" fn __cxa_finalize() {}

/// Tells old unwinders of tables. Ours finds them by the program headers.
#[unsafe(no_mangle)]
extern "C" fn __register_frame_info() {}

/// Takes that back.
#[unsafe(no_mangle)]
extern "C" fn __deregister_frame_info() {}
