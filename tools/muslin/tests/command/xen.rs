//! Images for Xen: what the command says about them, and that they run.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use muslin_lab::xen::Lab;

use crate::lab::{directory, muslin, skip, succeed, write};
use crate::xen_lab::XenLab;

/// A guest that says hello and its command line, and ends with status 42.
const GUEST: &str = include_str!("../../../lab/tests/xen_guest.s");

/// The image of a guest, in a directory of its own.
fn guest(test: &str) -> PathBuf {
    let dir = directory(test);
    write(&dir, &[("guest.s", GUEST)]);
    let mut gcc = Command::new("gcc");
    gcc.args(["-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none"]);
    gcc.args(["-Wl,-N", "-Wl,-Ttext=0x100000", "guest.s", "-o", "guest"]);
    succeed(gcc.current_dir(&dir));
    dir
}

#[test]
fn a_configuration_is_printed_for_xl() {
    let dir = guest("xen_config");
    write(&dir, &[("disk", &"x".repeat(512))]);
    let output = muslin()
        .current_dir(&dir)
        .args(["run", "--print-config", "--mem", "32", "--net", "vif0=br0"])
        .args(["--net-mac", "vif0=0:16:3e:0:0:1", "--block", "xvdb=disk"])
        .args(["guest", "a", "\"\\\n"])
        .output()
        .unwrap();
    let place = dir.canonicalize().unwrap();
    let place = place.display();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("name = \"muslin-"), "{text}");
    let rest = format!(
        "type = \"pv\"
kernel = \"{place}/guest\"
cmdline = \"a \\\"\\\\\\x0a\"
memory = 32
vcpus = 1
disk = [ \"format=raw,vdev=xvdb,access=rw,target={place}/disk\" ]
vif = [ \"mac=00:16:3e:00:00:01,bridge=br0\" ]
on_poweroff = \"destroy\"
on_crash = \"destroy\"
"
    );
    assert_eq!(text.split_once('\n').unwrap().1, rest);
}

#[test]
fn what_a_guest_of_xen_cannot_have_is_refused() {
    let dir = guest("xen_refused");
    write(&dir, &[("disk", ""), ("even", &"x".repeat(512))]);
    let long = "a".repeat(1024);
    for (words, line) in [
        (
            &["--block", "storage=disk"][..],
            "--block storage: Xen's disks are xvda to xvdp; name one of these",
        ),
        (
            &["--block", "xvda=none"],
            "cannot open none for reading and writing: no such file or directory; name a file or a block device",
        ),
        (
            &["--block", "xvda=."],
            "cannot open . for reading and writing: is a directory; name a file or a block device",
        ),
        (
            &["--block", "xvda=disk"],
            "disk has 0 bytes, which is not a whole number of sectors; make it a multiple of 512 bytes",
        ),
        (
            &["--block", "xvda=even", "--block", "xvda=even"],
            "--block xvda is given twice; give each disk one file",
        ),
        (
            &["--mem", "0"],
            "--mem 0: a guest without memory cannot be; give it 2 or more",
        ),
        (
            &["--net", "vif0=link:wire"],
            "--net vif0: 'link:wire' is no interface; name a bridge",
        ),
        (
            &["--net", "service=br0"],
            "--net service: Xen's network devices are vif0, vif1 and so on, in this order; name it vif0",
        ),
        (
            &["--net-mac", "vif0=0:0:0:0:0:1"],
            "an address is given for 'vif0', but no bridge; give it one: --net vif0=BRIDGE",
        ),
        (
            &["--xen-type", "pvh"],
            "guest has no entry for pvh; give --xen-type the other one",
        ),
        (
            &["--count"],
            "--count is not for images for Xen as guest is; leave it out",
        ),
        (
            &["--platform", "linux"],
            "--platform is not for images for Xen as guest is; leave it out",
        ),
        (
            &["--stats"],
            "--stats is not for images for Xen as guest is; leave it out",
        ),
    ] {
        let mut run = muslin();
        run.current_dir(&dir).arg("run").args(words);
        let output = run.args(["--print-config", "guest"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said, format!("muslin: {line}\n"));
        assert!(!output.status.success());
    }
    let mut run = muslin();
    run.current_dir(&dir)
        .args(["run", "--print-config", "guest", &long]);
    let said = run.output().unwrap().stderr;
    assert_eq!(
        String::from_utf8_lossy(&said),
        "muslin: the arguments and the environment are 1024 bytes, and a paravirtualised guest takes 1023; \
         give less, or --xen-type pvh\n"
    );
    let run = muslin().args(["run", "--print-config", "/bin/sh"]).output();
    let said = run.unwrap().stderr;
    assert_eq!(
        String::from_utf8_lossy(&said),
        "muslin: --print-config is for images for Xen only, not for /bin/sh; leave it out\n"
    );
}

#[test]
fn the_entries_for_xen_are_named() {
    let dir = guest("xen_check");
    let output = muslin()
        .arg("check")
        .arg(dir.join("guest"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\n  entries PV, for Xen\n"), "{text}");
}

#[test]
fn a_guest_of_xen_runs_to_its_status() {
    let test = "xen_run";
    if let Err(why) = Lab::find() {
        skip(test, &why);
        return;
    }
    let dir = guest(test);
    write(&dir, &[("disk", &"x".repeat(4096))]);
    let output = muslin()
        .current_dir(&dir)
        .args([
            "run",
            "--mem",
            "16",
            "--block",
            "xvda=disk",
            "--net",
            "vif0=br0",
        ])
        .args(["guest", "a", "b"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said, "");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "hello from Xen\na b\n"
    );
    assert_eq!(output.status.code(), Some(42));
}

/// Starts a guest, says something to its console, and has 300,000 bytes back over the bridge.
const WITH_DEVICES: &str = r#"
    { sleep 2; echo there; } | guest guest.cfg &
    until ping -c 1 -W 1 10.0.0.2 >/dev/null; do sleep 0.3; done
    head -c 300000 /dev/urandom >sent
    timeout 60 nc 10.0.0.2 7 <sent >back
    # Its console has everything before the next line.
    wait
    cmp sent back && echo the same
"#;

#[test]
fn a_pv_guest_has_a_console_a_disk_and_a_network() {
    has_devices("xen_devices_pv", "pv");
}

#[test]
fn a_pvh_guest_has_a_console_a_disk_and_a_network() {
    has_devices("xen_devices_pvh", "pvh");
}

fn has_devices(test: &str, kind: &str) {
    let Some(xen) = XenLab::find(test) else {
        return;
    };
    let image = xen.for_guests("image", include_str!("xen_devices.c"), &[]);
    let disk = xen.dir.join("disk");
    fs::write(&disk, vec![0; 512 << 10]).unwrap();
    let config = format!(
        "name = \"g\"\ntype = \"{kind}\"\nkernel = \"image\"\nmemory = 24\n\
        cmdline = \"MUSLIN_ARGV0=image MUSLIN_IPV4=10.0.0.2/24 --\"\n\
        disk = [ \"format=raw,vdev=xvda,access=rw,target=/disks/1\" ]\n\
        vif = [ \"bridge=br0\" ]\non_poweroff = \"preserve\"\non_crash = \"preserve\"\n"
    );
    let files = vec![image, ("guest.cfg".to_owned(), config.into_bytes())];
    let (said, done) = xen.run(WITH_DEVICES.to_owned(), files, vec![disk.clone()]);
    assert_eq!(
        said, "disk 0, heard there\nnetwork 0\nmuslin: exit status 42\nthe same\n",
        "{}",
        done.log
    );
    assert_eq!(done.status, Some(0));
    // What the guest wrote is in the file.
    let disk = fs::read(disk).unwrap();
    assert_eq!(disk.len(), 512 << 10);
    assert!(disk[..700].iter().all(|&byte| byte == 0));
    assert_eq!(disk[700..704], [0, 7, 14, 21]);
}
