//! The server.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path as Place, State};
use axum::routing::{get, post};
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use futures_util::{StreamExt, stream};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::body::{Sum, pieces};
use crate::{Outcome, PLAIN, RESETTING, SECURE};

/// Longer than any client waits.
const SLOW: Duration = Duration::from_secs(60);

/// What requests share.
struct Shared {
    answered: AtomicU64,
    handle: Handle<SocketAddr>,
}

/// Serves until a client asks it to stop.
pub async fn until_told(address: IpAddr, dir: &Path) -> Outcome<()> {
    let shared = Arc::new(Shared {
        answered: AtomicU64::new(0),
        handle: Handle::new(),
    });
    let routes = Router::new()
        .route("/", get(async || "hello over http\n"))
        .route("/port", get(port))
        .route("/body/{len}", get(body))
        .route("/sum", post(sum))
        .route("/slow", get(slow))
        .route("/stop", post(stop))
        .layer(DefaultBodyLimit::disable())
        .layer(axum::middleware::map_request_with_state(
            shared.clone(),
            async |State(shared): State<Arc<Shared>>, request: axum::extract::Request| {
                shared.answered.fetch_add(1, Ordering::Relaxed);
                request
            },
        ))
        .with_state(shared.clone())
        .into_make_service_with_connect_info::<SocketAddr>();

    let tls = RustlsConfig::from_pem_file(dir.join("server.pem"), dir.join("server.key")).await?;
    let plain = axum_server::bind((address, PLAIN).into())
        .handle(shared.handle.clone())
        .serve(routes.clone());
    let secure = axum_server::bind_rustls((address, SECURE).into(), tls)
        .handle(shared.handle.clone())
        .serve(routes);
    let resetting = TcpListener::bind((address, RESETTING)).await?;
    let resetting = tokio::spawn(reset_all(resetting));
    println!("serving");
    tokio::try_join!(plain, secure)?;
    resetting.abort();
    println!(
        "answered {} requests",
        shared.answered.load(Ordering::Relaxed)
    );
    Ok(())
}

/// Closes with a reset what has said something.
async fn reset_all(listener: TcpListener) -> std::io::Result<()> {
    loop {
        let (mut connection, _) = listener.accept().await?;
        connection.set_zero_linger()?;
        let mut said = [0; 1];
        connection.read_exact(&mut said).await?;
    }
}

async fn port(ConnectInfo(peer): ConnectInfo<SocketAddr>) -> String {
    peer.port().to_string()
}

async fn body(Place(len_bytes): Place<usize>) -> Body {
    Body::from_stream(stream::iter(pieces(len_bytes).map(Ok::<_, std::io::Error>)))
}

async fn sum(body: Body) -> Result<String, String> {
    let mut sum = Sum::default();
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        sum.add(&piece.map_err(|why| why.to_string())?);
    }
    Ok(sum.words())
}

async fn slow() -> &'static str {
    tokio::time::sleep(SLOW).await;
    "at last\n"
}

async fn stop(State(shared): State<Arc<Shared>>) -> &'static str {
    shared
        .handle
        .graceful_shutdown(Some(Duration::from_secs(10)));
    "stopping\n"
}
