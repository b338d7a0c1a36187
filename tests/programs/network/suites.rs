//! The own tests of crates that are about sockets and readiness, in a network of their own: over Linux's stack with
//! stock musl, and then over Muslin's. What fails there alone is in the group's list, as rust_tests.rs reads it.

use std::fs;
use std::process::Command;

use libtest_mimic::Trial;

use crate::built::repository;
use crate::failure::{Failure, Step};
use crate::rust_tests::{Counts, Known, verdict};
use crate::start::without_reports;

use super::place::{Place, Test, World};

/// Images of one recipe.
struct Group {
    /// The recipe, and the list in the directory above.
    name: &'static str,
    /// Images, and words that choose those of their tests that are about sockets.
    images: &'static [(&'static str, &'static [&'static str])],
    /// Memory of a guest, in MiB: threads take it in the end, and some tests much for their bytes.
    memory_mib: u32,
}

/// What is about sockets and readiness itself.
const NET: Group = Group {
    name: "net-suites",
    images: &[
        ("async-io", &[]),
        ("mio", &[]),
        (
            "nix",
            &[
                "test_epoll",
                "test_net",
                "test_poll",
                "test_select",
                "test_sendfile",
                "test_socket",
                "test_sockopt",
            ],
        ),
        ("polling", &[]),
        ("quinn-udp", &[]),
        ("quinn-udp-inside", &[]),
    ],
    memory_mib: 512,
};

/// Servers and clients above that.
const SERVERS: Group = Group {
    name: "server-suites",
    images: &[
        ("async-std", &["addr::", "tcp::", "udp::", "uds::"]),
        ("hyper-util", &[]),
        ("hyper-util-inside", &[]),
        ("socket2-inside", &[]),
        // Those of its promptness look at the time.
        (
            "tiny_http",
            &[
                "input_tests",
                "network",
                "buffering",
                "simple_test",
                "unblock_test",
                "unix_test",
            ],
        ),
    ],
    memory_mib: 1024,
};

/// The tests; the servers' crates take minutes to be compiled.
pub fn trials() -> Vec<Trial> {
    let net = Test {
        programs: &[NET.name],
        peers: &[NET.name],
        is_long: false,
        body: |place| suites(place, &NET),
    };
    let servers = Test {
        programs: &[SERVERS.name],
        peers: &[SERVERS.name],
        is_long: true,
        body: |place| suites(place, &SERVERS),
    };
    let mut all = net.trials_of(&[World::Spt, World::Linux], "suites");
    all.extend(servers.trials_of(&[World::Spt, World::Linux], "server_suites"));
    all
}

fn suites(place: &Place, group: &Group) -> Step<()> {
    // Groups are joined on the interface to which their addresses lead.
    let mut route = place.tool("ip")?;
    route.args(["route", "add", "default", "dev", "tap7"]);
    place.succeed(route)?;
    let path = repository().join(format!("tests/programs/{}.txt", group.name));
    let text = fs::read_to_string(&path).map_err(|why| Failure::io("reading", &path, &why))?;
    let mut complaints = String::new();
    for (image, words) in group.images {
        if let Err(complaint) = suite(place, group, &text, image, words)? {
            complaints += &complaint;
        }
    }
    match complaints.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(complaints)),
    }
}

/// What is to be said against an image.
fn suite(
    place: &Place,
    group: &Group,
    text: &str,
    image: &str,
    words: &[&str],
) -> Step<Result<(), String>> {
    let here = format!("{image}:{}", place.world.name());
    let known = Known::of(text, &[image, &here]);
    let root = place.directory(image, &[("tmp/empty", b"")])?;
    let mut arguments = vec!["--test-threads=1"];
    arguments.extend(words);

    let mut stock = place.peer(group.name, image)?;
    stock.args(&arguments).current_dir(&root);
    let stock = counts(place, stock)?;

    let mut skipped = vec!["--exact"];
    skipped.extend(
        known
            .endless
            .iter()
            .flat_map(|test| ["--skip", test.as_str()]),
    );
    let mut ours = match place.world {
        World::Spt => place.guest_in(group.memory_mib, &place.image(group.name, image)?, &root),
        _ => place.program(group.name, image, &root)?,
    };
    ours.args(&arguments);
    if !known.endless.is_empty() {
        ours.args(skipped);
    }
    let ours = counts(place, ours)?;
    eprintln!(
        "{image}: over Linux's stack {stock}; on {} {ours}{}",
        place.world.name(),
        known.reasons()
    );
    Ok(verdict(&known, &stock, &ours, group.name).map_err(|why| format!("{image}: {why}")))
}

/// What a run of an image said of its tests.
fn counts(place: &Place, command: Command) -> Step<Counts> {
    let said = place.run(command)?;
    let heard = without_reports(&said.output);
    Counts::read(&heard).ok_or_else(|| said.failure("it did not come to the end of its tests"))
}
