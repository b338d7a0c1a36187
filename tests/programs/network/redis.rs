//! Redis's own tests, run by Linux against a server with the stack.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;

use libtest_mimic::Trial;

use crate::built::{self, Flavour};
use crate::failure::{Failure, Step};
use crate::stage::copy_files;

use super::place::{GUEST, Place, Test};
use super::started::Started;

const PORT: u16 = 6379;

/// The files of tests that are run by `make test`.
const SHORT: &[&str] = &[
    "unit/protocol",
    "unit/type/hash",
    "unit/type/incr",
    "unit/type/string",
];
/// Those that `make test-long` runs besides. Not among them: `unit/type/list`, `unit/type/stream`,
/// `unit/type/stream-cgroups`, `unit/scripting`, `unit/other`, `unit/expire` and `unit/aofrw`, in which the server forks
/// where no mark says so; `unit/introspection`, which looks for ports that are taken where it runs itself;
/// `unit/scan`, which does not expect the limits that those of types leave behind; and those that are not for
/// servers that they did not start. All of them come behind the short ones: `unit/type/set` leaves the longest
/// value at 10 GB, and then the 2 GB that `unit/protocol` announces are taken for granted, until there is no memory.
const LONG: &[&str] = &[
    "unit/auth",
    "unit/bitfield",
    "unit/bitops",
    "unit/dump",
    "unit/functions",
    "unit/geo",
    "unit/hyperloglog",
    "unit/info",
    "unit/keyspace",
    "unit/latency-monitor",
    "unit/lazyfree",
    "unit/multi",
    "unit/pubsub",
    "unit/quit",
    "unit/replybufsize",
    "unit/slowlog",
    "unit/sort",
    "unit/tracking",
    "unit/type/set",
    "unit/type/zset",
];
/// So many pass at least; were they fewer, some would not have run.
const SHORT_PASSED: usize = 120;
const LONG_PASSED: usize = 900;

/// What a test is marked with that does not suit: where the server is one process, it can neither save in the
/// background nor start to replicate, which is the same; and minutes of tests that fill the memory.
const NOT: &str = "-needs:repl -needs:save -slow";

/// The tests.
pub fn trials() -> Vec<Trial> {
    let test = Test {
        programs: &["redis"],
        peers: &["redis", "redis-suite"],
        is_long: false,
        body: short,
    };
    let mut all = test.trials("redis_suite");
    let more = Test {
        is_long: true,
        body: long,
        ..test
    };
    all.extend(more.trials("redis_suite_long"));
    all
}

fn short(place: &Place) -> Step<()> {
    suite(place, SHORT.iter(), SHORT_PASSED)
}

fn long(place: &Place) -> Step<()> {
    suite(place, SHORT.iter().chain(LONG), LONG_PASSED)
}

fn suite<'a>(place: &Place, files: impl Iterator<Item = &'a &'a str>, least: usize) -> Step<()> {
    // The tests write beside themselves, and look for Redis's programs there.
    let dir = place.file("suite");
    let tests = built::program("redis-suite", Flavour::Stock)?.join("tests");
    copy_files(&tests, &dir.join("tests"))?;
    let (programs, link) = (built::program("redis", Flavour::Stock)?, dir.join("src"));
    symlink(programs, &link).map_err(|why| Failure::io("linking", &link, &why))?;

    let root = place.directory("root", &[("empty", b"")])?;
    let mut server = place.program("redis", "redis-server", &root)?;
    server.args([
        "--port",
        &PORT.to_string(),
        "--protected-mode",
        "no",
        "--save",
        "",
    ]);
    server.args([
        "--enable-debug-command",
        "yes",
        "--enable-protected-configs",
        "yes",
    ]);
    let mut server = Started::new(server)?;
    server.until_it_listens(SocketAddr::from((GUEST, PORT)))?;

    let mut suite = place.tool("tclsh")?;
    suite.current_dir(&dir);
    suite.args(["tests/test_helper.tcl", "--host", &GUEST.to_string()]);
    suite.args(["--port", &PORT.to_string(), "--tags", NOT]);
    suite.args(files.flat_map(|file| ["--single", file]));
    let said = Started::new(suite)?.finish_beside(&mut server)?;
    // The words have colours.
    let passed = said
        .output
        .lines()
        .filter(|line| line.contains("ok\x1b[0m]: ") || line.contains("[ok]: "))
        .count();
    eprintln!("{passed} of Redis's own tests passed");
    if said.status == Some(0)
        && passed >= least
        && said.output.contains("All tests passed without errors")
    {
        return Ok(());
    }
    let about = format!("{passed} of its tests passed, {least} should have at least");
    Err(server.end()?.failure(&said.failure(&about).to_string()))
}
