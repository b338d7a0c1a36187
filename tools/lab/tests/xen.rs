//! The Xen lab runs guests, below xl and as dom0.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use muslin_lab::xen::{Alone, Heard, Job, Lab, Mode};

const LIMIT: Duration = Duration::from_secs(120);

/// A guest that says hello.
const GUEST: &str = include_str!("xen_guest.s");

fn lab(test: &str) -> Option<Lab> {
    match Lab::find() {
        Ok(lab) => Some(lab),
        Err(why) => {
            println!("skipped: {test}: {why}");
            None
        }
    }
}

fn make() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("xen-lab");
    fs::create_dir_all(&dir).unwrap();
    let source = dir.join("guest.s");
    let image = tempfile::Builder::new().tempfile_in(&dir).unwrap();
    fs::write(&source, GUEST).unwrap();
    let output = Command::new("gcc")
        .args(["-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none"])
        .args(["-Wl,-N", "-Wl,-Ttext=0x100000"])
        .arg(&source)
        .arg("-o")
        .arg(image.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    image.into_temp_path().keep().unwrap()
}

#[test]
fn an_image_runs_as_dom0() {
    let Some(lab) = lab("an_image_runs_as_dom0") else {
        return;
    };
    let image = make();
    let outcome = lab
        .run_as_dom0(&Alone {
            image: &image,
            mode: Mode::Pv,
            command_line: "some words",
            initrd: None,
            memory_mib: 64,
            limit: LIMIT,
        })
        .unwrap();
    assert_eq!(outcome.output, "hello from Xen\n", "{}", outcome.log);
    assert_eq!(outcome.status, Some(42), "{}", outcome.log);
    fs::remove_file(image).unwrap();
}

#[test]
fn a_guest_runs_below_xl() {
    let Some(lab) = lab("a_guest_runs_below_xl") else {
        return;
    };
    let image = make();
    let config = "name='g'\ntype='pv'\nkernel='image'\ncmdline='a b'\nmemory=16\n\
        on_poweroff='preserve'\non_crash='preserve'\n";
    let script = "read -r line
        guest guest.cfg </dev/null
        echo $? $line $(wc -c </disks/1)
        exit 5";
    let disk = tempfile::NamedTempFile::new().unwrap();
    disk.as_file().set_len(3 * 4096).unwrap();
    let job = Job {
        script: script.to_owned(),
        files: vec![
            ("image".to_owned(), fs::read(&image).unwrap()),
            ("guest.cfg".to_owned(), config.as_bytes().to_vec()),
        ],
        disks: vec![disk.path().to_owned()],
        limit: Some(LIMIT),
        ..Job::default()
    };
    let mut output = Vec::new();
    let input: &[u8] = b"typed\n";
    let done = lab
        .run(&job, Some(Box::new(input)), &mut |bytes| {
            output.extend_from_slice(bytes);
            Heard::More
        })
        .unwrap();
    let output = String::from_utf8_lossy(&output);
    assert_eq!(
        output, "hello from Xen\na b\nmuslin: exit status 42\n0 typed 12288\n",
        "{}",
        done.log
    );
    assert_eq!(done.status, Some(5), "{}", done.log);
    fs::remove_file(image).unwrap();
}
