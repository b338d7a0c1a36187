//! A process on the simulated platform, for unit tests.

#![allow(unsafe_code, clippy::unwrap_used, reason = "tests")]

use core::cell::RefCell;
use core::mem::MaybeUninit;
use std::boxed::Box;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::string::String;
use std::vec::Vec;

use muslin_abi::args::{from_raw, to_raw};
use muslin_abi::layout::Pod;
use muslin_abi::{Errno, SyscallArgs, SyscallResult};
use muslin_sim::Sim;

use crate::context::{Context, Given, Process, Setup};
use crate::memory::{Kind, Pages, Place};
use crate::process::sys_exit;
use crate::threads::{Attention, Call, Kept, Machine, Scheduler, Thread, sys_clone, sys_futex};
use crate::user_mem::{self, UserBuf, UserBufMut};
use muslin_platform::{Platform, Protection};

/// A scheduler and its first thread, which know each other.
fn first_thread(attention: &'static Attention) -> (&'static Scheduler, &'static Thread) {
    let place: &'static mut MaybeUninit<(Scheduler, Thread)> = Box::leak(Box::new_uninit());
    let pair = place.as_mut_ptr();
    // SAFETY: places that live for ever, written before anybody reads them.
    unsafe {
        let (scheduler, thread) = (&raw mut (*pair).0, &raw mut (*pair).1);
        scheduler.write(Scheduler::new(&*thread, attention));
        thread.write(Thread::first(&*scheduler));
        (&*scheduler, &*thread)
    }
}

/// No code that a test goes on with.
unsafe extern "C" fn nothing() {}

type Work = (*const World, Box<dyn FnOnce()>);

std::thread_local! {
    /// What threads that have not begun yet are to do, by their numbers.
    static WORK: RefCell<BTreeMap<usize, Work>> = const { RefCell::new(BTreeMap::new()) };
    /// What to say when a thread panics.
    pub static ON_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The first function of a thread.
extern "C" fn run_thread() {
    // All of them are of one world: tests run on host threads of their own.
    let first = WORK.with_borrow(|all| all.values().next().map(|(world, _)| *world));
    // SAFETY: as `World::spawn` says.
    let world = unsafe { &*first.unwrap() };
    let tid = world.process.threads.current().tid() as usize;
    let (_, work) = WORK.with_borrow_mut(|all| all.remove(&tid)).unwrap();
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        ON_PANIC.with_borrow(|text| std::eprintln!("{text}"));
        std::process::abort();
    }
    let _ = world.call(sys_exit, [0]);
}

/// A machine of its own.
pub struct World {
    pub sim: &'static Sim,
    pub pages: &'static Pages,
    pub process: Process,
}

impl World {
    /// 4096 pages of memory, no initrd.
    pub fn new() -> Self {
        Self::with(Sim::new(4096, 1), None)
    }

    pub fn with(sim: Sim, initrd: Option<&'static [u8]>) -> Self {
        let given = Given {
            initrd,
            ..Given::default()
        };
        Self::given(sim, given)
    }

    pub fn given(sim: Sim, given: Given) -> Self {
        let sim: &'static Sim = Box::leak(Box::new(sim));
        // SAFETY: the simulated memory is new, and nothing else uses it.
        let pages = Box::leak(Box::new(unsafe { Pages::new(sim.memory()) }));
        let attention = Box::leak(Box::new(Attention::new()));
        let (scheduler, first_thread) = first_thread(attention);
        let setup = Setup {
            pages,
            given,
            scheduler,
            first_thread,
            attention,
            machine: Machine {
                keep: || Kept::new(0, 0),
                put_back: |_| {},
                again: nothing,
            },
            set_thread_pointer: |_| Err(Errno::ENOSYS),
            report_gap: |platform, call, text| {
                platform
                    .console()
                    .write(std::format!("{}{text}\n", call.name().unwrap()).as_bytes());
            },
        };
        Self {
            sim,
            pages,
            process: Process::new(sim, &setup),
        }
    }

    pub fn context(&self) -> Context<'_> {
        Context {
            platform: self.sim,
            process: &self.process,
        }
    }

    /// Makes a call.
    pub fn call<const N: usize>(
        &self,
        handler: fn(&Context<'_>, &SyscallArgs) -> SyscallResult,
        words: [usize; N],
    ) -> SyscallResult {
        let mut args = [0; 6];
        args[..N].copy_from_slice(&words);
        let context = self.context();
        let attention = self.process.threads.attention;
        loop {
            let mut call = Call {
                registers: [0; 6],
                result: to_raw(handler(&context, &SyscallArgs(args))),
                handler,
                args: SyscallArgs(args),
                return_address: 0,
                nr: 0,
            };
            if !attention.is_demanded() || !attention.attend(&context, &mut call) {
                return from_raw(call.result);
            }
        }
    }

    /// Starts a thread of the program that does this. Returns the address of the word that is 1 until the
    /// thread is over.
    ///
    /// A panic there ends the tests: nothing unwinds from one stack to another.
    pub fn spawn(&self, work: impl FnOnce(&World) + 'static) -> usize {
        const FLAGS: usize = 0x121_0f00; // VM, FS, FILES, SIGHAND, THREAD, CHILD_CLEARTID, CHILD_SETTID
        const STACK_BYTES: usize = 256 * 1024;
        let top = self.room(STACK_BYTES) + STACK_BYTES;
        // The function is entered by a return, as if it had been called.
        self.put(top - 16, &(run_thread as *const () as usize).to_le_bytes());
        let word = self.room(4);
        self.put(word, &1_i32.to_le_bytes());
        let tid = self.call(sys_clone, [FLAGS, top - 16, 0, word, 0]).unwrap();
        let world = core::ptr::from_ref(self);
        // SAFETY: the world outlives its threads: a test joins them, or ends.
        let work = Box::new(move || work(unsafe { &*world }));
        WORK.with_borrow_mut(|all| all.insert(tid, (world, work)));
        word
    }

    /// Waits until a thread is over.
    pub fn join(&self, word: usize) {
        loop {
            let tid: u32 = self.get_value(word);
            if tid == 0 {
                return;
            }
            let _ = self.call(sys_futex, [word, 0, tid as usize, 0]);
        }
    }

    /// Memory of the program, zeros.
    pub fn room(&self, len_bytes: usize) -> usize {
        let protection = Protection {
            read: true,
            write: true,
            execute: false,
        };
        self.process
            .memory
            .map(
                Place::Hint(0),
                len_bytes.max(1),
                protection,
                Kind::Anonymous,
            )
            .unwrap()
    }

    /// Memory of the program that holds these bytes.
    pub fn bytes(&self, bytes: &[u8]) -> usize {
        let address = self.room(bytes.len());
        self.put(address, bytes);
        address
    }

    /// Memory of the program that holds this text and its final 0.
    pub fn text(&self, text: &str) -> usize {
        let mut bytes = Vec::from(text);
        bytes.push(0);
        self.bytes(&bytes)
    }

    /// Memory of the program that holds this value.
    pub fn value<T: Pod>(&self, value: &T) -> usize {
        let address = self.room(T::BYTES);
        user_mem::write(&self.context(), address, value).unwrap();
        address
    }

    pub fn put(&self, address: usize, bytes: &[u8]) {
        let mut buffer = UserBufMut::new(&self.context(), address, bytes.len()).unwrap();
        assert_eq!(buffer.copy_in(0, bytes), bytes.len());
    }

    pub fn get(&self, address: usize, len_bytes: usize) -> Vec<u8> {
        UserBuf::new(&self.context(), address, len_bytes)
            .unwrap()
            .to_vec()
            .unwrap()
    }

    pub fn get_value<T: Pod>(&self, address: usize) -> T {
        user_mem::read(&self.context(), address).unwrap()
    }
}
