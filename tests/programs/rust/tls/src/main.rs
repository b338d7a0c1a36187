//! A rustls server and a rustls client over loopback: TLS 1.3, then TLS 1.2, then a client that
//! does not trust the server.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, Stream,
};
use rustls::{SupportedProtocolVersion, version};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const MESSAGES: usize = 40;

fn main() -> ExitCode {
    match session() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("tls: {why}");
            ExitCode::FAILURE
        }
    }
}

fn session() -> Outcome<()> {
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    let certificate = own.cert.der().clone();
    let key = own.signing_key.serialize_der();

    let mut trusting = RootCertStore::empty();
    trusting.add(certificate.clone())?;
    for protocol in [&version::TLS13, &version::TLS12] {
        let (address, server) = serve(certificate.clone(), key.clone())?;
        let bytes = talk(address, trusting.clone(), protocol)?;
        println!("{:?}: {bytes} bytes echoed", protocol.version);
        server.join().map_err(|_| "the server panicked")??;
    }

    let (address, server) = serve(certificate, key)?;
    match talk(address, RootCertStore::empty(), &version::TLS13) {
        Ok(_) => println!("a stranger was trusted"),
        Err(why) => println!("a stranger is refused: {why}"),
    }
    let refused = server.join().map_err(|_| "the server panicked")?;
    println!("and the server hears of it: {}", refused.is_err());
    Ok(())
}

/// Starts an echo server for one connection.
fn serve(
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
) -> Outcome<(SocketAddr, thread::JoinHandle<Outcome<()>>)> {
    let key = PrivateKeyDer::try_from(key)?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept()?;
        let mut connection = ServerConnection::new(Arc::new(config))?;
        let mut lines = BufReader::new(Stream::new(&mut connection, &mut socket));
        for _ in 0..MESSAGES {
            let mut line = String::new();
            lines.read_line(&mut line)?;
            lines.get_mut().write_all(line.as_bytes())?;
        }
        Ok(())
    });
    Ok((address, server))
}

fn talk(
    address: SocketAddr,
    roots: RootCertStore,
    protocol: &'static SupportedProtocolVersion,
) -> Outcome<usize> {
    let config = ClientConfig::builder_with_protocol_versions(&[protocol])
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut connection =
        ClientConnection::new(Arc::new(config), ServerName::try_from("localhost")?)?;
    let mut socket = TcpStream::connect(address)?;
    let mut lines = BufReader::new(Stream::new(&mut connection, &mut socket));
    let mut bytes = 0;
    for n in 0..MESSAGES {
        let message = format!("message {n} {}\n", "x".repeat(n * 50));
        lines.get_mut().write_all(message.as_bytes())?;
        let mut reply = String::new();
        bytes += lines.read_line(&mut reply)?;
        if reply != message {
            return Err(format!("reply {n} differs").into());
        }
    }
    Ok(bytes)
}
