//! Does what a guest asks for.

use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::time::{Itimerspec, TimerfdTimerFlags, timerfd_settime};
use vm_memory::{ReadVolatile, VolatileMemoryError, WriteVolatile};

use super::hypercall::{Hypercall, Misuse, Span, Transfer, decode};
use super::ram::{Access, Ram};
use super::ring::Helper;
use crate::devices::Opened;
use crate::launch::Launch;
use crate::manifest::{Attached, Manifest};
use crate::refusal::words;
use crate::wait_set::{TIMER_NAME, WaitSet};

/// `solo5_result_t`.
pub(crate) const OK: i32 = 0;
pub(crate) const AGAIN: i32 = 1;
pub(crate) const INVALID: i32 = 2;
pub(crate) const UNSPECIFIED: i32 = 3;

const NS_PER_SECOND: u64 = 1_000_000_000;

/// What a guest's hypercalls act on.
pub(crate) struct Service<'a> {
    pub(crate) ram: &'a Ram,
    pub(crate) manifest: &'a Manifest,
    pub(crate) opened: &'a Opened,
    pub(crate) wait_set: &'a WaitSet,
    pub(crate) output: BorrowedFd<'a>,
    /// What takes its frames, if there is a ring.
    pub(crate) helper: Option<&'a Helper<'a>>,
}

/// The last call of a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Halt {
    pub(crate) status: i32,
    pub(crate) cookie: Vec<u8>,
}

impl<'a> Service<'a> {
    /// What a launched guest acts on.
    pub(crate) fn new(launch: &'a Launch<'_>, ram: &'a Ram, output: BorrowedFd<'a>) -> Self {
        Self {
            ram,
            manifest: &launch.manifest,
            opened: &launch.opened,
            wait_set: &launch.wait_set,
            output,
            helper: None,
        }
    }

    /// Does what a write to a port asks for. `Some` is the end of the guest.
    pub(crate) fn perform(&self, port: u16, data: &[u8]) -> Result<Option<Halt>, Misuse> {
        if let Some(misuse) = self.helper.and_then(Helper::misuse) {
            return Err(misuse);
        }
        let call = decode(self.ram, port, data)?;
        match call {
            Hypercall::Walltime { answer } => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                self.answer(answer, now.map_or(0, |now| now.as_nanos() as u64));
            }
            Hypercall::Puts { text } => self.puts(&call, text)?,
            Hypercall::Poll { timeout_ns, answer } => {
                let (ready, count) = self
                    .poll(timeout_ns)
                    .map_err(|error| failed(&call, &error.into()))?;
                self.answer(answer, ready);
                self.answer(answer + 8, count);
            }
            Hypercall::Block(transfer) => {
                let result = self.block(&call, &transfer)?;
                self.answer(transfer.answer, result);
            }
            Hypercall::Net(transfer) => {
                let result = self.net(&call, &transfer)?;
                self.answer(transfer.answer, result);
            }
            Hypercall::Halt { status, cookie } => {
                let cookie = match cookie {
                    None => Vec::new(),
                    Some(span) => {
                        let slice = self
                            .ram
                            .slice(span.address, span.len, Access::Read)
                            .map_err(|barred| span.barred(call.name(), "its cookie", barred))?;
                        let mut bytes = vec![0; slice.len()];
                        slice.copy_to(&mut bytes);
                        bytes
                    }
                };
                if let Some(helper) = self.helper {
                    helper.finish();
                }
                return Ok(Some(Halt { status, cookie }));
            }
        }
        Ok(None)
    }

    /// Writes a result into the structure of the call, whose place was checked when it was read.
    fn answer<T: Answer>(&self, address: u64, value: T) {
        let bytes = value.bytes();
        let bytes = bytes.as_ref();
        if let Ok(slice) = self.ram.slice(address, bytes.len() as u64, Access::Write) {
            slice.copy_from(bytes);
        }
    }

    fn puts(&self, call: &Hypercall, text: Span) -> Result<(), Misuse> {
        let slice = self
            .ram
            .slice(text.address, text.len, Access::Read)
            .map_err(|barred| text.barred(call.name(), "its text", barred))?;
        let mut output = self.output;
        output
            .write_all_volatile(&slice)
            .map_err(|error| failed(call, &as_io(error)))
    }

    /// Waits until a device is ready or the time is over. The ready handles as bits, and their
    /// number.
    fn poll(&self, timeout_ns: u64) -> Result<(u64, i32), Errno> {
        let timeout = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: Timespec {
                tv_sec: (timeout_ns / NS_PER_SECOND) as i64,
                // Zero would be no timer, and no end.
                tv_nsec: ((timeout_ns % NS_PER_SECOND) | 1) as i64,
            },
        };
        timerfd_settime(&self.wait_set.timer, TimerfdTimerFlags::empty(), &timeout)?;
        let mut events = [MaybeUninit::uninit(); 64];
        let (events, _) = loop {
            match epoll::wait(&self.wait_set.epoll, &mut events, None) {
                Err(Errno::INTR) => {}
                other => break other?,
            }
        };
        let mut ready = 0_u64;
        for event in events {
            let name = event.data.u64();
            if name != TIMER_NAME {
                ready |= 1 << (name & 63);
            }
        }
        Ok((ready, ready.count_ones() as i32))
    }

    fn block(&self, call: &Hypercall, transfer: &Transfer) -> Result<i32, Misuse> {
        let Some(attached @ Attached::Block(block)) = self.attached(transfer.handle) else {
            return Ok(INVALID);
        };
        let end = transfer.offset.checked_add(transfer.data.len);
        if end.is_none_or(|end| end > block.capacity_bytes)
            || transfer.offset >= block.capacity_bytes
        {
            return Ok(INVALID);
        }
        // A write to the device reads memory.
        let access = if transfer.is_write {
            Access::Read
        } else {
            Access::Write
        };
        let mut slice = self.data(call, transfer.data, access)?;
        let Some(mut file) = self.opened.file(attached) else {
            return Ok(INVALID);
        };
        let done = file
            .seek(SeekFrom::Start(transfer.offset))
            .map_err(VolatileMemoryError::IOError)
            .and_then(|_| {
                if transfer.is_write {
                    file.write_all_volatile(&slice)
                } else {
                    file.read_exact_volatile(&mut slice)
                }
            });
        Ok(if done.is_ok() { OK } else { UNSPECIFIED })
    }

    fn net(&self, call: &Hypercall, transfer: &Transfer) -> Result<i32, Misuse> {
        let Some(attached @ Attached::Net(_)) = self.attached(transfer.handle) else {
            return Ok(INVALID);
        };
        let access = if transfer.is_write {
            Access::Read
        } else {
            Access::Write
        };
        let mut slice = self.data(call, transfer.data, access)?;
        let Some(mut file) = self.opened.file(attached) else {
            return Ok(INVALID);
        };
        let done = if transfer.is_write {
            file.write_volatile(&slice)
        } else {
            file.read_volatile(&mut slice)
        };
        Ok(match done {
            Ok(len) if transfer.is_write => {
                if len == slice.len() {
                    OK
                } else {
                    UNSPECIFIED
                }
            }
            Ok(0) => AGAIN,
            Ok(len) => {
                self.answer(transfer.len_answer, len as u64);
                OK
            }
            Err(VolatileMemoryError::IOError(error)) if error.kind() == ErrorKind::WouldBlock => {
                AGAIN
            }
            Err(_) => UNSPECIFIED,
        })
    }

    fn attached(&self, handle: u64) -> Option<Attached> {
        self.manifest.device(handle)?.attached
    }

    fn data(
        &self,
        call: &Hypercall,
        span: Span,
        access: Access,
    ) -> Result<vm_memory::VolatileSlice<'_>, Misuse> {
        self.ram
            .slice(span.address, span.len, access)
            .map_err(|barred| span.barred(call.name(), "its data", barred))
    }
}

/// A result as it is in memory.
trait Answer {
    fn bytes(self) -> impl AsRef<[u8]>;
}

impl Answer for u64 {
    fn bytes(self) -> impl AsRef<[u8]> {
        self.to_le_bytes()
    }
}

impl Answer for i32 {
    fn bytes(self) -> impl AsRef<[u8]> {
        self.to_le_bytes()
    }
}

fn failed(call: &Hypercall, error: &io::Error) -> Misuse {
    Misuse(format!(
        "the tender cannot do its hypercall {}: {}",
        call.name(),
        words(error)
    ))
}

fn as_io(error: VolatileMemoryError) -> io::Error {
    match error {
        VolatileMemoryError::IOError(error) => error,
        other => io::Error::other(other),
    }
}
