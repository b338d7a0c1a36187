//! The servers: Redis under its own client and benchmark, axum on tokio under a small load.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;

use crate::failure::{Failure, Step};
use crate::http_client;
use crate::same::trials as both;
use crate::stage::{Stage, Watch, read_all};

/// How long a server may take to listen or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// The tests.
pub fn trials() -> Vec<Trial> {
    let mut all = Vec::new();
    all.extend(both("redis", "redis", redis));
    all.extend(both("axum", "rust", axum));
    all
}

/// A server process; it is ended with its test, whatever happens.
struct Server(Child);

impl Server {
    /// Waits until the server has ended by itself.
    fn ended(&mut self) -> Step<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.0.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => {
                    return Err(Failure::new(format_args!("the server ended with {status}")));
                }
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(20)),
                Ok(None) => return Err(Failure::new("the server does not end when told to")),
                Err(why) => {
                    return Err(Failure::new(format_args!("waiting for the server: {why}")));
                }
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            // The process is `timeout`, which hands the signal on to all that it started.
            let _ = std::process::Command::new("kill")
                .arg(self.0.id().to_string())
                .status();
            let _ = self.0.wait();
        }
    }
}

fn redis(stage: &Stage) -> Step<()> {
    let port = free_port()?;
    let number = port.to_string();
    let start = || {
        let mut server = stage.command("redis-server");
        server.args([
            "--port",
            &number,
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "yes",
        ]);
        server.args(["--logfile", "server.log"]);
        let mut server = Server(stage.start(&mut server)?);
        until_ready(port, &mut server)?;
        Ok(server)
    };
    let mut server = start()?;
    let cli = |args: &[&str], input: &str| {
        let mut command = stage.command("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &number]).args(args);
        stage.finish(&mut command, input.as_bytes())
    };
    let replies = cli(&[], include_str!("inputs/redis/commands.txt"))?;
    stage.note(&replies.stdout);
    stage.note(&replies.stderr);
    let script =
        "local n = 0 for i = 1, 1000 do n = n + redis.call('INCRBY', KEYS[1], i) end return n";
    stage.note(cli(&["EVAL", script, "1", "sum"], "")?.stdout);

    let mut benchmark = stage.command("redis-benchmark");
    let requests = if stage.watch() == Watch::Traced {
        "500"
    } else {
        "5000"
    };
    benchmark.args([
        "-h",
        "127.0.0.1",
        "-p",
        &number,
        "-q",
        "--csv",
        "-c",
        "20",
        "-n",
        requests,
    ]);
    benchmark.args(["-t", "ping,set,get,incr,lpush,rpop,sadd,hset,zadd,mset"]);
    let output = stage.finish(&mut benchmark, b"")?;
    let report = String::from_utf8_lossy(&output.stdout);
    for line in report.lines() {
        // Name, rate, latencies: only the names are the same each time.
        stage.note(format!("{}\n", line.split(',').next().unwrap_or(line)));
    }
    if !output.status.success() || report.lines().count() < 11 {
        return Err(Failure::new(format_args!(
            "redis-benchmark: {}\n{report}{}\n--- the server\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr),
            fs::read_to_string(stage.work().join("server.log")).unwrap_or_default()
        )));
    }

    // Writing the log of changes anew forks. Then the server ends, starts again and still knows.
    stage.note(cli(&["BGREWRITEAOF"], "")?.stdout);
    let deadline = Instant::now() + PATIENCE;
    while !String::from_utf8_lossy(&cli(&["INFO", "persistence"], "")?.stdout)
        .contains("aof_rewrite_in_progress:0")
    {
        if Instant::now() > deadline {
            return Err(Failure::new("redis-server does not end its BGREWRITEAOF"));
        }
        thread::sleep(Duration::from_millis(100));
    }
    stage.note(cli(&["SHUTDOWN"], "")?.stdout);
    server.ended()?;
    let mut server = start()?;
    stage.note(
        cli(
            &["MGET", "name", "visits", "sum", "counter:__rand_int__"],
            "",
        )?
        .stdout,
    );
    stage.note(cli(&["DBSIZE"], "")?.stdout);
    stage.note(cli(&["SHUTDOWN", "NOSAVE"], "")?.stdout);
    server.ended()?;
    // These hold times and process numbers.
    let (log, data) = (
        stage.work().join("server.log"),
        stage.work().join("appendonlydir"),
    );
    fs::remove_file(&log).map_err(|why| Failure::io("removing", &log, &why))?;
    fs::remove_dir_all(&data).map_err(|why| Failure::io("removing", &data, &why))
}

fn axum(stage: &Stage) -> Step<()> {
    let mut child = stage.start(&mut stage.command("http-server"))?;
    let output = child.stdout.take();
    let mut server = Server(child);
    let mut lines = BufReader::new(output.ok_or_else(|| Failure::new("no output to read"))?);
    let mut first = String::new();
    lines
        .read_line(&mut first)
        .map_err(|why| Failure::new(format_args!("reading the server's port: {why}")))?;
    let port = first
        .trim()
        .strip_prefix("port ")
        .and_then(|port| port.parse().ok())
        .ok_or_else(|| Failure::new(format_args!("the server said no port but {first:?}")))?;

    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let (connections, requests) = if stage.watch() == Watch::Traced {
        (8, 50)
    } else {
        (32, 250)
    };
    let bytes = http_client::load(address, connections, requests)?;
    // The whole load is checked reply by reply; the length is only for the transcript.
    if stage.watch() != Watch::Traced {
        stage.note(format!("{bytes} bytes of replies\n"));
    }
    for (method, path, body) in [
        ("GET", "/", ""),
        ("GET", "/square?side=12&other=-3", ""),
        ("POST", "/echo", "word for word"),
        ("GET", "/nap", ""),
        ("GET", "/absent", ""),
        ("POST", "/", "not allowed"),
        ("GET", "/square?side=round", ""),
        ("POST", "/stop", ""),
    ] {
        let reply = http_client::request(address, method, path, body)?;
        stage.note(format!("{method} {path}\n{reply}\n"));
    }
    server.ended()?;
    stage.note(read_all(lines)?);
    Ok(())
}

/// A port that nobody listened on a moment ago.
fn free_port() -> Step<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|why| Failure::new(format_args!("looking for a free port: {why}")))
}

/// Waits until Redis has loaded its data: it listens before.
fn until_ready(port: u16, server: &mut Server) -> Step<()> {
    let deadline = Instant::now() + PATIENCE;
    while !answers_ping(port).unwrap_or(false) {
        if let Ok(Some(status)) = server.0.try_wait() {
            return Err(Failure::new(format_args!(
                "the server ended at once with {status}"
            )));
        }
        if Instant::now() > deadline {
            return Err(Failure::new(format_args!("nobody answers on port {port}")));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn answers_ping(port: u16) -> std::io::Result<bool> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.write_all(b"PING\r\n")?;
    let mut reply = [0; 7];
    connection.read_exact(&mut reply)?;
    Ok(&reply == b"+PONG\r\n")
}
