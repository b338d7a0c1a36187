//! Event channels, and the only sleep.
//!
//! Xen never enters the guest for an event: what is pending is looked at where the program waits. So
//! nothing but an exception comes between two instructions, as on hvt. A wait names the ports that are
//! watched; whoever watches a port looks at its ring after each wait.

use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use muslin_abi::Errno;

use crate::abi::{
    __HYPERVISOR_sched_op, __guest_handle_evtchn_port_t, DOMID_SELF, EVTCHN_2L_NR_CHANNELS,
    EVTCHNOP_alloc_unbound, EVTCHNOP_bind_interdomain, EVTCHNOP_close, EVTCHNOP_status,
    EVTCHNSTAT_interdomain, SCHEDOP_poll, evtchn_alloc_unbound, evtchn_bind_interdomain,
    evtchn_close, evtchn_status, sched_poll,
};
use crate::hypercall::{call, event_channel};
use crate::shared_info::shared_info;

/// As many ports as one wait may name. Xen has the limit, and its headers do not.
const POLL_PORTS_MAX: usize = 128;

/// Ports that waits look at, in the first [`WATCHED_COUNT`] places.
static WATCHED: [AtomicU32; POLL_PORTS_MAX] = [const { AtomicU32::new(0) }; POLL_PORTS_MAX];
static WATCHED_COUNT: AtomicUsize = AtomicUsize::new(0);

/// Makes no event enter the guest. Once, at the start, when the shared page is there.
pub(crate) fn mask_all() {
    let page = shared_info();
    // SAFETY: the page is there; Xen only reads these words.
    unsafe {
        for word in 0..(*page).evtchn_mask.len() {
            (&raw mut (*page).evtchn_mask[word]).write_volatile(u64::MAX);
        }
    }
}

/// Makes a channel that `domain` may join; its end here.
///
/// # Errors
/// `ENOSPC`: the guest has no channels left.
pub fn allocate_unbound(domain: u16) -> Result<u32, Errno> {
    let mut channel = evtchn_alloc_unbound {
        dom: DOMID_SELF,
        remote_dom: domain,
        port: 0,
    };
    // SAFETY: the argument is the operation's.
    unsafe { event_channel(EVTCHNOP_alloc_unbound, &mut channel) }?;
    Ok(channel.port)
}

/// Joins the channel that `domain` has made, and whose end there is `remote_port`; the end here.
///
/// # Errors
/// `EINVAL` there is none for this guest · `ENOSPC`.
pub fn bind(domain: u16, remote_port: u32) -> Result<u32, Errno> {
    let mut channel = evtchn_bind_interdomain {
        remote_dom: domain,
        remote_port,
        local_port: 0,
    };
    // SAFETY: the argument is the operation's.
    unsafe { event_channel(EVTCHNOP_bind_interdomain, &mut channel) }?;
    Ok(channel.local_port)
}

/// Whether somebody is at the other end of a channel.
pub fn is_joined(port: u32) -> bool {
    let mut status = evtchn_status {
        dom: DOMID_SELF,
        port,
        ..evtchn_status::default()
    };
    // SAFETY: the argument is the operation's.
    let answer = unsafe { event_channel(EVTCHNOP_status, &mut status) };
    answer.is_ok() && status.status == EVTCHNSTAT_interdomain
}

/// Ends a channel, which is not watched any more.
pub fn close(port: u32) {
    let count = WATCHED_COUNT.load(Ordering::Relaxed);
    let watched = WATCHED.get(..count).unwrap_or_default();
    if let Some(place) = watched
        .iter()
        .find(|place| place.load(Ordering::Relaxed) == port)
    {
        let last = watched[count - 1].load(Ordering::Relaxed);
        place.store(last, Ordering::Relaxed);
        WATCHED_COUNT.store(count - 1, Ordering::Relaxed);
    }
    // SAFETY: the argument is the operation's. A channel that is none cannot be closed.
    let _ = unsafe { event_channel(EVTCHNOP_close, &mut evtchn_close { port }) };
}

/// Waits end when this port has an event, from now on.
///
/// # Errors
/// `ENOSPC`: as many are watched as one wait can name.
pub fn watch(port: u32) -> Result<(), Errno> {
    let count = WATCHED_COUNT.load(Ordering::Relaxed);
    let place = WATCHED.get(count).ok_or(Errno::ENOSPC)?;
    place.store(port, Ordering::Relaxed);
    WATCHED_COUNT.store(count + 1, Ordering::Relaxed);
    Ok(())
}

/// Whether the port has an event; it has none any more.
pub fn take(port: u32) -> bool {
    let bit = 1 << (port % u64::BITS);
    pending(port).is_some_and(|word| word.fetch_and(!bit, Ordering::SeqCst) & bit != 0)
}

fn pending(port: u32) -> Option<&'static AtomicU64> {
    let index = (port / u64::BITS) as usize;
    // SAFETY: the page is there for good; the word is aligned, and Xen changes it as atomically.
    let words = unsafe { &raw mut (*shared_info()).evtchn_pending };
    let word = words.cast::<u64>().wrapping_add(index);
    // SAFETY: as above, inside the map.
    (port < EVTCHN_2L_NR_CHANNELS).then(|| unsafe { AtomicU64::from_ptr(word) })
}

/// Sleeps until one of the watched ports has an event, or until `system_time_ns` of the hypervisor's
/// clock; `None` waits for an event alone. The events are taken. May return early.
pub fn wait(system_time_ns: Option<u64>) {
    let count = WATCHED_COUNT.load(Ordering::Relaxed);
    // 0 means never to Xen.
    let timeout = system_time_ns.map_or(0, |time| time.max(1));
    wait_for(&WATCHED[..count], timeout);
    for port in &WATCHED[..count] {
        take(port.load(Ordering::Relaxed));
    }
}

/// Sleeps until this port has an event, which is taken. May return early.
pub fn wait_for_port(port: u32) {
    wait_for(&[AtomicU32::new(port)], 0);
    take(port);
}

fn wait_for(ports: &[AtomicU32], timeout: u64) {
    let poll = sched_poll {
        ports: __guest_handle_evtchn_port_t {
            p: ports.as_ptr().cast_mut().cast(),
        },
        nr_ports: ports.len() as u32,
        timeout,
    };
    let arguments = [SCHEDOP_poll, &raw const poll as usize, 0, 0, 0];
    // SAFETY: the argument is the operation's; the ports stay where they are.
    unsafe { call(__HYPERVISOR_sched_op, arguments) };
}
