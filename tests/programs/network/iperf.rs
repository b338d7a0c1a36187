//! iperf3 with the stack at one end and on Linux at the other: each way, each of them the server.

use libtest_mimic::Trial;

use crate::failure::Step;

use super::place::{GUEST, LINUX, Place, Test, World};
use super::started::Started;

const PORT: u16 = 5201;

/// Bytes that must have arrived in the end. It is few: the receiver no longer counts when it hears that the sender
/// has sent all, and much lies in the buffers between them; and datagrams get lost where nobody waits for them.
const LEAST_BYTES: usize = 1 << 20;

/// What is transferred: the words for the client.
const TRANSFERS: &[&[&str]] = &[
    &["-n", "48M"],
    &["-t", "1", "-R"],
    &["-n", "24M", "-P", "4"],
    &["-t", "1", "-P", "4", "-R", "-w", "32K"],
    &["-n", "8M", "-l", "1000", "-N"],
    &["-u", "-b", "40M", "-t", "1", "-l", "1400"],
    &["-u", "-b", "40M", "-t", "1", "-l", "1400", "-R"],
];

/// The same where a guest of hvt may be in a machine that another one emulates.
const FEWER: &[&[&str]] = &[
    &["-n", "4M"],
    &["-t", "1", "-R"],
    &["-n", "6M", "-P", "4"],
    &["-n", "1M", "-l", "1000", "-N"],
    &["-u", "-b", "10M", "-t", "1", "-l", "1400"],
    &["-u", "-b", "10M", "-t", "1", "-l", "1400", "-R"],
];

/// The tests.
pub fn trials() -> Vec<Trial> {
    let test = Test {
        programs: &["iperf3"],
        peers: &["iperf3"],
        is_long: false,
        body: iperf,
    };
    test.trials_of(&World::ALL, "iperf3")
}

fn iperf(place: &Place) -> Step<()> {
    let root = place.directory("root", &[("tmp/empty", b"")])?;
    let guest = || place.program("iperf3", "iperf3", &root);
    let linux = || place.peer("iperf3", "iperf3");
    let least = place.share(LEAST_BYTES) as u64;
    for is_server in [true, false] {
        let (mut server, address) = if is_server {
            (guest()?, GUEST)
        } else {
            (linux()?, LINUX)
        };
        server.args(["-s", "-p", &PORT.to_string(), "--forceflush"]);
        let mut server = Started::new(server)?;
        // Not by a connection: while it finds out that nobody is there, it turns others away.
        server.until("it listens", |said| {
            said.output.contains("Server listening")
        })?;
        let transfers = match place.world {
            World::Hvt => FEWER,
            _ => TRANSFERS,
        };
        for words in transfers {
            let mut client = if is_server { linux()? } else { guest()? };
            client
                .args([
                    "-c",
                    &address.to_string(),
                    "-p",
                    &PORT.to_string(),
                    "--json",
                ])
                .args(*words);
            let said = place.run(client)?;
            let bytes = received(&said.output);
            if said.status != Some(0) || bytes.is_none_or(|bytes| bytes < least) {
                let what = format!("{bytes:?} bytes arrived, at least {least} should have");
                return Err(server.end()?.failure(&said.failure(&what).to_string()));
            }
        }
        server.end()?;
    }
    Ok(())
}

/// The bytes that the receivers had in the end, from the report in JSON.
fn received(report: &str) -> Option<u64> {
    let sum = ["\"sum_received\":", "\"sum\":"]
        .iter()
        .find_map(|name| report.rfind(name))?;
    let bytes = report[sum..].split("\"bytes\":").nth(1)?;
    bytes
        .trim_start()
        .split([',', '\n', '}'])
        .next()?
        .trim()
        .parse()
        .ok()
}
