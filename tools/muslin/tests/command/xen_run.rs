//! `muslin run` of images for Xen: in QEMU, as on any machine, and in dom0, as where there is a Xen.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use muslin_lab::xen::{Job, Lab};
use rustix::process::{Pid, Signal, kill_process};

use crate::lab::{
    MUSLIN, clean, directory, driver, has, muslin, skip, stderr, stdout, succeed, write, xen,
};

/// Far more than all guests take, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(600);

/// A directory with the image `says`, without symbols; `None` after saying why not.
fn says(test: &str) -> Option<PathBuf> {
    if let Err(why) = Lab::find() {
        skip(test, &why);
        return None;
    }
    let sysroot = xen(test)?;
    let dir = directory(test);
    write(&dir, &[("says.c", include_str!("xen_says.c"))]);
    succeed(driver(sysroot, &dir).args([
        "-O1",
        "-fno-optimize-sibling-calls",
        "-s",
        "says.c",
        "-o",
        "says",
    ]));
    Some(dir)
}

#[test]
fn a_guest_in_qemu_gets_its_words_a_root_directory_and_input() {
    let Some(dir) = says("xen_run_words") else {
        return;
    };
    write(
        &dir,
        &[("root/sub/file", "text"), ("disk", &"x".repeat(4096))],
    );
    let mut run = muslin();
    run.current_dir(&dir)
        .args([
            "run",
            "--mem",
            "16",
            "--initrd",
            "root",
            "--cwd",
            "/sub",
            "--hostname",
            "guest",
        ])
        .args([
            "--env",
            "A=b \"c\"",
            "--block",
            "xvda=disk",
            "says",
            "hear",
            "7",
            "é \\\" '",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut guest = run.spawn().unwrap();
    guest
        .stdin
        .as_mut()
        .unwrap()
        .write_all(b"one\nend\n")
        .unwrap();
    let output = guest.wait_with_output().unwrap();
    assert_eq!(stderr(&output), "");
    assert_eq!(
        stdout(&output),
        "<hear><7><é \\\" '> <A=b \"c\"> on guest in /sub with a file\nheard one\nheard end\n"
    );
    assert_eq!(output.status.code(), Some(7));
}

/// Asks a guest for its echo, and sends it a line, over an interface of a network of one's own.
const OVER_A_TAP: &str = "\
    ip tuntap add dev tap7 mode tap && ip link set tap7 up || exit 77\n\
    ip address add 10.0.0.1/24 dev tap7\n\
    exec 3>&1\n\
    { \"$0\" run --mem 16 --net vif0=tap7 --env MUSLIN_IPV4=10.0.0.2/24 says receive; echo \"status $?\" >&3; } >said &\n\
    until grep -q receive said || ! kill -0 $!; do sleep 0.1; done\n\
    for try in $(seq 100); do\n\
        echo 'over a tap' 2>/dev/null >/dev/udp/10.0.0.2/9 || true\n\
        sleep 0.2\n\
        grep -q received said && break\n\
    done\n\
    wait\n\
    sed -n 's/^received/received/p' said\n";

#[test]
fn a_guest_in_qemu_is_reached_by_a_tap() {
    let test = "xen_run_tap";
    if !has(test, "ip") || !has(test, "unshare") {
        return;
    }
    let Some(dir) = says(test) else {
        return;
    };
    let mut command = clean(Command::new("unshare"));
    command.args(["--net", "bash", "-c", OVER_A_TAP, MUSLIN]);
    let output = command
        .current_dir(&dir)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    if output.status.code() == Some(77) || stderr(&output).contains("unshare") {
        skip(
            test,
            "no tap interface can be made in a network of one's own",
        );
        return;
    }
    assert_eq!(
        stdout(&output),
        "status 42\nreceived over a tap\n",
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_signal_ends_the_machine_of_a_guest() {
    let Some(dir) = says("xen_run_signal") else {
        return;
    };
    let mut run = muslin();
    run.current_dir(&dir)
        .env("TMPDIR", dir.join("tmp"))
        .args(["run", "--mem", "16", "says", "sleep"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    fs::create_dir(dir.join("tmp")).unwrap();
    let mut guest = run.spawn().unwrap();
    // It is up when it says something.
    let mut byte = [0];
    std::io::Read::read_exact(guest.stdout.as_mut().unwrap(), &mut byte).unwrap();
    assert!(fs::read_dir(dir.join("tmp")).unwrap().count() > 0);
    let pid = Pid::from_raw(guest.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(guest.wait().unwrap().code(), Some(143));
    assert_eq!(fs::read_dir(dir.join("tmp")).unwrap().count(), 0);
}

/// What both scripts for dom0 use.
const BEGINNING: &str = r#"
    export TMPDIR=/tmp
    chmod +x muslin
    try() { echo "$ $*"; "$@" </dev/null 2>&1; echo "status $?"; }
    # begin WORDS: starts a guest that sleeps, and waits for it.
    begin() {
        ./muslin run --mem 16 says sleep >out 2>&1 &
        guest=$!
        until grep -q sleep out; do sleep 0.1; done
    }
    guests() { xl list | sed 1,2d; }
"#;

/// What is tried in dom0.
const WORDS: &str = r#"
    try ./muslin run --mem 16 --initrd root.tar --cwd /sub --hostname h --env 'A=é"' says 'b c' 5 '"\' ''
    try ./muslin run --mem 24 --xen-type pvh says pvh
    try ./muslin run --mem 1 says
    try ./muslin run --mem 4000 says
    try ./muslin run --mem 16 --net vif0=nosuch says
    try ./muslin run --mem 16 --net vif0=eth0 says
    truncate=$(head -c 65536 /dev/zero | tee disk,a | wc -c)
    try ./muslin run --mem 16 --block xvda=disk,a --net vif0=br0 says disk
    begin
    kill -TERM "$guest"
    wait "$guest"
    echo "status $?"
    guests
"#;

const WORDS_SAID: &str = r#"$ ./muslin run --mem 16 --initrd root.tar --cwd /sub --hostname h --env A=é" says b c 5 "\ 
<b c><5><"\><> <A=é"> on h in /sub with a file
status 5
$ ./muslin run --mem 24 --xen-type pvh says pvh
<pvh> on muslin in /
status 42
$ ./muslin run --mem 1 says
muslin: says needs 4 MiB to be started paravirtualised, and would have 1; give it --mem 4 or more
status 2
$ ./muslin run --mem 4000 says
muslin: cannot run says: xl does not start it: xc_dom_boot_mem_init: @: Out of memory; --print-config shows what xl is given
status 126
$ ./muslin run --mem 16 --net vif0=nosuch says
muslin: there is no bridge 'nosuch' here, and by a bridge a guest of Xen has a network; name one, or make it: ip link add nosuch type bridge
status 126
$ ./muslin run --mem 16 --net vif0=eth0 says
muslin: there is no bridge 'eth0' here, and by a bridge a guest of Xen has a network; name one, or make it: ip link add eth0 type bridge
status 126
$ ./muslin run --mem 16 --block xvda=disk,a --net vif0=br0 says disk
<disk> on muslin in /
status 42
status 143
"#;

/// Ways in which guests end, and in which they are not begun.
const ENDS: &str = r#"
    echo "$ input"
    { sleep 1; echo one; sleep 1; echo end; } | ./muslin run --mem 16 says hear
    echo "status $?"
    begin
    kill -HUP "$guest"
    wait "$guest"
    echo "status $?"
    guests
    echo "$ nobody reads"
    ./muslin run --mem 16 says sleep | head -n 1
    until [ -z "$(guests)" ]; do sleep 0.1; done
    begin
    xl destroy "$(guests | sed 's/ .*//')"
    wait "$guest"
    echo "destroyed: status $?"
    tail -n 1 out
    begin
    kill -KILL "$guest"
    until [ -z "$(guests)" ]; do sleep 0.1; done
    echo "$ by hand"
    ./muslin run --print-config --mem 16 says 'b "c\' 3 >a.cfg
    xl create -n a.cfg >/dev/null 2>complaints && echo accepted || cat complaints
    sed -i 's/^name.*/name = "taken"/' a.cfg
    xl create -q -p a.cfg
    sed 's/destroy/preserve/' a.cfg >b.cfg
    guest b.cfg 2>&1 | sed -n 's/.*\(Domain with name.*\)/\1/p'
    xl destroy taken
    ls /tmp
"#;

const ENDS_SAID: &str = r#"$ input
<hear> on muslin in /
heard one
heard end
status 42
status 129
$ nobody reads
<sleep> on muslin in /
destroyed: status 1
muslin: says: the guest was destroyed by somebody else
$ by hand
accepted
Domain with name "taken" already exists.
"#;

#[test]
fn muslin_runs_guests_where_there_is_a_xen() {
    in_dom0("xen_run_dom0", WORDS, WORDS_SAID);
}

#[test]
#[ignore = "starts six guests one after the other"]
fn guests_end_as_they_should_where_there_is_a_xen() {
    in_dom0("xen_run_ends", ENDS, ENDS_SAID);
}

/// Runs a script in dom0, with the command and the image there, and compares what it says; an `@` stands for
/// anything.
fn in_dom0(test: &str, script: &str, expected: &str) {
    let Some(dir) = says(test) else {
        return;
    };
    if !has(test, "strip") {
        return;
    }
    // The command has this machine's libraries in dom0.
    let mut strip = Command::new("strip");
    succeed(strip.arg("-o").arg(dir.join("muslin")).arg(MUSLIN));
    write(&dir, &[("root/sub/file", "text")]);
    let mut tar = Command::new("tar");
    succeed(
        tar.current_dir(&dir)
            .args(["-cf", "root.tar", "-C", "root", "."]),
    );
    let file = |name: &str| (name.to_owned(), fs::read(dir.join(name)).unwrap());
    let job = Job {
        script: [BEGINNING, script].concat(),
        files: vec![file("muslin"), file("says"), file("root.tar")],
        limit: Some(LIMIT),
        ..Job::default()
    };
    let mut output = Vec::new();
    let done = Lab::find().unwrap().run_for_output(&job, &mut output);
    let log = done.map_or_else(|why| why, |done| done.log);
    let said = String::from_utf8_lossy(&output);
    let (before, behind) = expected.split_once('@').unwrap_or((expected, ""));
    assert!(said.starts_with(before), "{said}\n{log}");
    assert!(said.ends_with(behind), "{said}\n{log}");
    assert!(expected.contains('@') || said == expected, "{said}");
}
