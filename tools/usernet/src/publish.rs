//! Ports of the host that stand for ports of the guest.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{
    RecvFlags, SendFlags, SocketFlags, accept_with, bind, listen, recvfrom, sendto, sockopt,
};

use crate::gateway::World;
use crate::host;
use crate::net::{GATEWAY_V4, GUEST_V4, is_inside};
use crate::poller::Source;
use crate::settings::Publish;
use crate::streams::Streams;

use muslin_net_stack::Stack;

const BACKLOG: i32 = 128;
const ACCEPTED: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);
/// So many connections, or messages, are taken before others have their turn.
const TURN: usize = 32;
/// The ports of the gateway by which clients of UDP are told apart, and so how many there can be.
const CLIENT_PORT_FIRST: u16 = 40_000;
const CLIENTS_MAX: u16 = 1024;

/// All published ports.
#[derive(Debug, Default)]
pub(crate) struct Published {
    ports: Vec<Port>,
    /// Clients of UDP by the port of the gateway that stands for each, and the order in which they came.
    clients: HashMap<u16, Client>,
    by_client: HashMap<Client, u16>,
    order: VecDeque<u16>,
    /// Given up for a moment to turn somebody away when there are no more descriptors: who is not taken
    /// would be told of again and again.
    spare: Option<OwnedFd>,
}

#[derive(Debug)]
struct Port {
    publish: Publish,
    socket: OwnedFd,
}

/// Somebody who sent a message to one of the ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Client {
    port: usize,
    address: SocketAddr,
}

impl Published {
    /// Opens a port.
    pub fn open(&mut self, world: &World, publish: Publish) -> Result<(), Errno> {
        let address = publish.host;
        let socket = if publish.is_udp {
            host::datagrams(address.ip())?
        } else {
            let socket = host::stream(address.ip())?;
            sockopt::set_socket_reuseaddr(&socket, true)?;
            socket
        };
        if address.is_ipv6() {
            sockopt::set_ipv6_v6only(&socket, true)?;
        }
        bind(&socket, &address)?;
        if !publish.is_udp {
            listen(&socket, BACKLOG)?;
        }
        if self.spare.is_none() {
            self.spare = Some(host::datagrams(address.ip())?);
        }
        let source = Source::Published(self.ports.len() as u64);
        world.poller.add_reader(&socket, source)?;
        self.ports.push(Port { publish, socket });
        Ok(())
    }

    /// Somebody came to a port.
    pub fn host_event(&mut self, world: &mut World, streams: &mut Streams, number: u64) {
        let number = number as usize;
        let Some(Port { publish, .. }) = self.ports.get(number) else {
            return;
        };
        let guest = SocketAddr::new(guest_address(world), publish.guest_port);
        if publish.is_udp {
            return self.messages(world, number, guest);
        }
        let Some(Port { socket, .. }) = self.ports.get(number) else {
            return;
        };
        for _ in 0..TURN {
            match accept_with(socket, ACCEPTED) {
                Ok(client) => streams.connect_to_guest(world, client, guest),
                Err(Errno::MFILE | Errno::NFILE) => {
                    self.spare = None;
                    let is_turned_away = accept_with(socket, ACCEPTED).is_ok();
                    self.spare = host::datagrams(publish.host.ip()).ok();
                    if !is_turned_away {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    }

    fn messages(&mut self, world: &mut World, number: usize, guest: SocketAddr) {
        for _ in 0..TURN {
            let Some(Port { socket, .. }) = self.ports.get(number) else {
                return;
            };
            let got = recvfrom(socket, &mut world.buffer[..], RecvFlags::empty());
            let Ok((_, len, Some(sender))) = got else {
                return;
            };
            let Ok(address) = host::plain(sender) else {
                return;
            };
            let port = self.port_of(Client {
                port: number,
                address,
            });
            let message = world.buffer.get(..len).unwrap_or_default();
            let from = SocketAddr::from((GATEWAY_V4, port));
            // What finds no way is lost, as on a wire.
            let _ = world.stack.send_as(from, guest, message);
        }
    }

    /// The guest answers a client of UDP. `false`: there is no such client.
    pub fn answer(&self, to: SocketAddr, content: &[u8]) -> bool {
        let client = self.clients.get(&to.port());
        let Some(client) = client.filter(|_| to.ip() == GATEWAY_V4) else {
            return false;
        };
        if let Some(port) = self.ports.get(client.port) {
            let _ = sendto(&port.socket, content, SendFlags::NOSIGNAL, &client.address);
        }
        true
    }

    /// The port of the gateway that stands for a client.
    fn port_of(&mut self, client: Client) -> u16 {
        if let Some(&port) = self.by_client.get(&client) {
            return port;
        }
        let port = if self.order.len() < usize::from(CLIENTS_MAX) {
            CLIENT_PORT_FIRST + self.order.len() as u16
        } else {
            // The first one has been here for longest.
            let port = self.order.pop_front().unwrap_or(CLIENT_PORT_FIRST);
            if let Some(gone) = self.clients.remove(&port) {
                self.by_client.remove(&gone);
            }
            port
        };
        self.order.push_back(port);
        self.clients.insert(port, client);
        self.by_client.insert(client, port);
        port
    }
}

/// Where the guest is: where it was seen, or else where it will be.
fn guest_address(world: &World) -> std::net::IpAddr {
    let seen = world.stack.neighbours().into_iter().map(|it| it.address);
    let mut inside = seen.filter(|address| address.is_ipv4() && is_inside(*address));
    inside.next().unwrap_or(GUEST_V4.into())
}
