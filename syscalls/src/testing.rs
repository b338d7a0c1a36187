//! A process on the simulated platform, for unit tests.

#![allow(unsafe_code, clippy::unwrap_used, reason = "tests")]

pub mod frames;

use core::cell::RefCell;
use core::mem::MaybeUninit;
use std::boxed::Box;
use std::collections::BTreeMap;
use std::io::Write;
use std::string::String;
use std::sync::Once;
use std::vec::Vec;

use muslin_abi::args::{from_raw, to_raw};
use muslin_abi::layout::Pod;
use muslin_abi::{Errno, SyscallArgs, SyscallResult};
use muslin_arch::pthread::BLOCK_BYTES;
use muslin_sim::Sim;

use crate::context::{Context, Given, Process, Setup};
use crate::memory::{Kind, Pages, Place, sys_munmap};
use crate::process::sys_exit;
use crate::threads::{Attention, Call, Kept, Machine, Scheduler, Thread, sys_clone, sys_futex};
use crate::user_mem::{self, UserBuf, UserBufMut};
use muslin_platform::{Platform, Protection};

/// Numbers below what is asked for, in an order that a seed above 0 decides (xorshift).
pub fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}

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
    /// What threads that have not begun yet are to do, by the ends of their stacks.
    static WORK: RefCell<BTreeMap<usize, Work>> = const { RefCell::new(BTreeMap::new()) };
    /// What to say when a thread panics.
    static ON_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// From now on a panic of this host thread says this, too. What a test prints is lost when a thread of a
/// program panics: nothing unwinds from one stack to another, so that ends all tests.
pub fn say_on_panic(line: &str) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let line = ON_PANIC.with_borrow(Clone::clone);
            if !line.is_empty() {
                let _ = std::writeln!(std::io::stderr(), "{info}\n{line}");
            }
            usual(info);
        }));
    });
    ON_PANIC.set(line.into());
}

/// The first function of a thread.
extern "C" fn run_thread() {
    let here = 0_u8;
    // Those of other worlds are on other host threads.
    let (world, work) = WORK
        .with_borrow_mut(|all| {
            let (&top, _) = all.range(&raw const here as usize..).next()?;
            all.remove(&top)
        })
        .unwrap();
    work();
    // SAFETY: as `World::spawn` says.
    let _ = unsafe { &*world }.call(sys_exit, [0]);
}

/// A machine of its own.
pub struct World {
    pub sim: &'static Sim,
    pub pages: &'static Pages,
    pub process: Process,
    /// What the threads have memory for, by their words.
    stacks: RefCell<BTreeMap<usize, usize>>,
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
        let attention = Box::leak(Box::new(Attention::new()));
        let machine = Machine {
            keep: || Kept::new(0, 0),
            put_back: |_| {},
            again: nothing,
        };
        Self::on_machine(sim, given, attention, machine)
    }

    fn on_machine(sim: Sim, given: Given, attention: &'static Attention, machine: Machine) -> Self {
        let sim: &'static Sim = Box::leak(Box::new(sim));
        // SAFETY: the simulated memory is new, and nothing else uses it.
        let pages = Box::leak(Box::new(unsafe { Pages::new(sim.memory()) }));
        let (scheduler, first_thread) = first_thread(attention);
        let setup = Setup {
            pages,
            given,
            scheduler,
            first_thread,
            attention,
            machine,
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
            stacks: RefCell::default(),
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
        if frames::are_there() {
            return frames::call(handler, args);
        }
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
        const FLAGS: usize = 0x129_0f00; // VM, FS, FILES, SIGHAND, THREAD, SETTLS, CHILD_CLEARTID, CHILD_SETTID
        // The word, the stack, and the block that libc has there.
        let room = self.room(frames::STACK_BYTES);
        self.put(room, &1_i32.to_le_bytes());
        let block = room + frames::STACK_BYTES - BLOCK_BYTES;
        // As if libc's stacks were too small for calls; with frames only every other one.
        let is_small = !frames::are_there() || self.stacks.borrow().len() % 2 == 1;
        frames::Block::new(block, is_small);
        // The function is entered by a return, as if it had been called.
        let top = block - 16;
        self.put(top, &(run_thread as *const () as usize).to_le_bytes());
        let world = core::ptr::from_ref(self);
        // SAFETY: the world outlives its threads: a test joins them, or ends.
        let work = Box::new(move || work(unsafe { &*world }));
        WORK.with_borrow_mut(|all| all.insert(top, (world, work)));
        self.stacks.borrow_mut().insert(room, block);
        self.call(sys_clone, [FLAGS, top, 0, room, block]).unwrap();
        room
    }

    /// The block behind the thread pointer of a thread.
    pub fn block_of(&self, word: usize) -> frames::Block {
        frames::Block::at(self.stacks.borrow()[&word])
    }

    /// Waits until a thread is over. Its memory is gone then.
    pub fn join(&self, word: usize) {
        while let tid @ 1.. = self.get_value::<u32>(word) {
            let _ = self.call(sys_futex, [word, 0, tid as usize, 0]);
        }
        self.stacks.borrow_mut().remove(&word).unwrap();
        self.give_back(word, frames::STACK_BYTES);
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

    /// Such memory is not needed any more.
    pub fn give_back(&self, address: usize, len_bytes: usize) {
        assert_eq!(self.call(sys_munmap, [address, len_bytes]), Ok(0));
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
