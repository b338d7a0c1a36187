//! Random bytes of the processor.

use core::arch::x86_64::{__cpuid, _rdrand64_step};

use muslin_abi::Errno;
use muslin_platform::Console;

/// Bit of cpuid leaf 1, ecx: the processor has `rdrand`.
const HAS_RDRAND: u32 = 1 << 30;
/// How often a word is asked for before the source counts as broken. Source: Intel, "Digital Random
/// Number Generator Software Implementation Guide", section 5.2.1.
const RDRAND_TRIES: usize = 10;

#[target_feature(enable = "rdrand")]
fn random_word() -> Option<u64> {
    let mut word = 0;
    (0..RDRAND_TRIES)
        .any(|_| _rdrand64_step(&mut word) == 1)
        .then_some(word)
}

/// Fills `bytes`, or says on the console why it cannot.
///
/// # Errors
/// `EIO`: there is no source.
pub fn fill(bytes: &mut [u8], console: &dyn Console) -> Result<(), Errno> {
    if __cpuid(1).ecx & HAS_RDRAND == 0 {
        console.write(
            b"muslin: this processor has no rdrand, and there is no other source of random bytes\n",
        );
        return Err(Errno::EIO);
    }
    for chunk in bytes.chunks_mut(size_of::<u64>()) {
        // SAFETY: the processor has the instruction.
        let Some(word) = (unsafe { random_word() }) else {
            console.write(b"muslin: the processor's rdrand gives no random bytes\n");
            return Err(Errno::EIO);
        };
        chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
    }
    Ok(())
}
