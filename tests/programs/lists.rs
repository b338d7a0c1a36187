//! Which programs are run alone, in which files, with which words.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use libtest_mimic::Trial;

use crate::alone::{Program, all, trials as in_all_worlds};
use crate::built::repository;
use crate::c::text;
use crate::failure::{Failure, Step};
use crate::rust::plant_tree;
use crate::stage::{copy_files, tool};

/// When the files of BusyBox were changed, in seconds since 1970.
const CHANGED_S: u64 = 1_700_000_000;

/// The tests.
pub fn trials() -> Vec<Trial> {
    in_all_worlds(PROGRAMS)
}

const PROGRAMS: &[Program] = &[
    Program {
        name: "alone-lua",
        recipe: "lua",
        plant: |work, _| inputs("lua", work),
        runs: &[
            &["lua", "language.lua", "one", "two words"],
            &["lua", "files.lua"],
            &["lua", "memory.lua"],
            &["lua", "-e", "error('a message')"],
            &["lua", "absent.lua"],
            &["luac", "-l", "-p", "language.lua"],
        ],
        steady: without_addresses,
        memory_mib: 512,
        is_long: false,
    },
    Program {
        name: "alone-lua-suite",
        recipe: "lua-suite",
        plant: |work, programs| {
            inputs("lua-suite", work)?;
            copy_files(&programs.join("testes"), work)
        },
        runs: &[&["lua", "-l", "prelude", "all.lua"]],
        steady: |said| {
            lines(said, |line| {
                line.starts_with("***** FILE") || line == "final OK !!!"
            })
        },
        memory_mib: 256,
        is_long: false,
    },
    Program {
        name: "alone-sqlite",
        recipe: "sqlite",
        plant: |work, _| inputs("sqlite", work),
        runs: &[
            &["sqlite3", "library.db", ".read tables.sql", ".dump"],
            &["sqlite3", "library.db", ".read search.sql"],
            &["sqlite3", "library.db", ".read wrong.sql"],
            &["sqlite3", "-json", ":memory:", "SELECT 1 AS one"],
        ],
        steady: all,
        memory_mib: 64,
        is_long: false,
    },
    // The least memory that is promised for each.
    Program {
        name: "alone-lua-small",
        recipe: "lua",
        plant: |work, _| inputs("lua", work),
        runs: &[&["lua", "files.lua"], &["luac", "-l", "-p", "language.lua"]],
        steady: without_addresses,
        memory_mib: 4,
        is_long: false,
    },
    Program {
        name: "alone-sqlite-small",
        recipe: "sqlite",
        plant: |work, _| inputs("sqlite", work),
        runs: &[
            &["sqlite3", "library.db", ".read tables.sql", ".dump"],
            &["sqlite3", "library.db", ".read search.sql"],
        ],
        steady: all,
        memory_mib: 8,
        is_long: false,
    },
    Program {
        name: "alone-speedtest1",
        recipe: "sqlite",
        plant: |_, _| Ok(()),
        runs: &[&["speedtest1", "--size", "5", "--verify", "speed.db"]],
        steady: without_durations,
        memory_mib: 64,
        is_long: false,
    },
    Program {
        name: "alone-speedtest1-whole",
        recipe: "sqlite",
        plant: |_, _| Ok(()),
        runs: &[&["speedtest1", "--verify", "speed.db"]],
        steady: without_durations,
        memory_mib: 512,
        is_long: true,
    },
    Program {
        name: "alone-zlib",
        recipe: "zlib",
        plant: |work, _| {
            write(work, "book", &text(2_000_000))?;
            write(work, "packed", &text(300_000))?;
            by_hosts(work, "gzip", &["-n", "packed"])
        },
        runs: &[
            &["example", "example.gz"],
            &["example64", "example.gz"],
            &["minigzip", "-c", "-9", "book"],
            &["minigzip", "-d", "-c", "packed.gz"],
            &["minigzip64", "-d", "packed.gz"],
        ],
        steady: all,
        memory_mib: 32,
        is_long: false,
    },
    Program {
        name: "alone-bzip2",
        recipe: "bzip2",
        plant: |work, programs| {
            write(work, "book", &text(1_500_000))?;
            for name in ["sample1.ref", "sample1.bz2", "sample2.bz2", "sample3.bz2"] {
                copy(&programs.join(name), &work.join(name))?;
            }
            Ok(())
        },
        runs: &[
            &["bzip2", "-v", "book"],
            &["bzip2", "-1", "-c", "sample1.ref"],
            &["bzip2", "-dv", "sample1.bz2"],
            &["bzip2", "-d", "-c", "sample2.bz2"],
            &["bzip2", "-ds", "-c", "sample3.bz2"],
            &["bzip2", "-tv", "sample1.bz2", "sample2.bz2", "sample3.bz2"],
            &["bzip2recover", "sample2.bz2"],
            &["bzip2", "-d", "absent.bz2"],
        ],
        steady: all,
        memory_mib: 32,
        is_long: false,
    },
    Program {
        name: "alone-busybox",
        recipe: "busybox",
        plant: plant_for_busybox,
        runs: &[
            &["busybox", "cat", "numbers", "words"],
            &["busybox", "sort", "-k2", "-r", "words"],
            &["busybox", "sort", "-n", "-u", "numbers"],
            &[
                "busybox",
                "sed",
                "-n",
                "-e",
                "s/weft/warp/p",
                "-e",
                "$p",
                "words",
            ],
            &["busybox", "sed", "-i", "1d", "words"],
            &[
                "busybox",
                "awk",
                "{ c[$1]++ } END { for (k in c) print k, c[k] }",
                "one",
            ],
            &[
                "busybox",
                "awk",
                "BEGIN { printf \"%.3f %d\\n\", exp(1), 7 / 2; exit 3 }",
            ],
            &["busybox", "grep", "-rn", "weft", "words", "dir/deep"],
            &["busybox", "grep", "-c", "nothing like this", "words"],
            &["busybox", "tar", "-cf", "-", "words", "dir/deep/leaf"],
            &["busybox", "tar", "-tvf", "packed.tar"],
            &["busybox", "tar", "-xvf", "packed.tar", "-C", "dir"],
            &["busybox", "sha256sum", "numbers", "words"],
            &["busybox", "md5sum", "-c", "absent.md5"],
            &["busybox", "ls", "-l", "-n", "numbers", "words", "dir/log"],
            &["busybox", "ls", "-R", "-1", "dir"],
            &["busybox", "find", "dir", "-name", "le*", "-type", "f"],
            &[
                "busybox", "find", "dir", "-newer", "words", "-o", "-type", "l",
            ],
            &["busybox", "head", "-n", "3", "numbers"],
            &["busybox", "tail", "-n", "2", "numbers"],
            &["busybox", "wc", "numbers", "words"],
            &["busybox", "cut", "-d", " ", "-f", "2", "words"],
            &["busybox", "tr", "a-z", "A-Z"],
            &["busybox", "uniq", "-c", "one"],
            &["busybox", "diff", "numbers", "words"],
            &["busybox", "cmp", "numbers", "numbers"],
            &["busybox", "hexdump", "-C", "one"],
            &["busybox", "od", "-A", "n", "-t", "x1", "one"],
            &["busybox", "base64", "one"],
            &["busybox", "gzip", "-c", "numbers"],
            &["busybox", "gunzip", "-c", "packed.gz"],
            &["busybox", "xxd", "-p", "one"],
            &["busybox", "cp", "-r", "dir", "copy"],
            &["busybox", "mv", "-v", "words", "dir/moved"],
            &["busybox", "rm", "-r", "-i", "dir"],
            &["busybox", "rmdir", "dir"],
            &["busybox", "mkdir", "-p", "-v", "new/er/est"],
            &["busybox", "ln", "-s", "-v", "words", "linked"],
            &["busybox", "readlink", "dir/link"],
            &[
                "busybox",
                "stat",
                "-c",
                "%n %s %a %F %h %Y %U %g",
                "words",
                "dir/log",
            ],
            &["busybox", "touch", "-d", "2024-01-02 03:04:05", "made"],
            &["busybox", "chmod", "-v", "640", "words"],
            &[
                "busybox",
                "dd",
                "if=numbers",
                "bs=100",
                "count=2",
                "status=none",
            ],
            &["busybox", "truncate", "-s", "5", "words"],
            &["busybox", "split", "-l", "100", "numbers", "part"],
            &["busybox", "seq", "1", "3", "20"],
            &["busybox", "expr", "6", "*", "7"],
            &["busybox", "factor", "360", "97"],
            &["busybox", "date", "-u", "-d", "@1700000000", "+%F %T"],
            &["busybox", "date", "-r", "words", "-u"],
            &["busybox", "cal", "2", "2024"],
            &["busybox", "env"],
            &["busybox", "printf", "%05d|%s|%x\\n", "42", "word", "255"],
            &["busybox", "test", "-L", "dir/link"],
            &["busybox", "test", "-d", "words"],
            &["busybox", "uname", "-s", "-m"],
            &["busybox", "sleep", "0.01"],
            &[
                "busybox",
                "ash",
                "-c",
                "cd dir && set -- * && echo $# $* && read x <../words; echo $x; exit 5",
            ],
            &["busybox", "ash", "script.sh", "an argument"],
            &["busybox", "vi", "--help"],
            &["busybox", "no-such-applet"],
        ],
        steady: without_own_variables,
        memory_mib: 32,
        is_long: false,
    },
    Program {
        name: "alone-ripgrep",
        recipe: "ripgrep",
        plant: |work, _| plant_tree(work),
        runs: &[
            &["rg", "-j1", "--version"],
            &["rg", "-j1", "--sort=path", "weft"],
            &[
                "rg",
                "-j1",
                "--sort=path",
                "--line-number",
                r"\bloom\d+\b",
                "a",
                "b",
            ],
            &[
                "rg",
                "-j1",
                "--sort=path",
                "--count",
                "--ignore-case",
                "MUSLIN",
            ],
            &["rg", "-j1", "--sort=path", "--files"],
            &[
                "rg",
                "-j1",
                "--sort=path",
                "--files",
                "--hidden",
                "--no-ignore",
            ],
            &[
                "rg",
                "-j1",
                "--sort=path",
                "--multiline",
                r"first\nsecond",
                "e",
            ],
            &[
                "rg",
                "-j1",
                "--sort=path",
                "--replace=<$1>",
                "--no-filename",
                r"thread-(\d)9\b",
            ],
            &["rg", "-j1", "--mmap", "weft", "a/1.txt"],
            &["rg", "-j1", "nothing like this"],
            &["rg", "-j1", "(unclosed"],
        ],
        steady: |said| lines(said, |line| !line.starts_with("simd(runtime)")),
        memory_mib: 64,
        is_long: false,
    },
    Program {
        name: "alone-std",
        recipe: "rust",
        plant: |work, _| write(work, "given.txt", &text(50_000)),
        runs: &[
            &["alone"],
            &["alone", "panic"],
            &["alone", "abort"],
            &["alone", "exit"],
            &["alone", "large"],
        ],
        steady: without_thread_numbers,
        memory_mib: 64,
        is_long: false,
    },
    // Threads find in their own order.
    Program {
        name: "alone-ripgrep-threads",
        recipe: "ripgrep",
        plant: |work, _| plant_tree(work),
        runs: &[
            &["rg", "-j4", "weft"],
            &["rg", "-j3", "--line-number", r"\bloom\d+\b"],
            &["rg", "-j8", "--files", "--hidden", "--no-ignore"],
        ],
        steady: sorted,
        memory_mib: 64,
        is_long: false,
    },
    Program {
        name: "alone-thousand",
        recipe: "waiting",
        plant: |_, _| Ok(()),
        runs: &[&["thousand"]],
        steady: all,
        memory_mib: 128,
        is_long: false,
    },
    Program {
        name: "alone-alarms",
        recipe: "lua",
        plant: |_, _| Ok(()),
        runs: &[&["alarms"]],
        steady: all,
        memory_mib: 32,
        is_long: false,
    },
    Program {
        name: "alone-rayon",
        recipe: "rust",
        plant: |_, _| Ok(()),
        runs: &[&["sort"]],
        steady: all,
        memory_mib: 128,
        is_long: false,
    },
    Program {
        name: "alone-tasks",
        recipe: "rust",
        plant: |_, _| Ok(()),
        runs: &[&["tasks"], &["tasks", "many"]],
        steady: all,
        memory_mib: 128,
        is_long: false,
    },
    Program {
        name: "alone-rusqlite",
        recipe: "rust",
        plant: |_, _| Ok(()),
        runs: &[&["sqlite", "books.db"], &["sqlite", "no/such/directory.db"]],
        steady: all,
        memory_mib: 64,
        is_long: false,
    },
];

fn inputs(name: &str, work: &Path) -> Step<()> {
    copy_files(&repository().join("tests/programs/inputs").join(name), work)
}

fn plant_for_busybox(work: &Path, _: &Path) -> Step<()> {
    let numbers: String = (1..400).map(|n| format!("{}\n", n * 37 % 251)).collect();
    write(work, "numbers", numbers.as_bytes())?;
    write(work, "words", &text(3000))?;
    write(work, "one", b"weft\nweft\nwarp\n")?;
    write(work, "script.sh", SCRIPT.as_bytes())?;
    let deep = work.join("dir/deep");
    fs::create_dir_all(&deep).map_err(|why| Failure::io("making", &deep, &why))?;
    write(work, "dir/deep/leaf", b"a leaf with weft\n")?;
    write(work, "dir/log", b"")?;
    let link = work.join("dir/link");
    symlink("../words", &link).map_err(|why| Failure::io("linking", &link, &why))?;
    by_hosts(
        work,
        "tar",
        &[
            "-cf",
            "packed.tar",
            "--format=ustar",
            "--mtime=@1600000000",
            "words",
            "dir",
        ],
    )?;
    write(work, "packed", numbers.as_bytes())?;
    by_hosts(work, "gzip", &["-n", "packed"])?;
    for name in [
        "numbers",
        "words",
        "one",
        "dir/deep/leaf",
        "dir/log",
        "dir/deep",
        "dir",
    ] {
        let path = work.join(name);
        let changed = UNIX_EPOCH + Duration::from_secs(CHANGED_S);
        File::open(&path)
            .and_then(|file| file.set_times(FileTimes::new().set_modified(changed)))
            .map_err(|why| Failure::io("dating", &path, &why))?;
    }
    Ok(())
}

/// What an ash can do without a second process.
const SCRIPT: &str = "\
count() { n=0; while read -r line; do n=$((n + 1)); done; echo \"$1: $n lines\"; }
count words <words
for name in *; do [ -d \"$name\" ] && echo \"$name is a directory\"; done
printf '%s|' \"$@\"; echo
echo appended >>words; count words <words
case $0 in *script*) echo \"a script\";; esac
trap 'echo leaving' EXIT
cd absent 2>/dev/null || echo \"no such place: $?\"
exit 9
";

fn write(work: &Path, name: &str, bytes: &[u8]) -> Step<()> {
    let path = work.join(name);
    fs::write(&path, bytes).map_err(|why| Failure::io("writing", &path, &why))
}

/// Has a tool of this machine make a file.
fn by_hosts(work: &Path, name: &str, args: &[&str]) -> Step<()> {
    let output = Command::new(tool(name))
        .args(args)
        .current_dir(work)
        .output()
        .map_err(|why| Failure::new(format_args!("running {name}: {why}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format_args!(
        "{name} {}: {said}",
        args.join(" ")
    )))
}

fn copy(from: &Path, to: &Path) -> Step<()> {
    fs::copy(from, to)
        .map(drop)
        .map_err(|why| Failure::io("copying", from, &why))
}

/// The lines that are kept.
fn lines(said: &str, keep: impl Fn(&str) -> bool) -> String {
    let kept: Vec<&str> = said.lines().filter(|line| keep(line)).collect();
    kept.join("\n")
}

/// The same lines in one order.
fn sorted(said: &str) -> String {
    let mut lines: Vec<&str> = said.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// speedtest1 ends its lines with how long something took.
fn without_durations(said: &str) -> String {
    let lines = said.lines().map(|line| match line.rsplit_once(' ') {
        Some((before, word)) if is_duration(word) => before.trim_end(),
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn is_duration(word: &str) -> bool {
    word.strip_suffix('s')
        .is_some_and(|number| number.parse::<f64>().is_ok())
}

/// luac prints where a function lies in memory.
fn without_addresses(said: &str) -> String {
    let words = said.split_inclusive([' ', '\n']);
    words
        .filter(|word| !word.starts_with("0x"))
        .collect::<String>()
}

/// A process knows by its environment how it was started.
fn without_own_variables(said: &str) -> String {
    lines(said, |line| !line.starts_with("MUSLIN_"))
}

/// A panic names its thread by its number in the system.
fn without_thread_numbers(said: &str) -> String {
    lines(said, |line| !line.starts_with("thread 'main' ("))
}
