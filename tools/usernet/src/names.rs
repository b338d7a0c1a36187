//! The host's name servers.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const FILE: &str = "/etc/resolv.conf";
const PORT: u16 = 53;
/// As many as resolvers ask.
const SERVERS_MAX: usize = 3;

/// The servers to ask now: those that were given, or else those of the host, which may change. None, if it is not known
/// which these are.
pub(crate) fn servers(given: &[SocketAddr]) -> Vec<SocketAddr> {
    if !given.is_empty() {
        return given.to_vec();
    }
    of_host(fs::read_to_string(FILE))
}

/// The servers in the host's file.
fn of_host(file: io::Result<String>) -> Vec<SocketAddr> {
    let servers = match file {
        Ok(text) => parse(&text),
        Err(why) if why.kind() == ErrorKind::NotFound => Vec::new(),
        // There may be some, and this host's own is not the one that was chosen.
        Err(_) => return Vec::new(),
    };
    if servers.is_empty() {
        // As resolvers do.
        return vec![SocketAddr::from((Ipv4Addr::LOCALHOST, PORT))];
    }
    servers
}

/// Reads `nameserver` lines. Addresses that need an interface are left out.
fn parse(text: &str) -> Vec<SocketAddr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let is_one = words.next() == Some("nameserver");
        let address: IpAddr = is_one.then(|| words.next())??.parse().ok()?;
        Some(SocketAddr::new(address, PORT))
    };
    text.lines().filter_map(address).take(SERVERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_servers_are_read() {
        let text = "# nameserver 9.9.9.9\nsearch a b\nnameserver 127.0.0.53\n\
            nameserver ::1\nnameserver fe80::1%eth0\nnameserver\nnameserver 1.1.1.1 # one\n\
            nameserver 8.8.8.8\n";
        let expected = ["127.0.0.53:53", "[::1]:53", "1.1.1.1:53"];
        let servers: Vec<String> = parse(text).iter().map(ToString::to_string).collect();
        assert_eq!(servers, expected);
        assert_eq!(parse(""), []);
    }

    #[test]
    fn given_servers_are_the_servers() {
        let given = [SocketAddr::from(([192, 0, 2, 1], 5353))];
        assert_eq!(servers(&given), given);
        assert!(!servers(&[]).is_empty());
    }

    #[test]
    fn a_file_that_cannot_be_read_names_nobody() {
        let own = [SocketAddr::from((Ipv4Addr::LOCALHOST, PORT))];
        assert_eq!(of_host(Err(ErrorKind::NotFound.into())), own);
        assert_eq!(of_host(Ok("search a".to_owned())), own);
        assert_eq!(of_host(Err(ErrorKind::PermissionDenied.into())), []);
    }
}
