//! What `abi` says is what Xen's own headers say: a C compiler compares.

#![allow(clippy::unwrap_used, reason = "a test may stop at once")]

use std::fmt::Write;
use std::mem::{offset_of, size_of};
use std::path::Path;
use std::process::Command;

use muslin_xen::abi::{self, *};

/// Xen's headers, as Debian's libxen-dev has them.
const HEADERS: &str = "/usr/include/xen/xen.h";

const INCLUDES: &str = "\
#define __XEN_INTERFACE_VERSION__ 0x00040d00
#include <stdint.h>
#include <stddef.h>
#include <xen/xen.h>
#include <xen/sched.h>
#include <xen/event_channel.h>
#include <xen/callback.h>
#include <xen/memory.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
";

/// C expressions, and what they are here.
fn pairs() -> Vec<(&'static str, u64)> {
    let mut pairs: Vec<(&'static str, u64)> = Vec::new();
    macro_rules! numbers {
        ($($here:expr => $c:literal),* $(,)?) => {
            pairs.extend([$(($c, $here as u64)),*]);
        };
    }
    macro_rules! layouts {
        ($($here:ty => $c:literal { $($field:ident: $name:literal),* $(,)? }),* $(,)?) => {
            $(
                pairs.push((concat!("sizeof(struct ", $c, ")"), size_of::<$here>() as u64));
                $(pairs.push((
                    concat!("offsetof(struct ", $c, ", ", $name, ")"),
                    offset_of!($here, $field) as u64,
                ));)*
            )*
        };
    }
    numbers! {
        nr::SET_TRAP_TABLE => "__HYPERVISOR_set_trap_table",
        nr::MMU_UPDATE => "__HYPERVISOR_mmu_update",
        nr::STACK_SWITCH => "__HYPERVISOR_stack_switch",
        nr::MEMORY_OP => "__HYPERVISOR_memory_op",
        nr::UPDATE_VA_MAPPING => "__HYPERVISOR_update_va_mapping",
        nr::CONSOLE_IO => "__HYPERVISOR_console_io",
        nr::GRANT_TABLE_OP => "__HYPERVISOR_grant_table_op",
        nr::IRET => "__HYPERVISOR_iret",
        nr::SET_SEGMENT_BASE => "__HYPERVISOR_set_segment_base",
        nr::MMUEXT_OP => "__HYPERVISOR_mmuext_op",
        nr::SCHED_OP => "__HYPERVISOR_sched_op",
        nr::CALLBACK_OP => "__HYPERVISOR_callback_op",
        nr::EVENT_CHANNEL_OP => "__HYPERVISOR_event_channel_op",
        nr::HVM_OP => "__HYPERVISOR_hvm_op",
        DOMID_SELF => "DOMID_SELF",
        sched::YIELD => "SCHEDOP_yield",
        sched::SHUTDOWN => "SCHEDOP_shutdown",
        sched::POLL => "SCHEDOP_poll",
        sched::REASON_POWEROFF => "SHUTDOWN_poweroff",
        sched::REASON_REBOOT => "SHUTDOWN_reboot",
        sched::REASON_CRASH => "SHUTDOWN_crash",
        memory::ADD_TO_PHYSMAP => "XENMEM_add_to_physmap",
        memory::MEMORY_MAP => "XENMEM_memory_map",
        memory::SPACE_SHARED_INFO => "XENMAPSPACE_shared_info",
        hvm::GET_PARAM => "HVMOP_get_param",
        hvm::STORE_PFN => "HVM_PARAM_STORE_PFN",
        hvm::STORE_EVTCHN => "HVM_PARAM_STORE_EVTCHN",
        hvm::CONSOLE_PFN => "HVM_PARAM_CONSOLE_PFN",
        hvm::CONSOLE_EVTCHN => "HVM_PARAM_CONSOLE_EVTCHN",
        evtchn::BIND_INTERDOMAIN => "EVTCHNOP_bind_interdomain",
        evtchn::CLOSE => "EVTCHNOP_close",
        evtchn::SEND => "EVTCHNOP_send",
        evtchn::STATUS => "EVTCHNOP_status",
        evtchn::INTERDOMAIN => "EVTCHNSTAT_interdomain",
        grant::MAP => "GNTTABOP_map_grant_ref",
        grant::UNMAP => "GNTTABOP_unmap_grant_ref",
        grant::HOST_MAP => "GNTMAP_host_map",
        grant::APPLICATION_MAP => "GNTMAP_application_map",
        memory::DECREASE_RESERVATION => "XENMEM_decrease_reservation",
        memory::POPULATE_PHYSMAP => "XENMEM_populate_physmap",
        evtchn::ALLOC_UNBOUND => "EVTCHNOP_alloc_unbound",
        abi::console::WRITE => "CONSOLEIO_write",
        SIF_INITDOMAIN => "SIF_INITDOMAIN",
        CALLBACKOP_REGISTER => "CALLBACKOP_register",
        CALLBACKTYPE_EVENT => "CALLBACKTYPE_event",
        CALLBACKTYPE_FAILSAFE => "CALLBACKTYPE_failsafe",
        CALLBACKTYPE_SYSCALL => "CALLBACKTYPE_syscall",
        MMUEXT_TLB_FLUSH_LOCAL => "MMUEXT_TLB_FLUSH_LOCAL",
        MMUEXT_INVLPG_LOCAL => "MMUEXT_INVLPG_LOCAL",
        MMUEXT_NEW_USER_BASEPTR => "MMUEXT_NEW_USER_BASEPTR",
        UVMF_INVLPG => "UVMF_INVLPG",
        MACH2PHYS_VIRT_START => "MACH2PHYS_VIRT_START",
        FLAT_RING3_CS64 => "FLAT_RING3_CS64",
        FLAT_RING3_SS64 => "FLAT_RING3_SS64",
        SEGBASE_FS => "SEGBASE_FS",
        VCPUS_MAX => "XEN_LEGACY_MAX_VCPUS",
    }
    layouts! {
        sched::Shutdown => "sched_shutdown" { reason: "reason" },
        sched::Poll => "sched_poll" { ports: "ports", nr_ports: "nr_ports", timeout: "timeout" },
        memory::AddToPhysmap => "xen_add_to_physmap" {
            domid: "domid", size: "size", space: "space", idx: "idx", gpfn: "gpfn",
        },
        memory::Map => "xen_memory_map" { nr_entries: "nr_entries", buffer: "buffer" },
        memory::Reservation => "xen_memory_reservation" {
            extent_start: "extent_start", nr_extents: "nr_extents", extent_order: "extent_order",
            mem_flags: "mem_flags", domid: "domid",
        },
        evtchn::Status => "evtchn_status" {
            dom: "dom", port: "port", status: "status", vcpu: "vcpu", other: "u",
        },
        grant::Map => "gnttab_map_grant_ref" {
            host_addr: "host_addr", flags: "flags", grant: "ref", dom: "dom", status: "status",
            handle: "handle", dev_bus_addr: "dev_bus_addr",
        },
        grant::Unmap => "gnttab_unmap_grant_ref" {
            host_addr: "host_addr", dev_bus_addr: "dev_bus_addr", handle: "handle", status: "status",
        },
        hvm::Param => "xen_hvm_param" { domid: "domid", index: "index", value: "value" },
        evtchn::Port => "evtchn_send" { port: "port" },
        evtchn::Port => "evtchn_close" { port: "port" },
        evtchn::AllocUnbound => "evtchn_alloc_unbound" {
            dom: "dom", remote_dom: "remote_dom", port: "port",
        },
        evtchn::BindInterdomain => "evtchn_bind_interdomain" {
            remote_dom: "remote_dom", remote_port: "remote_port", local_port: "local_port",
        },
        VcpuTimeInfo => "vcpu_time_info" {
            version: "version", tsc_timestamp: "tsc_timestamp", system_time: "system_time",
            tsc_to_system_mul: "tsc_to_system_mul", tsc_shift: "tsc_shift",
        },
        VcpuInfo => "vcpu_info" {
            evtchn_upcall_pending: "evtchn_upcall_pending", evtchn_upcall_mask: "evtchn_upcall_mask",
            evtchn_pending_sel: "evtchn_pending_sel", cr2: "arch.cr2", time: "time",
        },
        TrapInfo => "trap_info" { vector: "vector", flags: "flags", cs: "cs", address: "address" },
        CallbackRegister => "callback_register" { kind: "type", flags: "flags", address: "address" },
        MmuUpdate => "mmu_update" { ptr: "ptr", val: "val" },
        MmuExt => "mmuext_op" { cmd: "cmd", arg1: "arg1", arg2: "arg2" },
    }
    // Their ends are left out here.
    macro_rules! beginnings {
        ($($here:ty => $c:literal { $($field:ident: $name:literal),* $(,)? }),* $(,)?) => {
            $($(pairs.push((
                concat!("offsetof(struct ", $c, ", ", $name, ")"),
                offset_of!($here, $field) as u64,
            ));)*)*
        };
    }
    beginnings! {
        SharedInfo => "shared_info" {
            vcpu_info: "vcpu_info", evtchn_pending: "evtchn_pending", evtchn_mask: "evtchn_mask",
            wc_version: "wc_version", wc_sec: "wc_sec", wc_nsec: "wc_nsec", wc_sec_hi: "wc_sec_hi",
        },
        StartInfo => "start_info" {
            magic: "magic", nr_pages: "nr_pages", shared_info: "shared_info", flags: "flags",
            store_mfn: "store_mfn", store_evtchn: "store_evtchn", console_mfn: "console.domU.mfn",
            console_evtchn: "console.domU.evtchn", pt_base: "pt_base", nr_pt_frames: "nr_pt_frames",
            mfn_list: "mfn_list", mod_start: "mod_start", mod_len: "mod_len", cmd_line: "cmd_line",
        },
    }
    pairs
}

/// What the compiler says of a file with these lines behind the headers.
fn complaints(lines: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("abi.c");
    std::fs::write(&source, format!("{INCLUDES}{lines}")).unwrap();
    let gcc = Command::new("gcc")
        .args(["-std=gnu11", "-fsyntax-only"])
        .arg(&source)
        .output()
        .unwrap();
    String::from_utf8_lossy(&gcc.stderr).into_owned()
}

#[test]
fn numbers_and_layouts_are_those_of_xens_headers() {
    if !Path::new(HEADERS).exists() || Command::new("gcc").arg("--version").output().is_err() {
        println!("skipped: there is no gcc, or no {HEADERS} (package libxen-dev)");
        return;
    }
    let mut lines = String::new();
    for (expression, here) in pairs() {
        // Numbers of xen.h may be strings in assembly, and signed; 64 bits are compared.
        writeln!(
            lines,
            "_Static_assert((uint64_t)({expression}) == {here:#x}ull, \"{expression}\");"
        )
        .unwrap();
    }
    let said = complaints(&lines);
    assert!(said.is_empty(), "{said}");
    let wrong = complaints("_Static_assert(DOMID_SELF == 1, \"must be refused\");\n");
    assert!(wrong.contains("must be refused"), "{wrong}");
}
