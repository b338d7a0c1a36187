//! Network programs as they come, over a TAP: on one end Linux with programs of stock musl, in a network that the
//! test made for itself, on the other a program with Muslin's network stack, as a guest of spt or as a process
//! whose sockets alone are the stack's.

mod clients;
mod http;
mod iperf;
mod lab;
mod names;
mod place;
mod redis;
mod started;
mod suites;

use libtest_mimic::Trial;

/// The tests.
pub fn trials() -> Vec<Trial> {
    let mut all = http::trials();
    all.extend(clients::trials());
    all.extend(iperf::trials());
    all.extend(redis::trials());
    all.extend(names::trials());
    all.extend(suites::trials());
    all
}
