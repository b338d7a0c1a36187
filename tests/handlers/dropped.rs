//! Static handlers in archives: one that the linker leaves out is told of, and so is one that would
//! be an error if the user wants it to be.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use libtest_mimic::{Failed, Trial};
use muslin_sysroot::Flavour;

use crate::{run, sysroots};

const HANDLER: &str = r#"
#include <muslin.h>
#include <sys/syscall.h>
static long answer(const struct muslin_call *call, void *context)
{
    (void)call, (void)context;
    return 4242;
}
MUSLIN_STATIC(from_an_archive, SYS_getppid, answer, 0, 0);
"#;

const PROGRAM: &str = r#"
#include <unistd.h>
int main(void)
{
    return getppid() == 4242 ? 7 : 0;
}
"#;

/// The tests.
pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("dropped::is_told", || {
            let (dir, output) = link("dropped", &["archive.a"])?;
            let said = String::from_utf8_lossy(&output.stderr);
            let is_told = said.lines().any(|line| {
                line.contains("from_an_archive")
                    && line.contains("archive.a")
                    && line.contains("dropped")
            });
            if !output.status.success() || !is_told {
                return Err(format!("no line about the handler: {said}").into());
            }
            ends(&dir, "status 0")
        }),
        Trial::test("dropped::not_with_whole_archive", || {
            let around = ["-Wl,--whole-archive", "archive.a", "-Wl,--no-whole-archive"];
            let (dir, output) = link("not-dropped", &around)?;
            let said = String::from_utf8_lossy(&output.stderr);
            if !output.status.success() || !said.is_empty() {
                return Err(format!("the link complains: {said}").into());
            }
            ends(&dir, "status 7")
        }),
    ]
}

fn link(name: &str, arguments: &[&str]) -> Result<(std::path::PathBuf, Output), Failed> {
    let dir = run::work_dir(name)?;
    fs::write(dir.join("handler.c"), HANDLER)?;
    fs::write(dir.join("program.c"), PROGRAM)?;
    cc(&dir, &["-c", "handler.c", "-o", "handler.o"])?;
    Command::new("ar")
        .args(["rcs", "archive.a", "handler.o"])
        .current_dir(&dir)
        .status()?;
    let mut all = vec!["program.c"];
    all.extend(arguments);
    all.extend(["-o", "program"]);
    let output = cc(&dir, &all)?;
    Ok((dir, output))
}

fn cc(dir: &Path, arguments: &[&str]) -> Result<Output, Failed> {
    Ok(Command::new(sysroots::muslin()?)
        .args(["cc", "--muslin-sysroot"])
        .arg(sysroots::sysroot(Flavour::Linux)?)
        .args(arguments)
        .current_dir(dir)
        .output()?)
}

fn ends(dir: &Path, end: &str) -> Result<(), Failed> {
    let outcome = run::run(Command::new(dir.join("program")), dir)?;
    if outcome.end == end {
        Ok(())
    } else {
        Err(outcome.told().into())
    }
}
