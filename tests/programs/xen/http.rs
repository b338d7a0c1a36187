//! Servers of HTTP as guests: each answer is right, and a load of many connections loses none.

use std::path::Path;
use std::process::Command;

use libtest_mimic::Trial;
use muslin_lab::xen::{Job, Lab};

use super::servers::{OPTIONS, REACHED, says, take};
use super::{Entry, Guest, add};
use crate::built::{self, Flavour, repository};
use crate::failure::{Failure, Step};
use crate::same::completion;
use crate::stage::tool;

/// The tests: few requests in PV, and those that take minutes.
pub fn trials() -> Vec<Trial> {
    let mut all = vec![Trial::ignorable_test("xen::axum::xen-pv", || {
        completion(axum(Entry::Pv, 20, 5))
    })];
    for entry in [Entry::Pv, Entry::Pvh] {
        let name = |test: &str| format!("xen::{test}::xen-{}", entry.name());
        all.extend(
            [
                Trial::ignorable_test(name("axum-connections"), move || {
                    completion(axum(entry, 50, 40))
                }),
                Trial::ignorable_test(name("axum-wrk"), move || completion(axum_by_wrk(entry))),
                Trial::ignorable_test(name("nginx-wrk"), move || completion(nginx_by_wrk(entry))),
            ]
            .map(|trial| trial.with_ignored_flag(true)),
        );
    }
    all
}

const AXUM: &str = "
    chmod +x requests
    guest http-server.cfg </dev/null >log 2>/dev/console &
    guest=$!
    reached
    timeout 300 ./requests 10.0.0.2 80 $CONNECTIONS $TIMES '/square?a=7&b=9' 'a: 49
b: 81
'
    wget -q -O - --post-data 'some words' http://10.0.0.2/echo; echo
    wget -q -O - --post-data '' http://10.0.0.2/stop
    wait $guest
    cat log
";

fn axum(entry: Entry, connections: u32, times: u32) -> Step<()> {
    Lab::find().map_err(Failure::skip)?;
    let scratch = tempfile::tempdir().map_err(|why| Failure::new(format_args!("{why}")))?;
    let source = repository().join("tests/programs/xen/requests.c");
    let compiled = Command::new(Flavour::Stock.sysroot().join("bin/muslin-cc"))
        .args(["-O2", "-static"])
        .arg(&source)
        .arg("-o")
        .arg(scratch.path().join("requests"))
        .status();
    if !compiled.is_ok_and(|status| status.success()) {
        return Err(Failure::new(format_args!(
            "{} does not compile",
            source.display()
        )));
    }
    let mut job = Job {
        script: format!("CONNECTIONS={connections}\nTIMES={times}\n{REACHED}{AXUM}"),
        ..Job::default()
    };
    add_axum(&mut job, entry)?;
    take(&mut job, scratch.path(), &["requests"])?;
    let answers = connections * times;
    says(
        job,
        &format!(
            "{answers} answers, {connections} connections, 0 wrong\nsome words\nstopping\nport 80\n\
             answered {} requests\nmuslin: exit status 0\n",
            answers + 2
        ),
    )
}

/// axum's server on tokio, as a guest.
fn add_axum(job: &mut Job, entry: Entry) -> Step<()> {
    let images = built::program("rust", Flavour::Xen)?;
    add(
        job,
        &Guest {
            name: "http-server",
            entry,
            images: &images,
            image: "http-server",
            options: OPTIONS,
            arguments: &["0.0.0.0:80"],
            initrd: None,
            disks: "",
        },
    )
}

/// wrk counts what it calls errors of sockets: a connection that fails, and an answer that does not come in time. It has
/// 8 bytes of memory for each microsecond of that time.
const WRK: &str = "
    chmod +x wrk ld-linux-x86-64.so.2
    # load URL: many connections; no answer is missing, and none says that something is wrong.
    load() {
        timeout 120 ./ld-linux-x86-64.so.2 --library-path . ./wrk -t 1 -c 30 -d 5s --timeout 10s $1 >said 2>&1
        cat said >/dev/console
        if grep -q '^Requests/sec: *[1-9]' said && ! grep -qE 'Socket errors|Non-2xx' said; then
            echo answered
        else
            cat said
        fi
    }
";

/// Adds wrk, Debian's, with the libraries that it is linked with.
fn take_wrk(job: &mut Job) -> Step<()> {
    let wrk = tool("wrk");
    if !wrk.is_absolute() {
        return Err(Failure::skip(
            "there is no wrk here (Debian: apt-get install wrk)",
        ));
    }
    let output = Command::new(tool("ldd"))
        .arg(&wrk)
        .output()
        .map_err(|why| Failure::new(format_args!("running ldd: {why}")))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let paths = said.split_whitespace().filter(|word| word.starts_with('/'));
    for path in paths.map(Path::new).chain([wrk.as_path()]) {
        if let (Some(from), Some(name)) = (path.parent(), path.file_name()) {
            take(job, from, &[&name.to_string_lossy()])?;
        }
    }
    Ok(())
}

fn axum_by_wrk(entry: Entry) -> Step<()> {
    Lab::find().map_err(Failure::skip)?;
    let mut job = Job {
        script: format!(
            "{REACHED}{WRK}
            guest http-server.cfg </dev/null >log 2>/dev/console &
            guest=$!
            reached
            load 'http://10.0.0.2:80/square?a=7&b=9'
            wget -q -O - --post-data '' http://10.0.0.2/stop
            wait $guest
            tail -n 1 log
            "
        ),
        ..Job::default()
    };
    take_wrk(&mut job)?;
    add_axum(&mut job, entry)?;
    says(job, "answered\nstopping\nmuslin: exit status 0\n")
}

fn nginx_by_wrk(entry: Entry) -> Step<()> {
    Lab::find().map_err(Failure::skip)?;
    let mut job = Job {
        script: format!(
            "{REACHED}{WRK}
            guest nginx.cfg </dev/null >log 2>/dev/console &
            guest=$!
            reached
            load http://10.0.0.2:8080/small.html
            xl shutdown nginx
            wait $guest
            tail -n 1 log
            "
        ),
        ..Job::default()
    };
    take_wrk(&mut job)?;
    let images = built::program("nginx", Flavour::Xen)?;
    let archive = "server.tar";
    job.files.push((archive.to_owned(), nginx_files()?));
    add(
        &mut job,
        &Guest {
            name: "nginx",
            entry,
            images: &images,
            image: "nginx",
            options: OPTIONS,
            arguments: &["-e", "stderr", "-p", "./", "-c", "nginx.conf"],
            initrd: Some(archive),
            disks: "",
        },
    )?;
    says(job, "answered\nmuslin: exit status 0\n")
}

/// The archive with what nginx serves.
fn nginx_files() -> Step<Vec<u8>> {
    let failed = |why: std::io::Error| Failure::new(format_args!("packing nginx's files: {why}"));
    let scratch = tempfile::tempdir().map_err(failed)?;
    let config = include_bytes!("../inputs/network/nginx.conf");
    for (name, content) in [
        ("nginx.conf", &config[..]),
        ("etc/passwd", b"root:x:0:0:root:/:/bin/sh\n"),
        ("etc/group", b"root:x:0:\n"),
        ("files/small.html", &[b'a'; 612]),
    ] {
        let path = scratch.path().join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        std::fs::write(&path, content).map_err(failed)?;
    }
    let output = Command::new(tool("tar"))
        .args(["-cf", "-", "--format=ustar", "-C"])
        .arg(scratch.path())
        .args(["nginx.conf", "etc", "files"])
        .output()
        .map_err(failed)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format_args!("tar: {said}")));
    }
    Ok(output.stdout)
}
