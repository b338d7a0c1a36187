//! The standard library alone: threads, channels, locks, files, a loopback echo, a caught panic and
//! a child process. Prints the same text on every run.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const WORKERS: u64 = 8;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("child") => child(),
        Some(dir) => match session(Path::new(dir)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                eprintln!("threads: {why}");
                ExitCode::FAILURE
            }
        },
        None => {
            eprintln!("usage: threads DIR");
            ExitCode::from(2)
        }
    }
}

/// What the child process does: upper-cases its input and leaves with a status of its own.
fn child() -> ExitCode {
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        println!("{}", line.to_uppercase());
    }
    ExitCode::from(7)
}

fn session(dir: &Path) -> io::Result<()> {
    println!("sum of squares over channels: {}", channels());
    println!("counter under a lock: {}", locks());
    println!("ping-pong turns: {}", ping_pong());
    println!("words: {:?}", words());
    println!("caught: {}", caught_panic());
    println!("files: {:?}", files(dir)?);
    println!("echo: {}", echo()?);
    println!("slept long enough: {}", sleeps());
    println!("child: {:?}", spawn_child()?);
    Ok(())
}

fn channels() -> u64 {
    let (sender, receiver) = mpsc::channel();
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let sender = sender.clone();
            thread::spawn(move || {
                for n in (worker..200).step_by(WORKERS as usize) {
                    CALLS.with(|calls| calls.set(calls.get() + 1));
                    if sender.send(n * n).is_err() {
                        break;
                    }
                }
                CALLS.get()
            })
        })
        .collect();
    drop(sender);
    let sum = receiver.iter().sum();
    let calls: u64 = workers.into_iter().filter_map(|w| w.join().ok()).sum();
    assert_eq!(calls, 200, "each thread has its own counter");
    sum
}

fn locks() -> u64 {
    let counter = Arc::new(Mutex::new(0));
    let start = Arc::new(Barrier::new(WORKERS as usize));
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                start.wait();
                for _ in 0..1000 {
                    *counter.lock().unwrap_or_else(|e| e.into_inner()) += 1;
                }
            });
        }
    });
    *counter.lock().unwrap_or_else(|e| e.into_inner())
}

fn ping_pong() -> u32 {
    let turn = (Mutex::new(0u32), Condvar::new());
    let play = |parity: u32| {
        for _ in 0..100 {
            let guard = turn.0.lock().unwrap_or_else(|e| e.into_inner());
            let mut guard = turn
                .1
                .wait_while(guard, |n| *n % 2 != parity)
                .unwrap_or_else(|e| e.into_inner());
            *guard += 1;
            turn.1.notify_all();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| play(0));
        scope.spawn(|| play(1));
    });
    turn.0.into_inner().unwrap_or_else(|e| e.into_inner())
}

fn words() -> Vec<(&'static str, u32)> {
    let mut seen = HashMap::new();
    for word in "the cat sat on the mat and the dog sat on the cat".split(' ') {
        *seen.entry(word).or_insert(0) += 1;
    }
    let mut seen: Vec<_> = seen.into_iter().collect();
    seen.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    seen.truncate(3);
    seen
}

fn caught_panic() -> String {
    let caught = thread::Builder::new()
        .name("unlucky".into())
        .spawn(|| -> u32 { std::panic::panic_any("on purpose".to_owned()) })
        .map(|thread| thread.join());
    match caught {
        Ok(Err(cause)) => cause.downcast_ref::<String>().cloned().unwrap_or_default(),
        other => format!("unexpected: {other:?}"),
    }
}

fn files(dir: &Path) -> io::Result<(u64, String, Vec<String>)> {
    let path = dir.join("notes.txt");
    let mut file = fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)?;
    for n in 0..100 {
        writeln!(file, "line {n}")?;
    }
    file.seek(SeekFrom::Start(5))?;
    let mut first = [0; 8];
    file.read_exact(&mut first)?;
    let copied = fs::copy(&path, dir.join("copy.txt"))?;
    fs::rename(dir.join("copy.txt"), dir.join("moved.txt"))?;
    fs::create_dir_all(dir.join("a/b"))?;
    fs::write(dir.join("a/b/c"), "deep")?;
    let mut names: Vec<String> = fs::read_dir(dir)?
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<_>>()?;
    names.sort();
    fs::remove_dir_all(dir.join("a"))?;
    Ok((copied, String::from_utf8_lossy(&first).into_owned(), names))
}

fn echo() -> io::Result<usize> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = thread::spawn(move || -> io::Result<()> {
        let (stream, _) = listener.accept()?;
        let mut writer = stream.try_clone()?;
        for line in BufReader::new(stream).lines() {
            writeln!(writer, "{}", line?)?;
        }
        Ok(())
    });
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut replies = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    let mut bytes = 0;
    for n in 0..50 {
        writeln!(writer, "message {n}")?;
        let mut reply = String::new();
        bytes += replies.read_line(&mut reply)?;
    }
    writer.shutdown(std::net::Shutdown::Both)?;
    let _ = server.join();
    Ok(bytes)
}

fn sleeps() -> bool {
    let begin = Instant::now();
    thread::sleep(Duration::from_millis(20));
    begin.elapsed() >= Duration::from_millis(20)
}

fn spawn_child() -> io::Result<(String, Option<i32>)> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("child")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(b"quiet words\nmore of them\n")?;
    }
    let output = child.wait_with_output()?;
    Ok((
        String::from_utf8_lossy(&output.stdout).into_owned(),
        output.status.code(),
    ))
}
