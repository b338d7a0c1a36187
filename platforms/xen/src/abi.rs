//! Numbers and layouts of Xen's interface, as far as this room uses them. Names are Xen's own.
//!
//! Source: Xen 4.17 `xen/include/public`; tests compare all of it with those headers.

/// Hypercall numbers.
pub mod nr {
    /// PV: the handlers of exceptions.
    pub const SET_TRAP_TABLE: usize = 0;
    /// PV: changes of page tables.
    pub const MMU_UPDATE: usize = 1;
    /// PV: the stack on which Xen enters the guest's kernel.
    pub const STACK_SWITCH: usize = 3;
    /// Memory of the guest.
    pub const MEMORY_OP: usize = 12;
    /// PV: one entry of the tables, by address.
    pub const UPDATE_VA_MAPPING: usize = 14;
    /// The console of a privileged guest.
    pub const CONSOLE_IO: usize = 18;
    /// Memory that other guests may use.
    pub const GRANT_TABLE_OP: usize = 20;
    /// PV: back from the guest's kernel.
    pub const IRET: usize = 23;
    /// PV: the base of a segment.
    pub const SET_SEGMENT_BASE: usize = 25;
    /// PV: what else there is to page tables.
    pub const MMUEXT_OP: usize = 26;
    /// The processor's time, and the end.
    pub const SCHED_OP: usize = 29;
    /// PV: where Xen enters the guest's kernel.
    pub const CALLBACK_OP: usize = 30;
    /// Event channels.
    pub const EVENT_CHANNEL_OP: usize = 32;
    /// What a guest in a virtual machine asks.
    pub const HVM_OP: usize = 34;
}

/// The calling guest, where a guest is asked for.
pub const DOMID_SELF: u16 = 0x7ff0;

/// Operations of the processor's time.
pub mod sched {
    /// Gives the processor away for a moment.
    pub const YIELD: usize = 0;
    /// Ends the guest: [`Shutdown`].
    pub const SHUTDOWN: usize = 2;
    /// Waits for events: [`Poll`].
    pub const POLL: usize = 3;

    /// `struct sched_shutdown`.
    #[derive(Clone, Copy, Debug)]
    #[repr(C)]
    pub struct Shutdown {
        /// Why.
        pub reason: u32,
    }

    /// The guest is done.
    pub const REASON_POWEROFF: u32 = 0;
    /// It shall be started again; of a machine's first guest, that the machine shall.
    pub const REASON_REBOOT: u32 = 1;
    /// The guest is broken.
    pub const REASON_CRASH: u32 = 3;

    /// `struct sched_poll`.
    #[derive(Clone, Copy, Debug)]
    #[repr(C)]
    pub struct Poll {
        /// The ports.
        pub ports: *const u32,
        /// How many.
        pub nr_ports: u32,
        /// Until when, in nanoseconds of the system time; 0 is never.
        pub timeout: u64,
    }

    /// As many ports as one wait may name.
    pub const POLL_PORTS_MAX: usize = 128;
}

/// Operations of a guest's memory.
pub mod memory {
    /// Puts a page of Xen's in the place of a frame: [`AddToPhysmap`].
    pub const ADD_TO_PHYSMAP: usize = 7;
    /// What memory the guest has: [`Map`].
    pub const MEMORY_MAP: usize = 9;

    /// Gives frames back to Xen: [`Reservation`].
    pub const DECREASE_RESERVATION: usize = 1;
    /// Puts memory behind frames: [`Reservation`].
    pub const POPULATE_PHYSMAP: usize = 6;

    /// `struct xen_memory_reservation`.
    #[derive(Clone, Copy, Debug)]
    #[repr(C)]
    pub struct Reservation {
        /// The frames.
        pub extent_start: *const u64,
        /// How many.
        pub nr_extents: u64,
        /// Of how many pages each is, as a power of two.
        pub extent_order: u32,
        /// What memory is wanted.
        pub mem_flags: u32,
        /// Whose.
        pub domid: u16,
    }

    /// A page of the guest's grant table.
    pub const SPACE_GRANT_TABLE: u32 = 1;

    /// `struct xen_add_to_physmap`.
    #[derive(Clone, Copy, Debug)]
    #[repr(C)]
    pub struct AddToPhysmap {
        /// Whose.
        pub domid: u16,
        /// Unused.
        pub size: u16,
        /// What kind of page.
        pub space: u32,
        /// Which of them.
        pub idx: u64,
        /// The frame.
        pub gpfn: u64,
    }

    /// The page that Xen and the guest share.
    pub const SPACE_SHARED_INFO: u32 = 0;

    /// `struct xen_memory_map`.
    #[derive(Clone, Copy, Debug)]
    #[repr(C)]
    pub struct Map {
        /// How many there is room for; answer: how many there are.
        pub nr_entries: u32,
        /// Where they go.
        pub buffer: *mut Region,
    }

    /// An entry of a map, as firmware has them.
    #[derive(Clone, Copy, Debug, Default)]
    #[repr(C, packed)]
    pub struct Region {
        /// Its address.
        pub addr: u64,
        /// Its length in bytes.
        pub size: u64,
        /// [`RAM`], or something else.
        pub kind: u32,
    }

    /// Memory.
    pub const RAM: u32 = 1;
}

/// Questions of a guest in a virtual machine.
pub mod hvm {
    /// Asks for a parameter: [`Param`].
    pub const GET_PARAM: usize = 1;

    /// `struct xen_hvm_param`.
    #[derive(Clone, Copy, Debug)]
    #[repr(C)]
    pub struct Param {
        /// Whose.
        pub domid: u16,
        /// Which.
        pub index: u32,
        /// Answer: what it is.
        pub value: u64,
    }

    /// The frame of xenstore's ring.
    pub const STORE_PFN: u32 = 1;
    /// The port of xenstore.
    pub const STORE_EVTCHN: u32 = 2;
    /// The frame of the console's ring.
    pub const CONSOLE_PFN: u32 = 17;
    /// The port of the console.
    pub const CONSOLE_EVTCHN: u32 = 18;
}

/// Operations of event channels.
pub mod evtchn {
    /// Joins a channel that another guest has made: [`BindInterdomain`].
    pub const BIND_INTERDOMAIN: usize = 0;
    /// Ends a channel: [`Port`].
    pub const CLOSE: usize = 3;
    /// Tells the other side: [`Port`].
    pub const SEND: usize = 4;
    /// Says how a channel is: [`Status`].
    pub const STATUS: usize = 5;
    /// Makes a channel for another guest to join: [`AllocUnbound`].
    pub const ALLOC_UNBOUND: usize = 6;

    /// `struct evtchn_status`.
    #[derive(Clone, Copy, Debug, Default)]
    #[repr(C)]
    pub struct Status {
        /// Whose end it is.
        pub dom: u16,
        /// This side's end.
        pub port: u32,
        /// Answer: [`INTERDOMAIN`], or something else.
        pub status: u32,
        /// Answer: which processor is told.
        pub vcpu: u32,
        /// Answer: more about the other side.
        pub other: [u32; 2],
    }

    /// Somebody is at the other end.
    pub const INTERDOMAIN: u32 = 2;

    /// `struct evtchn_send`, `struct evtchn_close`.
    #[derive(Clone, Copy, Debug)]
    #[repr(C)]
    pub struct Port {
        /// This side's end.
        pub port: u32,
    }

    /// `struct evtchn_alloc_unbound`.
    #[derive(Clone, Copy, Debug)]
    #[repr(C)]
    pub struct AllocUnbound {
        /// Whose end it is.
        pub dom: u16,
        /// Who may join.
        pub remote_dom: u16,
        /// Answer: this side's end.
        pub port: u32,
    }

    /// `struct evtchn_bind_interdomain`.
    #[derive(Clone, Copy, Debug)]
    #[repr(C)]
    pub struct BindInterdomain {
        /// Who has made it.
        pub remote_dom: u16,
        /// Its end there.
        pub remote_port: u32,
        /// Answer: this side's end.
        pub local_port: u32,
    }
}

/// Operations of memory that guests let each other use.
pub mod grant {
    /// Puts another guest's page at an address: [`Map`].
    pub const MAP: usize = 0;
    /// Takes it away: [`Unmap`].
    pub const UNMAP: usize = 1;
    /// In [`Map::flags`]: for the processor,
    pub const HOST_MAP: u32 = 1 << 1;
    /// and for the guest's program too.
    pub const APPLICATION_MAP: u32 = 1 << 3;

    /// `struct gnttab_map_grant_ref`.
    #[derive(Clone, Copy, Debug, Default)]
    #[repr(C)]
    pub struct Map {
        /// Where it goes.
        pub host_addr: u64,
        /// How.
        pub flags: u32,
        /// Which page.
        pub grant: u32,
        /// Whose.
        pub dom: u16,
        /// Answer: 0, or what is wrong.
        pub status: i16,
        /// Answer: what the mapping is called.
        pub handle: u32,
        /// Answer: of no use here.
        pub dev_bus_addr: u64,
    }

    /// `struct gnttab_unmap_grant_ref`.
    #[derive(Clone, Copy, Debug, Default)]
    #[repr(C)]
    pub struct Unmap {
        /// Where it is.
        pub host_addr: u64,
        /// 0.
        pub dev_bus_addr: u64,
        /// What the mapping is called.
        pub handle: u32,
        /// Answer: 0, or what is wrong.
        pub status: i16,
    }
}

/// Operations of a privileged guest's console.
pub mod console {
    /// Writes.
    pub const WRITE: usize = 0;
}

/// `struct vcpu_time_info`.
#[derive(Debug)]
#[repr(C)]
pub struct VcpuTimeInfo {
    /// Odd while Xen writes.
    pub version: u32,
    pad0: u32,
    /// The processor's counter when the rest was true.
    pub tsc_timestamp: u64,
    /// Nanoseconds since the machine started.
    pub system_time: u64,
    /// Nanoseconds a tick, behind 32 bits.
    pub tsc_to_system_mul: u32,
    /// By how much ticks are shifted before that.
    pub tsc_shift: i8,
    pad1: [u8; 3],
}

/// `struct vcpu_info`.
#[derive(Debug)]
#[repr(C)]
pub struct VcpuInfo {
    /// An event is there.
    pub evtchn_upcall_pending: u8,
    /// PV: Xen does not enter the guest for events.
    pub evtchn_upcall_mask: u8,
    /// Which words of the pending ones.
    pub evtchn_pending_sel: u64,
    /// PV: the address that a page fault was about.
    pub cr2: u64,
    pad: u64,
    /// Time.
    pub time: VcpuTimeInfo,
}

/// Processors that the shared page has room for.
pub const VCPUS_MAX: usize = 32;
/// Words of a map of all ports.
pub const PORT_WORDS: usize = 64;

/// `struct shared_info`, as far as it is used.
#[derive(Debug)]
#[repr(C)]
pub struct SharedInfo {
    /// One a processor.
    pub vcpu_info: [VcpuInfo; VCPUS_MAX],
    /// A bit for each port with an event.
    pub evtchn_pending: [u64; PORT_WORDS],
    /// A bit for each port for whose events Xen does not enter the guest.
    pub evtchn_mask: [u64; PORT_WORDS],
    /// Odd while Xen writes the wall clock.
    pub wc_version: u32,
    /// Wall clock when the system time was 0: seconds,
    pub wc_sec: u32,
    /// nanoseconds,
    pub wc_nsec: u32,
    /// and the seconds' upper half.
    pub wc_sec_hi: u32,
}

/// `struct start_info`: what a paravirtualised guest finds in rsi.
#[derive(Debug)]
#[repr(C)]
pub struct StartInfo {
    /// "xen-3.0-x86_64".
    pub magic: [u8; 32],
    /// Pages of the guest.
    pub nr_pages: u64,
    /// Machine address of [`SharedInfo`].
    pub shared_info: u64,
    /// [`SIF_INITDOMAIN`] and others.
    pub flags: u32,
    /// Machine frame of xenstore's ring.
    pub store_mfn: u64,
    /// Port of xenstore.
    pub store_evtchn: u32,
    /// Machine frame of the console's ring; something else in a machine's first guest.
    pub console_mfn: u64,
    /// Port of the console.
    pub console_evtchn: u32,
    /// Address of the first page tables.
    pub pt_base: u64,
    /// How many.
    pub nr_pt_frames: u64,
    /// Address of the list of machine frames, by pages.
    pub mfn_list: u64,
    /// Address of the module.
    pub mod_start: u64,
    /// Its length in bytes.
    pub mod_len: u64,
    /// The command line, a C string.
    pub cmd_line: [u8; 1024],
}

/// In [`StartInfo::flags`]: the machine's first guest.
pub const SIF_INITDOMAIN: u32 = 1 << 1;

/// `struct trap_info`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TrapInfo {
    /// The exception.
    pub vector: u8,
    /// The lowest privilege that may raise it by an instruction.
    pub flags: u8,
    /// The code segment.
    pub cs: u16,
    /// Where it goes; 0 ends the list.
    pub address: u64,
}

/// `struct callback_register`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct CallbackRegister {
    /// Which.
    pub kind: u16,
    /// How.
    pub flags: u16,
    /// Where it goes.
    pub address: u64,
}

/// Registers a [`CallbackRegister`].
pub const CALLBACKOP_REGISTER: usize = 0;
/// Events.
pub const CALLBACKTYPE_EVENT: u16 = 0;
/// A return that cannot be.
pub const CALLBACKTYPE_FAILSAFE: u16 = 1;
/// The instruction `syscall` of the guest's program.
pub const CALLBACKTYPE_SYSCALL: u16 = 2;

/// `struct mmu_update`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct MmuUpdate {
    /// Machine address of the entry; the lowest two bits are what is done with it.
    pub ptr: u64,
    /// The entry.
    pub val: u64,
}

/// `struct mmuext_op`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct MmuExt {
    /// What.
    pub cmd: u32,
    /// Machine frame or address.
    pub arg1: u64,
    /// Something else.
    pub arg2: u64,
}

/// Forgets all translations.
pub const MMUEXT_TLB_FLUSH_LOCAL: u32 = 6;
/// Forgets that of a page.
pub const MMUEXT_INVLPG_LOCAL: u32 = 7;
/// The tree by which the guest's program runs.
pub const MMUEXT_NEW_USER_BASEPTR: u32 = 15;
/// Forget that of the page.
pub const UVMF_INVLPG: usize = 2;
/// Which frame a machine frame is, as the guest may read it.
pub const MACH2PHYS_VIRT_START: usize = 0xffff_8000_0000_0000;
/// Segments for code and data of a guest's kernel, and of its program.
pub const FLAT_RING3_CS64: u64 = 0xe033;
/// The same for the stack.
pub const FLAT_RING3_SS64: u64 = 0xe02b;
/// [`nr::SET_SEGMENT_BASE`]: the thread pointer's.
pub const SEGBASE_FS: usize = 0;
