//! Guests of one Xen that talk to each other and to a program of dom0's, by channels.

use std::path::Path;
use std::process::Command;

use crate::lab::{directory, driver, has, refuse, skip, succeed, sysroot, write, xen};
use crate::xen_lab::XenLab;

/// The example of guests that talk.
pub const TALK_TEXT: &str = include_str!("../../../../examples/xen/talk.c");

/// Starts a guest whose console goes to a file, and says its number.
pub const START: &str = r#"
start() {
    xl create -q -p "$1.cfg" >&2
    id=$(xl domid "$1")
    cat "$(xenstore read "/local/domain/$id/console/tty")" >"$1.log" 2>/dev/null &
    xl unpause "$id"
}
# Waits for a line of a guest's.
until_said() {
    for try in $(seq 300); do
        grep -q "$2" "$1.log" && return
        sleep 0.1
    done
    echo "$1 did not say: $2"
    cat "$1.log"
    exit 1
}
"#;

/// What is done once a guest serves.
const TALK: &str = r#"
start calls
start server
server=$id
until_said server 'listening at port 7'
start one
start two
until_said calls 'exit status'
until_said one 'exit status'
until_said two 'exit status'
echo "dom0 comes:"
timeout 60 ./channel client "$server" "/local/domain/$server/data/vchan/0/7" 100000
timeout 60 ./channel client "$server" "/local/domain/$server/data/vchan/0/7" 50000
echo "dom0 serves:"
start outward
timeout 60 ./channel server "$id" "/local/domain/0/data/vchan/$id/8" 500
until_said outward 'exit status'
echo "a guest is destroyed that nobody waits for:"
start waiter
until_said waiter connected
xl destroy waiter
until_said server 'guest [0-9]* sent 0 bytes: Connection reset'
echo "a guest waits for one that is destroyed:"
start waiter
until_said waiter connected
xl destroy server
until_said waiter 'exit status'
for guest in calls one two outward waiter; do
    sed "s/^/$guest: /" "$guest.log" | tr -d '\r'
done
tr -d '\r' <server.log | sed 's/^guest [0-9]* /a guest /' | sort
xl list | sed -n 's/ .*//p'
"#;

/// What comes of it.
const SAID: &str = "\
dom0 comes:
100000 bytes came back
50000 bytes came back
dom0 serves:
the end after 30000 bytes
a guest is destroyed that nobody waits for:
a guest waits for one that is destroyed:
calls: right
calls: muslin: exit status 0
one: connected with port 7
one: 100000 of 100000 bytes came back
one: muslin: exit status 0
two: connected with port 7
two: 70000 of 70000 bytes came back
two: muslin: exit status 0
outward: connected with port 8
outward: 30000 of 30000 bytes came back
outward: muslin: exit status 0
waiter: connected with port 7
waiter: recv: Connection reset by peer
waiter: muslin: exit status 1
a guest sent 0 bytes: Connection reset by peer
a guest sent 100000 bytes
a guest sent 100000 bytes
a guest sent 50000 bytes
a guest sent 70000 bytes
listening at port 7
";

/// A file for `xl`: a guest of this kind, with these words on its command line.
pub fn config(name: &str, kind: &str, words: &str) -> (String, Vec<u8>) {
    let image = if name == "calls" { name } else { "talk" };
    let text = format!(
        "name = \"{name}\"\ntype = \"{kind}\"\nkernel = \"{image}\"\nmemory = 32\n\
        cmdline = \"MUSLIN_ARGV0=talk {words}\"\non_poweroff = \"preserve\"\non_crash = \"preserve\"\n"
    );
    (format!("{name}.cfg"), text.into_bytes())
}

/// Guests of these kinds: who serves, and who comes.
fn guests_talk(test: &str, server: &str, client: &str) {
    if !Path::new("/usr/include/libxenvchan.h").exists() {
        return skip(test, "there is no libxenvchan.h (package libxen-dev)");
    }
    let Some(xen) = XenLab::find(test) else {
        return;
    };
    let by_name = "MUSLIN_VSOCK_PEERS=100=server -- send 100 7";
    let files = vec![
        xen.for_guests("talk", TALK_TEXT, &["--vsock"]),
        xen.for_guests("calls", include_str!("xen_vsock_calls.c"), &["--vsock"]),
        xen.for_dom0("channel", include_str!("xen_channel.c"), &["-lxenvchan"]),
        config("calls", client, "--"),
        config("server", server, "MUSLIN_VSOCK_NAME=server -- serve 7 100"),
        config("one", client, &format!("{by_name} 100000")),
        config("two", client, &format!("{by_name} 70000")),
        config("waiter", client, &format!("{by_name} 0")),
        config("outward", client, "-- send 0 8 30000"),
    ];
    let (said, done) = xen.run(format!("{START}{TALK}"), files, Vec::new());
    assert!(said.starts_with(SAID), "{said}\n{}", done.log);
    // Who is destroyed goes away, whoever talked to it.
    let list = said.strip_prefix(SAID).unwrap_or_default();
    assert!(!list.contains("null") && !list.contains("server"), "{list}");
}

#[test]
fn an_image_holds_these_sockets_if_it_asks_for_them() {
    let test = "xen_vsock";
    let (Some(guest), Some(process), true) = (xen(test), sysroot(test), has(test, "nm")) else {
        return;
    };
    let dir = directory(test);
    let source = "#include <sys/socket.h>\n\
        int main(void) { return socket(AF_VSOCK, SOCK_STREAM, 0) < 0; }\n";
    write(&dir, &[("program.c", source)]);
    for (options, expected) in [(&[][..], false), (&["--vsock"], true)] {
        let mut cc = driver(guest, &dir);
        succeed(cc.args(["program.c", "-o", "program"]).args(options));
        let mut nm = Command::new("nm");
        let symbols = succeed(nm.current_dir(&dir).arg("program"));
        let holds = symbols.contains("muslin_vsock") && symbols.contains("vchan");
        assert_eq!(holds, expected, "{options:?}");
    }
    refuse(
        driver(process, &dir).args(["--vsock", "program.c"]),
        2,
        "--vsock: other guests of the same machine are there on Xen only; leave it out, or say --platform xen",
    );
    refuse(
        driver(guest, &dir).args(["--vsock", "-fuse-ld=gold", "program.c"]),
        2,
        "--vsock: this linker does not put these sockets before the program's own handlers; use GNU ld: \
         leave -fuse-ld out",
    );
}

#[test]
fn guests_of_xen_talk_to_each_other_and_to_dom0() {
    guests_talk("xen_channels", "pv", "pv");
}

#[test]
#[ignore = "takes a minute: `make test-long` runs it"]
fn guests_of_xen_talk_in_virtual_machines_as_well() {
    guests_talk("xen_channels_to_pvh", "pv", "pvh");
    guests_talk("xen_channels_pvh", "pvh", "pvh");
}
