//! Text for the person in front: file descriptor 2, no buffer, no lock, past the table.

use muslin_abi::Sysno;

use crate::raw;

const STDERR: usize = 2;

/// Writes `text` as far as the platform takes it.
pub fn print(text: &[u8]) {
    let args = [STDERR, text.as_ptr() as usize, text.len(), 0, 0, 0];
    // SAFETY: the kernel reads a slice that is alive.
    unsafe { raw::call(Sysno::write, args) };
}

/// Writes one line and ends the process as abort(3) does: status 134 to a shell.
pub fn fatal(parts: &[&[u8]]) -> ! {
    print_line(parts);
    abort()
}

/// Writes one line and ends the process with status 1: what was asked for cannot be done.
pub fn refuse(parts: &[&[u8]]) -> ! {
    print_line(parts);
    loop {
        // SAFETY: the process ends here.
        unsafe { raw::call(Sysno::exit_group, [1, 0, 0, 0, 0, 0]) };
    }
}

fn print_line(parts: &[&[u8]]) {
    for part in parts {
        print(part);
    }
    print(b"\n");
}

const SIGABRT: usize = 6;

/// Ends the process by SIGABRT, whatever the program thinks of that signal.
pub fn abort() -> ! {
    let default_action = [0usize; 4];
    let unblocked = 0u64;
    // SAFETY: the process ends here; the structures are alive until then.
    unsafe {
        let action = [SIGABRT, &raw const default_action as usize, 0, 8, 0, 0];
        raw::call(Sysno::rt_sigaction, action);
        let mask = [2, &raw const unblocked as usize, 0, 8, 0, 0];
        raw::call(Sysno::rt_sigprocmask, mask);
        let thread = raw::call(Sysno::gettid, [0; 6]) as usize;
        raw::call(Sysno::tkill, [thread, SIGABRT, 0, 0, 0, 0]);
        loop {
            raw::call(Sysno::exit_group, [134, 0, 0, 0, 0, 0]);
        }
    }
}

/// A number in decimal, in `buffer`.
pub fn decimal(mut number: usize, buffer: &mut [u8; 20]) -> &[u8] {
    let mut at = buffer.len();
    loop {
        at -= 1;
        buffer[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 || at == 0 {
            return &buffer[at..];
        }
    }
}
