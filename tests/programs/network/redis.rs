//! Redis's own tests and its benchmark, run by Linux against a server with the stack.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;

use libtest_mimic::Trial;

use crate::built::{self, Flavour};
use crate::failure::{Failure, Step};
use crate::stage::copy_files;

use super::http::expect;
use super::place::{GUEST, LINUX, Place, Test, World};
use super::started::Started;

const PORT: u16 = 6379;

/// What the benchmark does, and how often each.
const MEASURED: &str = "ping_inline,ping_mbulk,set,get,incr,lpush,mset";
const MEASURED_LINES: usize = 8;
const REQUESTS: usize = 16_000;

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
    let asked = Test {
        peers: &["redis"],
        body: asked,
        ..test
    };
    // On spt and on Linux tests/programs/over_a_tap.rs does the same.
    all.extend(asked.trials_of(&[World::Hvt, World::Stock], "redis"));
    all
}

/// A server replies to its client what one of Linux's replies, and bears its benchmark.
fn asked(place: &Place) -> Step<()> {
    let root = place.directory("root", &[("empty", b"")])?;
    let words = ["--port", "6379", "--protected-mode", "no", "--save", ""];
    let mut server = place.program("redis", "redis-server", &root)?;
    server.args(words).args(["--bind", &GUEST.to_string()]);
    let mut server = Started::new(server)?;
    server.until_it_listens(SocketAddr::from((GUEST, PORT)))?;
    let mut theirs = place.peer("redis", "redis-server")?;
    theirs.args(words).args(["--bind", &LINUX.to_string()]);
    let mut theirs = Started::new(theirs)?;
    theirs.until_it_listens(SocketAddr::from((LINUX, PORT)))?;

    let cli = |host: Ipv4Addr, words: &[&str], input: &[u8]| {
        let mut command = place.peer("redis", "redis-cli")?;
        command.args(["-h", &host.to_string()]).args(words);
        Started::with_input(command, input)?.finish()?.fine()
    };
    let commands = include_bytes!("../inputs/redis/commands.txt");
    expect(
        "replies",
        &cli(GUEST, &[], commands)?,
        &cli(LINUX, &[], commands)?,
    )?;
    let mut benchmark = place.peer("redis", "redis-benchmark")?;
    benchmark.args(["-h", &GUEST.to_string(), "-P", "16", "-c", "30", "--csv"]);
    benchmark.args(["-n", &place.share(REQUESTS).to_string(), "-t", MEASURED]);
    let rates = place.succeed(benchmark)?;
    eprint!("{rates}");
    if rates.lines().count() != MEASURED_LINES {
        return Err(Failure::new(format_args!("the benchmark said\n{rates}")));
    }
    cli(GUEST, &["shutdown", "nosave"], b"")?;
    server.finish()?.fine().map(drop)
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
