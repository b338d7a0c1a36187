//! An axum server and a reqwest client, plain and over rustls, by HTTP/1.1 and HTTP/2.
//!
//!     web certificates DIR NAME...   a certificate authority, and a certificate for these names and addresses
//!     web serve ADDRESS DIR          serves until it is asked to stop, and says what it answered
//!     web ask ADDRESS DIR            asks it everything, says what came, and asks it to stop

mod ask;
mod body;
mod certificates;
mod serve;

use std::error::Error;
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;

/// What can go wrong is told to whoever started the program.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// HTTP without TLS.
const PLAIN: u16 = 8080;
/// HTTP over TLS.
const SECURE: u16 = 8443;
/// Resets whoever connects, once it has said something.
const RESETTING: u16 = 8081;
/// Nobody listens here.
const CLOSED: u16 = 8082;

#[tokio::main(worker_threads = 4)]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["certificates", dir, ref names @ ..] => certificates::make(Path::new(dir), names),
        ["serve", address, dir] => with_address(address, Path::new(dir), serve::until_told).await,
        ["ask", address, dir] => with_address(address, Path::new(dir), ask::everything).await,
        _ => {
            Err("web certificates DIR NAME... | web serve ADDRESS DIR | web ask ADDRESS DIR".into())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("web: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn with_address<'a, F>(
    address: &str,
    dir: &'a Path,
    act: impl FnOnce(IpAddr, &'a Path) -> F,
) -> Outcome<()>
where
    F: Future<Output = Outcome<()>>,
{
    // The same code in servers and clients makes keys and ciphers.
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| "there is a provider of cryptography already")?;
    act(address.parse()?, dir).await
}
