//! Links the benches: with stock musl where `MUSLIN_BENCH_STOCK` names its sysroot; with the
//! feature `muslin`, whose crate brings its own libc, with the handlers in C.

use std::env;

fn main() {
    println!("cargo::rerun-if-env-changed=MUSLIN_BENCH_STOCK");
    println!("cargo::rerun-if-changed=handlers.c");
    println!("cargo::rerun-if-changed=../shim/include/muslin.h");
    if env::var_os("CARGO_FEATURE_MUSLIN").is_some() {
        // The host's compiler will do: the file includes nothing of a libc.
        cc::Build::new()
            .compiler("cc")
            .include("../shim/include")
            .flag("-fno-stack-protector")
            .file("handlers.c")
            .compile("bench_handlers");
    } else if let Ok(stock) = env::var("MUSLIN_BENCH_STOCK")
        && env::var("TARGET").is_ok_and(|target| target.ends_with("-musl"))
    {
        println!("cargo::rustc-link-search=native={stock}/lib");
    }
}
