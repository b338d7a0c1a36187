//! What is to be done at the end of calls, if anything is: signals are delivered there.

use core::mem::offset_of;
use core::sync::atomic::{AtomicUsize, Ordering};

use muslin_abi::{SyscallArgs, SyscallResult};

use crate::context::Context;
use crate::signals::FaultFn;

/// A handler of the library OS.
pub type HandlerFn = fn(&Context<'_>, &SyscallArgs) -> SyscallResult;

/// A call whose handler has answered, and who made it.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Call {
    /// r15, r14, r13, r12, rbp, rbx: as they were at the call, and as they will be after it.
    pub registers: [usize; 6],
    /// The answer, for musl: a value or a negative errno.
    pub result: isize,
    /// Who answered.
    pub handler: HandlerFn,
    /// The arguments.
    pub args: SyscallArgs,
    /// Where the call returns to. The stack pointer is behind this word then.
    pub return_address: usize,
    /// The number.
    pub nr: usize,
}

/// Does what is to be done at the end of a call, on the stack of the thread that made it and as if the
/// thread itself did it: no call is being answered meanwhile. `true` makes the call again.
pub type AttendFn = fn(&Context<'_>, &mut Call) -> bool;

/// What is done at the end of every call: nothing, most of the time. The first word is 0 then; who calls
/// looks at it.
#[repr(C)]
pub struct Attention {
    /// The address of an [`AttendFn`], or 0.
    word: AtomicUsize,
    /// That of the one that delivers signals, or 0.
    delivery: AtomicUsize,
    /// That of the one that ends turns which get too long, or 0. It is the word then, and sees to the
    /// delivery.
    turn: AtomicUsize,
    /// That of the [`FaultFn`] that makes signals of faults, or 0.
    fault: AtomicUsize,
}

impl Attention {
    /// Where the word is that is 0 while no signals are to be delivered, for code that looks at it itself.
    pub const DELIVERY_OFFSET: usize = offset_of!(Self, delivery);

    /// Nothing is done.
    pub const fn new() -> Self {
        Self {
            word: AtomicUsize::new(0),
            delivery: AtomicUsize::new(0),
            turn: AtomicUsize::new(0),
            fault: AtomicUsize::new(0),
        }
    }

    /// From now on this makes signals of faults.
    pub fn demand_faults(&self, fault: FaultFn) {
        self.fault.store(fault as usize, Ordering::Relaxed);
    }

    /// What makes signals of faults, where a function could run.
    pub fn fault(&self) -> Option<FaultFn> {
        let fault = self.fault.load(Ordering::Relaxed);
        // SAFETY: nobody puts anything else there; 0 is none.
        unsafe { core::mem::transmute::<usize, Option<FaultFn>>(fault) }
    }

    /// From now on this is done to deliver signals.
    pub fn demand(&self, attend: AttendFn) {
        self.delivery.store(attend as usize, Ordering::Relaxed);
        self.choose();
    }

    /// Nothing is done for signals any more.
    pub fn clear(&self) {
        self.delivery.store(0, Ordering::Relaxed);
        self.choose();
    }

    /// From now on this is done to end a turn that gets too long. It [delivers](Self::deliver) as well.
    pub(super) fn demand_turn(&self, attend: AttendFn) {
        self.turn.store(attend as usize, Ordering::Relaxed);
        self.choose();
    }

    /// Turns may get as long as they want.
    pub(crate) fn clear_turn(&self) {
        self.turn.store(0, Ordering::Relaxed);
        self.choose();
    }

    fn choose(&self) {
        let word = match self.turn.load(Ordering::Relaxed) {
            0 => self.delivery.load(Ordering::Relaxed),
            turn => turn,
        };
        self.word.store(word, Ordering::Relaxed);
    }

    /// Does what is to be done behind a call; whether the call is made again.
    pub fn attend(&self, context: &Context<'_>, call: &mut Call) -> bool {
        follow(&self.word, context, call)
    }

    /// Delivers signals, if that is to be done.
    pub(super) fn deliver(&self, context: &Context<'_>, call: &mut Call) -> bool {
        follow(&self.delivery, context, call)
    }

    /// Whether anything is to be done.
    pub fn is_demanded(&self) -> bool {
        self.word.load(Ordering::Relaxed) != 0
    }
}

fn follow(word: &AtomicUsize, context: &Context<'_>, call: &mut Call) -> bool {
    let attend = word.load(Ordering::Relaxed);
    if attend == 0 {
        return false;
    }
    // SAFETY: nobody puts anything else there.
    let attend = unsafe { core::mem::transmute::<usize, AttendFn>(attend) };
    attend(context, call)
}

impl Default for Attention {
    fn default() -> Self {
        Self::new()
    }
}
