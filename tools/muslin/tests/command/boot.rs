//! What an image does before its main, counted instruction by instruction; and what the command does
//! not do before its own.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use muslin_lab::{Batch, Ending, Job, Lab};
use object::{Object, ObjectKind, ObjectSegment, ObjectSymbol};

use crate::lab::{directory, driver, hvt, skip, solo5, succeed, with, write};

const NOTHING: &str = "int main(void) { return 0; }\n";

/// Instructions that a guest of spt may execute from its entry to main.
const SPT_MAX: u64 = 10_000;

/// The same for a guest of hvt, which makes its own page tables.
const HVT_MAX: u64 = 50_000;

/// Far more than counting takes, even where the processor is emulated.
const LIMIT: Duration = Duration::from_secs(120);

/// The address of a symbol of an image.
fn address(image: &Path, name: &str) -> u64 {
    let bytes = fs::read(image).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    file.symbol_by_name(name).unwrap().address()
}

/// Instructions from the entry of an image to main, when `command` runs it.
fn count(test: &str, image: &Path, command: &mut Command) -> Option<u64> {
    let (from, to) = (address(image, "_start"), address(image, "main"));
    match muslin_steps::between(command, from, to) {
        Ok(count) => {
            println!("{test}: {count} instructions from entry to main");
            Some(count)
        }
        Err(why) => {
            skip(test, &format!("instructions cannot be counted here: {why}"));
            None
        }
    }
}

#[test]
fn a_guest_is_quick_to_reach_main() {
    let test = "boot";
    let Some(sysroot) = solo5(test) else {
        return;
    };
    let dir = directory(test);
    write(&dir, &[("hello.c", NOTHING)]);
    succeed(driver(sysroot, &dir).args(["-O2", "hello.c", "-o", "hello"]));
    let image = dir.join("hello");
    let mut guest = with(["run"]);
    guest.current_dir(&dir).arg("hello").env_clear();
    if let Some(count) = count(test, &image, &mut guest) {
        assert!(
            (100..=SPT_MAX).contains(&count),
            "{count} instructions from entry to main, at most {SPT_MAX} are wanted"
        );
    }
}

/// No guest has memory up to here.
const ABOVE_GUESTS: u64 = 1 << 46;

#[test]
fn the_command_that_is_installed_does_not_relocate_itself() {
    let test = "boot_fixed_address";
    let command = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../out/bin/muslin");
    let Ok(bytes) = fs::read(&command) else {
        skip(test, "out/bin/muslin is not built");
        return;
    };
    let file = object::File::parse(&*bytes).unwrap();
    assert_eq!(file.kind(), ObjectKind::Executable);
    assert!(file.section_by_name(".rela.dyn").is_none());
    assert!(file.segments().all(|it| it.address() >= ABOVE_GUESTS));
}

#[test]
fn a_virtual_machine_is_quick_to_reach_main() {
    let test = "boot_of_hvt";
    let Some(sysroot) = hvt(test) else {
        return;
    };
    let lab = match Lab::find() {
        Ok(lab) => lab,
        Err(why) => return skip(test, &why),
    };
    let dir = directory(test);
    write(&dir, &[("hello.c", NOTHING)]);
    succeed(driver(sysroot, &dir).args(["-O2", "hello.c", "-o", "hello"]));
    let image = dir.join("hello");
    let main = format!("{:x}", address(&image, "main"));
    let batch = Batch {
        files: vec![("hello".to_owned(), image)],
        jobs: vec![Job::new(&["muslin-lab-steps", "hello", &main], LIMIT)],
    };
    let outcomes = lab.run(&batch).unwrap();
    let [outcome] = &outcomes[..] else {
        panic!("{} outcomes", outcomes.len());
    };
    let said = String::from_utf8_lossy(&outcome.complaints);
    assert_eq!(outcome.ending, Ending::Status(0), "{said}");
    let count: u64 = String::from_utf8_lossy(&outcome.output)
        .trim()
        .parse()
        .unwrap();
    println!("{test}: {count} instructions from entry to main");
    assert!(
        (100..=HVT_MAX).contains(&count),
        "{count} instructions from entry to main, at most {HVT_MAX} are wanted"
    );
}
