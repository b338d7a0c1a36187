//! A Rust program over the crate `vsock`, used as it comes: one guest serves, another asks.

use libtest_mimic::Trial;
use muslin_lab::xen::{Job, Lab};

use super::servers::says;
use super::{Entry, Guest, add};
use crate::built::{self, Flavour};
use crate::failure::{Failure, Step};
use crate::same::completion;

/// The tests: one takes its time, and tries all that differ.
pub fn trials() -> Vec<Trial> {
    let test = |name, server, client| {
        Trial::ignorable_test(name, move || completion(echoes(server, client)))
            .with_ignored_flag(true)
    };
    vec![
        test("xen::vsock-crate::xen-pv", Entry::Pv, Entry::Pv),
        test("xen::vsock-crate::xen-both", Entry::Pvh, Entry::Pv),
    ]
}

const SCRIPT: &str = "
    exec 2>/dev/console
    guest server.cfg </dev/null >server.log &
    server=$!
    tries=0
    until grep -q listening server.log; do
        tries=$((tries + 1))
        if [ $tries -gt 600 ]; then echo 'never listens'; cat server.log; exit 1; fi
        sleep 0.1
    done
    guest client.cfg </dev/null
    wait $server
    cat server.log
";

const SAID: &str = "where nobody listens: Some(ConnectionReset)
all came back
muslin: exit status 0
listening at port 9
gave back 200000 bytes
gave back 200000 bytes
muslin: exit status 0
";

fn echoes(server: Entry, client: Entry) -> Step<()> {
    Lab::find().map_err(Failure::skip)?;
    let images = built::program("vsock", Flavour::Xen)?;
    let mut job = Job {
        script: SCRIPT.to_owned(),
        ..Job::default()
    };
    let named = "--env=MUSLIN_VSOCK_NAME=echoes";
    let known = "--env=MUSLIN_VSOCK_PEERS=100=echoes";
    for (name, entry, word, arguments) in [
        ("server", server, named, &["serve", "9", "2"]),
        ("client", client, known, &["ask", "100", "9"]),
    ] {
        add(
            &mut job,
            &Guest {
                name,
                entry,
                images: &images,
                image: "vsock-echo",
                options: &["--mem=64", word],
                arguments,
                initrd: None,
                disks: "",
            },
        )?;
    }
    says(job, SAID)
}
