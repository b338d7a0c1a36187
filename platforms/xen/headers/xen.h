/* What this room takes from Xen's public headers. The build script translates the structures that it
 * lists, and the constants below: a constant is here with the type of the place where it goes, and so
 * macros that bindgen cannot evaluate are evaluated by the compiler.
 */
#include <stdint.h>
#define offsetof(type, field) __builtin_offsetof(type, field)

#include <xen/xen.h>
#include <xen/callback.h>
#include <xen/elfnote.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/arch-x86/hvm/start_info.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/io/blkif.h>
#include <xen/io/console.h>
#include <xen/io/libxenvchan.h>
#include <xen/io/netif.h>
#include <xen/io/xenbus.h>
#include <xen/io/xs_wire.h>

/* The build script takes the prefix away. */
#define VALUE(type, name) static const type value_of_##name = name

/* Hypercalls. */
VALUE(size_t, __HYPERVISOR_set_trap_table);
VALUE(size_t, __HYPERVISOR_mmu_update);
VALUE(size_t, __HYPERVISOR_stack_switch);
VALUE(size_t, __HYPERVISOR_memory_op);
VALUE(size_t, __HYPERVISOR_update_va_mapping);
VALUE(size_t, __HYPERVISOR_console_io);
VALUE(size_t, __HYPERVISOR_grant_table_op);
VALUE(size_t, __HYPERVISOR_iret);
VALUE(size_t, __HYPERVISOR_set_segment_base);
VALUE(size_t, __HYPERVISOR_mmuext_op);
VALUE(size_t, __HYPERVISOR_sched_op);
VALUE(size_t, __HYPERVISOR_callback_op);
VALUE(size_t, __HYPERVISOR_event_channel_op);
VALUE(size_t, __HYPERVISOR_hvm_op);

VALUE(uint16_t, DOMID_SELF);

/* The processor's time, and the end. */
VALUE(size_t, SCHEDOP_yield);
VALUE(size_t, SCHEDOP_shutdown);
VALUE(size_t, SCHEDOP_poll);
VALUE(uint32_t, SHUTDOWN_poweroff);
VALUE(uint32_t, SHUTDOWN_reboot);
VALUE(uint32_t, SHUTDOWN_crash);

/* Memory. */
VALUE(size_t, XENMEM_decrease_reservation);
VALUE(size_t, XENMEM_populate_physmap);
VALUE(size_t, XENMEM_add_to_physmap);
VALUE(size_t, XENMEM_memory_map);
VALUE(uint32_t, XENMAPSPACE_shared_info);
VALUE(uint32_t, XENMAPSPACE_grant_table);
VALUE(uint32_t, XEN_HVM_MEMMAP_TYPE_RAM);

/* What a guest in a virtual machine asks. */
VALUE(size_t, HVMOP_get_param);
VALUE(size_t, HVMOP_set_param);
VALUE(uint32_t, HVM_PARAM_CALLBACK_IRQ);
VALUE(uint32_t, HVM_PARAM_STORE_PFN);
VALUE(uint32_t, HVM_PARAM_STORE_EVTCHN);
VALUE(uint32_t, HVM_PARAM_CONSOLE_PFN);
VALUE(uint32_t, HVM_PARAM_CONSOLE_EVTCHN);

/* Event channels. */
VALUE(size_t, EVTCHNOP_bind_interdomain);
VALUE(size_t, EVTCHNOP_close);
VALUE(size_t, EVTCHNOP_send);
VALUE(size_t, EVTCHNOP_status);
VALUE(size_t, EVTCHNOP_alloc_unbound);
VALUE(uint32_t, EVTCHNSTAT_interdomain);
VALUE(uint32_t, EVTCHN_2L_NR_CHANNELS);

/* Memory that guests let each other use. */
VALUE(size_t, GNTTABOP_map_grant_ref);
VALUE(size_t, GNTTABOP_unmap_grant_ref);
VALUE(size_t, GNTTABOP_setup_table);
VALUE(int16_t, GNTST_okay);
VALUE(uint32_t, GNTMAP_host_map);
VALUE(uint32_t, GNTMAP_application_map);
VALUE(uint16_t, GTF_permit_access);
VALUE(uint16_t, GTF_readonly);
VALUE(uint16_t, GTF_reading);
VALUE(uint16_t, GTF_writing);
VALUE(uint32_t, GNTTAB_NR_RESERVED_ENTRIES);

/* The console of a machine's first guest. */
VALUE(size_t, CONSOLEIO_write);

/* A paravirtualised guest's entries and page tables. */
VALUE(size_t, CALLBACKOP_register);
VALUE(uint16_t, CALLBACKTYPE_event);
VALUE(uint16_t, CALLBACKTYPE_failsafe);
VALUE(uint16_t, CALLBACKTYPE_syscall);
VALUE(uint16_t, FLAT_RING3_CS64);
VALUE(uint16_t, FLAT_RING3_SS64);
VALUE(size_t, SEGBASE_FS);
VALUE(size_t, VGCF_in_syscall);
VALUE(uint32_t, MMUEXT_TLB_FLUSH_LOCAL);
VALUE(uint32_t, MMUEXT_INVLPG_LOCAL);
VALUE(uint32_t, MMUEXT_NEW_USER_BASEPTR);
VALUE(size_t, UVMF_INVLPG);
/* Signed, as bindgen takes no number above the largest signed one. */
VALUE(intptr_t, MACH2PHYS_VIRT_START);

/* What loaders say, and are told. */
VALUE(uint32_t, SIF_PRIVILEGED);
VALUE(uint32_t, SIF_INITDOMAIN);
VALUE(uint32_t, XEN_ELFNOTE_ENTRY);
VALUE(uint32_t, XEN_ELFNOTE_VIRT_BASE);
VALUE(uint32_t, XEN_ELFNOTE_PADDR_OFFSET);
VALUE(uint32_t, XEN_ELFNOTE_XEN_VERSION);
VALUE(uint32_t, XEN_ELFNOTE_GUEST_OS);
VALUE(uint32_t, XEN_ELFNOTE_LOADER);
VALUE(uint32_t, XEN_ELFNOTE_SUPPORTED_FEATURES);
VALUE(uint32_t, XEN_ELFNOTE_PHYS32_ENTRY);
VALUE(uint32_t, XENFEAT_writable_page_tables);
VALUE(uint32_t, XENFEAT_dom0);

/* xenstore, and how devices' ends find each other there. */
VALUE(uint32_t, XS_DIRECTORY);
VALUE(uint32_t, XS_READ);
VALUE(uint32_t, XS_GET_PERMS);
VALUE(uint32_t, XS_WATCH);
VALUE(uint32_t, XS_UNWATCH);
VALUE(uint32_t, XS_TRANSACTION_START);
VALUE(uint32_t, XS_TRANSACTION_END);
VALUE(uint32_t, XS_WRITE);
VALUE(uint32_t, XS_RM);
VALUE(uint32_t, XS_SET_PERMS);
VALUE(uint32_t, XS_DIRECTORY_PART);
VALUE(uint32_t, XS_WATCH_EVENT);
VALUE(uint32_t, XS_ERROR);
VALUE(size_t, XENSTORE_RING_SIZE);
VALUE(size_t, XENSTORE_PAYLOAD_MAX);
VALUE(uint64_t, XenbusStateInitWait);
VALUE(uint64_t, XenbusStateInitialised);
VALUE(uint64_t, XenbusStateConnected);
VALUE(uint64_t, XenbusStateClosing);
VALUE(uint64_t, XenbusStateClosed);

/* Disks. */
VALUE(uint8_t, BLKIF_OP_READ);
VALUE(uint8_t, BLKIF_OP_WRITE);
VALUE(uint8_t, BLKIF_OP_WRITE_BARRIER);
VALUE(uint8_t, BLKIF_OP_FLUSH_DISKCACHE);
VALUE(uint8_t, BLKIF_OP_DISCARD);
VALUE(uint8_t, BLKIF_OP_INDIRECT);
VALUE(int16_t, BLKIF_RSP_OKAY);
VALUE(int16_t, BLKIF_RSP_EOPNOTSUPP);
VALUE(size_t, BLKIF_MAX_SEGMENTS_PER_REQUEST);
VALUE(uint64_t, VDISK_READONLY);

/* Networks. */
VALUE(uint16_t, NETTXF_csum_blank);
VALUE(uint16_t, NETTXF_data_validated);
VALUE(uint16_t, NETTXF_more_data);
VALUE(uint16_t, NETTXF_extra_info);
VALUE(uint16_t, NETRXF_csum_blank);
VALUE(uint16_t, NETRXF_data_validated);
VALUE(uint16_t, NETRXF_more_data);
VALUE(uint16_t, NETRXF_extra_info);
VALUE(uint8_t, XEN_NETIF_EXTRA_TYPE_GSO);
VALUE(uint8_t, XEN_NETIF_EXTRA_FLAG_MORE);
VALUE(uint8_t, XEN_NETIF_GSO_TYPE_TCPV4);
VALUE(uint8_t, XEN_NETIF_GSO_TYPE_TCPV6);
VALUE(int16_t, NETIF_RSP_NULL);

/* Channels. */
VALUE(uint8_t, VCHAN_NOTIFY_WRITE);
VALUE(uint8_t, VCHAN_NOTIFY_READ);

/* How many requests a ring of one page has: what the ring's own arithmetic is compared with. */
#define RING_SIZE_OF(name) static const uint32_t value_of_##name##_ring_size = __CONST_RING_SIZE(name, 4096)
RING_SIZE_OF(blkif);
RING_SIZE_OF(netif_tx);
RING_SIZE_OF(netif_rx);
