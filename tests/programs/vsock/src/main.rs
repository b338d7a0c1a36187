//! Streams of AF_VSOCK by the crate `vsock`: `vsock-echo serve PORT CLIENTS` gives back what it gets, a thread for each
//! that comes; `vsock-echo ask CID PORT` sends by two connections at once, and looks at what comes back.

use std::env;
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use vsock::{VMADDR_CID_ANY, VsockListener, VsockStream};

/// How many bytes a connection sends.
const BYTES: usize = 200_000;
/// Connections of a client.
const CONNECTIONS: u8 = 2;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

fn main() -> Outcome {
    let words: Vec<String> = env::args().skip(1).collect();
    match &words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", port, clients] => serve(port.parse()?, clients.parse()?),
        ["ask", cid, port] => ask(cid.parse()?, port.parse()?),
        _ => Err("serve PORT CLIENTS, or ask CID PORT".into()),
    }
}

fn serve(port: u32, clients: usize) -> Outcome {
    let listener = VsockListener::bind_with_cid_port(VMADDR_CID_ANY, port)?;
    println!("listening at port {}", listener.local_addr()?.port());
    let mut echoes = Vec::new();
    for stream in listener.incoming().take(clients) {
        let stream = stream?;
        echoes.push(thread::spawn(move || echo(stream)));
    }
    for echo in echoes {
        let count = echo.join().map_err(|_| "a thread panicked")??;
        println!("gave back {count} bytes");
    }
    Ok(())
}

fn echo(mut stream: VsockStream) -> Result<usize, std::io::Error> {
    let mut bytes = [0; 3000];
    let mut count = 0;
    loop {
        match stream.read(&mut bytes)? {
            0 => break,
            len => {
                stream.write_all(&bytes[..len])?;
                count += len;
            }
        }
    }
    stream.shutdown(Shutdown::Write)?;
    Ok(count)
}

fn ask(cid: u32, port: u32) -> Outcome {
    let nobody = VsockStream::connect_with_cid_port(cid, port + 1);
    println!(
        "where nobody listens: {:?}",
        nobody.map_err(|why| why.kind()).err()
    );
    let connections: Vec<_> = (1..=CONNECTIONS)
        .map(|salt| thread::spawn(move || send(cid, port, salt)))
        .collect();
    for connection in connections {
        connection.join().map_err(|_| "a thread panicked")??;
    }
    println!("all came back");
    Ok(())
}

fn send(cid: u32, port: u32, salt: u8) -> Outcome {
    let mut stream = VsockStream::connect_with_cid_port(cid, port)?;
    if stream.peer_addr()?.port() != port {
        return Err("the peer has another port".into());
    }
    stream.set_read_timeout(Some(Duration::from_millis(20)))?;
    let early = stream.read(&mut [0; 1]).map_err(|why| why.kind());
    if early != Err(ErrorKind::WouldBlock) {
        return Err("something came before something was sent".into());
    }
    stream.set_read_timeout(None)?;
    let bytes: Vec<u8> = (0..BYTES).map(|at| (at as u8).wrapping_mul(salt)).collect();
    let mut writer = stream.try_clone()?;
    let sent = bytes.clone();
    let writes = thread::spawn(move || {
        writer.write_all(&sent)?;
        writer.shutdown(Shutdown::Write)
    });
    let mut back = Vec::new();
    stream.read_to_end(&mut back)?;
    writes.join().map_err(|_| "a thread panicked")??;
    match back == bytes {
        true => Ok(()),
        false => Err("other bytes came back".into()),
    }
}
