//! Files and devices of guests of hvt, in the lab: the programs of `solo5` and `hostile`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use muslin_lab::{Batch, Ending, Job, Lab, Outcome};

use crate::hostile::EVERY_CALL;
use crate::lab::{directory, driver, hvt, skip, succeed, sysroot, with_strange_entry, write};
use crate::solo5::{LOOKS_AROUND, USES_A_DISK, new_disk, used_disk};

/// Far more than any program needs, even where the processor is emulated.
const LIMIT: Duration = Duration::from_secs(120);

/// Prints a file, on the lab's own Linux.
const PRINTS: &str = "#include <fcntl.h>\n#include <unistd.h>\n\
    int main(int argc, char **argv) {\n\
        static char text[1 << 16];\n\
        ssize_t count = read(open(argv[1], O_RDONLY), text, sizeof text);\n\
        return write(1, text, count) != count;\n\
    }\n";

fn make(sysroot: &Path, dir: &Path, name: &str, source: &str, options: &[&str]) {
    let file = format!("{name}.c");
    write(dir, &[(&file, source)]);
    succeed(
        driver(sysroot, dir)
            .args(["-O1", "-w", &file, "-o", name])
            .args(options),
    );
}

#[test]
fn files_and_devices_are_the_same_on_hvt() {
    const TEST: &str = "files_and_devices_are_the_same_on_hvt";
    let (Some(linux), Some(hvt)) = (sysroot(TEST), hvt(TEST)) else {
        return;
    };
    let lab = match Lab::find() {
        Ok(lab) => lab,
        Err(why) => return skip(TEST, &why),
    };
    let dir = directory("hvt_files");
    make(
        hvt,
        &dir,
        "disk_guest",
        USES_A_DISK,
        &["--device", "storage=block"],
    );
    make(linux, &dir, "prints", PRINTS, &[]);
    make(hvt, &dir, "looks", LOOKS_AROUND, &[]);
    make(hvt, &dir, "every", EVERY_CALL, &[]);
    fs::write(dir.join("disk"), new_disk()).unwrap();
    write(&dir, &[("given/etc/motto", "the tender's\n")]);
    let pack = ["-C", "given", "-cf", "whole.tar", "."];
    succeed(Command::new("tar").current_dir(&dir).args(pack));
    let whole = fs::read(dir.join("whole.tar")).unwrap();
    // In place of the one file.
    fs::write(dir.join("strange.tar"), with_strange_entry(&whole, 1024)).unwrap();

    let mut batch = Batch::default();
    for name in [
        "disk_guest",
        "prints",
        "looks",
        "every",
        "disk",
        "whole.tar",
        "strange.tar",
    ] {
        batch.files.push((name.to_owned(), dir.join(name)));
    }
    let options = [
        "--initrd",
        "whole.tar",
        "--cwd=/etc",
        "--hostname=h",
        "looks",
        "a",
    ];
    for words in [
        &[
            "muslin",
            "run",
            "--mem",
            "16",
            "--block",
            "storage=disk",
            "disk_guest",
        ][..],
        &["./prints", "disk"],
        &[&["muslin", "run", "--mem", "16"], &options[..]].concat(),
        &[
            "muslin",
            "run",
            "--mem",
            "16",
            "--initrd",
            "strange.tar",
            "looks",
        ],
        &["muslin", "run", "--mem", "64", "every"],
        &["muslin", "run", "--mem", "16", "disk_guest"],
    ] {
        batch.jobs.push(Job::new(words, LIMIT));
    }
    let outcomes = lab.run(&batch).unwrap();
    let [disk, printed, looked, strange, every, missing] = &outcomes[..] else {
        panic!("{} outcomes", outcomes.len());
    };
    check(disk, 0, "done\n");
    let differs = printed
        .output
        .iter()
        .zip(used_disk())
        .position(|(&a, b)| a != b);
    assert_eq!((printed.output.len(), differs), (used_disk().len(), None));
    check(looked, 0, "the tender's\n/etc\nh\n/looks\na\nunseen\n");
    let said = text(&strange.output);
    assert!(
        said.starts_with("muslin: initrd: an entry of an unknown kind, 'Z' (at byte 1024"),
        "{said}"
    );
    check(strange, 1, &said);
    assert_eq!(every.ending, Ending::Status(0), "{}", text(&every.output));
    assert!(text(&every.output).ends_with("55524 calls\n"));
    assert_eq!(missing.ending, Ending::Status(126));
    assert_eq!(
        text(&missing.complaints),
        "muslin: cannot run disk_guest: the image declares the block device 'storage', which is \
         not given; give it a file: --block storage=FILE\n"
    );
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn check(outcome: &Outcome, status: i32, output: &str) {
    assert_eq!(
        (outcome.ending, &*text(&outcome.output)),
        (Ending::Status(status), output),
        "{}",
        text(&outcome.complaints)
    );
}
