//! The client.

use std::error::Error;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use futures_util::stream;
use reqwest::{Body, Certificate, Client, ClientBuilder};
use tokio::task::JoinSet;

use crate::body::{self, pieces};
use crate::{CLOSED, Outcome, PLAIN, RESETTING, SECURE};

/// How many requests are under way at once, each by a connection of its own in HTTP/1.1: a program has 1,024
/// descriptors.
const AT_ONCE: usize = 960;
/// How many follow each other.
const IN_TURN: usize = 20;
/// A big body.
const BIG_BYTES: usize = 8 << 20;
/// Far more than any answer takes.
const PATIENCE: Duration = Duration::from_secs(120);
/// Less than the slow answer takes.
const IMPATIENCE: Duration = Duration::from_millis(500);

/// Asks for everything that the server has, in each way.
pub async fn everything(address: IpAddr, dir: &Path) -> Outcome<()> {
    let authority = fs::read(dir.join("ca.pem"))?;
    let trusting = || -> Outcome<ClientBuilder> {
        let authority = Certificate::from_pem(&authority)?;
        Ok(Client::builder()
            .tls_certs_only([authority])
            .no_proxy()
            .timeout(PATIENCE))
    };
    let plain = format!("http://{}", SocketAddr::from((address, PLAIN)));
    let secure = format!("https://{}", SocketAddr::from((address, SECURE)));
    for (name, client, at) in [
        ("HTTP/1.1", trusting()?.http1_only().build()?, &plain),
        (
            "HTTP/2",
            trusting()?.http2_prior_knowledge().build()?,
            &plain,
        ),
        (
            "HTTP/1.1 over TLS",
            trusting()?.http1_only().build()?,
            &secure,
        ),
        ("HTTP/2 over TLS", trusting()?.build()?, &secure),
    ] {
        session(&client, at)
            .await
            .map_err(|why| format!("{name}: {}", in_words(&*why)))
            .map(|said| println!("{name}: {said}"))?;
    }

    let short = trusting()?.build()?;
    let closed = format!("http://{}", SocketAddr::from((address, CLOSED)));
    let resetting = format!("http://{}", SocketAddr::from((address, RESETTING)));
    for (name, at) in [("refused", &closed), ("reset", &resetting)] {
        let why = short.get(at).send().await.err().ok_or("somebody answers")?;
        println!("{name}: {:?}", kind_of(&why));
    }
    let nobody = Client::builder().tls_certs_only([]).no_proxy().build()?;
    let why = nobody
        .get(&secure)
        .send()
        .await
        .err()
        .ok_or("a stranger is trusted")?;
    println!(
        "unknown authority: {}",
        in_words(&why).contains("UnknownIssuer")
    );
    print!(
        "{}",
        short
            .post(format!("{plain}/stop"))
            .send()
            .await?
            .text()
            .await?
    );
    Ok(())
}

async fn session(client: &Client, at: &str) -> Outcome<String> {
    let reply = client
        .get(format!("{at}/"))
        .send()
        .await?
        .error_for_status()?;
    let mut said = format!("{:?} {}", reply.version(), reply.text().await?.trim_end());

    let mut ports = Vec::new();
    for _ in 0..IN_TURN {
        ports.push(
            client
                .get(format!("{at}/port"))
                .send()
                .await?
                .text()
                .await?,
        );
    }
    ports.dedup();
    // A connection may come back to the pool too late for the next request.
    let is_kept = ports.len() <= IN_TURN / 4;
    said += &format!(", {IN_TURN} in turn by few connections {is_kept}");

    let mut requests = JoinSet::new();
    for n in 0..AT_ONCE {
        let (client, at) = (client.clone(), format!("{at}/body/{}", n * 7));
        requests.spawn(async move {
            let whole = client
                .get(at)
                .send()
                .await?
                .error_for_status()?
                .bytes()
                .await?;
            Ok::<_, reqwest::Error>(whole == pieces(n * 7).collect::<Vec<_>>().concat())
        });
    }
    let mut good = 0;
    while let Some(came) = requests.join_next().await {
        good += usize::from(came??);
    }
    said += &format!(", {good} at once");

    let mut sum = body::Sum::default();
    let mut reply = client
        .get(format!("{at}/body/{BIG_BYTES}"))
        .send()
        .await?
        .error_for_status()?;
    while let Some(piece) = reply.chunk().await? {
        sum.add(&piece);
    }
    let is_whole = sum.words() == body::sum(BIG_BYTES);
    said += &format!(", {BIG_BYTES} bytes down {is_whole}");

    let up = Body::wrap_stream(stream::iter(pieces(BIG_BYTES).map(Ok::<_, io::Error>)));
    let heard = client
        .post(format!("{at}/sum"))
        .body(up)
        .send()
        .await?
        .text()
        .await?;
    said += &format!(" and up {}", heard == body::sum(BIG_BYTES));

    let slow = client
        .get(format!("{at}/slow"))
        .timeout(IMPATIENCE)
        .send()
        .await;
    said += &format!(", timed out {}", slow.is_err_and(|why| why.is_timeout()));
    let after = client.get(format!("{at}/")).send().await?.status();
    Ok(said + &format!(", then {}", after.as_u16()))
}

/// An error, and those behind it.
fn chain<'a>(why: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(why);
    std::iter::from_fn(move || {
        let why = next?;
        next = why.source();
        Some(why)
    })
}

fn in_words(why: &(dyn Error + 'static)) -> String {
    let all: Vec<String> = chain(why).map(ToString::to_string).collect();
    all.join(": ")
}

/// What the system said, if it was the system.
fn kind_of(why: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    chain(why)
        .filter_map(|why| why.downcast_ref::<io::Error>())
        .last()
        .map(io::Error::kind)
}
