//! Messages: conversations of the guest by UDP and by echoes, each with a socket of the host.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use muslin_net_stack::Refusal;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, connect, recvfrom, send, sendto};

use crate::gateway::World;
use crate::host;
use crate::names;
use crate::poller::Source;
use crate::reach::{self, Place};

/// How many there are at most. The one that was silent for longest gives way.
const CONVERSATIONS_MAX: usize = 256;
/// How long one is remembered that nobody goes on with.
const SILENT_NS: u64 = 120_000_000_000;
/// The same for a question to a name server, and for an echo.
const SILENT_SHORT_NS: u64 = 15_000_000_000;
/// How often it is looked for such.
const LOOK_EVERY_NS: u64 = 5_000_000_000;
/// So many messages are taken before others have their turn.
const TURN_MESSAGES: usize = 64;

const V4_ECHO_REQUEST: u8 = 8;
const V4_ECHO_REPLY: u8 = 0;
const V6_ECHO_REQUEST: u8 = 128;
const V6_ECHO_REPLY: u8 = 129;
const ECHO_HEAD_BYTES: usize = 4;

/// All conversations.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    all: BTreeMap<u64, Conversation>,
    by_ends: HashMap<Ends, u64>,
    next_number: u64,
    look_ns: u64,
}

/// The two ends, as the guest names them. Of echoes the identifier is the guest's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Ends {
    is_echo: bool,
    from: SocketAddr,
    to: SocketAddr,
}

#[derive(Debug)]
struct Conversation {
    ends: Ends,
    host: OwnedFd,
    /// The name servers, if it is with them.
    servers: Vec<SocketAddr>,
    /// How many questions were asked since the last answer.
    unanswered: usize,
    used_ns: u64,
}

impl Conversation {
    /// Sends a message on. One that does not fit is lost, as on a wire.
    fn send(&mut self, message: &[u8]) -> Result<(), Errno> {
        let sent = if self.servers.is_empty() {
            send(&self.host, message, SendFlags::NOSIGNAL)
        } else {
            // Who asks again has not been answered: another one may.
            let server = self.servers.iter().cycle().nth(self.unanswered);
            self.unanswered = (self.unanswered + 1) % self.servers.len();
            match server {
                Some(server) => sendto(&self.host, message, SendFlags::NOSIGNAL, server),
                None => return Err(Errno::CONNREFUSED),
            }
        };
        match sent {
            Ok(_) | Err(Errno::AGAIN | Errno::INTR | Errno::MSGSIZE) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// Whether an answer may be from there.
    fn is_with(&self, from: Option<SocketAddr>) -> bool {
        // Of one peer the host takes no others' messages.
        self.servers.is_empty() || from.is_some_and(|from| self.servers.contains(&from))
    }

    fn silence_ns(&self) -> u64 {
        if self.ends.is_echo || !self.servers.is_empty() {
            SILENT_SHORT_NS
        } else {
            SILENT_NS
        }
    }
}

impl Messages {
    /// The guest sent a datagram.
    pub fn datagram(
        &mut self,
        world: &mut World,
        from: SocketAddr,
        to: SocketAddr,
        content: &[u8],
    ) {
        let ends = Ends {
            is_echo: false,
            from,
            to,
        };
        if let Err(why) = self.send(world, ends, content) {
            world.stack.refuse_datagram(from, to, content, why);
        }
    }

    /// The guest asks for an echo.
    pub fn echo(&mut self, world: &mut World, from: IpAddr, to: IpAddr, content: &[u8]) {
        let [a, b, ..] = *content else {
            return;
        };
        let ends = Ends {
            is_echo: true,
            from: SocketAddr::new(from, u16::from_be_bytes([a, b])),
            to: SocketAddr::new(to, 0),
        };
        let kind = match to {
            IpAddr::V4(_) => V4_ECHO_REQUEST,
            IpAddr::V6(_) => V6_ECHO_REQUEST,
        };
        // The host puts in an identifier and a checksum of its own.
        let request = [&[kind, 0, 0, 0], content].concat();
        if let Err(why) = self.send(world, ends, &request) {
            world.stack.refuse_echo(from, to, content, why);
        }
    }

    fn send(&mut self, world: &mut World, ends: Ends, message: &[u8]) -> Result<(), Refusal> {
        let number = match self.by_ends.get(&ends) {
            Some(&number) => number,
            None => self.open(world, ends)?,
        };
        let Some(conversation) = self.all.get_mut(&number) else {
            return Ok(());
        };
        conversation.used_ns = world.now_ns;
        conversation.send(message).map_err(host::refusal)
    }

    fn open(&mut self, world: &mut World, ends: Ends) -> Result<u64, Refusal> {
        let settings = &world.settings;
        let place = reach::place(ends.to, settings.reaches_host)?;
        if self.all.len() >= CONVERSATIONS_MAX {
            let oldest = self.all.iter().min_by_key(|(_, it)| it.used_ns);
            if let Some((&oldest, _)) = oldest {
                self.remove(oldest);
            }
        }
        let number = self.next_number;
        let begin = || {
            let (host, servers) = match place {
                Place::There(there) => {
                    let host = if ends.is_echo {
                        host::echoes(there.ip())?
                    } else {
                        host::datagrams(there.ip())?
                    };
                    connect(&host, &there)?;
                    (host, Vec::new())
                }
                Place::Names => {
                    let mut servers = names::servers(&settings.name_servers);
                    let first = servers.first().map(SocketAddr::is_ipv4);
                    // One socket is of one family.
                    servers.retain(|server| Some(server.is_ipv4()) == first);
                    let first = servers.first().ok_or(Errno::CONNREFUSED)?;
                    (host::datagrams(first.ip())?, servers)
                }
            };
            world.poller.add_reader(&host, Source::Messages(number))?;
            Ok((host, servers))
        };
        let (host, servers) = begin().map_err(host::refusal)?;
        self.next_number += 1;
        self.by_ends.insert(ends, number);
        let conversation = Conversation {
            ends,
            host,
            servers,
            unanswered: 0,
            used_ns: world.now_ns,
        };
        self.all.insert(number, conversation);
        Ok(number)
    }

    /// Answers have come.
    pub fn host_event(&mut self, world: &mut World, number: u64) {
        let Some(conversation) = self.all.get_mut(&number) else {
            return;
        };
        let Ends { is_echo, from, to } = conversation.ends;
        for _ in 0..TURN_MESSAGES {
            let buffer = &mut world.buffer;
            match recvfrom(&conversation.host, &mut buffer[..], RecvFlags::empty()) {
                Ok((_, len, sender)) => {
                    let sender = sender.and_then(|sender| host::plain(sender).ok());
                    if !conversation.is_with(sender) {
                        continue;
                    }
                    conversation.unanswered = 0;
                    conversation.used_ns = world.now_ns;
                    let message = buffer.get_mut(..len).unwrap_or_default();
                    // What finds no way is lost, as on a wire.
                    let _ = if is_echo {
                        match echoed(message, from.port()) {
                            Some(content) => world.stack.echo_as(to.ip(), from.ip(), content),
                            None => continue,
                        }
                    } else {
                        world.stack.send_as(to, from, message)
                    };
                }
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => {}
                Err(errno) => {
                    let why = host::refusal(errno);
                    if is_echo {
                        let id = from.port().to_be_bytes();
                        let content = [id[0], id[1], 0, 0];
                        world.stack.refuse_echo(from.ip(), to.ip(), &content, why);
                    } else {
                        world.stack.refuse_datagram(from, to, &[], why);
                    }
                }
            }
        }
    }

    /// Forgets those that are over, and says when it has to be done again.
    pub fn forget(&mut self, now_ns: u64) -> Option<u64> {
        if now_ns >= self.look_ns {
            self.look_ns = now_ns + LOOK_EVERY_NS;
            let is_over = |it: &Conversation| now_ns >= it.used_ns + it.silence_ns();
            let over: Vec<u64> = self
                .all
                .iter()
                .filter(|(_, it)| is_over(it))
                .map(|(&number, _)| number)
                .collect();
            for number in over {
                self.remove(number);
            }
        }
        (!self.all.is_empty()).then_some(self.look_ns)
    }

    fn remove(&mut self, number: u64) {
        if let Some(conversation) = self.all.remove(&number) {
            self.by_ends.remove(&conversation.ends);
        }
    }
}

/// What was echoed, with the guest's identifier.
fn echoed(reply: &mut [u8], id: u16) -> Option<&[u8]> {
    if !matches!(*reply.first()?, V4_ECHO_REPLY | V6_ECHO_REPLY) {
        return None;
    }
    let content = reply.get_mut(ECHO_HEAD_BYTES..)?;
    content.get_mut(..2)?.copy_from_slice(&id.to_be_bytes());
    Some(content)
}
