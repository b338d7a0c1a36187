//! Slots and numbers: which code answers a call, and how that is changed.
//!
//! A slot is emitted beside the call sites that name its number (musl-patches/0001), so the linker
//! keeps the slots that live code can reach. Numbers known only at run time come to
//! `__muslin_dispatch`, whose table is empty until a handler is registered or counting is on:
//! an empty entry passes through. A number counts by its low 32 bits, as in the kernel.

use core::arch::global_asm;
use core::sync::atomic::{AtomicUsize, Ordering};

use muslin_abi::SYSNO_MAX;
use muslin_arch::code::Code;
#[cfg(feature = "platform-linux")]
use muslin_linux::passthrough::__muslin_enter_counted;

use crate::counting;
use crate::raw::{__muslin_passthrough, __muslin_passthrough_base};

/// A slot, as the call sites know it.
#[repr(C, align(16))]
pub struct Slot {
    /// The address of a [`Code`].
    code: AtomicUsize,
    nr: usize,
}

unsafe extern "C" {
    static __start_muslin_slots: Slot;
    static __stop_muslin_slots: Slot;
}

/// Codes for numbers known at run time; 0 passes through. The stub below reads it.
#[unsafe(no_mangle)]
static __muslin_dynamic: [AtomicUsize; SYSNO_MAX] = [const { AtomicUsize::new(0) }; SYSNO_MAX];

global_asm!(
    r#"
    .pushsection .text.__muslin_dispatch,"ax",@progbits
    .globl __muslin_dispatch
    .type __muslin_dispatch,@function
__muslin_dispatch:
    mov eax, [rsp + 8]
    mov [rsp + 8], rax
    cmp eax, {numbers}
    jae 1f
    lea r11, [rip + __muslin_dynamic]
    mov r11, [r11 + rax*8]
    test r11, r11
    jz __muslin_passthrough
    jmp r11
1:  bt eax, {x32_bit}
    jnc __muslin_passthrough
    mov rax, {enosys}
    ret
    .size __muslin_dispatch, . - __muslin_dispatch
    .popsection
    "#,
    numbers = const SYSNO_MAX,
    x32_bit = const X32_BIT,
    enosys = const -(muslin_abi::Errno::ENOSYS.raw() as isize),
);

/// The bit that asks a kernel for a call of the x32 ABI, which would pass the table by.
const X32_BIT: u32 = 30;

unsafe extern "C" {
    /// Makes a call by number: the code of the number's slot.
    pub fn __muslin_dispatch(
        a: usize,
        b: usize,
        c: usize,
        d: usize,
        e: usize,
        f: usize,
        nr: usize,
    ) -> isize;
}

/// The address of a code, as slots hold it.
pub fn address(code: Code) -> usize {
    code as *const () as usize
}

/// The slots that the linker kept.
pub fn slots() -> &'static [Slot] {
    let start = &raw const __start_muslin_slots;
    let len_bytes = &raw const __stop_muslin_slots as usize - start as usize;
    // SAFETY: the linker gathers the slots in one section and bounds it by these symbols.
    unsafe { core::slice::from_raw_parts(start, len_bytes / size_of::<Slot>()) }
}

fn slot(index: usize) -> Option<&'static Slot> {
    slots().iter().find(|slot| slot.nr == index)
}

/// The code that answers number `index` behind the counter: the address of a [`Code`].
pub fn code(index: usize) -> usize {
    let held = if counting::is_on() {
        counting::counted_code(index)
    } else {
        slot(index)
            .map(|slot| &slot.code)
            .or_else(|| __muslin_dynamic.get(index))
    };
    match held.map_or(0, |code| code.load(Ordering::Acquire)) {
        0 => address(__muslin_passthrough),
        code => code,
    }
}

/// Makes `code` answer number `index`. The table must be writable: see `seal`.
#[inline(never)] // in every image, and rarely called: small, not fast
pub fn set_code(index: usize, code: usize) {
    if counting::is_on() {
        if let Some(counted) = counting::counted_code(index) {
            counted.store(code, Ordering::Release);
        }
        return;
    }
    if let Some(slot) = slot(index) {
        slot.code.store(code, Ordering::Release);
    }
    if let Some(dynamic) = __muslin_dynamic.get(index) {
        dynamic.store(code, Ordering::Release);
    }
}

#[cfg(feature = "platform-linux")]
/// Puts the counter before every number. Once, at boot, when the counters are mapped.
pub fn count_all() {
    for index in 0..SYSNO_MAX {
        if let Some(counted) = counting::counted_code(index) {
            counted.store(address(__muslin_passthrough_base), Ordering::Relaxed);
        }
        if let Some(dynamic) = __muslin_dynamic.get(index) {
            dynamic.store(address(__muslin_enter_counted), Ordering::Relaxed);
        }
    }
    for slot in slots() {
        let code = slot.code.load(Ordering::Relaxed);
        if code != address(__muslin_passthrough)
            && let Some(counted) = counting::counted_code(slot.nr)
        {
            counted.store(code, Ordering::Relaxed);
        }
        slot.code
            .store(address(__muslin_enter_counted), Ordering::Release);
    }
}

#[cfg(feature = "platform-linux")]
impl Slot {
    /// Whether the slot passes through, counted or not.
    pub fn is_passthrough(&self) -> bool {
        let code = self.code.load(Ordering::Relaxed);
        code == address(__muslin_passthrough)
            || code == address(__muslin_enter_counted)
                && counting::counted_code(self.nr).map(|code| code.load(Ordering::Relaxed))
                    == Some(address(__muslin_passthrough_base))
    }
}

/// Lets numbers known only at run time find the slots that the linker kept. Once, at boot: there is
/// no kernel below that would know all of them.
#[cfg(feature = "bare")]
pub fn fill_numbers() {
    for slot in slots() {
        if let Some(dynamic) = __muslin_dynamic.get(slot.nr) {
            dynamic.store(slot.code.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}

/// The code of a number among those that the linker kept.
#[cfg(feature = "bare")]
pub fn linked_code(nr: usize) -> Option<Code> {
    match __muslin_dynamic
        .get(nr & 0xffff_ffff)?
        .load(Ordering::Acquire)
    {
        0 => None,
        // SAFETY: every address here is that of a code.
        code => Some(unsafe { core::mem::transmute::<usize, Code>(code) }),
    }
}

/// The code of a number that passes through, as `set_code` takes it.
pub fn passthrough_code() -> usize {
    if counting::is_on() {
        address(__muslin_passthrough_base)
    } else {
        address(__muslin_passthrough)
    }
}
