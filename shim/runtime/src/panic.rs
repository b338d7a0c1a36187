//! A panic of the runtime itself: a broken invariant, so the process ends.

use crate::console;

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let (file, line) = info
        .location()
        .map_or(("?", 0), |place| (place.file(), place.line()));
    let mut digits = [0; 20];
    let line = console::decimal(line as usize, &mut digits);
    console::fatal(&[
        b"muslin: the runtime panicked at ",
        file.as_bytes(),
        b":",
        line,
    ])
}
