//! A server and a client of the same Rust program, one of them over Linux's sockets and one over Muslin's, or
//! both over Muslin's, in a network of the test's own: each says what it says with Linux at both ends.

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::built::{self, Flavour, repository};
use crate::failure::{Failure, Step};
use crate::same::completion;
use crate::stage::tool;

/// The script's exit code when it may not make interfaces.
const MAY_NOT: i32 = 77;

/// Who serves, and who asks.
const ENDS: &[(&str, &str)] = &[
    ("guest", "stock"),
    ("stock", "guest"),
    ("guest", "guest"),
    ("stack", "stock"),
    ("stock", "stack"),
    ("process", "stock"),
    ("stack", "guest"),
];

/// What both ends of the program say.
const WEB: (&str, &str) = (
    "\
HTTP/1.1: HTTP/1.1 hello over http, 20 in turn by few connections true, 960 at once, 8388608 bytes down true and up true, timed out true, then 200
HTTP/2: HTTP/2.0 hello over http, 20 in turn by few connections true, 960 at once, 8388608 bytes down true and up true, timed out true, then 200
HTTP/1.1 over TLS: HTTP/1.1 hello over http, 20 in turn by few connections true, 960 at once, 8388608 bytes down true and up true, timed out true, then 200
HTTP/2 over TLS: HTTP/2.0 hello over http, 20 in turn by few connections true, 960 at once, 8388608 bytes down true and up true, timed out true, then 200
refused: Some(ConnectionRefused)
reset: Some(ConnectionReset)
unknown authority: true
stopping
",
    "serving\nanswered 3941 requests\n",
);

/// The tests: with all crates to be compiled, they take minutes.
pub fn trials() -> Vec<Trial> {
    let all = [("stock", "stock")];
    let all = all.iter().chain(ENDS);
    all.map(|&(server, client)| {
        let name = format!("web::{server}_serves_{client}");
        Trial::ignorable_test(name, move || completion(web(server, client))).with_ignored_flag(true)
    })
    .collect()
}

fn web(server: &str, client: &str) -> Step<()> {
    let stock = built::program("net", Flavour::Stock)?;
    let stack = built::with_network("net", Flavour::Muslin)?;
    let guest = built::with_network("net", Flavour::Solo5Spt)?;
    let scratch =
        TempDir::new().map_err(|why| Failure::io("making", Path::new("a directory"), &why))?;
    let mut command = Command::new(tool("timeout"));
    command
        .args(["--kill-after=5", "300", "unshare", "--net", "sh"])
        .arg(repository().join("tests/programs/two_ends.sh"))
        .arg(repository().join("out/bin/muslin"))
        .args(["web", server, client])
        .args([stock, stack, guest])
        .current_dir(scratch.path());
    let output = command
        .output()
        .map_err(|why| Failure::new(format_args!("running {command:?}: {why}")))?;
    let complaints = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(MAY_NOT) || complaints.starts_with("unshare: ") {
        return Err(Failure::skip(
            "no interfaces can be made in a network of one's own",
        ));
    }
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        return Err(Failure::new(format_args!(
            "{}\n{said}{complaints}",
            output.status
        )));
    }
    for (name, expected) in [("client.said", WEB.0), ("server.said", WEB.1)] {
        let path = scratch.path().join(name);
        let said = fs::read_to_string(&path).map_err(|why| Failure::io("reading", &path, &why))?;
        if said != expected {
            return Err(Failure::new(format_args!(
                "{name} is\n{said}--- and not\n{expected}"
            )));
        }
    }
    Ok(())
}
