//! What is said of a network, and the words for it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

const NAMES_PORT: u16 = 53;

/// What a guest may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// It may reach the host itself: by its addresses, and by the gateway's address the loopback.
    pub reaches_host: bool,
    /// The name servers. Empty: those of the host.
    pub name_servers: Vec<SocketAddr>,
}

/// A port of the host behind which is one of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Where the host listens.
    pub host: SocketAddr,
    /// The guest's port.
    pub guest_port: u16,
    /// UDP instead of TCP.
    pub is_udp: bool,
}

/// What is wrong with words, and what to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSettings(&'static str);

impl fmt::Display for BadSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl FromStr for Settings {
    type Err = BadSettings;

    /// Reads `host` and `dns=ADDRESS[:PORT]`, with commas between.
    fn from_str(words: &str) -> Result<Self, BadSettings> {
        let mut settings = Self::default();
        for word in words.split(',').filter(|word| !word.is_empty()) {
            match word.split_once('=') {
                None if word == "host" => settings.reaches_host = true,
                Some(("dns", server)) => settings
                    .name_servers
                    .push(name_server(server).ok_or(BadSettings("dns= wants an address"))?),
                _ => {
                    return Err(BadSettings(
                        "it has a word that is none of host, dns=ADDRESS",
                    ));
                }
            }
        }
        Ok(settings)
    }
}

fn name_server(word: &str) -> Option<SocketAddr> {
    let with_port = word.parse().ok();
    with_port.or_else(|| Some(SocketAddr::new(word.parse().ok()?, NAMES_PORT)))
}

impl FromStr for Publish {
    type Err = BadSettings;

    /// Reads `[ADDRESS:]HOSTPORT:GUESTPORT[/udp]`.
    fn from_str(word: &str) -> Result<Self, BadSettings> {
        let (ports, is_udp) = match word.rsplit_once('/') {
            Some((ports, "udp")) => (ports, true),
            Some((ports, "tcp")) => (ports, false),
            Some(_) => return Err(BadSettings("behind the ports comes /udp or nothing")),
            None => (word, false),
        };
        let port = |word: &str| {
            let port = word.parse().ok().filter(|&port: &u16| port != 0);
            port.ok_or(BadSettings("a port is a number from 1 to 65535"))
        };
        let (before, guest) = ports
            .rsplit_once(':')
            .ok_or(BadSettings("it wants two ports"))?;
        let (address, host) = match before.rsplit_once(':') {
            Some((address, host)) => {
                let plain = address
                    .strip_prefix('[')
                    .and_then(|address| address.strip_suffix(']'))
                    .unwrap_or(address);
                let address = plain.parse();
                let problem = "before the ports comes an address of this host, as in 127.0.0.1";
                (address.map_err(|_| BadSettings(problem))?, host)
            }
            // Nobody else's business, unless that is said.
            None => (IpAddr::V4(Ipv4Addr::LOCALHOST), before),
        };
        Ok(Self {
            host: SocketAddr::new(address, port(host)?),
            guest_port: port(guest)?,
            is_udp,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_network_are_read() {
        assert_eq!("".parse(), Ok(Settings::default()));
        let servers = ["1.2.3.4:53", "[fd00::9]:53", "127.0.0.1:5353"];
        assert_eq!(
            "host,dns=1.2.3.4,dns=fd00::9,dns=127.0.0.1:5353".parse(),
            Ok(Settings {
                reaches_host: true,
                name_servers: servers.iter().flat_map(|it| it.parse()).collect(),
            })
        );
        for wrong in ["hosts", "dns=", "dns=name", "dns", "host=1"] {
            assert!(wrong.parse::<Settings>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn published_ports_are_read() {
        for (word, host, guest_port, is_udp) in [
            ("8080:80", "127.0.0.1:8080", 80, false),
            ("0.0.0.0:8080:80/tcp", "0.0.0.0:8080", 80, false),
            ("[::1]:53:5353/udp", "[::1]:53", 5353, true),
            ("::1:53:5353", "[::1]:53", 5353, false),
        ] {
            let expected = host.parse().map(|host| Publish {
                host,
                guest_port,
                is_udp,
            });
            assert_eq!(word.parse().ok(), expected.ok(), "{word}");
        }
        for wrong in ["", "80", "0:80", "80:", "80:80/sctp", "a:80:80", "80:99999"] {
            assert!(wrong.parse::<Publish>().is_err(), "{wrong}");
        }
    }
}
