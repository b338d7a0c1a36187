//! An axum server on tokio. Listens where its argument says, or on a free loopback port, prints the port, serves
//! until it is asked to stop, and says how many requests it answered.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::Notify;

#[derive(Default)]
struct Shared {
    answered: AtomicU64,
    stop: Notify,
}

#[tokio::main(worker_threads = 4)]
async fn main() -> ExitCode {
    match serve().await {
        Ok(answered) => {
            println!("answered {answered} requests");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("http-server: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> std::io::Result<u64> {
    let shared = Arc::new(Shared::default());
    let routes = Router::new()
        .route("/", get(async || "hello over http\n"))
        .route("/square", get(square))
        .route("/echo", post(async |body: String| body))
        .route("/nap", get(nap))
        .route("/stop", post(stop))
        .layer(axum::middleware::map_request_with_state(
            shared.clone(),
            async |State(shared): State<Arc<Shared>>, request: axum::extract::Request| {
                shared.answered.fetch_add(1, Ordering::Relaxed);
                request
            },
        ))
        .with_state(shared.clone());
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0")).await?;
    println!("port {}", listener.local_addr()?.port());
    let stopping = shared.clone();
    axum::serve(listener, routes)
        .with_graceful_shutdown(async move { stopping.stop.notified().await })
        .await?;
    Ok(shared.answered.load(Ordering::Relaxed))
}

async fn square(Query(query): Query<Vec<(String, i64)>>) -> String {
    query
        .iter()
        .map(|(name, n)| format!("{name}: {}\n", n.wrapping_mul(*n)))
        .collect()
}

async fn nap() -> &'static str {
    tokio::time::sleep(Duration::from_millis(10)).await;
    "rested\n"
}

async fn stop(State(shared): State<Arc<Shared>>) -> &'static str {
    shared.stop.notify_one();
    "stopping\n"
}
