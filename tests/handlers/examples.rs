//! The examples: each is built by the line that it names itself, run, and says what it is to say.

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use muslin_sysroot::Flavour;

use crate::run::Outcome;
use crate::{run, rust, sysroots};

/// An example: how it is run, and what its output must hold.
struct Example {
    name: &'static str,
    /// Files of examples/c; none: a program of examples/rust.
    sources: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
    arguments: &'static [&'static str],
    /// Standard output holds each of these.
    prints: &'static [&'static str],
    /// Standard error holds each of these; with none, it is empty.
    complains: &'static [&'static str],
    end: &'static str,
}

const PLAIN: Example = Example {
    name: "",
    sources: &[],
    environment: &[],
    arguments: &[],
    prints: &[],
    complains: &[],
    end: "status 0",
};

/// Every run happens beside a file `poem` of two lines, and `dir/inner` behind a link `link`.
const POEM: &str = "warp and weft\nover and under\n";

const C: &[Example] = &[
    Example {
        name: "static",
        sources: &["static.c"],
        prints: &[
            "my parent is process 42\n",
            "the first call of a process, was seen 1 time\n",
        ],
        ..PLAIN
    },
    Example {
        name: "chain",
        sources: &["chain.c"],
        prints: &[
            "hello from libc\nHELLO THROUGH BOTH HANDLERS\nhello through the counter alone\n",
            "hello from libc again\n60 bytes were counted\n",
        ],
        ..PLAIN
    },
    Example {
        name: "log_opens",
        sources: &["program.c", "log_opens.c"],
        arguments: &["poem", "missing"],
        prints: &["poem: 29 bytes of 29, \"warp and weft\"\nmissing: No such file"],
        complains: &[
            "open poem = 3\n",
            "open missing: No such file or directory\n",
        ],
        end: "status 1",
        ..PLAIN
    },
    Example {
        name: "deny_dir",
        sources: &["program.c", "deny_dir.c"],
        environment: &[("MUSLIN_DENY", "dir")],
        arguments: &[
            "poem",
            "dir/inner",
            "link",
            "dir/../poem",
            "dir/../dir/new",
            "dir",
        ],
        prints: &[
            "poem: 29 bytes of 29",
            "dir/inner: Permission denied\nlink: Permission denied\ndir/../poem: 29 bytes",
            "dir/../dir/new: Permission denied\ndir: Permission denied\n",
        ],
        end: "status 1",
        ..PLAIN
    },
    Example {
        name: "deny_dir_that_is_not_there",
        sources: &["program.c", "deny_dir.c"],
        environment: &[("MUSLIN_DENY", "missing")],
        complains: &["deny_dir: MUSLIN_DENY=missing: no such directory\n"],
        end: "status 1",
        ..PLAIN
    },
    Example {
        name: "virtual_file",
        sources: &["program.c", "virtual_file.c"],
        arguments: &["/virtual/hello", "poem", "/virtual/missing"],
        prints: &[
            "/virtual/hello: 54 bytes of 54, \"Nobody wrote this to a disk.\"\npoem: 29 bytes",
            "/virtual/missing: No such file",
        ],
        end: "status 1",
        ..PLAIN
    },
    Example {
        name: "count_calls",
        sources: &["program.c", "count_calls.c"],
        arguments: &["poem", "missing"],
        prints: &["poem: 29 bytes of 29"],
        complains: &[
            "% time     seconds  usecs/call     calls    errors syscall\n",
            "        2         1 open\n",
            "        1           close\n",
            "        1           arch_prctl\n",
            "        1           set_tid_address\n",
            " total\n",
        ],
        end: "status 1",
        ..PLAIN
    },
    Example {
        name: "faults",
        sources: &["program.c", "faults.c"],
        environment: &[("MUSLIN_SEED", "7")],
        arguments: &["poem", "poem", "poem", "poem"],
        prints: &["poem: "],
        complains: &["faults: of ", "; again with MUSLIN_SEED=7\n"],
        ..PLAIN
    },
];

const RUST: &[Example] = &[
    Example {
        name: "ways",
        prints: &[
            "arch_prctl was seen 1 time\nmy parent is process 42\nmy parent is process 43\n",
            "my parent is process 42\nopen 1: fine\nopen 2: fine\nopen 3: fine\nopen 4: No file",
        ],
        ..PLAIN
    },
    Example {
        name: "log_opens",
        arguments: &["poem", "missing"],
        prints: &["poem: 29 bytes\n"],
        complains: &["open poem = 3\nopen missing: ENOENT\n"],
        ..PLAIN
    },
    Example {
        name: "deny_dir",
        arguments: &["dir", "poem", "dir/inner", "link", "dir/../poem", "dir/new"],
        prints: &[
            "poem: 29 bytes\ndir/inner: Permission denied",
            "link: Permission denied",
            "dir/../poem: 29 bytes\ndir/new: Permission denied",
        ],
        ..PLAIN
    },
    Example {
        name: "virtual_file",
        prints: &[
            "/virtual/hello: 54 bytes\nNobody wrote this to a disk.\n",
            "/virtual/nothing: No such file",
        ],
        ..PLAIN
    },
    Example {
        name: "loopback_stack",
        prints: &[
            "THROUGH A STACK OF OUR OWN\nthe server took 26 bytes\n",
            "8 bytes by UDP, from the first: true\noutside: Network unreachable",
        ],
        complains: &["has no network device: ENETUNREACH"],
        ..PLAIN
    },
    Example {
        name: "count_calls",
        prints: &[", true, 14\n"],
        complains: &[
            "% time     seconds  usecs/call     calls    errors syscall\n",
            "        1         0 arch_prctl\n",
            "        4         0 clone\n",
            "        4         0 exit\n",
            "        2         1 open\n",
            " total\n",
        ],
        ..PLAIN
    },
    Example {
        name: "faults",
        environment: &[("MUSLIN_SEED", "7")],
        arguments: &["poem"],
        prints: &[
            "read_to_string: 29 of 29 bytes\n",
            "; again with MUSLIN_SEED=7\n",
        ],
        ..PLAIN
    },
];

/// The tests.
pub fn trials() -> Vec<Trial> {
    let c = C.iter().map(|example| ("c", example));
    let rust = RUST.iter().map(|example| ("rust", example));
    c.chain(rust)
        .map(|(language, example)| {
            let name = format!("examples::{language}::{}", example.name);
            Trial::test(name, move || judge(language, example))
        })
        .collect()
}

fn judge(language: &str, example: &Example) -> Result<(), Failed> {
    let dir = run::work_dir(&format!("example-{language}-{}", example.name))?;
    let image = if example.sources.is_empty() {
        rust::build("examples/rust")?.join(example.name)
    } else {
        compile(example, &dir)?
    };
    fs::write(dir.join("poem"), POEM)?;
    fs::create_dir(dir.join("dir"))?;
    fs::write(dir.join("dir/inner"), "inner\n")?;
    std::os::unix::fs::symlink("dir/inner", dir.join("link"))?;
    let run_once = || -> Result<Outcome, String> {
        let mut command = Command::new(&image);
        command
            .args(example.arguments)
            .envs(example.environment.iter().copied());
        run::run(command, &dir)
    };
    let outcome = run_once()?;
    let holds = |text: &str, wanted: &[&str]| wanted.iter().all(|words| text.contains(words));
    let is_quiet = !example.complains.is_empty() || outcome.errors.is_empty();
    if outcome.end != example.end
        || !holds(&outcome.output, example.prints)
        || !holds(&outcome.errors, example.complains)
        || !is_quiet
    {
        return Err(outcome.told().into());
    }
    // The same seed, the same faults.
    if example
        .environment
        .iter()
        .any(|(name, _)| *name == "MUSLIN_SEED")
    {
        let again = run_once()?;
        if again.output != outcome.output || again.errors != outcome.errors {
            return Err(format!("{}\nand then\n{}", outcome.told(), again.told()).into());
        }
    }
    Ok(())
}

fn compile(example: &Example, dir: &Path) -> Result<std::path::PathBuf, String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/c");
    let image = dir.join(example.name);
    let output = Command::new(sysroots::muslin()?)
        .args(["cc", "--muslin-sysroot"])
        .arg(sysroots::sysroot(Flavour::Linux)?)
        .args(["-O2", "-Wall", "-Wextra"])
        .args(example.sources.iter().map(|source| sources.join(source)))
        .arg("-o")
        .arg(&image)
        .output()
        .map_err(|error| format!("cannot run muslin cc: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() && said.is_empty() {
        Ok(image)
    } else {
        Err(format!("compiling {}:\n{said}", example.name))
    }
}
