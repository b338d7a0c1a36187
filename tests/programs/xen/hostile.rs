//! Guests whose disk and network are a program of dom0's that breaks the rules of rings: each rule has a line on the
//! console, the program an error, and it goes on.

use std::fs;
use std::process::Command;

use libtest_mimic::Trial;
use muslin_lab::xen::Lab;
use tempfile::TempDir;

use super::Entry;
use super::faults::{add_guest, begun};
use super::servers::says;
use crate::built::repository;
use crate::failure::{Failure, Step};
use crate::same::completion;

/// The test.
pub fn trials() -> Vec<Trial> {
    vec![Trial::ignorable_test("xen::hostile::xen-both", || {
        completion(hostile())
    })]
}

/// The guests: the entry, and which rules their disk and their network break.
const GUESTS: [(&str, Entry, &str, &str); 4] = [
    ("one", Entry::Pv, "disk-count", "in-count"),
    ("two", Entry::Pvh, "disk-id", "in-length"),
    ("three", Entry::Pv, "disk-id", "out-id"),
    ("four", Entry::Pvh, "disk-count", "in-id"),
];

/// The devices of a guest that stands still are said to be somewhere else than they are.
const SCRIPT: &str = r#"
    chmod +x hostile
    # is NODE VALUE: waits for that.
    is() {
        for try in $(seq 600); do
            [ "$(xenstore read "$1")" = "$2" ] && return
            sleep 0.1
        done
        echo "$1 never was $2"
    }
    # moved KIND NUMBER: has the device's back end here, where nobody but this script serves it.
    moved() {
        back="/local/domain/0/hostile/$id/$1"
        front="/local/domain/$id/device/$1/$2"
        xenstore write "$back" ''
        xenstore chmod "$back" n0 "r$id"
        xenstore write "$back/state" 2 "$back/sectors" 128 "$back/sector-size" 512 "$back/info" 0
        # Who serves it would go on.
        xenstore rm "$(xenstore read "$front/backend")"
        xenstore write "$front/backend" "$back"
    }
    # serves KIND NUMBER STATE RULE RINGS: once the guest has said which they are.
    serves() {
        back="/local/domain/0/hostile/$id/$1"
        front="/local/domain/$id/device/$1/$2"
        rule=$4
        is "$front/state" "$3"
        shift 4
        port=$(xenstore read "$front/event-channel")
        for ring in "$@"; do
            set -- "$@" "$(xenstore read "$front/$ring")"
            shift
        done
        ./hostile "$rule" "$id" "$port" "$@" &
        xenstore write "$back/state" 4
    }
    # meets NAME RULE RULE
    meets() {
        made "$1"
        moved vbd 51712
        moved vif 0
        xl unpause "$1"
        serves vif 0 4 "$3" tx-ring-ref rx-ring-ref &
        serves vbd 51712 3 "$2" ring-ref &
        for words in 'xvda is lost' 'vif0 is lost' waits; do said "$1" "$words"; done
        echo >"$console"
        told "$1" lines
    }
    # What is sent first may be in time.
    lines() {
        grep -v 'network: sent' | sort -u
    }
"#;

/// What the guests say, in the order of letters.
const SAID: &str = "one:
disk: read I/O error
muslin: exit status 0
muslin: the disk xvda is lost: its back end answers more than it was asked
muslin: the network device vif0 is lost: its back end answers more than it was asked
network: Network unreachable
waits
two:
disk: read I/O error
muslin: exit status 0
muslin: the disk xvda is lost: its back end answers what it was not asked
muslin: the network device vif0 is lost: its back end says more than there is room for
network: Network unreachable
waits
three:
disk: read I/O error
muslin: exit status 0
muslin: the disk xvda is lost: its back end answers what it was not asked
muslin: the network device vif0 is lost: its back end answers what it was not asked
network: Network unreachable
waits
four:
disk: read I/O error
muslin: exit status 0
muslin: the disk xvda is lost: its back end answers more than it was asked
muslin: the network device vif0 is lost: its back end answers what it was not asked
network: Network unreachable
waits
";

fn hostile() -> Step<()> {
    Lab::find().map_err(Failure::skip)?;
    let (scratch, mut job) = begun(SCRIPT)?;
    job.files.push(("hostile".to_owned(), back_end(&scratch)?));
    for (name, entry, of_disk, of_network) in GUESTS {
        job.script += &format!("meets {name} {of_disk} {of_network}\n");
        add_guest(&mut job, &scratch, name, entry, &["wait"])?;
    }
    says(job, SAID)
}

/// The program of dom0's.
fn back_end(scratch: &TempDir) -> Step<Vec<u8>> {
    let program = scratch.path().join("hostile");
    let compiled = Command::new("gcc")
        .args(["-O2", "-o"])
        .arg(&program)
        .arg(repository().join("tests/programs/xen/hostile.c"))
        .status();
    if !compiled.is_ok_and(|status| status.success()) {
        return Err(Failure::new("hostile.c does not compile"));
    }
    fs::read(&program).map_err(|why| Failure::io("reading", &program, &why))
}
