//! `memcpy`, `memmove` and `memset` of the runtime object: what compilers call by these names.
//!
//! Those that come with Rust's core for this target use the string instructions whatever the length,
//! which takes 8 to 12 ns before the first byte; most copies of the library OS are of a few words.
//! Pages go by registers of 64 bytes where the processor has them and is quick with them. Their values
//! are put back, since the repair of a fault may copy as well. No other vector register is used.

use core::arch::naked_asm;
use core::sync::atomic::{AtomicU8, Ordering};

use muslin_arch::vectors;

/// From this many bytes on, 64 at a time; words before.
const LONG_BYTES: usize = 256;

/// How long copies are made.
static LONG_COPIES: AtomicU8 = AtomicU8::new(UNKNOWN);
/// The processor was not asked yet: that takes longer than all copies of a small program.
const UNKNOWN: u8 = 0;
/// By the string instruction.
const BY_STRING: u8 = 1;
/// By registers of 64 bytes.
const BY_64: u8 = 2;

/// Asks the processor how long copies are made best.
extern "C" fn choose() {
    let choice = if vectors::are_64_bytes_quick() {
        BY_64
    } else {
        BY_STRING
    };
    LONG_COPIES.store(choice, Ordering::Relaxed);
}

/// Copies `count` bytes upwards; gives `to` back. The places may overlap if `to` is below `from`.
///
/// # Safety
/// As C's.
#[cfg_attr(target_os = "none", unsafe(no_mangle))]
#[unsafe(naked)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    naked_asm!(
        "mov rax, rdi",
        "cmp rdx, 8",
        "jb 30f",
        // The last word, which the others may overlap: read first, written last.
        "mov r8, [rsi + rdx - 8]",
        "lea r9, [rdi + rdx - 8]",
        "cmp rdx, {long_bytes}",
        "jae 20f",
        "12: mov rcx, [rsi]",
        "mov [rdi], rcx",
        "add rsi, 8",
        "add rdi, 8",
        "cmp rdi, r9",
        "jb 12b",
        "mov [r9], r8",
        "ret",
        "20: cmp byte ptr [rip + {choice}], {by_string}",
        "jb 27f",
        "je 25f",
        "sub rsp, 128",
        "vmovdqu64 [rsp], zmm16",
        "vmovdqu64 [rsp + 64], zmm17",
        // As with the last word.
        "vmovdqu64 zmm17, [rsi + rdx - 64]",
        "lea r9, [rdi + rdx - 64]",
        "22: vmovdqu64 zmm16, [rsi]",
        "vmovdqu64 [rdi], zmm16",
        "add rsi, 64",
        "add rdi, 64",
        "cmp rdi, r9",
        "jb 22b",
        "vmovdqu64 [r9], zmm17",
        "vmovdqu64 zmm16, [rsp]",
        "vmovdqu64 zmm17, [rsp + 64]",
        "add rsp, 128",
        "ret",
        "25: mov rcx, rdx",
        "shr rcx, 3",
        "rep movsq",
        "mov [r9], r8",
        "ret",
        "27: push rdi",
        "push rsi",
        "push rdx",
        "call {choose}",
        "pop rdx",
        "pop rsi",
        "pop rdi",
        "jmp {memcpy}",
        "30: cmp edx, 4",
        "jb 40f",
        "mov ecx, [rsi]",
        "mov r8d, [rsi + rdx - 4]",
        "mov [rdi], ecx",
        "mov [rdi + rdx - 4], r8d",
        "ret",
        "40: xor ecx, ecx",
        "42: cmp ecx, edx",
        "je 50f",
        "movzx r8d, byte ptr [rsi + rcx]",
        "mov [rdi + rcx], r8b",
        "inc ecx",
        "jmp 42b",
        "50: ret",
        long_bytes = const LONG_BYTES,
        choice = sym LONG_COPIES,
        by_string = const BY_STRING,
        choose = sym choose,
        memcpy = sym memcpy,
    )
}

/// Copies `count` bytes between places that may overlap; gives `to` back.
///
/// # Safety
/// As C's.
#[cfg_attr(target_os = "none", unsafe(no_mangle))]
#[unsafe(naked)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    naked_asm!(
        "mov rax, rdi",
        "mov rcx, rdi",
        "sub rcx, rsi",
        "cmp rcx, rdx",
        "jae {memcpy}",
        // Downwards, as `to` is inside what is read.
        "20: cmp rdx, 8",
        "jb 30f",
        "mov rcx, [rsi + rdx - 8]",
        "mov [rdi + rdx - 8], rcx",
        "sub rdx, 8",
        "jmp 20b",
        "30: test edx, edx",
        "jz 40f",
        "movzx ecx, byte ptr [rsi + rdx - 1]",
        "mov [rdi + rdx - 1], cl",
        "dec edx",
        "jmp 30b",
        "40: ret",
        memcpy = sym memcpy,
    )
}

/// Fills `count` bytes; gives `to` back.
///
/// # Safety
/// As C's.
#[cfg_attr(target_os = "none", unsafe(no_mangle))]
#[unsafe(naked)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, count: usize) -> *mut u8 {
    naked_asm!(
        "mov r8, rdi",
        "movzx eax, sil",
        "mov rcx, 0x0101010101010101",
        "imul rax, rcx",
        "cmp rdx, 8",
        "jb 30f",
        // The last word, which the others may overlap.
        "lea r9, [rdi + rdx - 8]",
        "mov [r9], rax",
        "cmp rdx, 256",
        "jae 20f",
        "12: mov [rdi], rax",
        "add rdi, 8",
        "cmp rdi, r9",
        "jb 12b",
        "mov rax, r8",
        "ret",
        "20: mov rcx, rdx",
        "shr rcx, 3",
        "rep stosq",
        "mov rax, r8",
        "ret",
        "30: test edx, edx",
        "jz 40f",
        "mov [rdi + rdx - 1], al",
        "dec edx",
        "jmp 30b",
        "40: mov rax, r8",
        "ret",
    )
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    const ROOM: usize = 5000;

    fn pattern() -> [u8; ROOM] {
        core::array::from_fn(|i| (i * 7 + i / 251) as u8)
    }

    /// Lengths around what is done differently, and places that are aligned and not.
    fn cases() -> impl Iterator<Item = (usize, usize, usize)> {
        let counts = (0..40).chain(250..270).chain([511, 512, 513, 4096, 4097]);
        counts.flat_map(|count| {
            let places = [0, 1, 3, 8, 13, 40];
            places
                .into_iter()
                .flat_map(move |to| places.map(|from| (to, from, count)))
        })
    }

    #[test]
    fn copies_are_exact_whatever_the_length_and_the_overlap() {
        copies_are_exact();
        // What was found out is forgotten: it is found out again.
        LONG_COPIES.store(UNKNOWN, Ordering::Relaxed);
        copies_are_exact();
        assert_ne!(LONG_COPIES.load(Ordering::Relaxed), UNKNOWN);
        // In the way that all processors can.
        LONG_COPIES.store(BY_STRING, Ordering::Relaxed);
        copies_are_exact();
        choose();
        registers_of_64_bytes_keep_their_values();
    }

    fn registers_of_64_bytes_keep_their_values() {
        if !vectors::are_64_bytes_quick() {
            std::println!("skipped: the processor has no quick registers of 64 bytes");
            return;
        }
        let values: [u64; 16] = core::array::from_fn(|i| 0x0123_4567_89ab_cdef << (i % 4));
        let mut after = [0_u64; 16];
        let (from, mut to) = (pattern(), [0_u8; ROOM]);
        choose();
        // SAFETY: both arrays are as long as the copy; the processor has the registers.
        unsafe {
            core::arch::asm!(
                "vmovdqu64 zmm16, [r12]",
                "vmovdqu64 zmm17, [r12 + 64]",
                "call {memcpy}",
                "vmovdqu64 [r13], zmm16",
                "vmovdqu64 [r13 + 64], zmm17",
                in("r12") &raw const values,
                in("r13") &raw mut after,
                memcpy = sym memcpy,
                in("rdi") &raw mut to,
                in("rsi") &raw const from,
                in("rdx") ROOM,
                clobber_abi("C"),
            );
        }
        assert!(to == from);
        assert_eq!(after, values);
    }

    fn copies_are_exact() {
        for (to, from, count) in cases() {
            let mut expected = pattern();
            expected.copy_within(from..from + count, to);
            let mut room = pattern();
            let start = room.as_mut_ptr();
            // SAFETY: both ranges are in the array.
            let back = unsafe { memmove(start.add(to), start.add(from), count) };
            assert_eq!(back, start.wrapping_add(to));
            assert!(room == expected, "{count} from {from} to {to}");

            let source = pattern();
            let mut expected = [0; ROOM];
            expected[to..to + count].copy_from_slice(&source[from..from + count]);
            let mut room = [0; ROOM];
            let start = room.as_mut_ptr();
            // SAFETY: both ranges are in their arrays.
            let back = unsafe { memcpy(start.add(to), source.as_ptr().add(from), count) };
            assert_eq!(back, start.wrapping_add(to));
            assert!(room == expected, "{count} from {from} to {to}");
        }
    }

    #[test]
    fn as_much_is_filled_as_was_asked_for() {
        for (to, byte, count) in cases() {
            let mut expected = pattern();
            expected[to..to + count].fill(byte as u8 + 0x7f);
            let mut room = pattern();
            let start = room.as_mut_ptr();
            // SAFETY: the range is in the array. Only the low byte counts.
            let back = unsafe { memset(start.add(to), byte as i32 + 0x5_007f, count) };
            assert_eq!(back, start.wrapping_add(to));
            assert!(room == expected, "{count} at {to}");
        }
    }
}
