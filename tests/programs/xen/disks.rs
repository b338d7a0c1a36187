//! A guest's disks: what is written is read, what was made durable outlasts `xl destroy`, what cannot be done is an
//! error.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use libtest_mimic::Trial;
use muslin_lab::xen::{Job, Lab};
use tempfile::TempDir;

use super::{Entry, Guest, add, run};
use crate::built::{Flavour, repository};
use crate::failure::{Failure, Step};
use crate::same::completion;

/// Bytes of what the guest makes durable, and where.
const PIECE_BYTES: usize = 1 << 20;
const PIECE_AT: u64 = 4096;

/// The tests: a short one, and the same with more to move.
pub fn trials() -> Vec<Trial> {
    let of_entry = |entry: Entry| {
        let name = |test: &str| format!("xen::{test}::xen-{}", entry.name());
        let short = Trial::ignorable_test(name("disks"), move || completion(disks(entry, 8)));
        let long =
            Trial::ignorable_test(name("disks-200-mib"), move || completion(disks(entry, 200)));
        [short, long.with_ignored_flag(true)]
    };
    [Entry::Pv, Entry::Pvh]
        .into_iter()
        .flat_map(of_entry)
        .collect()
}

const SCRIPT: &str = "
    # heard WORDS: waits until the guest has said them.
    heard() {
        tries=0
        until grep -q \"$1\" log 2>/dev/null; do
            tries=$((tries + 1))
            if [ $tries -gt 600 ]; then echo \"$1: never said\"; cat log; exit 1; fi
            sleep 0.1
        done
    }
    for work in through rules; do
        guest $work.cfg </dev/null 2>/dev/console
    done
    # begin NAME: a guest whose console is heard while it runs.
    begin() {
        xl create -q -p $1.cfg 2>/dev/console
        cat $(xenstore read /local/domain/$(xl domid $1)/console/tty) >log 2>/dev/null &
        console=$!
        xl unpause $1
    }
    begin flushed
    heard durable
    xl destroy flushed
    kill $console 2>/dev/null
    begin until-gone
    heard reading
    xl block-detach until-gone xvda
    heard 'exit status'
    xl destroy until-gone
    cat log
";

fn disks(entry: Entry, mib: u64) -> Step<()> {
    Lab::find().map_err(Failure::skip)?;
    let failed = |why: std::io::Error| Failure::new(format_args!("laying out disks: {why}"));
    let scratch = TempDir::new().map_err(failed)?;
    let place = |name: &str| scratch.path().join(name);
    compile("disk.c", &place("disk"))?;
    let first = File::create(place("first")).map_err(failed)?;
    first.set_len((mib + 1) << 20).map_err(failed)?;
    let mut second = File::create(place("second")).map_err(failed)?;
    second.write_all(&[7; 65_536]).map_err(failed)?;
    let mut job = Job {
        script: SCRIPT.to_owned(),
        disks: vec![place("first"), place("second")],
        ..Job::default()
    };
    let count = mib.to_string();
    for work in ["through", "rules", "flushed", "until-gone"] {
        add(
            &mut job,
            &Guest {
                name: work,
                entry,
                images: scratch.path(),
                image: "disk",
                options: &["--mem=16"],
                arguments: &[work, &count],
                initrd: None,
                disks: "\"format=raw,vdev=xvda,access=rw,target=/disks/1\", \
                    \"format=raw,vdev=xvdb,access=r,target=/disks/2\"",
            },
        )?;
    }
    let said = run(job)?;
    let said = String::from_utf8_lossy(&said);
    let expected = format!(
        "{mib} MiB the same\nmuslin: exit status 0\n\
         read-only 0, sectors of 512\ndiscard: done\nwithin a sector: Invalid argument\n\
         the other read-only 1, read 4096, write -1, Operation not permitted\nmuslin: exit status 0\n\
         reading\nmuslin: the disk xvda is lost: its back end has gone away\n\
         after some reads: I/O error, again: I/O error, write: I/O error\nmuslin: exit status 0\n"
    );
    if said != expected {
        return Err(Failure::new(format_args!(
            "the guests said\n{said}--- and not\n{expected}"
        )));
    }
    is_durable(&place("first"))
}

/// Compiles one of the programs beside this file for Xen.
pub fn compile(source: &str, image: &Path) -> Step<()> {
    let source = repository().join("tests/programs/xen").join(source);
    let compiled = Command::new(Flavour::Xen.sysroot().join("bin/muslin-cc"))
        .arg("-O2")
        .arg(&source)
        .arg("-o")
        .arg(image)
        .status();
    if !compiled.is_ok_and(|status| status.success()) {
        return Err(Failure::new(format_args!(
            "{} does not compile",
            source.display()
        )));
    }
    Ok(())
}

/// Is what the guest had flushed before it was destroyed on the disk?
fn is_durable(disk: &Path) -> Step<()> {
    let failed = |why: std::io::Error| Failure::io("reading", disk, &why);
    let mut found = vec![0; PIECE_BYTES];
    let file = fs::File::open(disk).map_err(failed)?;
    file.read_exact_at(&mut found, PIECE_AT).map_err(failed)?;
    // As disk.c makes it.
    let mut word = 77_u32.wrapping_mul(2_654_435_761).wrapping_add(1);
    for bytes in found.chunks(4) {
        word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if bytes != word.to_le_bytes() {
            return Err(Failure::new("what was flushed is not on the disk"));
        }
    }
    Ok(())
}
