//! Finds out by trying whether this machine can run guests.
//!
//! A /dev/kvm may be there and be of no use: some emulate the processor, and only a part of it.

use std::io;
use std::os::fd::AsFd;

use super::machine::{End, Machine};
use super::ram::Ram;
use super::service::Service;
use super::tables;
use crate::devices::Opened;
use crate::image::BASE_MIN;
use crate::manifest::Manifest;
use crate::refusal::{Refusal, words};
use crate::wait_set::WaitSet;

const MEMORY_BYTES: u64 = 2 << 20;

/// Where the arguments of the last hypercall are: zeros, which is no cookie and status 0.
const HALT_ADDRESS: u8 = 0x18;

/// Instructions that every compiler uses, and then halt.
const CODE: &[u8] = &[
    0x66,
    0x0f,
    0xef,
    0xc0, // pxor xmm0, xmm0
    0xf2,
    0x0f,
    0x58,
    0xc0, // addsd xmm0, xmm0
    0xf2,
    0x48,
    0x0f,
    0x2a,
    0xc0, // cvtsi2sd xmm0, rax
    0xd9,
    0xe8, // fld1
    0xd8,
    0xc0, // fadd st(0), st(0)
    0xdd,
    0xd8, // fstp st(0)
    0x0f,
    0xae,
    0x5c,
    0x24,
    0xf8, // stmxcsr [rsp - 8]
    0x0f,
    0xae,
    0x54,
    0x24,
    0xf8, // ldmxcsr [rsp - 8]
    0x0f,
    0x01,
    0xf9, // rdtscp
    0xb8,
    0x00,
    0x00,
    HALT_ADDRESS,
    0x00, // mov eax, 0x180000
    0xba,
    0x08,
    0x05,
    0x00,
    0x00, // mov edx, 0x508
    0xef, // out dx, eax
];

/// Runs a guest of a few instructions.
///
/// # Errors
/// Why guests for hvt do not run here.
pub fn probe() -> Result<(), Refusal> {
    let failed = |error: io::Error| {
        Refusal::new(
            format_args!("cannot make guest memory: {}", words(&error)),
            "see what this system allows",
        )
    };
    let ram = Ram::new(MEMORY_BYTES, 0).map_err(failed)?;
    tables::write(&ram).map_err(failed)?;
    ram.load(BASE_MIN, CODE).map_err(failed)?;
    let mut machine = Machine::new(&ram)?;
    machine.start_at(BASE_MIN, MEMORY_BYTES)?;
    let (manifest, opened) = (Manifest::default(), Opened::default());
    let wait_set = WaitSet::new(&manifest, &opened)?;
    let output = io::stdout();
    let service = Service {
        ram: &ram,
        manifest: &manifest,
        opened: &opened,
        wait_set: &wait_set,
        output: output.as_fd(),
        helper: None,
    };
    match machine.run(&service, |_| {}) {
        End::Halted(halt) if halt.status == 0 => Ok(()),
        End::Halted(halt) => Err(Refusal::new(
            format_args!(
                "a guest that should end with status 0 ended with {}",
                halt.status
            ),
            "use another machine",
        )),
        End::Stopped(what) => {
            let at = machine.registers().rip.wrapping_sub(BASE_MIN);
            Err(Refusal::new(
                format_args!(
                    "a guest of {} bytes stopped at byte {at}: {what}",
                    CODE.len()
                ),
                "use another machine",
            ))
        }
    }
}
