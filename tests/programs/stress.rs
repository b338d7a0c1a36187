//! Threads, signals, cancellation and timers under stress, by a seed: natively, where the program must
//! hold by itself, and as a guest of spt, whose memory must not dwindle.

use std::time::{SystemTime, UNIX_EPOCH};

use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::built;
use crate::failure::{Failure, Step};
use crate::same::completion;
use crate::start::{Outcome, Start, World};

/// Names a seed that is to be run again.
const SEED: &str = "MUSLIN_SEED";

/// The tests: a few seconds with a fixed seed, and ten minutes with a new one; and that a leak is noticed.
pub fn trials() -> Vec<Trial> {
    let trial = |name: &str, world, seconds: u32, is_long| {
        Trial::ignorable_test(format!("stress::{name}"), move || {
            completion(holds(world, seconds, is_long))
        })
        .with_ignored_flag(is_long)
    };
    vec![
        trial("stock", World::Stock, 4, false),
        trial("solo5-spt", World::Spt, 8, false),
        trial("ten_minutes", World::Spt, 590, true),
        Trial::ignorable_test("stress::the_comparison_can_say_no", || {
            completion(can_say_no())
        }),
    ]
}

fn holds(world: World, seconds: u32, is_long: bool) -> Step<()> {
    let seed = match std::env::var(SEED) {
        Ok(seed) => seed,
        Err(_) if is_long => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(1, |time| time.as_secs())
            .to_string(),
        Err(_) => "1".to_owned(),
    };
    // Memory that others use, too, says nothing.
    let alone: &[&str] = match world {
        World::Stock => &[],
        _ => &["alone"],
    };
    let outcome = play(world, &seed, seconds, alone)?;
    eprint!("{}: {}", world.name(), outcome.said);
    if outcome.status == 0 && outcome.said.ends_with("everything held\n") {
        return Ok(());
    }
    Err(Failure::new(format_args!(
        "status {}; again by {SEED}={seed}:\n{}",
        outcome.status, outcome.said
    )))
}

/// What is lost is noticed.
fn can_say_no() -> Step<()> {
    let leak_bytes = "256000"; // in a thousand scenes
    let outcome = play(World::Spt, "1", 4, &["alone", leak_bytes])?;
    if outcome.status == 1 && outcome.said.ends_with(" KiB of memory are gone\n") {
        return Ok(());
    }
    Err(Failure::new(format_args!(
        "status {} in spite of a leak:\n{}",
        outcome.status, outcome.said
    )))
}

fn play(world: World, seed: &str, seconds: u32, more: &[&str]) -> Step<Outcome> {
    let image = built::program("waiting", world.flavour())?.join("stress");
    let scratch =
        TempDir::new().map_err(|why| Failure::new(format_args!("making a directory: {why}")))?;
    let start = Start {
        world,
        root: scratch.path(),
        work: "",
        memory_mib: 128,
    };
    let seconds = seconds.to_string();
    let mut words = vec![seed, seconds.as_str()];
    words.extend(more);
    start.run(&image, &words)
}
