//! The own tests of crates that are about sockets and readiness, in a network of their own: over Linux's stack with
//! stock musl, and then over Muslin's. What fails there alone is in `net-suites.txt`, as rust_tests.rs reads it.

use std::fs;
use std::process::Command;

use libtest_mimic::Trial;

use crate::built::repository;
use crate::failure::{Failure, Step};
use crate::rust_tests::{Counts, Known, verdict};
use crate::start::without_reports;

use super::place::{Place, Test, World};

/// The recipe, and the list.
const NAME: &str = "net-suites";

/// Memory of a guest, in MiB: threads take it in the end.
const MEMORY_MIB: u32 = 512;

/// Images, and words that choose those of their tests that are about sockets.
const IMAGES: &[(&str, &[&str])] = &[
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
];

/// The tests.
pub fn trials() -> Vec<Trial> {
    let test = Test {
        programs: &[NAME],
        peers: &[NAME],
        is_long: false,
        body: suites,
    };
    test.trials_of(&[World::Spt, World::Linux], "suites")
}

fn suites(place: &Place) -> Step<()> {
    // Groups are joined on the interface to which their addresses lead.
    let mut route = place.tool("ip")?;
    route.args(["route", "add", "default", "dev", "tap7"]);
    place.succeed(route)?;
    let path = repository().join(format!("tests/programs/{NAME}.txt"));
    let text = fs::read_to_string(&path).map_err(|why| Failure::io("reading", &path, &why))?;
    let mut complaints = String::new();
    for (image, words) in IMAGES {
        if let Err(complaint) = suite(place, &text, image, words)? {
            complaints += &complaint;
        }
    }
    match complaints.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(complaints)),
    }
}

/// What is to be said against an image.
fn suite(place: &Place, text: &str, image: &str, words: &[&str]) -> Step<Result<(), String>> {
    let here = format!("{image}:{}", place.world.name());
    let known = Known::of(text, &[image, &here]);
    let root = place.directory(image, &[("tmp/empty", b"")])?;
    let mut arguments = vec!["--test-threads=1"];
    arguments.extend(words);

    let mut stock = place.peer(NAME, image)?;
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
        World::Spt => place.guest_in(MEMORY_MIB, &place.image(NAME, image)?, &root),
        _ => place.program(NAME, image, &root)?,
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
    Ok(verdict(&known, &stock, &ours, NAME).map_err(|why| format!("{image}: {why}")))
}

/// What a run of an image said of its tests.
fn counts(place: &Place, command: Command) -> Step<Counts> {
    let said = place.run(command)?;
    let heard = without_reports(&said.output);
    Counts::read(&heard).ok_or_else(|| said.failure("it did not come to the end of its tests"))
}
