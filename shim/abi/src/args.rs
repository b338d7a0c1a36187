//! A call's arguments and result as handlers see them.

use crate::Errno;

/// What a handler answers: a value, or an errno.
pub type SyscallResult = Result<usize, Errno>;

/// The six argument words of a call; what a call does not use is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct SyscallArgs(pub [usize; 6]);

impl SyscallArgs {
    /// Argument `n` as the word that was passed, `n` from 0 to 5.
    pub const fn raw(&self, n: usize) -> usize {
        self.0[n]
    }

    /// Argument `n` as a file descriptor: the low 32 bits, as Linux reads them.
    pub const fn fd(&self, n: usize) -> i32 {
        self.0[n] as i32
    }

    /// Argument `n` as a C `int`: the low 32 bits, signed.
    pub const fn int(&self, n: usize) -> i32 {
        self.0[n] as i32
    }

    /// Argument `n` as a size in bytes.
    pub const fn size(&self, n: usize) -> usize {
        self.0[n]
    }

    /// Argument `n` as an address in the program: an allegation until it is checked.
    pub const fn addr(&self, n: usize) -> usize {
        self.0[n]
    }

    /// The same arguments with argument `n` replaced.
    pub const fn with(mut self, n: usize, word: usize) -> Self {
        self.0[n] = word;
        self
    }
}

/// A result as the C side expects it: the value, or the negative errno.
pub const fn to_raw(result: SyscallResult) -> isize {
    match result {
        Ok(value) => value as isize,
        Err(errno) => -(errno.raw() as isize),
    }
}

/// A raw answer as a result: -4095..=-1 are errnos, all others values.
pub const fn from_raw(raw: isize) -> SyscallResult {
    if raw < 0 && raw >= -(crate::errno::ERRNO_MAX as isize) {
        match Errno::from_raw(-raw as i32) {
            Some(errno) => Err(errno),
            None => Ok(raw as usize),
        }
    } else {
        Ok(raw as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn int_arguments_are_cut_to_32_bits() {
        let args = SyscallArgs([0xffff_ffff_0000_0003, 0x1_ffff_ff9c, 0, 0, 0, 0]);
        assert_eq!(args.fd(0), 3);
        assert_eq!(args.int(1), -100);
        assert_eq!(args.with(5, 7).raw(5), 7);
    }

    #[test]
    fn results_survive_both_ways() {
        for raw in [0, 1, -1, -4095, -4096, isize::MIN, isize::MAX] {
            assert_eq!(to_raw(from_raw(raw)), raw);
        }
        assert_eq!(from_raw(-2), Err(Errno::ENOENT));
        assert!(from_raw(-4096).is_ok());
    }
}
