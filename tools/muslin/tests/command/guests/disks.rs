//! Files that play block devices.

use std::fs;

use super::{guests, run};
use crate::lab::{refuse, stderr, with};

/// Reads sector 1, adds one to its first byte, and writes it as sector 2; exits with that byte.
pub(super) const COPY: &str = "\
    mov rbx, [rdi + 24]
    mov r13, rdi
    movzx ecx, byte ptr [rbx + 8 + 104 + 96]
    cmp ecx, 1
    jne fail
    mov r12d, [rbx + 8 + 104 + 88]
    sub rsp, 512
    ASK 17, r12, rsp, 512, 512
    cmp rax, 512
    jne fail
    inc byte ptr [rsp]
    ASK 18, r12, rsp, 512, 1024
    cmp rax, 512
    jne fail
    movzx edi, byte ptr [rsp]
    mov eax, 231
    syscall
    fail: EXIT 99";

#[test]
fn a_file_plays_a_block_device() {
    let Some(guests) = guests("guest-block") else {
        return;
    };
    let image = guests.make_with("copy", COPY, &[("DEVICES", 1)]);
    let disk = guests.dir.join("disk");
    let mut content = vec![0; 3 * 512];
    content[512] = 41;
    fs::write(&disk, &content).unwrap();
    let given = format!("storage={}", disk.display());
    let output = run(&image, &["--block", &given]);
    assert_eq!(output.status.code(), Some(42), "{}", stderr(&output));
    content[1024] = 42;
    assert_eq!(fs::read(&disk).unwrap(), content);

    let shown = image.display();
    let disk_shown = disk.display().to_string();
    let refused = |words: &[&str], line: &str| {
        refuse(
            with(["run"]).args(words).arg(&image),
            126,
            &format!("cannot run {shown}: {line}"),
        );
    };
    refused(
        &[],
        "the image declares the block device 'storage', which is not given; give it a file: --block storage=FILE",
    );
    refused(
        &["--block", &given, "--block", &given],
        "block device 'storage' is given twice; give each device one file",
    );
    refused(
        &["--block", &given, "--block", "other=disk"],
        "the image declares no block device 'other'; leave out its --block, or declare it when linking",
    );
    for bytes in [0, 511, 513] {
        fs::write(&disk, vec![0; bytes]).unwrap();
        refused(
            &["--block", &given],
            &format!(
                "{disk_shown} has {bytes} bytes, which is not a whole number of sectors; make it a multiple of 512 bytes"
            ),
        );
    }
    fs::write(&disk, vec![0; 1536]).unwrap();
    for (size, line) in [
        (
            "storage=1024",
            format!(
                "cannot run {shown}: {disk_shown} has 1536 bytes, which is not a whole number of sectors; make it a multiple of 1024 bytes"
            ),
        ),
        (
            "storage=513",
            format!(
                "cannot run {shown}: 'storage' cannot have sectors of 513 bytes; give a power of two from 512 to 32768"
            ),
        ),
    ] {
        refuse(
            with(["run", "--block", &given, "--block-sector-size", size]).arg(&image),
            126,
            &line,
        );
    }
    refuse(
        with(["run", "--block-sector-size:storage=512"]).arg(&image),
        2,
        "a sector size is given for 'storage', but no file; give it one: --block storage=FILE",
    );
    refuse(
        with(["run", "--block", "storage"]).arg(&image),
        2,
        "--block wants NAME=FILE, not 'storage'; name the image's device and a file",
    );
}

#[test]
fn sectors_may_be_larger() {
    let Some(guests) = guests("guest-sectors") else {
        return;
    };
    // A read of 4096 bytes is a sector here, and one of 512 is none.
    let body = "mov rbx, [rdi + 24]
        mov r12d, [rbx + 8 + 104 + 88]
        sub rsp, 4096
        ASK 17, r12, rsp, 4096, 4096
        mov ebx, eax
        ASK 17, r12, rsp, 512, 0
        EXIT 0";
    let image = guests.make_with("sectors", body, &[("DEVICES", 1)]);
    let disk = guests.dir.join("disk");
    fs::write(&disk, vec![7; 8192]).unwrap();
    let given = format!("storage={}", disk.display());
    let output = run(
        &image,
        &["--block", &given, "--block-sector-size", "storage=4096"],
    );
    assert_eq!(output.status.code(), Some(159));
    assert!(
        stderr(&output).contains("rbx 0000000000001000"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_block_device_cannot_grow() {
    let Some(guests) = guests("guest-block-end") else {
        return;
    };
    let disk = guests.dir.join("disk");
    fs::write(&disk, vec![7; 1024]).unwrap();
    let given = format!("storage={}", disk.display());
    for (nr, bytes, offset) in [
        (18, 512, 513),
        (18, 512, 1024),
        (18, 1024, 0),
        (18, 512, -512),
        (17, 512, 1024),
    ] {
        let body = format!(
            "mov rbx, [rdi + 24]
             mov r12d, [rbx + 8 + 104 + 88]
             sub rsp, 1024
             ASK {nr}, r12, rsp, {bytes}, {offset}
             EXIT 0"
        );
        let image = guests.make_with("end", &body, &[("DEVICES", 1)]);
        let output = run(&image, &["--block", &given]);
        assert_eq!(output.status.code(), Some(159), "{nr} {bytes} {offset}");
    }
    assert_eq!(fs::read(&disk).unwrap(), [7; 1024]);
}

#[test]
fn a_disk_has_one_user() {
    let Some(guests) = guests("guest-lock") else {
        return;
    };
    let image = guests.make_with("user", "EXIT 0", &[("DEVICES", 1)]);
    let disk = guests.dir.join("disk");
    fs::write(&disk, [0; 512]).unwrap();
    let given = format!("storage={}", disk.display());
    let held = fs::File::open(&disk).unwrap();
    held.lock().unwrap();
    refuse(
        with(["run", "--block", &given]).arg(&image),
        126,
        &format!(
            "cannot run {}: {} is in use by another program, which has locked it; end that one, or give a copy",
            image.display(),
            disk.display()
        ),
    );
    drop(held);
    assert_eq!(run(&image, &["--block", &given]).status.code(), Some(0));
}
