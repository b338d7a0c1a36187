//! Ten thousand tasks of tokio that sleep, send and answer; with `many`, on four threads. Clients talk
//! to a server by Unix sockets, by a path and by pairs. What is said at the end does not depend on the order.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixDatagram, UnixListener, UnixStream};
use tokio::runtime::Builder;
use tokio::sync::{Barrier, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};

const TASKS: u64 = 10_000;
const CLIENTS: u64 = 100;

fn main() -> io::Result<()> {
    let on_many = std::env::args().nth(1).as_deref() == Some("many");
    let runtime = if on_many {
        Builder::new_multi_thread()
            .worker_threads(4)
            .enable_all()
            .build()?
    } else {
        Builder::new_current_thread().enable_all().build()?
    };
    runtime.block_on(async {
        sleepers().await;
        channels().await;
        limited().await;
        server().await?;
        datagrams().await?;
        blocking().await;
        Ok(())
    })
}

/// Each task sleeps for a time of its own; none may wake early.
async fn sleepers() {
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for number in 0..TASKS {
        tasks.spawn(async move {
            let time = Duration::from_millis(number * 7919 % 200);
            let begin = Instant::now();
            sleep(time).await;
            assert!(begin.elapsed() >= time, "{number} woke early");
            number
        });
    }
    let mut sum = 0;
    while let Some(number) = tasks.join_next().await {
        sum += number.unwrap_or_default();
    }
    assert!(begin.elapsed() >= Duration::from_millis(199));
    println!("{TASKS} sleepers woke: {sum}");
    let late = timeout(Duration::from_millis(20), sleep(Duration::from_secs(100))).await;
    println!("a timeout came: {}", late.is_err());
    let mut ticks = interval(Duration::from_millis(2));
    for _ in 0..10 {
        ticks.tick().await;
    }
    println!("ten ticks came");
}

/// All tasks send to one, which answers each.
async fn channels() {
    let (to_one, mut from_all) = mpsc::channel::<(u64, oneshot::Sender<u64>)>(16);
    let mut tasks = JoinSet::new();
    for number in 0..TASKS {
        let to_one = to_one.clone();
        tasks.spawn(async move {
            let (answer, answered) = oneshot::channel();
            let sent = to_one.send((number, answer)).await;
            assert!(sent.is_ok());
            assert_eq!(answered.await.ok(), Some(number * 2));
        });
    }
    drop(to_one);
    let mut sum = 0;
    while let Some((number, answer)) = from_all.recv().await {
        sum += number;
        assert_eq!(answer.send(number * 2), Ok(()));
    }
    while let Some(done) = tasks.join_next().await {
        assert!(done.is_ok());
    }
    println!("{TASKS} were answered: {sum}");
}

/// No more than a few at a time, and all together at the end.
async fn limited() {
    let places = Arc::new(Semaphore::new(8));
    let inside = Arc::new(AtomicU64::new(0));
    let gate = Arc::new(Barrier::new(500));
    let mut tasks = JoinSet::new();
    for _ in 0..500 {
        let (places, inside, gate) = (Arc::clone(&places), Arc::clone(&inside), Arc::clone(&gate));
        tasks.spawn(async move {
            if let Ok(_place) = places.acquire().await {
                assert!(inside.fetch_add(1, Ordering::SeqCst) < 8);
                tokio::task::yield_now().await;
                inside.fetch_sub(1, Ordering::SeqCst);
            }
            gate.wait().await.is_leader()
        });
    }
    let mut leaders = 0;
    while let Some(is_leader) = tasks.join_next().await {
        leaders += u64::from(is_leader.unwrap_or_default());
    }
    println!("one leader of 500: {}", leaders == 1);
}

/// A server at a path answers lines.
async fn server() -> io::Result<()> {
    let listener = UnixListener::bind("socket")?;
    let serving = tokio::spawn(async move {
        let mut served = 0;
        while served < CLIENTS {
            if let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
                served += 1;
            }
        }
    });
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(ask(number));
    }
    let mut sum = 0;
    while let Some(answer) = clients.join_next().await {
        sum += answer.unwrap_or(Ok(0))?;
    }
    assert!(serving.await.is_ok());
    std::fs::remove_file("socket")?;
    println!("{CLIENTS} clients were served: {sum}");
    Ok(())
}

async fn serve(stream: UnixStream) -> io::Result<()> {
    let (input, mut output) = stream.into_split();
    let mut lines = BufReader::new(input).lines();
    while let Some(line) = lines.next_line().await? {
        let number: u64 = line.parse().unwrap_or_default();
        output
            .write_all(format!("{}\n", number + 1).as_bytes())
            .await?;
    }
    Ok(())
}

async fn ask(number: u64) -> io::Result<u64> {
    let mut stream = UnixStream::connect("socket").await?;
    let mut sum = 0;
    for round in 0..10 {
        stream
            .write_all(format!("{}\n", number * 10 + round).as_bytes())
            .await?;
        let mut answer = String::new();
        BufReader::new(&mut stream).read_line(&mut answer).await?;
        sum += answer.trim().parse::<u64>().unwrap_or_default();
    }
    stream.shutdown().await?;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await?;
    assert!(rest.is_empty());
    Ok(sum)
}

/// A pair of datagram sockets, and a large stream through a pair.
async fn datagrams() -> io::Result<()> {
    let (one, other) = UnixDatagram::pair()?;
    let sending = tokio::spawn(async move {
        for number in 0..1000_u32 {
            one.send(&number.to_le_bytes()).await?;
        }
        io::Result::Ok(())
    });
    for number in 0..1000_u32 {
        let mut bytes = [0; 8];
        assert_eq!(other.recv(&mut bytes).await?, 4);
        assert_eq!(bytes[..4], number.to_le_bytes());
    }
    assert!(sending.await.is_ok());
    let (mut one, mut other) = UnixStream::pair()?;
    let sending = tokio::spawn(async move {
        let bytes: Vec<u8> = (0..4_000_000_u32).map(|n| (n % 251) as u8).collect();
        one.write_all(&bytes).await
    });
    let mut got = Vec::new();
    other.read_to_end(&mut got).await?;
    assert!(sending.await.is_ok());
    let is_right = (0..)
        .zip(&got)
        .all(|(n, byte): (u32, _)| (n % 251) as u8 == *byte);
    println!(
        "1000 datagrams and {} bytes came; in order: {is_right}",
        got.len()
    );
    Ok(())
}

/// Work on other threads.
async fn blocking() {
    let mut works = JoinSet::new();
    for number in 0..64_u64 {
        works.spawn_blocking(move || {
            std::thread::sleep(Duration::from_millis(number % 5));
            number
        });
    }
    let mut sum = 0;
    while let Some(number) = works.join_next().await {
        sum += number.unwrap_or_default();
    }
    println!("64 works were done on threads: {sum}");
}
