//! Interfaces that play network devices.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use super::guests;
use crate::lab::{MUSLIN, has, refuse, stderr, stdout, with};

/// Writes a frame of 60 bytes; exits with what that returns, if device and address are told right.
const FRAME: &str = "\
    mov rbx, [rdi + 24]
    lea rbx, [rbx + 8 + 104]
    cmp byte ptr [rbx + 96], 1
    jne wrong
    cmp word ptr [rbx + 78], 1500
    jne wrong
    cmp byte ptr [rbx + 77], 9
    jne wrong
    mov r12d, [rbx + 88]
    sub rsp, 64
    mov rdi, rsp
    mov ecx, 60
    mov al, 255
    rep stosb
    ASK 1, r12, rsp, 60
    mov edi, eax
    mov eax, 231
    syscall
    wrong: EXIT 99";

#[test]
fn an_interface_plays_a_network_device() {
    let test = "guest-net";
    let Some(guests) = guests(test) else {
        return;
    };
    if !has(test, "ip") || !has(test, "unshare") {
        return;
    }
    let devices = [("DEVICES", 1), ("DEVICE_TYPE", 2)];
    let image = guests.make_with("frame", FRAME, &devices);
    sends_a_frame(test, &image);
    // This guest is so small that any KVM will do.
    if let Err(error) = fs::File::options().read(true).write(true).open("/dev/kvm") {
        println!("skipped: {test}: on hvt: /dev/kvm: {error}");
        return;
    }
    let [type_, size] = devices;
    let image = guests.make_with("frame.hvt", MACHINE_FRAME, &[("TARGET", 1), type_, size]);
    sends_a_frame(test, &image);
}

#[test]
fn a_socket_plays_a_network_device() {
    let Some(guests) = guests("guest-net-socket") else {
        return;
    };
    let [type_, size] = [("DEVICES", 1), ("DEVICE_TYPE", 2)];
    is_played_by_a_socket(&guests.make_with("frame", FRAME, &[type_, size]));
    if let Err(error) = fs::File::options().read(true).write(true).open("/dev/kvm") {
        println!("skipped: guest-net-socket: on hvt: /dev/kvm: {error}");
        return;
    }
    let machine = [("TARGET", 1), type_, size];
    is_played_by_a_socket(&guests.make_with("frame.hvt", MACHINE_FRAME, &machine));
}

/// The frame of the guest comes out of the socket.
fn is_played_by_a_socket(image: &Path) {
    let (ours, guests_end) = UnixDatagram::pair().unwrap();
    let words = "run --mem 8 --net storage=fd:0 --net-mac storage=02:0:0:0:0:9 --stats";
    let mut command = with(words.split(' '));
    command.arg(image).stdin(OwnedFd::from(guests_end));
    let output = command.output().unwrap();
    assert_eq!(
        stderr(&output),
        "muslin: storage: received 0 frames, 0 bytes, 0 dropped; sent 1 frames, 60 bytes, 0 dropped\n"
    );
    assert_eq!(output.status.code(), Some(60));
    let mut frame = [0; 100];
    assert_eq!(ours.recv(&mut frame).unwrap(), 60);
    assert_eq!(frame[..60], [255; 60]);
}

/// The same by hypercalls; and there is a frame to be read, or there is none yet.
const MACHINE_FRAME: &str = "\
    mov rbx, [rdi + 32]
    lea rbx, [rbx + 8 + 104]
    cmp byte ptr [rbx + 96], 1
    jne wrong
    cmp word ptr [rbx + 78], 1500
    jne wrong
    cmp byte ptr [rbx + 77], 9
    jne wrong
    mov eax, offset transfer
    mov edx, 0x506
    out dx, eax
    cmp dword ptr [transfer + 24], 0
    jne wrong
    mov qword ptr [transfer + 16], 1514
    mov eax, offset transfer
    mov edx, 0x507
    out dx, eax
    cmp dword ptr [transfer + 24], 1
    ja wrong
    mov dword ptr [halt + 8], 60
    wrong:
    mov eax, offset halt
    mov edx, 0x508
    out dx, eax
    .data
    .balign 8
    halt: .quad 0, 99
    transfer: .quad 1, frame, 60, 77
    frame: .fill 60, 1, 255
    .zero 2048
    .text";

/// Runs it in a network of its own, in which everything is gone at the end.
fn sends_a_frame(test: &str, image: &Path) {
    let script = "ip tuntap add tap7 mode tap && ip link set tap7 up || exit 77
        \"$0\" run --mem 8 --net:storage=tap7 --net-mac storage=02:0:0:0:0:9 \"$1\"
        echo \"status $?\"
        ip -s link show tap7";
    let output = Command::new("unshare")
        .args(["--net", "sh", "-c", script, MUSLIN])
        .arg(image)
        .output()
        .unwrap();
    if output.status.code() == Some(77) || stderr(&output).contains("unshare") {
        println!("skipped: {test}: this user may not make interfaces");
        return;
    }
    let shown = stdout(&output);
    assert!(
        shown.starts_with("status 60\n"),
        "{shown}{}",
        stderr(&output)
    );
    let words: Vec<&str> = shown.split_whitespace().collect();
    let received = words.iter().position(|word| *word == "RX:").unwrap();
    assert!(words[received..].contains(&"60"), "{shown}");
}

#[test]
fn interfaces_that_cannot_be_used_are_refused() {
    let Some(guests) = guests("guest-net-wrong") else {
        return;
    };
    let image = guests.make_with("net", "EXIT 0", &[("DEVICES", 1), ("DEVICE_TYPE", 2)]);
    let shown = image.display();
    let refused = |words: &[&str], line: &str| {
        refuse(
            with(["run"]).args(words).arg(&image),
            126,
            &format!("cannot run {shown}: {line}"),
        );
    };
    refused(
        &["--net", "storage=nosuch0"],
        "cannot use interface 'nosuch0' for 'storage': there is none of that name; make it: ip tuntap add nosuch0 mode tap; ip link set nosuch0 up",
    );
    refused(
        &["--net", "storage=a%d"],
        "cannot use interface 'a%d' for 'storage': that is not the name of an interface; name a tap interface of this system, as `ip link` shows it",
    );
    refused(
        &["--net", "storage=@0"],
        "cannot use interface '@0' for 'storage': it is not a tap interface; give a descriptor of /dev/net/tun that is attached to a tap interface",
    );
    refused(
        &["--net", "other=tap0"],
        "the image declares no network device 'other'; leave out its --net, or declare it when linking",
    );
    refused(
        &["--net-mac", "storage=2:0:0:0:0:1"],
        "a hardware address is given for 'storage', but no interface; give it one: --net storage=TAP",
    );
    refuse(
        with(["run", "--net-mac", "storage=2:0:0:0:0"]).arg(&image),
        2,
        "--net-mac wants NAME=ADDRESS, not 'storage=2:0:0:0:0'; name the image's device and six bytes, as in a=02:00:00:00:00:01",
    );
}
