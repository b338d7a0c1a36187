//! `memcpy`, `memmove` and `memset` of the runtime object: what compilers call by these names.
//!
//! Those that come with Rust's core for this target use the string instructions whatever the length,
//! which takes 8 to 12 ns before the first byte; most copies of the library OS are of a few words. No
//! register of SSE is used: a stray `syscall` instruction saves none.

use core::arch::naked_asm;

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
        "cmp rdx, 256",
        "jae 20f",
        "12: mov rcx, [rsi]",
        "mov [rdi], rcx",
        "add rsi, 8",
        "add rdi, 8",
        "cmp rdi, r9",
        "jb 12b",
        "mov [r9], r8",
        "ret",
        "20: mov rcx, rdx",
        "shr rcx, 3",
        "rep movsq",
        "mov [r9], r8",
        "ret",
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
    use super::*;

    const ROOM: usize = 1200;

    fn pattern() -> [u8; ROOM] {
        core::array::from_fn(|i| (i * 7 + i / 251) as u8)
    }

    /// Lengths around what is done differently, and places that are aligned and not.
    fn cases() -> impl Iterator<Item = (usize, usize, usize)> {
        let counts = (0..40).chain(250..270).chain([511, 512, 513]);
        counts.flat_map(|count| {
            let places = [0, 1, 3, 8, 13, 40];
            places
                .into_iter()
                .flat_map(move |to| places.map(|from| (to, from, count)))
        })
    }

    #[test]
    fn copies_are_exact_whatever_the_length_and_the_overlap() {
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
