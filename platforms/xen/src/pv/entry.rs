//! The first code of a paravirtualised guest, and the door between it as Xen knows it and its program.
//!
//! Xen enters the guest's kernel with rcx and r11 on the stack, then what the processor would have
//! pushed: an error code or none, rip, cs, flags, rsp, ss. A program's `syscall` comes with the
//! program's registers. The way back is a hypercall that takes rax, r11, rcx, flags and the same words
//! from the stack. Events are masked all the time: the interrupt flag of all flags here is 0.
//!
//! Source: Xen 4.17 `xen/include/public/arch-x86/xen-x86_64.h`.

use core::arch::naked_asm;
#[cfg(target_os = "none")]
use core::mem::offset_of;
use core::sync::atomic::{AtomicUsize, Ordering};

use muslin_arch::traps::{self, Frame, NMI, PAGE_FAULT, VECTORS, WITH_ERROR_CODE};

use crate::abi::{
    __HYPERVISOR_callback_op, __HYPERVISOR_iret, __HYPERVISOR_set_trap_table,
    __HYPERVISOR_stack_switch, CALLBACKOP_register, CALLBACKTYPE_event, CALLBACKTYPE_failsafe,
    CALLBACKTYPE_syscall, FLAT_RING3_CS64, FLAT_RING3_SS64, VGCF_in_syscall, callback_register,
    trap_info,
};
#[cfg(target_os = "none")]
use crate::abi::{__HYPERVISOR_mmu_update, DOMID_SELF, MACH2PHYS_VIRT_START};
use crate::hypercall::{SYSCALL_BYTES, by_syscall, call};
#[cfg(target_os = "none")]
use crate::layout::FIRST_STACK_TOP;
use crate::shared_info::shared_info;
use crate::{abi, host};

/// Distance of the stubs in bytes.
const STUB_BYTES: usize = 32;
/// Flags of a program, of which Xen chooses the most; events stay masked.
const FLAGS: usize = 2;
/// A breakpoint and an overflow are the program's to raise.
const RAISED_BY_PROGRAM: u32 = 1 << 3 | 1 << 4;
const PROGRAM_LEVEL: u8 = 3;

static START_INFO: AtomicUsize = AtomicUsize::new(0);
static SHIFT: AtomicUsize = AtomicUsize::new(0);

/// What the loader says.
pub fn start_info() -> *mut abi::start_info {
    START_INFO.load(Ordering::Relaxed) as *mut abi::start_info
}

/// How much higher than the image was linked for the loader has put everything: 0, or what one table has.
/// What is in the first table is already where it belongs as well.
pub fn shift() -> usize {
    SHIFT.load(Ordering::Relaxed)
}

/// Everything is where it belongs: what the loader says is there.
pub fn is_shifted_back(info: *const abi::start_info) {
    START_INFO.store(info as usize, Ordering::Relaxed);
}

/// Where Xen enters the image: rsi is the address of [`abi::start_info`].
///
/// An image that is small is loaded higher by what one table of pages has (`muslin cc` says so in its
/// notes, and why). Then the second entry of the table of tables is written to the first place, too.
#[cfg(target_os = "none")]
#[unsafe(naked)]
#[unsafe(link_section = "muslin_text")]
pub unsafe extern "C" fn enter() {
    naked_asm!(
        "cld",
        "lea rbx, [rip + {enter}]",
        "mov eax, offset {enter}",
        "sub rbx, rax",
        "jz 2f",
        "mov r12, rsi",
        // From the root to the table of tables: Xen's list knows the frame of a machine frame.
        "movabs rbp, {frames}",
        "mov rax, [rsi + {root}]",
        "mov rax, [rax]",
        "shl rax, 12",
        "shr rax, 24",
        "mov rax, [rbp + rax * 8]",
        "shl rax, 12",
        "mov rax, [rbx + rax]",
        "shl rax, 12",
        "shr rax, 24",
        "mov rcx, [rbp + rax * 8]",
        "shl rax, 12",
        "shl rcx, 12",
        "lea rsp, [rbx + {top} - 16]",
        "mov [rsp], rax",
        "mov rax, [rbx + rcx + 8]",
        "mov [rsp + 8], rax",
        "mov rdi, rsp",
        "mov esi, 1",
        "xor edx, edx",
        "mov r10d, {this_guest}",
        "mov eax, {mmu_update}",
        "syscall",
        "test rax, rax",
        "jnz 3f",
        "mov rsi, r12",
        "lea rax, [rip + 2f]",
        "sub rax, rbx",
        "jmp rax",
        "2:",
        "mov [rip + {start_info}], rsi",
        "mov [rip + {shift}], rbx",
        "mov esp, {top}",
        "xor ebp, ebp",
        "xor edi, edi", // no environment
        "call __muslin_boot",
        "3:",
        "ud2",
        enter = sym enter,
        frames = const MACH2PHYS_VIRT_START,
        root = const offset_of!(abi::start_info, pt_base),
        this_guest = const DOMID_SELF,
        mmu_update = const __HYPERVISOR_mmu_update,
        start_info = sym START_INFO,
        shift = sym SHIFT,
        top = const FIRST_STACK_TOP,
    )
}

/// Tells Xen where exceptions and `syscall` go, and on which stack.
///
/// # Safety
/// This is the guest's kernel; the stack below `stack_top` is for this alone.
pub unsafe fn open_door(stack_top: usize) {
    let mut table = [trap_info {
        vector: 0,
        flags: 0,
        cs: 0,
        address: 0,
    }; VECTORS + 1];
    for (vector, place) in table.iter_mut().take(VECTORS).enumerate() {
        *place = trap_info {
            vector: vector as u8,
            flags: match RAISED_BY_PROGRAM >> vector & 1 {
                0 => 0,
                _ => PROGRAM_LEVEL,
            },
            cs: FLAT_RING3_CS64,
            address: (stubs as *const () as usize + vector * STUB_BYTES) as u64,
        };
    }
    let callbacks = [
        (CALLBACKTYPE_event, on_event as *const ()),
        (CALLBACKTYPE_failsafe, on_failure as *const ()),
        (CALLBACKTYPE_syscall, on_syscall as *const ()),
    ];
    // SAFETY: the arguments are what these hypercalls take, and the code is what Xen may enter.
    unsafe {
        call(
            __HYPERVISOR_set_trap_table,
            [table.as_ptr() as usize, 0, 0, 0, 0],
        );
        let stack = [FLAT_RING3_SS64.into(), stack_top, 0, 0, 0];
        call(__HYPERVISOR_stack_switch, stack);
        for (type_, code) in callbacks {
            let callback = callback_register {
                type_,
                flags: 0,
                address: code as u64,
            };
            let argument = &raw const callback as usize;
            call(
                __HYPERVISOR_callback_op,
                [CALLBACKOP_register, argument, 0, 0, 0],
            );
        }
    }
}

/// Goes on as the guest's program, on the same stack.
///
/// # Safety
/// This is the guest's kernel, on a stack that is not the door's; the door is open, and the program has
/// page tables.
#[unsafe(naked)]
#[cfg_attr(target_os = "none", unsafe(link_section = "muslin_text"))]
pub unsafe extern "C" fn become_program() {
    naked_asm!(
        "pop rax",
        "mov rcx, rsp",
        "push {ss}",
        "push rcx",
        "push {flags}",
        "push {cs}",
        "push rax",
        "jmp {back}",
        ss = const FLAT_RING3_SS64,
        flags = const FLAGS,
        cs = const FLAT_RING3_CS64,
        back = sym back,
    )
}

/// Goes back to what was interrupted: rip and what follows are on the stack.
#[unsafe(naked)]
#[cfg_attr(target_os = "none", unsafe(link_section = "muslin_text"))]
unsafe extern "C" fn back() {
    naked_asm!(
        "push 0",
        "push rcx",
        "push r11",
        "push rax",
        "mov eax, {iret}",
        "syscall",
        "ud2",
        iret = const __HYPERVISOR_iret,
    )
}

/// A `syscall` of the program's. The one of the hypercall door is a hypercall: it is made from here. Any
/// other goes on where one would go in ring 0, as the program and on its stack.
#[unsafe(naked)]
#[cfg_attr(target_os = "none", unsafe(link_section = "muslin_text"))]
unsafe extern "C" fn on_syscall() {
    naked_asm!(
        "lea rcx, [rip + {hypercall} + {bytes}]",
        "cmp [rsp + 16], rcx",
        "jne 2f",
        "add rsp, 16",
        "syscall",
        // rcx and r11 need not be what they were.
        "push {in_syscall}",
        "push rcx",
        "push r11",
        "push rax",
        "mov eax, {iret}",
        "syscall",
        "ud2",
        "2:",
        "add rsp, 16",
        "mov rcx, [rsp]",
        "mov r11, [rsp + 16]",
        "push rax",
        "lea rax, [rip + {stub}]",
        "mov [rsp + 8], rax",
        "pop rax",
        "jmp {back}",
        hypercall = sym by_syscall,
        bytes = const SYSCALL_BYTES,
        in_syscall = const VGCF_in_syscall,
        iret = const __HYPERVISOR_iret,
        stub = sym traps::syscall_stub,
        back = sym back,
    )
}

/// One stub a vector: the vector, and 0 where there is no error code.
#[unsafe(naked)]
unsafe extern "C" fn stubs() {
    naked_asm!(
        ".set muslin_xen_vector, 0",
        ".rept {vectors}",
        ".balign {stub_bytes}, 0xcc",
        "pop %rcx",
        "pop %r11",
        // Nothing to this guest: one that is left out here would end it.
        ".if muslin_xen_vector == {nmi}",
        "jmp {back}",
        ".endif",
        ".if (({with_code} >> muslin_xen_vector) & 1) == 0",
        "push $0",
        ".endif",
        "push $muslin_xen_vector",
        "jmp {common}",
        ".set muslin_xen_vector, muslin_xen_vector + 1",
        ".endr",
        vectors = const VECTORS,
        stub_bytes = const STUB_BYTES,
        with_code = const WITH_ERROR_CODE,
        nmi = const NMI,
        back = sym back,
        common = sym common,
        options(att_syntax),
    )
}

/// Makes a [`Frame`] of what is on the stack, and undoes it.
#[unsafe(naked)]
unsafe extern "C" fn common() {
    naked_asm!(
        // The words on the stack are vector, error code: the frame's order.
        muslin_arch::push_registers!(),
        "cld",
        "mov rdi, rsp",
        "call {handler}",
        muslin_arch::pop_registers!(),
        "add rsp, 16",
        "jmp {back}",
        handler = sym on_exception,
        back = sym back,
    )
}

/// # Safety
/// The stubs come here.
unsafe extern "C" fn on_exception(frame: &mut Frame) {
    // Xen keeps the mask of events beside the selector.
    frame.cs &= 0xffff;
    let address = match frame.vector {
        // SAFETY: a word of the shared page, which is there for good.
        PAGE_FAULT => unsafe {
            (&raw const (*shared_info()).vcpu_info[0].arch.cr2).read_volatile()
        },
        _ => 0,
    };
    host::on_exception(frame, address as usize);
}

/// An event, though they are masked: nothing is lost, as pending ones are looked at by the program.
#[unsafe(naked)]
unsafe extern "C" fn on_event() {
    naked_asm!(
        "pop rcx",
        "pop r11",
        // The flags of what was interrupted: masked from here on.
        "and qword ptr [rsp + 16], ~0x200",
        "jmp {back}",
        back = sym back,
    )
}

/// The way back that was asked for cannot be gone: a segment is none. What is on the stack is of use to
/// nobody.
#[unsafe(naked)]
unsafe extern "C" fn on_failure() {
    naked_asm!("ud2")
}
