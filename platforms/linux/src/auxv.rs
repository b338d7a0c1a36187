//! The auxiliary vector: what the kernel tells a process at its start. Source: getauxval(3).

/// Pairs of type and value, ended by type 0, as they lie behind the environment.
#[derive(Clone, Copy)]
pub struct Auxv(*const [usize; 2]);

/// Bits of processor features, second word.
pub const AT_HWCAP2: usize = 26;
/// The process runs with privileges that its user does not have.
pub const AT_SECURE: usize = 23;
/// Address of the vDSO's ELF header.
pub const AT_SYSINFO_EHDR: usize = 33;
/// Bit of AT_HWCAP2: `wrfsbase` is allowed. Source: Linux `arch/x86/include/uapi/asm/hwcap2.h`.
pub const HWCAP2_FSGSBASE: usize = 1 << 1;

impl Auxv {
    /// The vector behind the environment that starts at `envp`.
    ///
    /// # Safety
    /// `envp` is the environment as the kernel laid it out: pointers, a null, then the vector.
    pub unsafe fn behind(envp: *const *const u8) -> Self {
        let mut at = envp;
        // SAFETY: the pointers end with a null, by the caller's promise.
        while unsafe { !(*at).is_null() } {
            // SAFETY: not past the null yet.
            at = unsafe { at.add(1) };
        }
        // SAFETY: the vector begins behind the null.
        Self(unsafe { at.add(1) }.cast())
    }

    /// The value of type `wanted`, or 0.
    #[inline(never)] // in every image, and rarely called: small, not fast
    pub fn get(self, wanted: usize) -> usize {
        let mut at = self.0;
        loop {
            // SAFETY: the vector ends with type 0, where this loop ends.
            let [kind, value] = unsafe { *at };
            if kind == wanted {
                return value;
            }
            if kind == 0 {
                return 0;
            }
            // SAFETY: not at the end yet.
            at = unsafe { at.add(1) };
        }
    }
}
