//! What can be set on a socket.

use core::net::IpAddr;

/// One thing to set. In brackets what Linux calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// `SO_REUSEADDR`
    ReuseAddress(bool),
    /// `SO_REUSEPORT`
    ReusePort(bool),
    /// `SO_KEEPALIVE`
    KeepAlive(bool),
    /// `TCP_KEEPIDLE`, 1..=32767.
    KeepIdleSeconds(u32),
    /// `TCP_KEEPINTVL`, 1..=32767.
    KeepIntervalSeconds(u32),
    /// `TCP_KEEPCNT`, 1..=127.
    KeepCount(u32),
    /// `TCP_USER_TIMEOUT`; 0 is the default.
    UserTimeoutMilliseconds(u32),
    /// `TCP_NODELAY`
    NoDelay(bool),
    /// `SO_LINGER`: seconds, `None` is off. `Some(0)`: close resets.
    Linger(Option<u32>),
    /// `SO_RCVBUF`, in bytes of data: the doubling that Linux shows is the caller's.
    ReceiveBuffer(usize),
    /// `SO_SNDBUF`, likewise.
    SendBuffer(usize),
    /// `SO_RCVLOWAT`
    ReceiveLowWater(usize),
    /// `SO_BROADCAST`
    Broadcast(bool),
    /// `IPV6_V6ONLY`
    V6Only(bool),
    /// `IP_TTL`, `IPV6_UNICAST_HOPS`; `None` is the default, 64.
    HopLimit(Option<u8>),
    /// `IP_TOS`, `IPV6_TCLASS`
    TrafficClass(u8),
    /// `IP_MULTICAST_TTL`, `IPV6_MULTICAST_HOPS`
    MulticastHopLimit(u8),
    /// `IP_MULTICAST_LOOP`, `IPV6_MULTICAST_LOOP`
    MulticastLoop(bool),
    /// `IP_MULTICAST_IF`, `IPV6_MULTICAST_IF`: a link's number; 0 lets the routes choose.
    MulticastLink(u32),
    /// `IP_ADD_MEMBERSHIP`, `IPV6_JOIN_GROUP`; link 0 lets the routes choose.
    Join {
        /// The group.
        group: IpAddr,
        /// The link's number.
        link: u32,
    },
    /// `IP_DROP_MEMBERSHIP`, `IPV6_LEAVE_GROUP`
    Leave {
        /// The group.
        group: IpAddr,
        /// The link's number, as given to join.
        link: u32,
    },
    /// `SO_BINDTODEVICE`: a link's number; 0 is any.
    BindToLink(u32),
    /// `IP_RECVERR`, `IPV6_RECVERR`: messages that did not arrive are told by [`crate::Stack::receive_failure`].
    TellFailures {
        /// What ICMP for IPv6 tells, and not that for IPv4.
        of_v6: bool,
        /// They are told.
        is_on: bool,
    },
    /// `ICMP_FILTER`, `ICMP6_FILTER`: the kinds of messages that a raw socket does not hear, a bit each.
    BlockKinds([u32; 8]),
}

/// All that is set on a socket now; each field as in [`Setting`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is told of at the setting of its name")]
pub struct Options {
    pub reuse_address: bool,
    pub reuse_port: bool,
    pub keep_alive: bool,
    pub keep_idle_seconds: u32,
    pub keep_interval_seconds: u32,
    pub keep_count: u32,
    pub user_timeout_milliseconds: u32,
    pub no_delay: bool,
    pub linger: Option<u32>,
    pub receive_buffer: usize,
    pub send_buffer: usize,
    pub receive_low_water: usize,
    pub broadcast: bool,
    pub v6_only: bool,
    pub hop_limit: Option<u8>,
    pub traffic_class: u8,
    pub multicast_hop_limit: u8,
    pub multicast_loop: bool,
    pub multicast_link: u32,
    pub bound_link: u32,
}
