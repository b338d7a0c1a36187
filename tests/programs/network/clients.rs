//! Clients with the stack: curl and applets of BusyBox, with nginx, dnsmasq and BusyBox at Linux's end.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use libtest_mimic::Trial;

use crate::failure::{Failure, Step};

use super::http::{expect, noise};
use super::names::dnsmasq;
use super::place::{GUEST, LINUX, Place, Test, World};
use super::started::Started;

const BIG_BYTES: usize = 12 << 20;
/// A file that does not come in time: curl takes some megabytes before it looks at its limit.
const SLOW_BYTES: usize = 12 << 20;
/// Files that are fetched side by side.
const FILES: usize = 100;

/// The tests.
pub fn trials() -> Vec<Trial> {
    let test = Test {
        programs: &["curl"],
        peers: &["nginx", "dnsmasq"],
        is_long: false,
        body: curl,
    };
    let mut all = test.trials_of(&World::ALL, "curl");
    let applets = Test {
        programs: &["busybox"],
        peers: &["nginx", "dnsmasq", "busybox"],
        body: busybox,
        ..test
    };
    all.extend(applets.trials_of(&World::ALL, "busybox"));
    all
}

/// nginx at Linux's end, with some files, and a directory that takes others.
fn nginx(place: &Place, big: &[u8]) -> Step<Started> {
    let config = include_bytes!("../inputs/network/nginx.conf");
    let slow = vec![7; SLOW_BYTES];
    let files: [(&str, &[u8]); 6] = [
        ("nginx.conf", config),
        ("files/small.html", b"small\n"),
        ("files/dir/index.html", b"moved\n"),
        ("files/up/empty", b""),
        ("files/big", big),
        ("files/slow", &slow),
    ];
    let root = place.directory("linux", &files)?;
    let mut command = place.peer("nginx", "nginx")?;
    command.current_dir(root);
    command.args(["-e", "stderr", "-p", "./", "-c", "nginx.conf"]);
    let mut server = Started::new(command)?;
    server.until_it_listens(SocketAddr::from((LINUX, 8080)))?;
    Ok(server)
}

fn same(place: &Place, uploaded: &str, wanted: &[u8]) -> Step<()> {
    let path = place.file("linux/files/up").join(uploaded);
    let found = fs::read(&path).map_err(|why| Failure::io("reading", &path, &why))?;
    if found == wanted {
        return Ok(());
    }
    Err(Failure::new(format_args!(
        "{uploaded} came with other bytes ({})",
        found.len()
    )))
}

/// A root with what a resolver needs; Linux's programs find the same.
fn root(place: &Place) -> Step<PathBuf> {
    let resolv = b"nameserver 10.77.0.1\n";
    let root = place.directory("root", &[("etc/resolv.conf", resolv), ("etc/hosts", b"")])?;
    place.take_etc_of(&root)?;
    Ok(root)
}

fn curl(place: &Place) -> Step<()> {
    let big = noise(place.share(BIG_BYTES));
    let _server = nginx(place, &big)?;
    let _names = dnsmasq(place, &["--host-record=files.test,10.77.0.1,fd77::1"])?;
    let root = root(place)?;
    let run = |arguments: &[&str]| {
        let mut command = place.program("curl", "curl", &root)?;
        command
            .args(["-q", "-sS", "--max-time", "60"])
            .args(arguments);
        place.run(command)
    };
    let fine = |arguments: &[&str]| run(arguments)?.fine();
    let status = [
        "-o",
        "ignored",
        "-w",
        "%{http_code} %{size_download} %{num_redirects} %{num_connects}\n",
    ];

    // There and back over one connection; a part, and then the rest of it; chunks, whose length nobody tells before.
    let up = |name: &str| format!("http://10.77.0.1:8080/up/{name}");
    let url = "http://10.77.0.1:8080/big";
    fine(&[
        "-o",
        "big",
        url,
        "--next",
        "-sS",
        "-T",
        "big",
        &up("whole"),
        "--next",
        "-sS",
        "-r",
        &format!("0-{}", big.len() / 4),
        "-o",
        "part",
        url,
        "--next",
        "-sS",
        "-C",
        "-",
        "-o",
        "part",
        url,
        "--next",
        "-sS",
        "-T",
        "part",
        &up("resumed"),
        "--next",
        "-sS",
        "-H",
        "Transfer-Encoding: chunked",
        "-T",
        "part",
        &up("chunked"),
    ])?;
    for name in ["whole", "resumed", "chunked"] {
        same(place, name, &big)?;
    }
    let followed = fine(&[&status[..], &["-L", "http://10.77.0.1:8080/dir"]].concat())?;
    expect("a redirection", &followed, "200 6 1 1\n")?;
    for (family, url) in [
        ("-6", "http://[fd77::1]:8080/big"),
        ("-6", "http://files.test:8080/big"),
        ("-4", "http://files.test:8080/big"),
        ("-q", "http://files.test:8080/big"),
    ] {
        let said = fine(&[&status[..], &[family, url]].concat())?;
        expect(url, &said, &format!("200 {} 0 1\n", big.len()))?;
    }
    // Many side by side.
    let urls = format!("http://files.test:8080/small.html?[1-{FILES}]");
    let said = fine(&["-Z", "--parallel-max", "20", "-w", "%{http_code} ", &urls])?;
    if said.matches("200 ").count() != FILES || said.matches("small\n").count() != FILES {
        return Err(Failure::new(format_args!(
            "{FILES} files side by side: {said}"
        )));
    }
    // What does not work, by the numbers that curl has for it.
    for (wanted, url) in [
        (6, "http://absent.test/"),
        (7, "http://10.77.0.1:9/"),
        (7, "http://[fd77::1]:9/"),
        (28, "http://10.77.0.1:8080/slow"),
    ] {
        let slow: &[&str] = if wanted == 28 {
            &["--limit-rate", "100K", "-m", "1"]
        } else {
            &[]
        };
        let said = run(&[&["-o", "ignored"], slow, &[url]].concat())?;
        if said.status != Some(wanted) {
            return Err(said.failure(&format!("{url} should end with {wanted}")));
        }
    }
    Ok(())
}

fn busybox(place: &Place) -> Step<()> {
    let big = noise(place.share(BIG_BYTES));
    let _server = nginx(place, &big)?;
    let _names = dnsmasq(place, &["--host-record=files.test,10.77.0.1,fd77::1"])?;
    let root = root(place)?;
    let command = |arguments: &[&str]| {
        let mut command = place.program("busybox", "busybox", &root)?;
        command.args(arguments);
        Ok(command)
    };
    let fine = |arguments: &[&str]| place.succeed(command(arguments)?);
    let linux = |arguments: &[&str], input: &[u8]| {
        let mut command = place.peer("busybox", "busybox")?;
        command.args(arguments);
        Started::with_input(command, input)
    };

    expect(
        "wget",
        &fine(&["wget", "-q", "-O", "-", "http://files.test:8080/small.html"])?,
        "small\n",
    )?;
    let said = fine(&["nslookup", "files.test", "10.77.0.1"])?;
    if !said.contains("Address: 10.77.0.1\n") || !said.contains("Address: fd77::1\n") {
        return Err(Failure::new(format_args!("nslookup: {said}")));
    }
    let mut answers = linux(&["ntpd", "-n", "-l"], b"")?;
    answers.until("ntpd answers", |_| {
        is_bound("udp", 123) || is_bound("udp6", 123)
    })?;
    let mut asks = Started::new(command(&["ntpd", "-n", "-w", "-d", "-p", "10.77.0.1"])?)?;
    let mut said = String::new();
    asks.until("ntpd has an answer", |so_far| {
        said = format!("{}{}", so_far.output, so_far.complaints);
        said.contains(" status:")
    })?;
    time(&said)?;
    drop(asks);
    for (applet, there) in [("ping", "10.77.0.1"), ("ping6", "fd77::1")] {
        let said = fine(&[applet, "-c", "2", "-i", "0.1", "-W", "10", there])?;
        if !said.contains(" 2 packets received, 0% packet loss") {
            return Err(Failure::new(format_args!("{applet}: {said}")));
        }
    }
    for (applet, there) in [("traceroute", "10.77.0.1"), ("traceroute6", "fd77::1")] {
        let said = fine(&[applet, "-n", "-q", "1", "-w", "10", there])?;
        if !said.contains(&format!("\n 1  {there}  ")) {
            return Err(Failure::new(format_args!("{applet}: {said}")));
        }
    }
    // Both ways: who connects is told, and who listens.
    let mut tells = linux(&["nc", "-l", "-p", "7000"], b"to the guest\n")?;
    tells.until("nc listens", |_| is_bound("tcp6", 7000))?;
    expect("nc", &fine(&["nc", "10.77.0.1", "7000"])?, "to the guest\n")?;
    let mut listens = Started::new(command(&["nc", "-l", "-p", "7001"])?)?;
    listens.until("nc has heard", |said| {
        // Refused, until it listens.
        let guest = GUEST.to_string();
        let told = linux(&["nc", "-w", "5", &guest, "7001"], b"from Linux\n");
        let _refused = told.and_then(Started::finish);
        said.output == "from Linux\n"
    })?;
    Ok(())
}

/// An answer of NTP tells nearly no difference: both have the same clock.
fn time(said: &str) -> Step<()> {
    let offsets: Vec<f64> = said
        .split("offset:")
        .skip(1)
        .filter_map(|rest| rest.split(' ').next()?.parse().ok())
        .collect();
    if !offsets.is_empty() && offsets.iter().all(|offset| offset.abs() < 1.0) {
        return Ok(());
    }
    Err(Failure::new(format_args!("ntpd: {said}")))
}

/// Is this port of Linux's taken? `table` is a file of `/proc/net`.
fn is_bound(table: &str, port: u16) -> bool {
    let taken = format!(":{port:04X} ");
    let text = fs::read_to_string(Path::new("/proc/net").join(table)).unwrap_or_default();
    text.lines().any(|line| line.contains(&taken))
}
