//! The resolver of libc, with dnsmasq as the name server; and addresses that dnsmasq gives out.

use std::fmt::Write;

use libtest_mimic::Trial;

use crate::failure::Step;

use super::place::{GUEST, GUEST6, LINUX, Place, Test, World};
use super::started::Started;

/// As many addresses has the name that does not fit in a datagram.
const MANY: usize = 100;
/// As many of them musl keeps.
const KEPT: usize = 48;

const HOSTS: &str = "127.0.0.1 localhost\n10.1.2.3 fixed fixed.test\n";

/// The tests.
pub fn trials() -> Vec<Trial> {
    let test = Test {
        programs: &["names"],
        peers: &["dnsmasq"],
        is_long: false,
        body: names,
    };
    let mut all = test.trials_of(&World::ALL, "names");
    let given = Test {
        body: given_addresses,
        ..test
    };
    all.extend(given.trials_of(&[World::Spt, World::Linux, World::Hvt], "addresses"));
    all
}

/// A dnsmasq that knows a few names below `.test`, and says what it is asked.
pub fn dnsmasq(place: &Place, more: &[&str]) -> Step<Started> {
    let hosts = place.directory("dnsmasq", &[("hosts", big().as_bytes())])?;
    let mut command = place.peer("dnsmasq", "dnsmasq")?;
    command
        // Otherwise it changes its user, which is not for us here.
        .arg("--no-daemon")
        .args([
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--bind-dynamic",
        ])
        .args([
            "--log-queries",
            "--log-dhcp",
            "--local=/test/",
            "--bogus-priv",
        ])
        .arg(format!("--addn-hosts={}", hosts.join("hosts").display()))
        .arg(format!(
            "--dhcp-leasefile={}",
            hosts.join("leases").display()
        ))
        .args([
            "--host-record=both.test,10.77.0.1,fd77::1",
            "--cname=alias.test,both.test",
        ])
        .args([
            "--host-record=four.test,10.77.0.4",
            "--host-record=six.test,fd77::6",
        ])
        .arg("--host-record=short.sub.test,10.77.0.5")
        .args(more);
    let mut server = Started::new(command)?;
    server.until("dnsmasq is ready", |said| {
        said.complaints.contains("started, version")
    })?;
    Ok(server)
}

fn big() -> String {
    (1..=MANY).fold(String::new(), |mut text, n| {
        let _ = writeln!(text, "10.99.0.{n} big.test");
        text
    })
}

fn names(place: &Place) -> Step<()> {
    let server = dnsmasq(place, &[])?;
    // Nobody is at the first address; all servers are asked at once.
    let over_both = "nameserver 10.77.0.9\nnameserver 10.77.0.1\nsearch sub.test\n";
    let over_ipv6 = "nameserver fd77::1\nsearch absent.test sub.test\n";
    let mut said = Vec::new();
    for (name, resolv) in [("four", over_both), ("six", over_ipv6)] {
        let root = place.directory(
            name,
            &[
                ("etc/resolv.conf", resolv.as_bytes()),
                ("etc/hosts", HOSTS.as_bytes()),
            ],
        )?;
        place.take_etc_of(&root)?;
        let mut command = place.program("names", "resolve", &root)?;
        command.args([
            "both.test",
            "4:both.test",
            "6:both.test",
            "alias.test",
            "c:alias.test",
        ]);
        command.args([
            "four.test",
            "6:four.test",
            "six.test",
            "4:six.test",
            "absent.test",
            "n:big.test",
        ]);
        command.args([
            "short",
            "fixed",
            "x:10.77.0.1",
            "x:fd77::1",
            "x:10.1.2.3",
            "x:10.77.0.7",
        ]);
        command.args(["t:both.test", "10.3.2.1", "fd77::8"]);
        said.push(place.succeed(command)?);
    }
    let wanted = format!(
        "both.test: 10.77.0.1 fd77::1\nboth.test: 10.77.0.1\nboth.test: fd77::1\n\
         alias.test: 10.77.0.1 fd77::1\nalias.test: both.test\n\
         four.test: 10.77.0.4\nfour.test: Name has no usable address\n\
         six.test: fd77::6\nsix.test: Name has no usable address\n\
         absent.test: Name does not resolve\nbig.test: {KEPT}\nshort: 10.77.0.5\nfixed: 10.1.2.3\n\
         10.77.0.1: both.test\nfd77::1: both.test\n10.1.2.3: fixed\n10.77.0.7: Name does not resolve\n\
         both.test: 200 answers of two\n\
         10.3.2.1: 10.3.2.1\nfd77::8: fd77::8\n"
    );
    let asked = server.end()?;
    for said in said {
        if said != wanted {
            return Err(asked.failure(&format!("it said\n{said}and not\n{wanted}")));
        }
    }
    // Who asked is the program, from its own addresses.
    for from in [GUEST.to_string(), GUEST6.to_string()] {
        let query = format!("query[AAAA] both.test from {from}\n");
        if place.world != World::Stock && !asked.complaints.contains(&query) {
            return Err(asked.failure(&format!("dnsmasq was not asked from {from}")));
        }
    }
    Ok(())
}

/// DHCP tells the address, the router and the name server, and the lease is asked for anew in its time; a router
/// tells the network of IPv6.
fn given_addresses(place: &Place) -> Step<()> {
    let server = dnsmasq(
        place,
        &[
            "--dhcp-authoritative",
            "--no-ping",
            "--dhcp-range=10.77.0.100,10.77.0.100,2m",
            // Half of a lease, the shortest that it gives, would be a minute.
            "--dhcp-option-force=option:T1,3",
            "--dhcp-option-force=option:T2,60",
            "--enable-ra",
            "--dhcp-range=fd77::,ra-only,64",
        ],
    )?;
    // A guest's root has no etc/resolv.conf: its name server is the one that DHCP told.
    let root = place.directory("asks", &[("empty", b"")])?;
    let told = place.directory("told", &[("etc/resolv.conf", b"nameserver 10.77.0.1\n")])?;
    place.take_etc_of(&told)?;
    let mut command = place.program_with("names", "resolve", &root, &[])?;
    command.args(["own", "both.test", "s:7", "own", "four.test"]);
    let said = place.run(command)?;
    let asked = server.end()?;
    let lines: Vec<&str> = said.output.lines().collect();
    let is_right = match lines.as_slice() {
        [own, both, again, four] => {
            own.starts_with("own: 10.77.0.100 fd77::")
                && own == again
                && *both == "both.test: 10.77.0.1 fd77::1"
                && *four == "four.test: 10.77.0.4"
        }
        _ => false,
    };
    if !is_right || said.status != Some(0) {
        return Err(asked.failure(&said.failure("it did not get its addresses").to_string()));
    }
    let count = |what: &str| asked.complaints.matches(what).count();
    let (offers, leases) = (
        count("DHCPOFFER(tap7) 10.77.0.100"),
        count("DHCPACK(tap7) 10.77.0.100"),
    );
    eprintln!("{offers} offers, {leases} leases by {LINUX}");
    // The first lease, and those that were asked for anew every three seconds.
    if offers == 0 || leases < 3 {
        return Err(asked.failure(&format!("{offers} offers, {leases} leases")));
    }
    let questions = count("DHCPDISCOVER");
    if questions != 1 {
        return Err(asked.failure(&format!(
            "an address was looked for {questions} times, though one was found at once"
        )));
    }
    Ok(())
}
