//! A network stack of the program's own under the socket calls: files stay the kernel's, sockets are Rust.
//! The kernel sees none of them: under strace there is not one call of `socket`.
//!
//!     cargo run --target x86_64-unknown-linux-musl --bin loopback_stack

mod stack;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread;

/// The stack runs beside the program's threads, where libc's allocator must not be used.
#[global_allocator]
static HEAP: muslin::Heap = muslin::Heap;

fn main() -> std::io::Result<()> {
    muslin_net::register(|_seed, _links| Box::new(stack::Loopback::default()));

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = thread::spawn(move || -> std::io::Result<usize> {
        let (mut connection, _) = listener.accept()?;
        let mut text = String::new();
        connection.read_to_string(&mut text)?;
        connection.write_all(text.to_uppercase().as_bytes())?;
        Ok(text.len())
    });
    let mut client = TcpStream::connect(address)?;
    client.write_all(b"through a stack of our own")?;
    client.shutdown(std::net::Shutdown::Write)?;
    let mut answer = String::new();
    client.read_to_string(&mut answer)?;
    println!("{answer}");
    if let Ok(taken) = server.join() {
        println!("the server took {} bytes", taken?);
    }

    let (one, two) = (UdpSocket::bind("[::1]:0")?, UdpSocket::bind("[::1]:0")?);
    one.send_to(b"datagram", two.local_addr()?)?;
    let mut bytes = [0; 16];
    let (len, from) = two.recv_from(&mut bytes)?;
    let is_from_one = from == one.local_addr()?;
    println!("{len} bytes by UDP, from the first: {is_from_one}");

    match TcpStream::connect("192.0.2.1:80") {
        Ok(_) => println!("nobody can be there"),
        Err(error) => println!("outside: {error}"),
    }
    Ok(())
}
