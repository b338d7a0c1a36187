//! A small HTTP/1.1 client: single requests, and a bounded load over kept-alive connections whose
//! every reply is checked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use crate::failure::{Failure, Step};

const TIMEOUT: Duration = Duration::from_secs(30);

/// One request over a connection of its own. The reply without the lines that differ each time.
pub fn request(address: SocketAddr, method: &str, path: &str, body: &str) -> Step<String> {
    let mut connection = Connection::open(address)?;
    let (head, body) = connection.ask(method, path, body)?;
    let head: Vec<&str> = head
        .lines()
        .filter(|line| !line.starts_with("date:"))
        .collect();
    Ok(format!(
        "{}\n\n{}",
        head.join("\n"),
        String::from_utf8_lossy(&body)
    ))
}

/// `connections` at once, each with so many requests. The bytes of all replies' bodies.
pub fn load(address: SocketAddr, connections: usize, requests: usize) -> Step<usize> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .map(|connection| scope.spawn(move || load_one(address, connection, requests)))
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err(Failure::new("a client panicked")))
            })
            .sum()
    })
}

fn load_one(address: SocketAddr, number: usize, requests: usize) -> Step<usize> {
    let mut connection = Connection::open(address)?;
    let mut bytes = 0;
    for n in 0..requests {
        let (method, path, sent, wanted) = match n % 3 {
            0 => (
                "GET",
                "/".to_owned(),
                String::new(),
                "hello over http\n".to_owned(),
            ),
            1 => (
                "GET",
                format!("/square?n={n}"),
                String::new(),
                format!("n: {}\n", n * n),
            ),
            _ => {
                let text = format!("connection {number} request {n} ").repeat(20);
                ("POST", "/echo".to_owned(), text.clone(), text)
            }
        };
        let (head, body) = connection.ask(method, &path, &sent)?;
        if !head.starts_with("HTTP/1.1 200") || body != wanted.as_bytes() {
            return Err(Failure::new(format_args!(
                "{method} {path}: a wrong reply\n{head}\n{}",
                String::from_utf8_lossy(&body)
            )));
        }
        bytes += body.len();
    }
    Ok(bytes)
}

struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(address: SocketAddr) -> Step<Connection> {
        let open = || {
            let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        open()
            .map(|stream| Connection(BufReader::new(stream)))
            .map_err(|why: std::io::Error| {
                Failure::new(format_args!("connecting to {address}: {why}"))
            })
    }

    /// The head and the body of the reply.
    fn ask(&mut self, method: &str, path: &str, body: &str) -> Step<(String, Vec<u8>)> {
        self.exchange(method, path, body)
            .map_err(|why| Failure::new(format_args!("{method} {path}: {why}")))
    }

    fn exchange(
        &mut self,
        method: &str,
        path: &str,
        body: &str,
    ) -> std::io::Result<(String, Vec<u8>)> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.get_mut().write_all(request.as_bytes())?;
        let mut head = String::new();
        let mut length = 0;
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(std::io::Error::other("the server closed the connection"));
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().map_err(std::io::Error::other)?;
            }
            head.push_str(line);
            head.push('\n');
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok((head, body))
    }
}
