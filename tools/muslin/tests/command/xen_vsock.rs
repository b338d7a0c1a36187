//! Streams between guests of one Xen, beside those of Linux; and what one guest can do to another by them.

use std::path::Path;

use muslin_lab::xen::Done;

use crate::lab::skip;
use crate::xen_channels::{START, TALK_TEXT, config};
use crate::xen_lab::XenLab;

/// The rounds of `xen_vsock_streams.c`: by Linux itself where this dom0 can, and by two guests; then two guests that
/// come to a third, each several times at once.
const STREAMS: &str = r#"
for module in vsock vmw_vsock_virtio_transport_common vsock_loopback; do
    [ -f "/modules/$module.ko" ] && insmod "/modules/$module.ko" 2>/dev/null
done
./streams-linux answer 9 >answer.linux &
timeout 60 ./streams-linux ask 1 9 >ask.linux
start answer
start ask
until_said ask 'exit status'
until_said answer 'exit status'
for guest in ask answer; do tr -d '\r' <"$guest.log"; done
echo "by Linux:"
cat ask.linux answer.linux
echo "three guests:"
start both
start join
start joins
for guest in both join joins; do until_said "$guest" 'exit status'; tr -d '\r' <"$guest.log"; done
"#;

/// What streams do, as the side says that asks, and the one that answers.
const ROUNDS: &str = include_str!("xen_vsock_streams.txt");

/// What the guests that come at once say.
const AT_ONCE: &str = "\
answer: came at once: 8
muslin: exit status 0
ask: came at once: 4
muslin: exit status 0
ask: came at once: 4
muslin: exit status 0
";

/// A guest serves at port 7 while another does what it can: dom0 does it in that one's name.
const HOSTILE: &str = r#"
start bad
bad=$id
start server
server=$id
until_said server 'listening at port 7'
place="/local/domain/$server/data/vsock/7"
# Writes many names where guests ask; the oldest nobody but their owner may remove.
flood() {
    form=$1
    xl pause server
    for hundred in $(seq 3); do
        set --
        for number in $(seq 100); do
            set -- "$@" "$place/$form$hundred$number" ''
        done
        xenstore write "$@"
    done
    for number in $(seq 70); do
        xenstore chmod "$place/${form}1$number" "n$bad"
    done
    xl unpause server
}
flood nonsense-
start one
until_said one 'exit status'
flood 1
start two
until_said two 'exit status'
# Who may write there may remove it, too.
xenstore rm "$place"
start three
until_said three 'exit status'
for guest in one two three; do tr -d '\r' <"$guest.log"; done
timeout 200 ./keeper "$server" "/local/domain/$server/data/vchan/0/7" 20 >keeper.log &
keeper=$!
until_said keeper none
start four
until_said four 'exit status'
tr -d '\r' <four.log
touch release
wait $keeper
cat keeper.log
tr -d '\r' <server.log | grep 'gets no'
xl destroy server
# The name is free again; or it is not, and only dom0 can do something about it.
start server
until_said server 'listening at port 7'
start five
until_said five 'exit status'
tr -d '\r' <five.log
xenstore write /rendezvous/orphan 99
xenstore chmod /rendezvous/orphan r0
start orphan
until_said orphan 'listening at port 8'
tr -d '\r' <orphan.log | grep 'cannot find'
"#;

const WITHSTOOD: &str = "\
connected with port 7
50000 of 50000 bytes came back
muslin: exit status 0
connected with port 7
50000 of 50000 bytes came back
muslin: exit status 0
connected with port 7
50000 of 50000 bytes came back
muslin: exit status 0
connected with port 7
50000 of 50000 bytes came back
muslin: exit status 0
offered some, then none
offered one again
muslin: guest 0 gets no channel at port 7 for now: it has not let go of the pages of others that are closed
connected with port 7
50000 of 50000 bytes came back
muslin: exit status 0
muslin: others cannot find this guest as orphan: a guest had the name that is no more, and dom0 must remove it below \
/rendezvous in xenstore
";

fn streams(test: &str, answer: &str, ask: &str) {
    let Some(xen) = XenLab::find(test) else {
        return;
    };
    let text = include_str!("xen_vsock_streams.c");
    let mut files = vec![
        xen.for_guests("talk", text, &["--vsock"]),
        xen.for_dom0("streams-linux", text, &[]),
    ];
    for (name, kind, words) in [
        ("answer", answer, "MUSLIN_VSOCK_NAME=answer -- answer 9"),
        ("ask", ask, "MUSLIN_VSOCK_PEERS=100=answer -- ask 100 9"),
        ("both", answer, "MUSLIN_VSOCK_NAME=both -- answer 10 2"),
        ("join", ask, "MUSLIN_VSOCK_PEERS=100=both -- join 100 10"),
        ("joins", ask, "MUSLIN_VSOCK_PEERS=100=both -- join 100 10"),
    ] {
        files.push(config(name, kind, words));
    }
    let (said, Done { log, .. }) = xen.run(format!("{START}{STREAMS}"), files, Vec::new());
    let parts = said.split_once("by Linux:\n").and_then(|(guests, rest)| {
        let (linux, three) = rest.split_once("three guests:\n")?;
        Some((guests, linux, three))
    });
    let (guests, linux, three) = parts.unwrap_or_else(|| panic!("{said}\n{log}"));
    let guests = guests.replace("muslin: exit status 0\n", "");
    assert_eq!(guests, ROUNDS, "{log}");
    assert_eq!(three, AT_ONCE, "{log}");
    match linux.contains("ask: peek\n") {
        true => assert_eq!(linux, ROUNDS),
        false => skip(
            test,
            "this lab's dom0 has no vsock_loopback: Linux was not asked",
        ),
    }
}

#[test]
fn streams_between_guests_are_those_of_linux() {
    streams("xen_vsock_streams", "pv", "pv");
}

#[test]
#[ignore = "takes a minute: `make test-long` runs it"]
fn streams_between_virtual_machines_are_those_of_linux() {
    streams("xen_vsock_streams_pvh", "pvh", "pvh");
    streams("xen_vsock_streams_mixed", "pvh", "pv");
}

#[test]
fn a_guest_cannot_shut_others_out() {
    let test = "xen_vsock_hostile";
    if !Path::new("/usr/include/libxenvchan.h").exists() {
        return skip(test, "there is no libxenvchan.h (package libxen-dev)");
    }
    let Some(xen) = XenLab::find(test) else {
        return;
    };
    let mut files = vec![
        xen.for_guests("talk", TALK_TEXT, &["--vsock"]),
        xen.for_dom0(
            "keeper",
            include_str!("xen_channel_keeper.c"),
            &["-lxenvchan", "-lxenevtchn"],
        ),
    ];
    files.push(config(
        "server",
        "pv",
        "MUSLIN_VSOCK_NAME=server -- serve 7 100",
    ));
    files.push(config("bad", "pv", "-- serve 9 1"));
    for name in ["one", "two", "three", "four", "five"] {
        let words = "MUSLIN_VSOCK_PEERS=100=server -- send 100 7 50000";
        files.push(config(name, "pv", words));
    }
    files.push(config(
        "orphan",
        "pv",
        "MUSLIN_VSOCK_NAME=orphan -- serve 8 1",
    ));
    let (said, done) = xen.run(format!("{START}{HOSTILE}"), files, Vec::new());
    assert_eq!(said, WITHSTOOD, "{}", done.log);
}

/// A guest to which another one comes until it has nothing left to be reached by.
const MANY: &str = r#"
start server
until_said server listens
start client
until_said client 'exit status'
until_said server 'exit status'
for guest in client server; do tr -d '\r' <"$guest.log" | sed "s/^/$guest: /;s/guest [0-9]* gets/a guest gets/" | uniq; done
"#;

const NOTHING_LEFT: &str = "\
client: many connected, then: Operation timed out
client: connected again
client: muslin: exit status 0
server: listens
server: muslin: a guest gets no channel at port 7 for now: this guest has no memory, grants or event channels left
server: muslin: exit status 0
";

#[test]
#[ignore = "takes half a minute: `make test-long` runs it"]
fn a_guest_without_grants_left_says_so_and_goes_on() {
    let Some(xen) = XenLab::find("xen_vsock_many") else {
        return;
    };
    let text = include_str!("xen_vsock_many.c");
    let files = vec![
        xen.for_guests("talk", text, &["--vsock"]),
        config("server", "pv", "MUSLIN_VSOCK_NAME=server -- serve 7"),
        config(
            "client",
            "pv",
            "MUSLIN_VSOCK_PEERS=100=server -- come 100 7",
        ),
    ];
    let (said, done) = xen.run(format!("{START}{MANY}"), files, Vec::new());
    assert_eq!(said, NOTHING_LEFT, "{}", done.log);
}
