//! The process that runs a machine.

use std::fmt;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd};
use std::thread;
use std::time::Instant;

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, Signal, WaitOptions, getppid, set_parent_process_death_signal, waitpid,
};
use seccompiler::apply_filter;
use vmm_sys_util::eventfd::EventFd;

use super::boot_info::{BOOT_INFO_ADDRESS, BootInfo};
use super::filter::{self, Descriptors};
use super::machine::{End, Machine};
use super::message::{Kind, Message};
use super::ram::Ram;
use super::report;
use super::ring::{Helper, Ring};
use super::service::Service;
use super::tables;
use super::{MEMORY_MIB_MAX, MEMORY_STEP_MIB};
use crate::alarm::Alarm;
use crate::guest::{drop_habits, refused};
use crate::launch::{Launch, Outcome};
use crate::manifest::Attached;
use crate::refusal::{Refusal, words};
use crate::report::Report;
use crate::unwind::Stack;
use crate::watchdog::{Watchdog, Words, words_of};

/// How much of a stack is looked at, in bytes.
const STACK_BYTES_MAX: u64 = 0x4_0000;

/// Runs an image for hvt.
pub(crate) fn run(launch: &Launch<'_>) -> Result<Outcome, Refusal> {
    let pipe = |error: rustix::io::Errno| refused("make a pipe", &error.into());
    let (mut reader, writer) = pipe_with(PipeFlags::CLOEXEC)
        .map(|(reader, writer)| (PipeReader::from(reader), PipeWriter::from(writer)))
        .map_err(pipe)?;
    let beside = &launch.opened.beside;
    let held = beside
        .hold_signals()
        .map_err(|error| refused("hold signals back for the guest", &error))?;
    let parent = rustix::process::getpid();
    // SAFETY: the child goes on in this thread alone. It allocates, which the C library allows after
    // fork, and takes no lock of this program; it ends in _exit.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err(refused("make a process", &io::Error::last_os_error()));
    }
    if pid == 0 {
        if getppid() == Some(parent) {
            let message = start_and_serve(launch, &writer);
            let _ = (&writer).write_all(&message.to_bytes());
        }
        // SAFETY: always safe; nothing of the parent's is flushed twice.
        unsafe { libc::_exit(1) };
    }
    drop(writer);
    let mut bytes = Vec::new();
    let wait = || {
        let told = reader.read_to_end(&mut bytes);
        let status = loop {
            match waitpid(Pid::from_raw(pid), WaitOptions::empty()) {
                Err(rustix::io::Errno::INTR) => {}
                other => break other,
            }
        };
        (told, status)
    };
    let (told, status) = beside
        .run(held, pid, wait)
        .map_err(|error| refused("carry the guest's frames", &error))?;
    let status = status.map_err(|error| refused("wait for the guest", &error.into()))?;
    told.map_err(|error| refused("hear of the guest", &error))?;
    let Some(message) = Message::parse(&bytes) else {
        let signal = status.and_then(|(_, status)| status.terminating_signal());
        let signal = signal.unwrap_or(libc::SIGKILL);
        return Ok(Outcome {
            status: 128 + (signal & 0x7f) as u8,
            report: Some(Report::of_signal(signal)),
            traffic: Vec::new(),
        });
    };
    if message.kind == Kind::Refused {
        return Err(Refusal {
            what: message.what,
            remedy: message.remedy,
        });
    }
    Ok(report::outcome(&message, launch))
}

/// Starts the guest and does its hypercalls to its end.
fn start_and_serve(launch: &Launch<'_>, writer: &PipeWriter) -> Message {
    match serve(launch, writer) {
        Ok(message) => message,
        Err(refusal) => Message {
            kind: Kind::Refused,
            what: refusal.what,
            remedy: refusal.remedy,
            ..Message::default()
        },
    }
}

fn serve(launch: &Launch<'_>, writer: &PipeWriter) -> Result<Message, Refusal> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| refused("tie the guest to the tender", &error.into()))?;
    drop_habits().map_err(|problem| Refusal::new(problem, "see what this system allows"))?;
    let kick = EventFd::new(0).ok();
    let (ram, mut machine) = filled(launch, kick.as_ref())?;
    let output = io::stdout();
    let mut service = Service::new(launch, &ram, output.as_fd());
    let descriptors = Descriptors {
        processor: machine.fd(),
        message: writer.as_raw_fd(),
        epoll: launch.wait_set.epoll_fd(),
        timer: launch.wait_set.timer_fd(),
        kick: kick.as_ref().map_or(-1, AsRawFd::as_raw_fd),
    };
    // Its end would be a call that is not left then.
    let helper = ManuallyDrop::new(kick.and_then(|kick| {
        let address = ram.behind()?;
        let ring = Ring::new(&ram, address, &launch.manifest, &launch.opened)?;
        Some(Helper::new(ring, kick))
    }));
    service.helper = helper.as_ref();
    let mut watchdog = launch.patience.map(|patience| {
        (
            patience,
            Watchdog::new(&launch.image.segments, patience.time),
        )
    });
    let alarm = watchdog
        .as_ref()
        .and_then(|(_, watchdog)| Alarm::new(watchdog.period()));
    let filter =
        filter::program(&launch.manifest, &descriptors).map_err(|error| give_up(&error))?;
    let helpers_filter =
        filter::of_helper(&launch.manifest, &descriptors).map_err(|error| give_up(&error))?;
    let end = thread::scope(|scope| {
        if let Some(helper) = &*helper {
            let serve = || match apply_filter(&helpers_filter) {
                Ok(()) => helper.serve(),
                Err(error) => helper.fail(&error),
            };
            thread::Builder::new()
                .spawn_scoped(scope, serve)
                .map_err(|error| refused("make a thread for the guest's frames", &error))?;
        }
        let end = apply_filter(&filter)
            .map_err(|error| give_up(&error))
            .map(|()| {
                machine.run(&service, |machine| {
                    let Some((patience, watchdog)) = &mut watchdog else {
                        return;
                    };
                    let words =
                        |address| words_of(&ram.copy_up(address, size_of::<Words>() as u64));
                    if let Some(stuck) = watchdog.look(Instant::now(), words) {
                        let registers = report::registers_of_processor(&machine.registers());
                        (patience.tell)(&Report::of_stuck(&stuck, registers, launch));
                    }
                })
            });
        if let Some(helper) = &*helper {
            helper.end();
        }
        end
    })?;
    let message = message(&end, &machine, &ram);
    // What is still to be dropped would ask for more calls than are left.
    std::mem::forget((machine, filter, helpers_filter, alarm));
    std::mem::forget(ram);
    Ok(message)
}

/// Whether there is something to be had from a ring of frames, and an address for it.
fn has_ring(launch: &Launch<'_>) -> bool {
    let mut devices = launch.manifest.attached();
    let end = launch.all_bytes.saturating_add(MEMORY_STEP_MIB << 20);
    devices.any(|(_, attached)| matches!(attached, Attached::Net(_))) && end <= MEMORY_MIB_MAX << 20
}

/// A machine before its guest's first instruction. With `kick`, which wakes a thread for it, it gets a ring of
/// frames.
pub(super) fn filled(
    launch: &Launch<'_>,
    kick: Option<&EventFd>,
) -> Result<(Ram, Machine), Refusal> {
    let memory = |error: io::Error| {
        let mib = launch.all_bytes >> 20;
        Refusal::new(
            format_args!("cannot make {mib} MiB of guest memory: {}", words(&error)),
            "give a smaller --mem",
        )
    };
    let kick = kick.filter(|_| has_ring(launch));
    let behind_bytes = kick.map_or(0, |_| MEMORY_STEP_MIB << 20);
    let mut ram = Ram::new(launch.all_bytes, behind_bytes).map_err(memory)?;
    let machine = Machine::new(&ram)?;
    if let Some(kick) = kick {
        let refused = |error| refused("have the kernel tell of the guest's frames", &error);
        machine.kick_by(kick).map_err(refused)?;
    }
    tables::write(&ram).map_err(memory)?;
    let boot_info = BootInfo {
        memory_bytes: launch.memory_bytes,
        image_end: launch.image.end(),
        cycles_per_second: machine.cycles_per_second,
        ring: ram.behind(),
        manifest: &launch.manifest.to_bytes(),
        command_line: &launch.command_line,
    };
    ram.load(BOOT_INFO_ADDRESS, &boot_info.to_bytes())
        .map_err(memory)?;
    for segment in &launch.image.segments {
        ram.load(segment.address, segment.bytes).map_err(memory)?;
        ram.protect(segment).map_err(memory)?;
    }
    if let Some(initrd) = &launch.initrd {
        ram.map(launch.memory_bytes, initrd).map_err(|error| {
            Refusal::new(
                format_args!("cannot map the initrd: {}", words(&error)),
                "put it on another file system",
            )
        })?;
    }
    machine.start_at(launch.image.entry, launch.memory_bytes)?;
    Ok((ram, machine))
}

fn give_up(error: &dyn fmt::Display) -> Refusal {
    Refusal::new(
        format_args!("cannot give up system calls: {error}"),
        "see what this system allows",
    )
}

fn message(end: &End, machine: &Machine, ram: &Ram) -> Message {
    let stack_at = |start| Stack {
        start,
        bytes: ram.copy_up(start, STACK_BYTES_MAX),
    };
    match end {
        End::Halted(halt) => Message {
            kind: Kind::Halted,
            status: halt.status,
            cookie: halt.cookie.clone(),
            stack: report::record(&halt.cookie)
                .map(|record| stack_at(record.rsp))
                .unwrap_or_default(),
            ..Message::default()
        },
        End::Stopped(what) => {
            let r = machine.registers();
            let (fs, gs) = machine.bases();
            Message {
                kind: Kind::Stopped,
                what: what.clone(),
                registers: [
                    r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rbp, r.r8, r.r9, r.r10, r.r11,
                    r.r12, r.r13, r.r14, r.r15, r.rsp, r.rip, r.rflags, fs, gs,
                ],
                stack: stack_at(r.rsp),
                ..Message::default()
            }
        }
    }
}
