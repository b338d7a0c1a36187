//! What runs beside a guest for its network devices: cables, and gateways of networks without privilege.

use std::io;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};
use std::thread;

use libc::pid_t;
use muslin_usernet::Gateway;
use rustix::event::{EventfdFlags, eventfd};

use crate::cable::{Cable, Traffic, carry_all};
use crate::signals::Signals;

/// What is written to tell a thread that the guest has ended.
const END: [u8; 8] = 1_u64.to_ne_bytes();

/// What runs beside a guest.
#[derive(Debug, Default)]
pub struct Beside {
    cables: Mutex<Vec<Cable>>,
    gateways: Mutex<Vec<Gateway>>,
}

/// Signals that wait for a guest, if there are cables.
#[derive(Debug)]
pub struct Held(Option<Signals>);

impl Beside {
    pub(crate) fn add_cable(&mut self, cable: Cable) {
        all(&mut self.cables).push(cable);
    }

    pub(crate) fn add_gateway(&mut self, gateway: Gateway) {
        all(&mut self.gateways).push(gateway);
    }

    /// With cables, signals that would end this process wait from here on, to go to the guest: so it is called
    /// before there is one.
    ///
    /// # Errors
    /// The system refuses a descriptor.
    pub fn hold_signals(&self) -> io::Result<Held> {
        let cables = self.cables.lock().unwrap_or_else(PoisonError::into_inner);
        let signals = (!cables.is_empty()).then(Signals::hold_back).transpose()?;
        Ok(Held(signals))
    }

    /// Runs it while something is done that ends with the guest. Signals that are held go to the guest meanwhile.
    ///
    /// # Errors
    /// The system refuses a thread or a descriptor.
    pub fn run<T>(&self, held: Held, guest: pid_t, work: impl FnOnce() -> T) -> io::Result<T> {
        let mut cables = self.cables.lock().unwrap_or_else(PoisonError::into_inner);
        let Held(Some(signals)) = held else {
            return self.with_gateways(work);
        };
        // What a cable carries last is for a gateway: its thread ends first.
        self.with_gateways(|| with_cables(&mut cables, guest, &signals, work))?
    }

    fn with_gateways<T>(&self, work: impl FnOnce() -> T) -> io::Result<T> {
        let mut gateways = self.gateways.lock().unwrap_or_else(PoisonError::into_inner);
        if gateways.is_empty() {
            return Ok(work());
        }
        let end = eventfd(0, EventfdFlags::CLOEXEC)?;
        thread::scope(|scope| {
            let begun = gateways.iter_mut().try_for_each(|gateway| {
                let serve = || gateway.run(end.as_fd());
                let thread = thread::Builder::new().spawn_scoped(scope, serve);
                thread.map(|_| ())
            });
            let done = begun.map(|()| work());
            rustix::io::write(&end, &END)?;
            done
        })
    }

    /// Nothing runs.
    pub fn is_idle(&self) -> bool {
        let cables = self.cables.lock().unwrap_or_else(PoisonError::into_inner);
        let gateways = self.gateways.lock().unwrap_or_else(PoisonError::into_inner);
        cables.is_empty() && gateways.is_empty()
    }

    /// What went over the cables.
    pub fn traffic(&self) -> Vec<Traffic> {
        let cables = self.cables.lock().unwrap_or_else(PoisonError::into_inner);
        cables.iter().map(Cable::traffic).collect()
    }
}

fn with_cables<T>(
    cables: &mut [Cable],
    guest: pid_t,
    signals: &Signals,
    work: impl FnOnce() -> T,
) -> io::Result<T> {
    let end = eventfd(0, EventfdFlags::CLOEXEC)?;
    thread::scope(|scope| {
        let carry = || carry_all(cables, guest, signals, &end);
        thread::Builder::new().spawn_scoped(scope, carry)?;
        let done = work();
        rustix::io::write(&end, &END)?;
        Ok(done)
    })
}

fn all<T>(list: &mut Mutex<Vec<T>>) -> &mut Vec<T> {
    list.get_mut().unwrap_or_else(PoisonError::into_inner)
}
