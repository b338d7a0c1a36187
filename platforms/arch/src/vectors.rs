//! What the processor can do with vector registers.

use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};

/// cpuid leaf 1, ecx: the system below has switched `xsave` and its like on.
const HAS_XSAVE_ON: u32 = 1 << 27;
/// In XCR0: SSE, AVX and AVX-512 are switched on.
const STATES_OF_64_BYTES: u64 = 0b1110_0110;
/// cpuid leaf 7, ebx: AVX-512.
const HAS_AVX512F: u32 = 1 << 16;
/// cpuid leaf 7, edx: string instructions are quick from the first byte on. Processors with this and
/// AVX-512 do not run slower for a while after they used registers of 64 bytes; those before do.
const HAS_FAST_SHORT_STRINGS: u32 = 1 << 4;

/// Whether there are registers of 64 bytes, and nothing else runs slower when they are used.
pub fn are_64_bytes_quick() -> bool {
    if __cpuid(1).ecx & HAS_XSAVE_ON == 0 {
        return false;
    }
    // SAFETY: the instruction is switched on.
    let states = unsafe { enabled_states() };
    if states & STATES_OF_64_BYTES != STATES_OF_64_BYTES {
        return false;
    }
    let features = __cpuid_count(7, 0);
    features.ebx & HAS_AVX512F != 0 && features.edx & HAS_FAST_SHORT_STRINGS != 0
}

/// The states of registers that are switched on: XCR0.
///
/// # Safety
/// `xsave` and its like are switched on.
#[target_feature(enable = "xsave")]
pub(crate) unsafe fn enabled_states() -> u64 {
    // SAFETY: as the caller promises.
    unsafe { _xgetbv(0) }
}
