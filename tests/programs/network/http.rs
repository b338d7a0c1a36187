//! Servers of HTTP with the stack: every reply is right, over one connection and many, also beside clients that go
//! away in the middle.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use libtest_mimic::Trial;

use crate::failure::{Failure, Step};

use super::place::{GUEST, GUEST6, Place, Test, World, in_url};
use super::started::Started;

/// The page that is asked for most.
const SMALL_BYTES: usize = 612;
/// The file that does not go through at once.
const BIG_BYTES: usize = 24 << 20;
/// What nginx's stripped image has at most, and the memory that it serves in.
const NGINX_BYTES_MAX: u64 = 1_500_000;
const NGINX_MIB: u32 = 6;
/// Connections that are open at the same time.
const CONNECTIONS: usize = 400;
/// Clients that go away.
const GONE: usize = 120;
/// Replies and all are there by then.
const PATIENCE: Duration = Duration::from_secs(60);

/// The tests.
pub fn trials() -> Vec<Trial> {
    let test = |body| Test {
        programs: &[],
        peers: &["curl"],
        is_long: false,
        body,
    };
    let mut all = Test {
        programs: &["nginx"],
        ..test(nginx)
    }
    .trials_of(&World::ALL, "nginx");
    let little = Test {
        programs: &["nginx"],
        ..test(little_nginx)
    };
    let mut little = little.trials("nginx-in-6-MiB");
    little.retain(|trial| trial.name().ends_with(World::Spt.name()));
    all.extend(little);
    all.extend(
        Test {
            programs: &["lighttpd"],
            ..test(lighttpd)
        }
        .trials_of(&World::ALL, "lighttpd"),
    );
    let axum = Test {
        programs: &["rust"],
        peers: &["busybox", "curl"],
        ..test(axum)
    };
    // The others have more of axum in tests/programs/two_ends.rs.
    all.extend(axum.trials_of(&[World::Hvt, World::Stock], "axum"));
    all
}

fn nginx(place: &Place) -> Step<()> {
    let config = include_bytes!("../inputs/network/nginx.conf");
    serves(place, ("nginx.conf", config), |root| {
        let mut command = place.program("nginx", "nginx", root)?;
        command.args(["-e", "stderr", "-p", "./", "-c", "nginx.conf"]);
        Ok(command)
    })
}

/// nginx is a small image, and serves in little memory.
fn little_nginx(place: &Place) -> Step<()> {
    let stripped = place.file("nginx");
    let mut strip = place.tool("strip")?;
    strip
        .arg("-o")
        .arg(&stripped)
        .arg(place.image("nginx", "nginx")?);
    place.succeed(strip)?;
    let size = fs::metadata(&stripped).map_err(|why| Failure::io("reading", &stripped, &why))?;
    eprintln!("nginx for spt: {} bytes", size.len());
    if size.len() > NGINX_BYTES_MAX {
        return Err(Failure::new(format_args!(
            "the stripped image has {} bytes; {NGINX_BYTES_MAX} are allowed",
            size.len()
        )));
    }
    let small = noise(SMALL_BYTES);
    let files: [(&str, &[u8]); 4] = [
        ("nginx.conf", include_bytes!("../inputs/network/nginx.conf")),
        ("etc/passwd", b"root:x:0:0:root:/:/bin/sh\n"),
        ("etc/group", b"root:x:0:\n"),
        ("files/small.html", &small),
    ];
    let root = place.directory("server", &files)?;
    let mut command = place.guest_in(NGINX_MIB, &stripped, &root);
    command.args(["-e", "stderr", "-p", "./", "-c", "nginx.conf"]);
    let mut server = Started::new(command)?;
    let address = SocketAddr::from((GUEST, 8080));
    server.until_it_listens(address)?;
    let asked = by_wrk(place).and_then(|()| {
        let mut curl = place.peer("curl", "curl")?;
        curl.args(["-q", "-sS", "--max-time", "60", "-o", "page"]);
        curl.arg(format!("http://{GUEST}:8080/small.html"));
        place.succeed(curl)?;
        let path = place.file("page");
        let page = fs::read(&path).map_err(|why| Failure::io("reading", &path, &why))?;
        if page == small {
            return Ok(());
        }
        Err(Failure::new("the page has other bytes after the load"))
    });
    let said = server.end()?;
    asked.map_err(|failure| said.failure(&failure.to_string()))
}

fn lighttpd(place: &Place) -> Step<()> {
    let config = include_bytes!("../inputs/network/lighttpd.conf");
    serves(place, ("lighttpd.conf", config), |root| {
        let mut command = place.program("lighttpd", "lighttpd", root)?;
        command.args(["-D", "-f", "lighttpd.conf"]);
        Ok(command)
    })
}

/// axum on tokio with its threads, behind some echoes of ICMP: questions in turn, answers as long as questions, many at once, and an end.
fn axum(place: &Place) -> Step<()> {
    let root = place.directory("server", &[("empty", b"")])?;
    let mut command = place.program("rust", "http-server", &root)?;
    command.arg("[::]:8080");
    let mut server = Started::new(command)?;
    server.until_it_listens(SocketAddr::from((GUEST, 8080)))?;
    for (family, address) in [("-4", GUEST.to_string()), ("-6", GUEST6.to_string())] {
        let mut ping = place.peer("busybox", "busybox")?;
        ping.args([
            "ping", family, "-c", "3", "-i", "0.2", "-s", "1400", "-w", "20",
        ]);
        ping.arg(address);
        let said = place.succeed(ping)?;
        if !said.contains("3 packets received, 0% packet loss") {
            return Err(Failure::new(format_args!("ping: {said}")));
        }
    }
    let text = "0123456789abcde\n".repeat(place.share(1 << 20) / 16);
    let sent = place.directory("client", &[("text", text.as_bytes())])?;
    let asked = [in_url(GUEST.into()), in_url(GUEST6.into())]
        .iter()
        .try_for_each(|host| {
            let ask = |arguments: &[&str], path: &str| {
                let mut curl = place.peer("curl", "curl")?;
                curl.args(["-q", "-sS", "--max-time", "60"])
                    .current_dir(&sent)
                    .args(arguments)
                    .arg(format!("http://{host}:8080/{path}"));
                place.succeed(curl)
            };
            expect("a greeting", &ask(&[], "")?, "hello over http\n")?;
            let squares = ask(&[], "square?three=3&seven=7")?;
            expect("squares", &squares, "three: 9\nseven: 49\n")?;
            expect("an echo", &ask(&["--data-binary", "@text"], "echo")?, &text)?;
            let naps = ask(&["-Z", "--parallel-max", "10"], "nap?[1-30]");
            expect("naps", &naps?, &"rested\n".repeat(30))
        })
        .and_then(|()| {
            let mut curl = place.peer("curl", "curl")?;
            curl.args(["-q", "-sS", "-X", "POST"]);
            curl.arg(format!("http://{GUEST}:8080/stop"));
            expect("stopping", &place.succeed(curl)?, "stopping\n")
        });
    if let Err(failure) = asked {
        return Err(server.end()?.failure(&failure.to_string()));
    }
    let said = server.finish()?.fine()?;
    // Of each address a greeting, squares, an echo and thirty naps; and the last.
    expect("the server", &said, "port 8080\nanswered 67 requests\n")
}

/// What is asked of a server.
fn serves(
    place: &Place,
    config: (&str, &[u8]),
    command: impl FnOnce(&Path) -> Step<Command>,
) -> Step<()> {
    let (small, big) = (noise(SMALL_BYTES), noise(place.share(BIG_BYTES)));
    let files: [(&str, &[u8]); 6] = [
        config,
        ("etc/passwd", b"root:x:0:0:root:/:/bin/sh\n"),
        ("etc/group", b"root:x:0:\n"),
        ("files/small.html", &small),
        ("files/big", &big),
        ("files/empty", b""),
    ];
    let root = place.directory("server", &files)?;
    let mut server = Started::new(command(&root)?)?;
    let address = SocketAddr::from((GUEST, 8080));
    server.until_it_listens(address)?;
    let asked = by_curl(place, &small, &big)
        .and_then(|()| many_at_once(address, place.share(CONNECTIONS), &small))
        .and_then(|()| going_away(address, place.share(GONE), &big))
        .and_then(|()| by_wrk(place))
        // Nothing of all that stays behind.
        .and_then(|()| by_curl(place, &small, &big));
    let said = server.end()?;
    asked.map_err(|failure| said.failure(&failure.to_string()))
}

/// Bytes that say where they are.
pub fn noise(len_bytes: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..len_bytes.div_ceil(8))
        .flat_map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        })
        .take(len_bytes)
        .collect()
}

fn by_curl(place: &Place, small: &[u8], big: &[u8]) -> Step<()> {
    for host in [in_url(GUEST.into()), in_url(GUEST6.into())] {
        let url = |path: &str| format!("http://{host}:8080/{path}");
        let curl = |arguments: &[&str]| {
            let mut command = place.peer("curl", "curl")?;
            command
                .args(["-q", "-sS", "--max-time", "60"])
                .args(arguments);
            place.succeed(command)
        };
        let status = |arguments: &[&str]| {
            curl(
                &[
                    &["-o", "ignored", "-w", "%{http_code} %{size_download} "],
                    arguments,
                ]
                .concat(),
            )
        };
        let same = |file: &str, wanted: &[u8]| {
            let path = place.file(file);
            let found = fs::read(&path).map_err(|why| Failure::io("reading", &path, &why))?;
            if found == wanted {
                return Ok(());
            }
            Err(Failure::new(format_args!(
                "{file} of {host} has other bytes ({})",
                found.len()
            )))
        };
        // Four files over one connection.
        let (one, two, three) = (url("small.html"), url("big"), url("empty"));
        let connections = curl(&[
            "-w",
            "%{num_connects} ",
            "-o",
            "a",
            &one,
            "-o",
            "b",
            &two,
            "-o",
            "c",
            &three,
            "-o",
            "d",
            &one,
        ])?;
        expect("connections", &connections, "1 0 0 0 ")?;
        same("a", small)?;
        same("b", big)?;
        same("d", small)?;
        let part = big.len() / 5..big.len() * 2 / 5;
        let range = format!("{}-{}", part.start, part.end - 1);
        curl(&["-r", &range, "-o", "part", &url("big")])?;
        same("part", &big[part])?;
        expect("the head", &status(&["--head", &url("big")])?, "200 0 ")?;
        for (wanted, arguments) in [
            ("404 ", &[&url("absent")[..]][..]),
            ("416 ", &["-r", "99999999-", &url("big")]),
        ] {
            let found = status(arguments)?;
            if !found.starts_with(wanted) {
                return Err(Failure::new(format_args!("{arguments:?}: {found}")));
            }
        }
        expect(
            "a slow reader",
            &status(&["--limit-rate", "32M", &url("big")])?,
            &format!("200 {} ", big.len()),
        )?;
    }
    Ok(())
}

/// What was found must be that.
pub fn expect(what: &str, found: &str, wanted: &str) -> Step<()> {
    if found == wanted {
        return Ok(());
    }
    Err(Failure::new(format_args!(
        "{what}: {found:?}, and {wanted:?} was wanted"
    )))
}

/// Connections that are all open before the first of them asks; each asks twice.
fn many_at_once(address: SocketAddr, connections: usize, small: &[u8]) -> Step<()> {
    let mut connections = (0..connections)
        .map(|_| open(address))
        .collect::<Step<Vec<_>>>()?;
    for _ in 0..2 {
        for connection in &mut connections {
            let asked = connection.write_all(b"GET /small.html HTTP/1.1\r\nHost: guest\r\n\r\n");
            asked.map_err(|why| Failure::new(format_args!("asking: {why}")))?;
        }
        for connection in &mut connections {
            reply(connection, small, "one of many")?;
        }
    }
    // Ten at once, in pieces; then nothing more.
    let connection = &mut connections[0];
    let request = b"GET /small.html HTTP/1.1\r\nHost: guest\r\n\r\n".repeat(10);
    let asked = request
        .chunks(17)
        .try_for_each(|piece| connection.write_all(piece));
    asked.map_err(|why| Failure::new(format_args!("asking in pieces: {why}")))?;
    (0..10).try_for_each(|_| reply(connection, small, "requests in pieces"))?;
    let closed = connection.shutdown(Shutdown::Write);
    let end = closed.and_then(|()| connection.read(&mut [0]));
    match end {
        Ok(0) => Ok(()),
        other => Err(Failure::new(format_args!(
            "after the last request: {other:?}"
        ))),
    }
}

fn open(address: SocketAddr) -> Step<TcpStream> {
    let open = || {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    open()
        .map_err(|why: std::io::Error| Failure::new(format_args!("connecting to {address}: {why}")))
}

/// Reads one reply, byte by byte until its head's end: nothing of the next one.
fn reply(connection: &mut TcpStream, wanted: &[u8], what: &str) -> Step<()> {
    let failed = |why| Failure::new(format_args!("reading the reply to {what}: {why}"));
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        connection.read_exact(&mut byte).map_err(failed)?;
        head.push(byte[0]);
    }
    let mut body = vec![0; wanted.len()];
    connection.read_exact(&mut body).map_err(failed)?;
    if head.starts_with(b"HTTP/1.1 200 ") && body == wanted {
        return Ok(());
    }
    Err(Failure::new(format_args!(
        "a wrong reply to {what}: {}",
        String::from_utf8_lossy(&head)
    )))
}

/// Clients that ask for much and do not wait for it, beside one that does.
fn going_away(address: SocketAddr, clients: usize, big: &[u8]) -> Step<()> {
    thread::scope(|scope| {
        let waits = scope.spawn(move || {
            let mut connection = open(address)?;
            let asked = connection.write_all(b"GET /big HTTP/1.1\r\nHost: guest\r\n\r\n");
            asked.map_err(|why| Failure::new(format_args!("asking: {why}")))?;
            reply(&mut connection, big, "one who waits")
        });
        for n in 0..clients {
            let mut connection = open(address)?;
            let end = if n % 3 == 0 { "" } else { "\r\n\r\n" };
            let request = format!("GET /big HTTP/1.1\r\nHost: guest{end}");
            // What the client does not read is reset when it closes; the reset may come back to it.
            let mut some = vec![0; n * 1000];
            let _ = connection.write_all(request.as_bytes()).and_then(|()| {
                if end.is_empty() {
                    Ok(())
                } else {
                    connection.read_exact(&mut some)
                }
            });
        }
        waits
            .join()
            .unwrap_or_else(|_| Err(Failure::new("a client panicked")))
    })
}

/// A load: no reply is missing, no connection fails.
fn by_wrk(place: &Place) -> Step<()> {
    if place.world == World::Hvt {
        // It is linked with libraries that are not in the lab; the other loads are.
        return Ok(());
    }
    let mut wrk = match place.tool("wrk") {
        Ok(wrk) => wrk,
        Err(absent) => {
            eprintln!("{absent}; the rest is tested");
            return Ok(());
        }
    };
    wrk.args([
        "-t",
        "1",
        "-c",
        "30",
        "-d",
        "2s",
        &format!("http://{GUEST}:8080/small.html"),
    ]);
    let said = place.succeed(wrk)?;
    let rate = said.lines().find(|line| line.starts_with("Requests/sec:"));
    let is_served = rate.is_some_and(|line| !line.ends_with(" 0.00"));
    if !is_served || said.contains("Socket errors") || said.contains("Non-2xx") {
        return Err(Failure::new(format_args!("wrk said\n{said}")));
    }
    eprintln!("{}", rate.unwrap_or_default());
    Ok(())
}
