//! Linux's side of a run: threads with sockets that block.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::plan::{Bytes, Ending, PIECE_BYTES, Plan, Reader};

/// Where both sides wait for each other.
#[derive(Default)]
pub struct Gate {
    /// Linux has all bytes.
    pub is_linux_there: AtomicBool,
    /// Both have: now.
    pub is_open: AtomicBool,
}

pub enum Way {
    /// Connects to the engine.
    To(SocketAddr),
    /// Waits for the engine.
    From(TcpListener),
}

/// What a direction ended with.
enum End {
    /// All is sent, or the peer sends no more.
    Whole(usize),
    /// Part of it, then an error.
    Error(usize, ErrorKind),
}

fn text(what: &str, error: std::io::Error) -> String {
    format!("Linux: {what}: {error}")
}

/// Sets a number of `SOL_SOCKET`.
fn set<T>(socket: &impl AsRawFd, name: i32, value: &T) -> Result<(), String> {
    // SAFETY: the value is there for the call, and has the length that is told.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            name,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as u32,
        )
    };
    if answer < 0 {
        return Err(text("setsockopt", std::io::Error::last_os_error()));
    }
    Ok(())
}

fn set_buffer(socket: &impl AsRawFd, plan: &Plan) -> Result<(), String> {
    match plan.linux.buffer_bytes {
        Some(bytes) => set(socket, libc::SO_RCVBUF, &(bytes as i32)),
        None => Ok(()),
    }
}

/// A socket that listens for the engine.
pub fn listen(address: IpAddr, port: u16, plan: &Plan) -> Result<TcpListener, String> {
    let listener = TcpListener::bind((address, port)).map_err(|error| text("bind", error))?;
    set_buffer(&listener, plan)?;
    Ok(listener)
}

/// The whole side. How many bytes it sent and received.
pub fn run(plan: &Plan, way: Way, gate: &Arc<Gate>) -> Result<usize, String> {
    let stream = match way {
        Way::To(to) => match (TcpStream::connect(to), plan.ending) {
            (Err(error), Ending::Refused) if error.kind() == ErrorKind::ConnectionRefused => {
                return Ok(0);
            }
            // A reset may come before the program looks.
            (Err(error), Ending::EngineResets) if error.kind() == ErrorKind::ConnectionReset => {
                return Ok(0);
            }
            (stream, _) => stream.map_err(|error| text("connect", error))?,
        },
        Way::From(listener) => {
            let (stream, _) = listener.accept().map_err(|error| text("accept", error))?;
            stream
        }
    };
    set_buffer(&stream, plan)?;
    // Who will be reset sends until it is.
    let (to_send, to_read) = match plan.ending {
        Ending::EngineResets => (usize::MAX, usize::MAX),
        Ending::Together | Ending::LinuxResets => (plan.to_engine, plan.to_linux),
        _ => (plan.to_engine, usize::MAX),
    };
    let is_sent = AtomicBool::new(false);
    let (sent, received) = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let end = write(&stream, plan, to_send)?;
            is_sent.store(true, Ordering::Release);
            if matches!(plan.ending, Ending::Halves | Ending::LinuxFirst) {
                stream
                    .shutdown(Shutdown::Write)
                    .map_err(|error| text("shutdown", error))?;
            }
            Ok(end)
        });
        // The engine sends until it is reset. A Linux that takes back its window for want of
        // memory, and does not read, believes no window of its peer any more.
        let is_enough = || plan.ending != Ending::LinuxResets || is_sent.load(Ordering::Acquire);
        let received = read(&stream, plan, to_read, is_enough);
        let sent = writer
            .join()
            .unwrap_or_else(|_| Err("Linux: the writer ended".to_owned()));
        (sent, received)
    });
    match (plan.ending, sent?, received?) {
        (Ending::EngineResets, sent, received) => {
            let is_reset = |end: &End| matches!(end, End::Error(_, ErrorKind::ConnectionReset));
            if !is_reset(&sent) && !is_reset(&received) {
                return Err("Linux: the connection ended, but not by a reset".to_owned());
            }
            Ok(sent.bytes() + received.bytes())
        }
        (ending, End::Whole(sent), End::Whole(received)) => {
            if received < plan.to_linux
                || (received > plan.to_linux && ending != Ending::LinuxResets)
            {
                return Err(format!(
                    "Linux: the end came behind {received} bytes of {}",
                    plan.to_linux
                ));
            }
            match ending {
                Ending::Together => {
                    gate.is_linux_there.store(true, Ordering::Release);
                    while !gate.is_open.load(Ordering::Acquire) {
                        thread::sleep(Duration::from_micros(200));
                    }
                }
                Ending::LinuxResets => {
                    let linger = libc::linger {
                        l_onoff: 1,
                        l_linger: 0,
                    };
                    set(&stream, libc::SO_LINGER, &linger)?;
                }
                _ => {}
            }
            Ok(sent + received)
        }
        (_, End::Error(bytes, error), _) => {
            Err(format!("Linux: sending behind {bytes} bytes: {error}"))
        }
        (_, _, End::Error(bytes, error)) => {
            Err(format!("Linux: receiving behind {bytes} bytes: {error}"))
        }
    }
}

impl End {
    fn bytes(&self) -> usize {
        match *self {
            Self::Whole(bytes) | Self::Error(bytes, _) => bytes,
        }
    }
}

fn write(mut stream: &TcpStream, plan: &Plan, count: usize) -> Result<End, String> {
    let bytes = Bytes::new(plan.seed ^ 1);
    let mut sent = 0;
    while sent < count {
        match stream.write(bytes.at(sent, count - sent)) {
            Ok(taken) => sent += taken,
            Err(error) => return Ok(End::Error(sent, error.kind())),
        }
    }
    Ok(End::Whole(sent))
}

/// Reads so many bytes, and then until it is enough.
fn read(
    mut stream: &TcpStream,
    plan: &Plan,
    count: usize,
    is_enough: impl Fn() -> bool,
) -> Result<End, String> {
    let bytes = Bytes::new(plan.seed);
    let Reader {
        chunk_bytes,
        mut rests,
        rest_ms,
        ..
    } = plan.linux;
    let mut place = vec![0; chunk_bytes.min(PIECE_BYTES)];
    let mut received = 0;
    while received < count || !is_enough() {
        if rests > 0 {
            rests -= 1;
            thread::sleep(Duration::from_millis(rest_ms));
        }
        let room = match count.saturating_sub(received) {
            0 => place.len(),
            left => place.len().min(left),
        };
        match stream.read(&mut place[..room]) {
            Ok(0) => return Ok(End::Whole(received)),
            Ok(len) => {
                bytes
                    .check(received, &place[..len])
                    .map_err(|problem| format!("Linux: received: {problem}"))?;
                received += len;
            }
            Err(error) => return Ok(End::Error(received, error.kind())),
        }
    }
    Ok(End::Whole(received))
}

/// Connections of these ports that Linux has and that are not over, as it shows them.
pub fn states(ports: impl Fn(u16) -> bool) -> Vec<String> {
    let mut lines = Vec::new();
    for file in ["tcp", "tcp6"] {
        let table = std::fs::read_to_string(format!("/proc/thread-self/net/{file}"));
        for line in table.unwrap_or_default().lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().take(7).collect();
            let port = |word: &str| u16::from_str_radix(word.rsplit(':').next()?, 16).ok();
            let [_, local, remote, state, ..] = words[..] else {
                continue;
            };
            // 06 is TIME_WAIT.
            if state != "06" && [local, remote].into_iter().filter_map(port).any(&ports) {
                lines.push(words.join(" "));
            }
        }
    }
    lines
}
