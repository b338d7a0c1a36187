//! The first files of the Linux that is dom0.

use super::GUEST_SCRIPT;
use super::files::Files;
use crate::archive::Archive;

const INIT: &[u8] = include_bytes!("dom0/init");
const BLOCK: &[u8] = include_bytes!("dom0/block");
const VIF_BRIDGE: &[u8] = include_bytes!("dom0/vif-bridge");

/// Where `xl` looks for the scripts that connect devices.
const SCRIPTS: &str = "etc/xen/scripts";

/// What the shell finds in its PATH, each of them busybox.
const APPLETS: &[&str] = &[
    "brctl",
    "cat",
    "chmod",
    "cp",
    "cpio",
    "date",
    "dd",
    "dmesg",
    "env",
    "grep",
    "head",
    "insmod",
    "ip",
    "kill",
    "ln",
    "losetup",
    "ls",
    "mkdir",
    "mkfifo",
    "mktemp",
    "mount",
    "nc",
    "ping",
    "ps",
    "reboot",
    "rm",
    "rmmod",
    "sed",
    "seq",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "stty",
    "sync",
    "tail",
    "tee",
    "timeout",
    "tr",
    "wc",
    "wget",
];

/// The archive that the kernel unpacks.
pub(super) fn archive(files: &Files) -> Result<Vec<u8>, String> {
    let mut archive = Archive::default();
    archive.device("dev/console", 5, 1);
    for directory in ["proc", "sys", "run", "var", "lib"] {
        archive.directory(directory);
    }
    archive.file("init", INIT);
    archive.file("bin/guest", GUEST_SCRIPT.as_bytes());
    archive.file(&format!("{SCRIPTS}/block"), BLOCK);
    archive.file(&format!("{SCRIPTS}/vif-bridge"), VIF_BRIDGE);
    // dom0's memory is what it was given.
    archive.file("etc/xen/xl.conf", b"autoballoon=\"off\"\n");
    for name in files.names_in("bin") {
        archive.file(&format!("bin/{name}"), &files.read(&format!("bin/{name}"))?);
    }
    for name in APPLETS {
        archive.link(&format!("bin/{name}"), "busybox");
    }
    for name in files.names_in("lib") {
        let place = match &*name {
            "ld-linux-x86-64.so.2" => format!("lib64/{name}"),
            _ => format!("usr/lib/x86_64-linux-gnu/{name}"),
        };
        archive.file(&place, &files.read(&format!("lib/{name}"))?);
    }
    for name in files.names_in("modules") {
        let place = format!("modules/{name}");
        archive.file(&place, &files.read(&place)?);
    }
    Ok(archive.finish())
}
