//! Our numbers and layouts against the C headers of the sysroot, translated by `bindgen`.
//!
//! Runs with the feature `abi-check`, which needs libclang: `make test` sets both up.

use std::mem::{offset_of, size_of};

use muslin_abi::errno::{ERRNOS, Errno};
use muslin_abi::{SYSNO_MAX, Sysno, handler};

/// The headers as `build.rs` translated them.
#[allow(
    non_camel_case_types,
    non_upper_case_globals,
    dead_code,
    missing_docs,
    clippy::all,
    reason = "C names, as bindgen writes them"
)]
mod c {
    include!(concat!(env!("OUT_DIR"), "/abi.rs"));
}

/// Fewer would mean that the list was not read.
const SYSCALLS_MIN: usize = 350;
/// The same for errnos.
const ERRNOS_MIN: usize = 130;

#[test]
fn every_number_of_the_headers_is_a_sysno_of_the_same_name() {
    assert!(c::SYSCALLS.len() >= SYSCALLS_MIN, "{}", c::SYSCALLS.len());
    let wrong: Vec<_> = c::SYSCALLS
        .iter()
        .filter(|(name, nr)| {
            let ours = Sysno::from_name(name.trim_start_matches("SYS_"));
            ours.map(|ours| i64::from(ours.0)) != Some(*nr)
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn every_number_of_the_headers_has_a_line_and_a_place_in_the_table() {
    let without: Vec<_> = c::SYSCALLS
        .iter()
        .filter(|(_, nr)| {
            let nr = Sysno(u32::try_from(*nr).unwrap_or(u32::MAX));
            nr.index().is_none() || muslin_runtime::table::line(nr).is_none()
        })
        .collect();
    assert!(without.is_empty(), "{without:?}");
}

#[test]
fn every_errno_of_the_headers_has_our_number_and_every_errno_of_ours_theirs() {
    assert!(c::ERRNOS.len() >= ERRNOS_MIN, "{}", c::ERRNOS.len());
    let theirs = |wanted: &str| {
        let found = c::ERRNOS.iter().find(|(name, _)| *name == wanted);
        found.map(|&(_, number)| number)
    };
    for (errno, name) in ERRNOS {
        assert_eq!(theirs(name), Some(i64::from(errno.raw())), "{name}");
    }
    for (name, number) in c::ERRNOS {
        let ours = i32::try_from(*number).ok().and_then(Errno::from_raw);
        assert!(
            ours.and_then(Errno::name).is_some(),
            "{name} = {number} has no name"
        );
    }
    assert_eq!(
        theirs("EWOULDBLOCK"),
        Some(i64::from(Errno::EWOULDBLOCK.raw()))
    );
    assert_eq!(theirs("EDEADLOCK"), Some(i64::from(Errno::EDEADLOCK.raw())));
    assert_eq!(theirs("ENOTSUP"), Some(i64::from(Errno::ENOTSUP.raw())));
}

#[test]
fn a_call_lies_in_memory_as_muslin_h_says() {
    assert_eq!(size_of::<handler::Call>(), size_of::<c::muslin_call>());
    assert_eq!(
        offset_of!(handler::Call, handler),
        offset_of!(c::muslin_call, handler)
    );
    assert_eq!(
        offset_of!(handler::Call, nr),
        offset_of!(c::muslin_call, nr)
    );
    assert_eq!(
        offset_of!(handler::Call, args),
        offset_of!(c::muslin_call, args)
    );
    assert_eq!(
        offset_of!(handler::Call, state),
        offset_of!(c::muslin_call, state)
    );
}

#[test]
fn flags_are_those_of_muslin_h() {
    assert_eq!(handler::REENTRANT, c::MUSLIN_REENTRANT);
    assert_eq!(handler::OWN_STACK, c::MUSLIN_OWN_STACK);
}

#[test]
fn types_of_the_auxiliary_vector() {
    use muslin_linux::auxv;
    for (ours, theirs) in [
        (auxv::AT_HWCAP2, c::AT_HWCAP2),
        (auxv::AT_SECURE, c::AT_SECURE),
        (auxv::AT_SYSINFO_EHDR, c::AT_SYSINFO_EHDR),
    ] {
        assert_eq!(ours, theirs as usize);
    }
}

#[test]
fn the_table_has_room_for_numbers_to_come() {
    let last = c::SYSCALLS.iter().map(|&(_, nr)| nr).max();
    assert!(last.is_some_and(|last| last < SYSNO_MAX as i64), "{last:?}");
}
