//! The least memory of guests of Xen.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::lab::{refuse, succeed, with, write};
use crate::xen_lab::XenLab;

/// Lines of the large file, and of the smaller one, each of this many bytes.
const LINES: [usize; 2] = [30_000, 10_000];
const LINE_BYTES: usize = 100;

/// The guests: the configuration's lines that differ.
const GUESTS: [(&str, &str); 6] = [
    ("pv", "type = \"pv\"\nmemory = 2\ncmdline = \"--\"\n"),
    ("pvh", "type = \"pvh\"\nmemory = 2\ncmdline = \"--\"\n"),
    // An archive of 3 MiB is one of the things that the loader maps, by two tables more. If it mapped from
    // address 0 on, this would be too little.
    (
        "pv-file",
        "type = \"pv\"\nmemory = 6\nramdisk = \"root.tar\"\ncmdline = \"-- /file\"\n",
    ),
    // A larger image is mapped from address 0 on, and needs 4 MiB in any case.
    (
        "pv-large",
        "type = \"pv\"\nkernel = \"large\"\nmemory = 4\nramdisk = \"part.tar\"\ncmdline = \"-- /file\"\n",
    ),
    (
        "pvh-file",
        "type = \"pvh\"\nmemory = 6\nramdisk = \"root.tar\"\ncmdline = \"-- /file\"\n",
    ),
    // The archive is all that there is room for.
    (
        "pvh-little",
        "type = \"pvh\"\nmemory = 5\nramdisk = \"full.tar\"\ncmdline = \"-- /file\"\n",
    ),
];

const SAID: &str = "\
pv: hello
pv: muslin: exit status 0
pvh: hello
pvh: muslin: exit status 0
pv-file: the last line
pv-file: muslin: exit status 0
pv-large: the last line
pv-large: muslin: exit status 0
pvh-file: the last line
pvh-file: muslin: exit status 0
pvh-little: muslin: too little memory: give the guest more (--mem, or memory= in its configuration)
pvh-little: muslin: exit status 1
";

#[test]
fn hello_runs_in_2_mib() {
    let Some(xen) = XenLab::find("xen_least") else {
        return;
    };
    let dir = &xen.dir;
    let text = include_str!("xen_least.c");
    let mut files = vec![
        xen.for_guests("image", text, &["-s"]),
        xen.for_guests("large", text, &["-s", "-DROOM=300000"]),
    ];
    let tar = |archive: &str, files: &[&str]| {
        let mut tar = Command::new("tar");
        succeed(tar.current_dir(dir).args(["-cf", archive]).args(files));
    };
    let line = format!("{}\n", "x".repeat(LINE_BYTES - 1));
    for (archive, lines) in ["root.tar", "part.tar"].into_iter().zip(LINES) {
        write(dir, &[("file", &(line.repeat(lines) + "the last line\n"))]);
        tar(archive, &["file"]);
    }
    // Up to the last pages, of which the loader has a few.
    let image = memory_bytes(&dir.join("image"));
    let file = fs::File::create(dir.join("padding")).unwrap();
    let part = fs::metadata(dir.join("part.tar")).unwrap().len();
    file.set_len((5 << 20) - image - part - (32 << 10)).unwrap();
    tar("full.tar", &["file", "padding"]);
    files.extend(["root.tar", "part.tar", "full.tar"].map(|name| xen.file(name)));
    what_is_less_is_refused(dir);
    let mut script = String::new();
    for (name, lines) in GUESTS {
        // Without the number of processors xl has no memory for the tables of a virtual machine below 18 MiB.
        let kernel = match lines.contains("kernel") {
            true => "",
            false => "kernel = \"image\"\n",
        };
        let config = format!(
            "name = \"{name}\"\nvcpus = 1\n{kernel}{lines}\
             on_poweroff = \"preserve\"\non_crash = \"preserve\"\n"
        );
        files.push((format!("{name}.cfg"), config.into_bytes()));
        script += &format!("guest {name}.cfg </dev/null | sed 's/^/{name}: /'\n");
    }
    let (said, done) = xen.run(script, files, Vec::new());
    assert_eq!(said.replace('\r', ""), SAID, "{}", done.log);
}

/// With a MiB less than these guests have xl says no word of memory: `muslin run` does.
fn what_is_less_is_refused(dir: &Path) {
    for (kind, image, archive, least) in [
        ("pv", "image", None, 2),
        ("pv", "image", Some("root.tar"), 6),
        ("pv", "large", Some("part.tar"), 4),
        ("pvh", "image", None, 2),
        ("pvh", "image", Some("root.tar"), 5),
    ] {
        let run = |mib: u64| {
            let mut run = with(["run", "--print-config", "--xen-type", kind]);
            run.current_dir(dir).arg("--mem").arg(mib.to_string());
            run.args(archive.iter().flat_map(|name| ["--initrd", name]));
            run.arg(image);
            run
        };
        let how = match kind {
            "pv" => "paravirtualised",
            _ => "in a virtual machine",
        };
        let with = archive.map_or("", |_| " with this archive");
        let line = format!(
            "{image}{with} needs {least} MiB to be started {how}, and would have {}; give it --mem {least} or more",
            least - 1
        );
        refuse(&mut run(least - 1), 2, &line);
        assert!(succeed(&mut run(least)).contains(&format!("memory = {least}\n")));
    }
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
