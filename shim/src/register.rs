//! Registration in Rust.

use core::ffi::c_void;
use core::ptr;

use muslin_abi::args::from_raw;
use muslin_abi::{Errno, SyscallArgs, SyscallResult, Sysno};

use crate::context::{Context, adapt, adapt_data};
use crate::ffi;

/// The handler that answered a call before another was registered: it can be called, and made the
/// top again.
#[derive(Clone, Copy, Debug)]
pub struct Handler {
    /// Null: the platform's own code.
    handler: *const c_void,
    nr: Sysno,
}

// SAFETY: a registration lives for ever and does not change.
unsafe impl Send for Handler {}
// SAFETY: as above.
unsafe impl Sync for Handler {}

impl Handler {
    /// Calls this handler, and what is below it.
    ///
    /// # Errors
    /// What it answers.
    ///
    /// # Safety
    /// The call does to memory and to the process what its man page says.
    pub unsafe fn call(&self, args: &SyscallArgs) -> SyscallResult {
        let (nr, args) = (self.nr.0 as isize, &raw const args.0);
        // SAFETY: as the caller promises.
        from_raw(unsafe {
            if self.handler.is_null() {
                ffi::muslin_passthrough(nr, args)
            } else {
                ffi::muslin_call(self.handler, nr, args)
            }
        })
    }

    /// Makes this handler the one that answers again; what was registered after it is gone.
    ///
    /// # Errors
    /// None in practice: the number was good once.
    pub fn reinstate(&self) -> Result<(), Errno> {
        if self.handler.is_null() {
            return restore(self.nr);
        }
        // SAFETY: the handler came from a registration.
        check(unsafe { ffi::muslin_reinstate(self.handler) })
    }
}

/// A handler and how it wants to be called.
#[derive(Clone, Copy, Debug)]
pub struct Registration<F> {
    handler: F,
    flags: u32,
}

impl<F> Registration<F>
where
    F: Fn(&Context<'_>, &SyscallArgs) -> SyscallResult + Send + Sync + 'static,
{
    /// A registration without wishes.
    pub fn new(handler: F) -> Self {
        Self { handler, flags: 0 }
    }

    /// Call it also for calls that are made inside a handler, this one included.
    pub fn reentrant(mut self) -> Self {
        self.flags |= ffi::REENTRANT;
        self
    }

    /// Run it on a stack of 64 KiB that the runtime keeps for the thread, whatever is left of the
    /// caller's: threads may have 2 KiB, the child of a posix_spawn has 5.
    pub fn own_stack(mut self) -> Self {
        self.flags |= ffi::OWN_STACK;
        self
    }

    /// Puts the handler on top of what answers `nr` now; calls that begin after the return find it.
    ///
    /// # Errors
    /// `EINVAL`: no such number, or rt_sigreturn, which cannot be handled. `ENOMEM`.
    pub fn register(self, nr: Sysno) -> Result<Handler, Errno> {
        let flags = self.flags;
        let (function, context) = self.into_c()?;
        put(nr, function, context, flags)
    }

    /// The same for all calls of a family.
    ///
    /// # Errors
    /// As [`register`](Self::register); none is registered then, but for `ENOMEM`.
    pub fn register_family(self, family: &[Sysno]) -> Result<(), Errno> {
        if !family
            .iter()
            .all(|nr| nr.index().is_some() && *nr != Sysno::rt_sigreturn)
        {
            return Err(Errno::EINVAL);
        }
        let flags = self.flags;
        let (function, context) = self.into_c()?;
        for &nr in family {
            put(nr, function, context, flags)?;
        }
        Ok(())
    }

    /// The handler as C has it. One with data moves to the runtime's heap for ever.
    fn into_c(self) -> Result<(ffi::Function, *mut c_void), Errno> {
        if size_of::<F>() == 0 {
            core::mem::forget(self.handler);
            return Ok((adapt::<F>, ptr::null_mut()));
        }
        // SAFETY: plain allocation; the result is checked.
        let place = unsafe { ffi::muslin_alloc(size_of::<F>(), align_of::<F>()) }.cast::<F>();
        if place.is_null() {
            return Err(Errno::ENOMEM);
        }
        // SAFETY: new memory of the right size and alignment.
        unsafe { place.write(self.handler) };
        Ok((adapt_data::<F>, place.cast()))
    }
}

fn put(
    nr: Sysno,
    function: ffi::Function,
    context: *mut c_void,
    flags: u32,
) -> Result<Handler, Errno> {
    let mut handler = ptr::null();
    // SAFETY: the adapters and what they point to live for ever.
    check(unsafe {
        ffi::muslin_register(nr.0 as isize, function, context, flags, &raw mut handler)
    })?;
    Ok(Handler { handler, nr })
}

fn check(result: i32) -> Result<(), Errno> {
    from_raw(result as isize).map(|_| ())
}

/// Registers a handler on top of what answers `nr` now; gives back what answered before.
///
/// # Errors
/// `EINVAL`: no such number, or rt_sigreturn, which cannot be handled. `ENOMEM`.
pub fn register<F>(nr: Sysno, handler: F) -> Result<Handler, Errno>
where
    F: Fn(&Context<'_>, &SyscallArgs) -> SyscallResult + Send + Sync + 'static,
{
    Registration::new(handler).register(nr)
}

/// Registers one handler for all calls of a family, such as [`OPENS`](crate::family::OPENS).
///
/// # Errors
/// As [`register`]; none is registered then, but for `ENOMEM`.
pub fn register_family<F>(family: &[Sysno], handler: F) -> Result<(), Errno>
where
    F: Fn(&Context<'_>, &SyscallArgs) -> SyscallResult + Send + Sync + 'static,
{
    Registration::new(handler).register_family(family)
}

/// The platform's own code answers `nr` again.
///
/// # Errors
/// `EINVAL`: no such number.
pub fn restore(nr: Sysno) -> Result<(), Errno> {
    // SAFETY: changes the table only.
    check(unsafe { ffi::muslin_restore(nr.0 as isize) })
}

/// Registers handlers before the process's first call.
///
/// `static_handler!(Sysno::getppid, my_getppid)`, with `reentrant` or `own_stack` behind it where
/// wished. The handler is a function, or a closure that captures nothing. A crate that only
/// registers must still be linked: `use that_crate as _;` in the program. (`muslin cargo` and
/// `muslin cc` warn of a registration that was dropped.)
#[macro_export]
macro_rules! static_handler {
    ($nr:expr, $handler:expr $(, $wish:ident)* $(,)?) => {
        const _: () = {
            const FLAGS: u32 = 0 $(| $crate::ffi::wish::$wish)*;

            static HANDLER: $crate::ffi::StaticHandler = $crate::ffi::StaticHandler {
                function: $crate::ffi::adapter(&$handler),
                context: ::core::ptr::null_mut(),
                nr: $nr.0 as usize,
                flags: FLAGS as usize,
                rest: [const { ::core::sync::atomic::AtomicUsize::new(0) }; 2],
                direct: if FLAGS == 0 { Some(code) } else { None },
            };

            unsafe extern "C" fn code(
                a: usize, b: usize, c: usize, d: usize, e: usize, f: usize, nr: usize,
            ) -> isize {
                // SAFETY: the runtime calls it as the code of this handler's slot.
                unsafe { $crate::ffi::direct(&HANDLER, &$handler, [a, b, c, d, e, f], nr) }
            }

            #[unsafe(export_name = concat!(
                "__muslin_static_", module_path!(), "_", line!(), "_", column!()
            ))]
            extern "C" fn register() {
                // SAFETY: a static of the image with its first four fields set.
                unsafe { $crate::ffi::muslin_register_static(&raw const HANDLER) }
            }

            #[used]
            #[unsafe(link_section = ".preinit_array")]
            static PREINIT: extern "C" fn() = register;
        };
    };
}
