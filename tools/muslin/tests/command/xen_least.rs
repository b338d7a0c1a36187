//! The least memory of guests of Xen.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use muslin_lab::xen::{Job, Lab};

use crate::lab::{directory, driver, skip, succeed, write, xen};

/// Far more than the guests take, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(180);

/// Lines of the large file, each of this many bytes.
const LINES: usize = 30_000;
const LINE_BYTES: usize = 100;

/// The guests: the configuration's lines that differ.
const GUESTS: [(&str, &str); 5] = [
    ("pv", "type = \"pv\"\nmemory = 2\ncmdline = \"--\"\n"),
    ("pvh", "type = \"pvh\"\nmemory = 2\ncmdline = \"--\"\n"),
    // An archive of 3 MiB is one of the things that the loader maps, by two tables more. If it mapped from
    // address 0 on, this would be too little.
    (
        "pv-file",
        "type = \"pv\"\nmemory = 6\nramdisk = \"root.tar\"\ncmdline = \"-- /file\"\n",
    ),
    (
        "pvh-file",
        "type = \"pvh\"\nmemory = 6\nramdisk = \"root.tar\"\ncmdline = \"-- /file\"\n",
    ),
    // The archive is all that there is room for.
    (
        "pvh-little",
        "type = \"pvh\"\nmemory = 5\nramdisk = \"large.tar\"\ncmdline = \"-- /file\"\n",
    ),
];

const SAID: &str = "\
pv: hello
pv: muslin: exit status 0
pvh: hello
pvh: muslin: exit status 0
pv-file: the last line
pv-file: muslin: exit status 0
pvh-file: the last line
pvh-file: muslin: exit status 0
pvh-little: muslin: too little memory: give the guest more (--mem, or memory= in its configuration)
pvh-little: muslin: exit status 1
";

#[test]
fn hello_runs_in_2_mib() {
    let test = "xen_least";
    let lab = match Lab::find() {
        Ok(lab) => lab,
        Err(why) => return skip(test, &why),
    };
    let Some(sysroot) = xen(test) else {
        return;
    };
    let dir = directory(test);
    write(&dir, &[("least.c", include_str!("xen_least.c"))]);
    succeed(driver(sysroot, &dir).args(["-O2", "-s", "least.c", "-o", "image"]));
    let line = format!("{}\n", "x".repeat(LINE_BYTES - 1));
    write(&dir, &[("file", &(line.repeat(LINES) + "the last line\n"))]);
    let tar = |archive: &str, files: &[&str]| {
        let mut tar = Command::new("tar");
        succeed(tar.current_dir(&dir).args(["-cf", archive]).args(files));
    };
    tar("root.tar", &["file"]);
    // Up to the last pages, of which the loader has a few.
    let image = memory_bytes(&dir.join("image"));
    let file = fs::File::create(dir.join("padding")).unwrap();
    let root = fs::metadata(dir.join("root.tar")).unwrap().len();
    file.set_len((5 << 20) - image - root - (32 << 10)).unwrap();
    tar("large.tar", &["file", "padding"]);
    let content = |name: &str| fs::read(dir.join(name)).unwrap();
    let mut job = Job {
        limit: Some(LIMIT),
        ..Job::default()
    };
    for name in ["image", "root.tar", "large.tar"] {
        job.files.push((name.to_owned(), content(name)));
    }
    for (name, lines) in GUESTS {
        // Without the number of processors xl has no memory for the tables of a virtual machine below 18 MiB.
        let config = format!(
            "name = \"{name}\"\nkernel = \"image\"\nvcpus = 1\n{lines}\
             on_poweroff = \"preserve\"\non_crash = \"preserve\"\n"
        );
        job.files.push((format!("{name}.cfg"), config.into_bytes()));
        job.script += &format!("guest {name}.cfg </dev/null | sed 's/^/{name}: /'\n");
    }
    let mut output = Vec::new();
    let done = lab.run_for_output(&job, &mut output).unwrap();
    let said = String::from_utf8_lossy(&output).replace('\r', "");
    assert_eq!(said, SAID, "{}", done.log);
}

/// Where an image ends in memory.
fn memory_bytes(image: &Path) -> u64 {
    let output = Command::new("readelf").arg("-lW").arg(image).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let ends = text.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| u64::from_str_radix(words[at].trim_start_matches("0x"), 16).ok();
        (words.first() == Some(&"LOAD")).then(|| Some(number(2)? + number(5)?))?
    });
    ends.max().unwrap()
}
