//! Links the static command for a fixed address, far above the memory of any guest.
//!
//! A static-pie relocates itself at every start: thousands of pointers on pages that the process, and
//! each one that it forks, then has to itself. That was a quarter of the time that a guest took.

use std::env;

/// What the linker is told, after the words of rustc for a static-pie.
const ARGUMENTS: [&str; 5] = [
    "-no-pie",
    "-static",
    "-Wl,-Ttext-segment=0x550000000000",
    // The linker would turn addresses of functions that are not there into constants of 32 bits.
    "-Wl,--no-relax",
    // rustc adds the start code of a static-pie, which looks for relocations here: a zero says that
    // there are none.
    "-Wl,--defsym=_DYNAMIC=__bss_start",
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(fixed_address)");
    let is = |variable: &str, value: &str| env::var(variable).is_ok_and(|it| it == value);
    if is("CARGO_CFG_TARGET_ENV", "musl") && is("CARGO_CFG_TARGET_ARCH", "x86_64") {
        println!("cargo::rustc-cfg=fixed_address");
        for argument in ARGUMENTS {
            println!("cargo::rustc-link-arg-bins={argument}");
        }
    }
}
