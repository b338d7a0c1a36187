//! Who holds the memory, said once on the console when a call is refused for want of it.

use core::sync::atomic::{AtomicBool, Ordering};

use super::kinds::Usage;
use crate::context::Context;

/// More than the line ever has.
const LINE_BYTES: usize = 320;

/// Says it at the first refusal.
#[derive(Default)]
pub struct Report {
    is_done: AtomicBool,
}

impl Report {
    /// A call asked for `wanted` bytes and was refused. Memory that is there but not in one piece, or
    /// not at that address, is no want of memory.
    #[cold]
    pub fn refused(&self, context: &Context<'_>, call: &str, wanted: usize) {
        let usage = context.process.memory.usage();
        if wanted <= usage.free || self.is_done.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut line = Line::default();
        line.text("muslin: out of memory: ");
        line.text(call);
        line.text(" asked for ");
        line.kib(wanted);
        line.text(" KiB. Of ");
        line.kib(usage.total);
        line.text(" KiB the program has ");
        let Usage {
            program,
            files,
            kernel,
            tables,
            free,
            ..
        } = usage;
        line.kib(program);
        for (name, bytes) in [
            (", files ", files),
            (", the library OS ", kernel),
            (", page tables ", tables),
            (", and free are ", free),
        ] {
            line.text(name);
            line.kib(bytes);
        }
        line.text(". The call answers ENOMEM\n");
        context.platform.console().write_error(line.bytes());
    }
}

/// A line without an allocation: there is no memory.
struct Line {
    bytes: [u8; LINE_BYTES],
    len: usize,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            bytes: [0; LINE_BYTES],
            len: 0,
        }
    }
}

impl Line {
    fn text(&mut self, text: &str) {
        self.put(text.as_bytes());
    }

    #[inline(never)] // in every image, and rarely called: small, not fast
    fn put(&mut self, bytes: &[u8]) {
        for (place, &byte) in self.bytes.iter_mut().skip(self.len).zip(bytes) {
            *place = byte;
            self.len += 1;
        }
    }

    fn kib(&mut self, bytes: usize) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut rest = bytes / 1024;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.put(&digits[at..]);
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use crate::memory::{sys_mmap, sys_mremap};
    use crate::testing::World;
    use muslin_abi::Errno;
    use std::string::String;

    #[test]
    fn the_first_refusal_says_who_holds_what() {
        let world = World::new();
        let map = |len_bytes: usize| world.call(sys_mmap, [0, len_bytes, 3, 0x22, usize::MAX, 0]);
        let start = map(8 << 20);
        assert!(start.is_ok());
        assert_eq!(map(16 << 20), Err(Errno::ENOMEM));
        let said = String::from_utf8_lossy(&world.sim.take_output()).into_owned();
        assert!(
            said.starts_with("muslin: out of memory: mmap asked for 16384 KiB. Of 16384 KiB the program has 8192, files 0, the library OS "),
            "{said}"
        );
        assert!(said.ends_with(". The call answers ENOMEM\n"), "{said}");
        assert_eq!(map(16 << 20), Err(Errno::ENOMEM));
        assert!(world.sim.take_output().is_empty());
        // Not a want of memory: the break is in the way.
        let world = World::new();
        let start = world.room(4096);
        assert_eq!(
            world.call(sys_mremap, [start, 4096, 8192, 0]),
            Err(Errno::ENOMEM)
        );
        assert!(world.sim.take_output().is_empty());
    }
}
