//! Translates what `headers/xen.h` takes from Xen's public headers, for `src/abi.rs`.
//!
//! It needs the headers (Debian: libxen-dev) and libclang, which is loaded when this runs.

use std::env;
use std::path::{Path, PathBuf};

use bindgen::callbacks::{ItemInfo, ParseCallbacks};

/// What is translated.
const HEADER: &str = "headers/xen.h";
/// The directory that has Xen's headers in `xen/`, and the variable that names another one.
const INCLUDE: &str = "/usr/include";
const INCLUDE_VARIABLE: &str = "MUSLIN_XEN_INCLUDE";
/// The version of the interface that this room speaks: Xen 4.13's, which later ones keep to.
const INTERFACE_VERSION: &str = "-D__XEN_INTERFACE_VERSION__=0x00040d00";
/// How the names of the constants in [`HEADER`] begin there.
const PREFIX: &str = "value_of_";

/// The structures that are used; what they are made of comes with them.
const STRUCTURES: [&str; 37] = [
    "blkif_request",
    "blkif_request_discard",
    "blkif_request_indirect",
    "blkif_response",
    "blkif_sring",
    "callback_register",
    "evtchn_alloc_unbound",
    "evtchn_bind_interdomain",
    "evtchn_close",
    "evtchn_send",
    "evtchn_status",
    "gnttab_map_grant_ref",
    "gnttab_setup_table",
    "gnttab_unmap_grant_ref",
    "grant_entry_v1",
    "hvm_modlist_entry",
    "hvm_start_info",
    "mmu_update",
    "mmuext_op",
    "netif_extra_info",
    "netif_rx_request",
    "netif_rx_response",
    "netif_tx_request",
    "netif_tx_response",
    "sched_poll",
    "sched_shutdown",
    "shared_info",
    "start_info",
    "trap_info",
    "vchan_interface",
    "xen_add_to_physmap",
    "xen_hvm_param",
    "xen_memory_map",
    "xen_memory_reservation",
    "xencons_interface",
    "xenstore_domain_interface",
    "xsd_sockmsg",
];

fn main() {
    // cargo stops at such a line and shows nothing but the line.
    if let Err(error) = translate() {
        println!("cargo::error={}", error.trim().replace('\n', "; "));
    }
}

fn translate() -> Result<(), String> {
    let include = env::var_os(INCLUDE_VARIABLE).unwrap_or_else(|| INCLUDE.into());
    let include = Path::new(&include);
    println!("cargo::rerun-if-env-changed={INCLUDE_VARIABLE}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=headers");
    // A package's files are as old as the package: it is their directory that a new one changes.
    println!("cargo::rerun-if-changed={}", include.join("xen").display());

    let probe = include.join("xen/xen.h");
    if !probe.exists() {
        return Err(format!(
            "Xen's headers are needed and {} does not exist: install libxen-dev (Debian's name), or set {INCLUDE_VARIABLE} to the directory that has xen/xen.h",
            probe.display()
        ));
    }
    clang_sys::load().map_err(|why| {
        format!("libclang is needed to read Xen's headers: install libclang1 (Debian's name), or set LIBCLANG_PATH to the directory that has libclang.so ({why})")
    })?;

    let mut builder = bindgen::builder()
        .header(HEADER)
        .clang_args(["--target=x86_64-unknown-none-elf", "-nostdinc"])
        .clang_arg(INTERFACE_VERSION)
        .clang_args(["-isystem", "headers", "-isystem"])
        .clang_arg(include.to_string_lossy())
        .allowlist_var(format!("{PREFIX}.*"))
        .use_core()
        .layout_tests(true)
        .wrap_unsafe_ops(true)
        .derive_default(true)
        .generate_comments(false)
        .formatter(bindgen::Formatter::None)
        .parse_callbacks(Box::new(Names));
    for structure in STRUCTURES {
        builder = builder.allowlist_type(structure);
    }
    let bindings = builder
        .generate()
        .map_err(|why| format!("bindgen cannot read Xen's headers: {why}"))?;
    let out = env::var_os("OUT_DIR").ok_or("OUT_DIR: cargo sets it for build.rs")?;
    let to = PathBuf::from(out).join("xen.rs");
    bindings
        .write_to_file(&to)
        .map_err(|why| format!("writing {}: {why}", to.display()))
}

/// Gives constants Xen's names.
#[derive(Debug)]
struct Names;

impl ParseCallbacks for Names {
    fn item_name(&self, item: ItemInfo<'_>) -> Option<String> {
        item.name.strip_prefix(PREFIX).map(str::to_owned)
    }
}
