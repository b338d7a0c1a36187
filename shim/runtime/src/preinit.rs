//! The functions of `.preinit_array`: static registrations among them. musl ignores that section.

/// What a static registration puts into `.preinit_array`.
type Preinit = extern "C" fn();

unsafe extern "C" {
    static __preinit_array_start: Preinit;
    static __preinit_array_end: Preinit;
}

/// Runs them, in the linker's order.
pub fn run() {
    let mut at = &raw const __preinit_array_start;
    while at < &raw const __preinit_array_end {
        // SAFETY: the linker bounds an array of functions by these symbols.
        unsafe {
            (*at)();
            at = at.add(1);
        }
    }
}
