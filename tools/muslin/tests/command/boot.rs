//! What an image does before its main: counted, instruction by instruction.

use std::fs;
use std::path::Path;
use std::process::Command;

use object::{Object, ObjectSymbol};

use crate::lab::{directory, driver, skip, solo5, succeed, with, write};

/// Instructions that a guest of spt may execute from its entry to main.
const SPT_MAX: u64 = 10_000;

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
    write(&dir, &[("hello.c", "int main(void) { return 0; }\n")]);
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
