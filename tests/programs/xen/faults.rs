//! Guests whose devices cannot be had, or go away: each is named on the console, the program has an error and goes on.

use std::fs::File;

use libtest_mimic::Trial;
use muslin_lab::xen::{Job, Lab};
use tempfile::TempDir;

use super::disks::compile;
use super::servers::says;
use super::{Entry, Guest, add};
use crate::failure::{Failure, Step};
use crate::same::completion;

/// The guests' program.
const IMAGE: &str = "faults";

/// The test.
pub fn trials() -> Vec<Trial> {
    vec![Trial::ignorable_test("xen::faults::xen-both", || {
        completion(faults())
    })]
}

/// A guest stands still before it begins, so that dom0 can spoil what it is going to find.
pub const BEGINNING: &str = r#"
    exec 2>/dev/console
    # made NAME: a guest that stands still.
    made() {
        xl create -q -p "$1.cfg"
        id=$(xl domid "$1")
        until console=$(xenstore read "/local/domain/$id/console/tty"); do sleep 0.1; done
        cat "$console" >"$1.log" &
    }
    # said NAME WORDS: waits for that.
    said() {
        for try in $(seq 600); do
            grep -q "$2" "$1.log" && return
            sleep 0.1
        done
        echo "$1 never said: $2"
    }
    # told NAME [COMMAND]: all that it said, by way of the command.
    told() {
        said "$1" 'exit status'
        echo "$1:"
        tr -d '\r' <"$1.log" | grep -v 'wants to reach another machine' | ${2:-cat}
        xl destroy "$1"
    }
"#;

/// What is spoiled.
const SCRIPT: &str = r#"
    made denied
    # The first who is named is the owner; what is said of it is for all others.
    for kind in vbd vif; do
        for key in $(xenstore list "/local/domain/$id/device/$kind"); do
            xenstore chmod "/local/domain/$id/device/$kind/$key/backend" n0
        done
    done
    xl unpause denied
    told denied
    echo 'max_grant_frames = 1' >>grants.cfg
    made grants
    xl unpause grants
    told grants
    made gone
    xl unpause gone
    said gone waits
    xl network-detach gone 0
    said gone vif0
    xl block-detach gone xvda
    echo >"$console"
    told gone
"#;

/// What the guests say.
const SAID: &str = "denied:
muslin: the disk xvda is lost: xenstore does not let this guest see to it
muslin: the network device vif0 is lost: xenstore does not let this guest see to it
disk: No such file or directory
network: Network unreachable
muslin: exit status 0
grants:
muslin: the disk xvda is lost: this guest has no grants or channels left
muslin: the network device vif0 is lost: this guest has no grants or channels left
disk: No such file or directory
network: Network unreachable
muslin: exit status 0
gone:
disk: read it
network: sent
waits
muslin: the network device vif0 is lost: its back end has gone away
muslin: the disk xvda is lost: its back end has gone away
disk: read I/O error
network: Network unreachable
muslin: exit status 0
";

fn faults() -> Step<()> {
    Lab::find().map_err(Failure::skip)?;
    let (scratch, mut job) = begun(SCRIPT)?;
    for (name, entry, arguments) in [
        ("denied", Entry::Pv, &[][..]),
        ("grants", Entry::Pvh, &[]),
        ("gone", Entry::Pv, &["wait"]),
    ] {
        add_guest(&mut job, &scratch, name, entry, arguments)?;
    }
    says(job, SAID)
}

/// A job whose guests' program is compiled, with a disk for them.
pub fn begun(script: &str) -> Step<(TempDir, Job)> {
    let failed = |why: std::io::Error| Failure::new(format_args!("laying out a disk: {why}"));
    let scratch = TempDir::new().map_err(failed)?;
    compile("faults.c", &scratch.path().join(IMAGE))?;
    let disk = scratch.path().join("disk");
    let file = File::create(&disk).map_err(failed)?;
    file.set_len(65_536).map_err(failed)?;
    let job = Job {
        script: format!("{BEGINNING}{script}"),
        disks: vec![disk],
        ..Job::default()
    };
    Ok((scratch, job))
}

/// Adds a guest with that disk and a network.
pub fn add_guest(
    job: &mut Job,
    scratch: &TempDir,
    name: &str,
    entry: Entry,
    arguments: &[&str],
) -> Step<()> {
    add(
        job,
        &Guest {
            name,
            entry,
            images: scratch.path(),
            image: IMAGE,
            options: &[
                "--mem=24",
                "--net=vif0=br0",
                "--env=MUSLIN_IPV4=10.0.0.2/24",
                "--env=MUSLIN_IPV6=none",
            ],
            arguments,
            initrd: None,
            disks: "\"format=raw,vdev=xvda,access=rw,target=/disks/1\"",
        },
    )
}
