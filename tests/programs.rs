//! Real programs, unmodified: built from their registries' sources, linked once with stock musl and
//! once through Muslin, run, and compared byte for byte; then run again under `strace`, whose count
//! of every call must equal what the table passed to the kernel.
//!
//! `cargo test --test programs`, after `make all stock`. Neighbours: the recipes and inputs in
//! `tests/programs/`, and `tools/demo.sh`, which builds by the same recipes.

#[path = "programs/alone.rs"]
mod alone;
#[path = "programs/built.rs"]
mod built;
#[path = "programs/c.rs"]
mod c;
#[path = "programs/counts.rs"]
mod counts;
#[path = "programs/failure.rs"]
mod failure;
#[path = "programs/http_client.rs"]
mod http_client;
#[path = "programs/lists.rs"]
mod lists;
#[path = "programs/machines.rs"]
mod machines;
#[path = "programs/network/mod.rs"]
mod network;
#[path = "programs/over_a_tap.rs"]
mod over_a_tap;
#[path = "programs/rust.rs"]
mod rust;
#[path = "programs/rust_tests.rs"]
mod rust_tests;
#[path = "programs/same.rs"]
mod same;
#[path = "programs/servers.rs"]
mod servers;
#[path = "programs/stage.rs"]
mod stage;
#[path = "programs/start.rs"]
mod start;
#[path = "programs/strace.rs"]
mod strace;
#[path = "programs/stress.rs"]
mod stress;
#[path = "programs/suites.rs"]
mod suites;
#[path = "programs/two_ends.rs"]
mod two_ends;
#[path = "programs/xen/mod.rs"]
mod xen;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let mut trials = c::trials();
    trials.extend(rust::trials());
    trials.extend(lists::trials());
    trials.extend(rust_tests::trials());
    trials.extend(servers::trials());
    trials.extend(over_a_tap::trials());
    trials.extend(network::trials());
    trials.extend(stress::trials());
    trials.extend(suites::trials());
    trials.extend(two_ends::trials());
    trials.extend(xen::trials());
    trials.extend(same::self_trials());
    // Who waits for the lab keeps nobody from other tests.
    trials.sort_by_key(|trial| trial.name().ends_with("::solo5-hvt"));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
