//! The virtual machine, by KVM.

use std::io;
use std::os::fd::AsRawFd;

use kvm_bindings::{
    KVM_GUESTDBG_ENABLE, KVM_GUESTDBG_SINGLESTEP, KVM_MAX_CPUID_ENTRIES, kvm_guest_debug, kvm_regs,
    kvm_userspace_memory_region,
};
use kvm_ioctls::{Cap, Error, IoEventAddress, Kvm, VcpuExit, VcpuFd, VmFd};
use rustix::io::Errno;
use vmm_sys_util::eventfd::EventFd;

use super::ram::Ram;
use super::ring;
use super::service::{Halt, Service};
use super::tables;
use crate::refusal::{Refusal, words};

/// The version of KVM's interface, which has not changed since 2007.
const KVM_API_VERSION: i32 = 12;

const NEEDS_KVM: &str = "run it where this user may use /dev/kvm, or in QEMU with such a system";

/// A machine with one processor, ready to run.
pub(crate) struct Machine {
    processor: VcpuFd,
    /// Counts of the processor's clock in a second.
    pub(crate) cycles_per_second: u64,
    machine: VmFd,
    // The kernel does not need it any more, but it ends with the machine.
    _kvm: Kvm,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The guest said so.
    Halted(Halt),
    /// It did what it cannot; in words.
    Stopped(String),
}

/// Why a guest pauses.
enum Pause {
    /// A hypercall, which is done.
    Hypercall,
    /// It has made one step, to this instruction.
    Step(u64),
    /// The kernel wanted to look at something.
    Nothing,
}

impl Machine {
    /// Makes a machine around guest memory.
    pub(crate) fn new(ram: &Ram) -> Result<Self, Refusal> {
        let kvm = Kvm::new().map_err(|error| refused("open /dev/kvm", &as_io(error)))?;
        if kvm.get_api_version() != KVM_API_VERSION {
            return Err(Refusal::new(
                format_args!("KVM here has version {}", kvm.get_api_version()),
                NEEDS_KVM,
            ));
        }
        Self::make(kvm, ram).map_err(|error| refused("make a virtual machine", &error))
    }

    #[allow(unsafe_code, reason = "the kernel is told where guest memory is")]
    fn make(kvm: Kvm, ram: &Ram) -> io::Result<Self> {
        let machine = kvm.create_vm().map_err(as_io)?;
        let region = kvm_userspace_memory_region {
            slot: 0,
            flags: 0,
            guest_phys_addr: 0,
            memory_size: ram.bytes(),
            userspace_addr: ram.host_address()?,
        };
        // SAFETY: the memory is mapped as long as `ram` lives; its owner runs the machine, and runs
        // it no more after that. The tender touches guest memory by volatile accesses only.
        unsafe { machine.set_user_memory_region(region) }.map_err(as_io)?;
        let processor = machine.create_vcpu(0).map_err(as_io)?;
        let features = kvm
            .get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)
            .map_err(as_io)?;
        processor.set_cpuid2(&features).map_err(as_io)?;
        processor
            .set_sregs(&tables::special_registers())
            .map_err(as_io)?;
        if !kvm.check_extension(Cap::GetTscKhz) {
            return Err(io::Error::other("KVM does not tell how fast the clock is"));
        }
        let cycles_per_second = u64::from(processor.get_tsc_khz().map_err(as_io)?) * 1000;
        Ok(Self {
            processor,
            cycles_per_second,
            machine,
            _kvm: kvm,
        })
    }

    /// Has the kernel itself wake a thread when the guest tells of entries in its ring.
    pub(crate) fn kick_by(&self, event: &EventFd) -> io::Result<()> {
        let place = IoEventAddress::Pio(ring::KICK_PORT);
        self.machine
            .register_ioevent(event, &place, ring::KICK)
            .map_err(as_io)
    }

    /// The processor's descriptor, by which the machine runs.
    pub(crate) fn fd(&self) -> i32 {
        self.processor.as_raw_fd()
    }

    /// Sets the processor to the first instruction.
    pub(crate) fn start_at(&self, entry: u64, memory_bytes: u64) -> Result<(), Refusal> {
        self.processor
            .set_regs(&tables::registers(entry, memory_bytes))
            .map_err(|error| refused("start the virtual machine", &as_io(error)))
    }

    /// Runs the guest to its end. `on_signal` is called when a signal interrupts it.
    pub(crate) fn run(&mut self, service: &Service<'_>, mut on_signal: impl FnMut(&Self)) -> End {
        loop {
            match self.go_on(service) {
                Ok(Pause::Nothing) => on_signal(self),
                Ok(_) => {}
                Err(end) => return end,
            }
        }
    }

    /// Runs the guest until it comes to an address; how many instructions that took. `Err`: its end
    /// came first.
    pub(crate) fn run_to(&mut self, address: u64, service: &Service<'_>) -> Result<u64, End> {
        let by_steps = kvm_guest_debug {
            control: KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
            ..Default::default()
        };
        let mut count = 0;
        loop {
            // Each time: the kernel forgets it where it executes the instruction itself.
            self.processor.set_guest_debug(&by_steps).map_err(|error| {
                End::Stopped(format!("KVM cannot go by steps: {}", words(&as_io(error))))
            })?;
            if let Pause::Step(at) = self.go_on(service)? {
                count += 1;
                if at == address {
                    return Ok(count);
                }
            }
        }
    }

    /// Runs the guest until something is to be done for it, and does it. `Err`: its end.
    fn go_on(&mut self, service: &Service<'_>) -> Result<Pause, End> {
        let what = match self.processor.run() {
            Ok(VcpuExit::IoOut(port, data)) => match service.perform(port, data) {
                Ok(None) => return Ok(Pause::Hypercall),
                Ok(Some(halt)) => return Err(End::Halted(halt)),
                Err(misuse) => misuse.0,
            },
            Ok(VcpuExit::Debug(place)) => return Ok(Pause::Step(place.pc)),
            Ok(exit) => in_words(&exit, service.ram.own_bytes()),
            Err(error) if error.errno() == Errno::INTR.raw_os_error() => return Ok(Pause::Nothing),
            Err(error) if error.errno() == Errno::AGAIN.raw_os_error() => {
                return Ok(Pause::Nothing);
            }
            Err(error) if error.errno() == Errno::FAULT.raw_os_error() => {
                "host/guest translation fault, a write to memory that its image protects".to_owned()
            }
            Err(error) => format!("KVM cannot run it: {}", words(&as_io(error))),
        };
        Err(End::Stopped(what))
    }

    /// Where the processor is.
    pub(crate) fn registers(&self) -> kvm_regs {
        self.processor.get_regs().unwrap_or_default()
    }

    /// The base of fs, which is the thread pointer, and that of gs.
    pub(crate) fn bases(&self) -> (u64, u64) {
        let registers = self.processor.get_sregs().unwrap_or_default();
        (registers.fs.base, registers.gs.base)
    }
}

fn in_words(exit: &VcpuExit<'_>, memory_bytes: u64) -> String {
    match exit {
        VcpuExit::Hlt => "hlt, by which a program gives up".to_owned(),
        VcpuExit::Shutdown => {
            "triple fault, an exception for which the guest has no handler".to_owned()
        }
        VcpuExit::IoIn(port, _) => format!("it read port {port:#x}, where nothing is"),
        VcpuExit::MmioRead(address, _) | VcpuExit::MmioWrite(address, _) => format!(
            "access to {address:#x}, above the {} MiB of memory",
            memory_bytes >> 20
        ),
        VcpuExit::MemoryFault { gpa, .. } => {
            format!("host/guest translation fault, a write to {gpa:#x}, which its image protects")
        }
        VcpuExit::InternalError => {
            "the KVM of this machine cannot run this instruction; it emulates processors, and not \
             all of one"
                .to_owned()
        }
        VcpuExit::FailEntry(reason, _) => {
            format!("the processor does not take the guest's state ({reason:#x})")
        }
        other => format!("KVM gave it back with {other:?}"),
    }
}

fn refused(what: &str, error: &io::Error) -> Refusal {
    Refusal::new(format_args!("cannot {what}: {}", words(error)), NEEDS_KVM)
}

fn as_io(error: Error) -> io::Error {
    io::Error::from_raw_os_error(error.errno())
}
