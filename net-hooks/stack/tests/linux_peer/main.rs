//! The engine against Linux's own TCP, over a tap interface that loses, repeats, reorders, spoils and
//! delays segments. Each run is one connection that its seed describes; many run at once. What arrives
//! is compared byte by byte, and a connection that is not over in time is a failure, as is one that
//! stays behind.
//!
//! `MUSLIN_SEED=17` runs that one, `MUSLIN_SEED=17+100` a hundred from there. The faults of a run hit
//! the same segments each time; what Linux sends, and when, is its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod engine;
mod linux;
mod losses;
mod parts;
mod plan;
mod runs;
mod wire;

use std::env;
use std::process::Command;

/// Names the interface, for who is in the network.
const INTERFACE: &str = "MUSLIN_TEST_TAP";
/// 77: interfaces cannot be made here.
const NETWORK: &str = "\
    ip tuntap add tap0 mode tap && ip link set tap0 up || exit 77
    ip address add 10.77.0.1/24 dev tap0 || exit 77
    ip address add fd77::1/64 dev tap0 nodad || exit 77
    exec \"$@\"";

/// Runs as many seeds, in a network of their own.
fn run(test: &str, count: u64) {
    let text = env::var("MUSLIN_SEED").unwrap_or_else(|_| format!("1+{count}"));
    let (first, count) = text.split_once('+').unwrap_or((&text, "1"));
    let (first, count) = (first.parse().unwrap(), count.parse().unwrap());
    in_network(test, |interface| runs::all(interface, first, count));
}

/// Does something with an interface, in a network of its own.
fn in_network(test: &str, what: impl Fn(&str)) {
    if let Ok(interface) = env::var(INTERFACE) {
        return what(&interface);
    }
    let mut command = Command::new("unshare");
    command
        .args(["--map-root-user", "--net", "--", "sh", "-c", NETWORK, "sh"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", test, "--include-ignored", "--nocapture"])
        .env(INTERFACE, "tap0");
    let Ok(output) = command.output() else {
        println!("skipped: {test}: there is no unshare");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) || error.contains("unshare") {
        println!("skipped: {test}: no tap interface with IPv4 and IPv6 can be made here");
        return;
    }
    assert!(output.status.success(), "{said}{error}");
    assert!(said.contains("runs: "), "{said}{error}");
    print!("{said}");
}

#[test]
fn linux_is_the_peer() {
    run("linux_is_the_peer", 40);
}

#[test]
fn long_datagrams_and_addresses_of_others() {
    in_network("long_datagrams_and_addresses_of_others", parts::all);
}

#[test]
#[ignore = "minutes"]
fn linux_is_the_peer_a_thousand_times() {
    run("linux_is_the_peer_a_thousand_times", 1000);
}

#[test]
#[ignore = "a measurement: a table, minutes"]
fn losses_beside_linux() {
    in_network("losses_beside_linux", losses::all);
}
