//! What comes from outside unasked: input on the console, and what the machine's first guest asks for.
//!
//! Requests come by xenstore: `control/shutdown` says to end, and whether to start again; who has heard
//! that clears it. What this guest cannot do stays there, and the console names it.
//!
//! Source: Xen 4.17 `docs/misc/xenstore-paths.pandoc`.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use muslin_abi::Errno;
use muslin_platform::Outside;

use crate::shared::{self, Door};
use crate::xenstore::{ALONE, Bell, Store, decimal};
use crate::{attached, console, host};

/// Where requests are.
const SHUTDOWN: &str = "control/shutdown";
/// How much memory the guest should have, in KiB.
const TARGET: &str = "memory/target";
/// What this guest can be asked.
const CAN: [(&str, &[u8]); 3] = [
    ("control/feature-poweroff", b"1"),
    ("control/feature-reboot", b"1"),
    ("control/feature-suspend", b"0"),
];

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    /// Nothing.
    None,
    /// To end.
    End,
    /// To end, and to start again.
    Restart,
    /// What this guest cannot.
    Other([u8; REQUEST_BYTES_MAX]),
}

/// The longest word that is a request.
const REQUEST_BYTES_MAX: usize = 16;

/// A guest below another.
#[derive(Debug)]
struct Below {
    /// Requests are listened for, or never will be.
    is_begun: AtomicBool,
    /// How often xenstore had changed when it was looked at.
    seen: AtomicU32,
    /// What this guest cannot was asked, and named.
    is_refused: AtomicBool,
    /// How much memory the guest was told last that it has.
    target_kib: AtomicU64,
    /// How far the console's input was when it was looked at.
    input: AtomicU32,
}

static BELOW: Below = Below {
    is_begun: AtomicBool::new(false),
    seen: AtomicU32::new(0),
    is_refused: AtomicBool::new(false),
    target_kib: AtomicU64::new(0),
    input: AtomicU32::new(0),
};

/// The guest is to start again when it ends.
static IS_RESTART: AtomicBool = AtomicBool::new(false);

/// Whether the guest was asked to start again.
pub(crate) fn is_restart() -> bool {
    IS_RESTART.load(Ordering::Relaxed)
}

/// What comes from outside; nothing does to a machine's first guest.
pub fn outside() -> Option<&'static dyn Outside> {
    host::xenstore()?;
    console::listen();
    Some(&BELOW)
}

impl Outside for Below {
    fn has_new_input(&self) -> bool {
        let made = console::input_made();
        self.input.swap(made, Ordering::Relaxed) != made
    }

    fn is_asked_to_end(&self) -> bool {
        if !self.is_begun.swap(true, Ordering::Relaxed) {
            if let Err(errno) = shared::with(|shared| begin(&mut shared.store)) {
                say(&[
                    "cannot hear requests: ",
                    errno.name().unwrap_or("no xenstore"),
                ]);
            }
            return self.is_asked(true);
        }
        self.is_asked(false)
    }
}

/// From now on changes are told.
fn begin(store: &mut Store<Door>) -> Result<(), Errno> {
    for (name, value) in CAN {
        // Nobody relies on it.
        let _ = store.write(ALONE, &[name], value);
    }
    store.watch(&[attached::DEVICES])?;
    store.watch(&[SHUTDOWN])?;
    store.watch(&[TARGET])
}

impl Below {
    fn is_asked(&self, is_first: bool) -> bool {
        let request = shared::with(|shared| {
            let changes = shared.store.changes()?;
            if self.seen.swap(changes, Ordering::Relaxed) == changes && !is_first {
                return Ok(None);
            }
            self.look_at_target(&mut shared.store);
            attached::look(&mut shared.store, is_first, say);
            request(&mut shared.store).map(Some)
        });
        // Nothing has changed, or nobody can be asked.
        let Ok(Some(request)) = request else {
            return false;
        };
        let is_refused = matches!(request, Request::Other(_));
        let was_refused = self.is_refused.swap(is_refused, Ordering::Relaxed);
        match request {
            Request::None => false,
            Request::End => {
                // Whatever was asked before.
                IS_RESTART.store(false, Ordering::Relaxed);
                true
            }
            Request::Restart => {
                IS_RESTART.store(true, Ordering::Relaxed);
                true
            }
            Request::Other(word) => {
                let len = word.iter().position(|&byte| byte == 0);
                let word = &word[..len.unwrap_or(word.len())];
                let word = str::from_utf8(word).unwrap_or("something else");
                if !was_refused {
                    say(&["asked to ", word, ", which this guest cannot; it goes on"]);
                }
                false
            }
        }
    }

    /// A guest keeps what it has; who wants less of it is told so.
    fn look_at_target(&self, store: &mut Store<Door>) {
        let Ok(target_kib) = store.number(ALONE, &[TARGET]) else {
            return;
        };
        let before = self.target_kib.swap(target_kib, Ordering::Relaxed);
        if before != 0 && before != target_kib {
            let mut digits = [0; 20];
            let target = decimal(target_kib, &mut digits);
            say(&[
                "asked to have ",
                target,
                " KiB of memory; it keeps what it has",
            ]);
        }
    }
}

/// The request that is there; one that is followed is cleared.
fn request<B: Bell>(store: &mut Store<B>) -> Result<Request, Errno> {
    store.transaction(|store, within| {
        let mut word = [0; REQUEST_BYTES_MAX];
        let len = match store.read(within, &[SHUTDOWN], &mut word) {
            Ok(word) => word.len(),
            Err(Errno::ENOENT) => return Ok(Request::None),
            Err(errno) => return Err(errno),
        };
        let request = match &word[..len] {
            b"" => return Ok(Request::None),
            b"poweroff" | b"halt" => Request::End,
            b"reboot" => Request::Restart,
            _ => return Ok(Request::Other(word)),
        };
        store.write(within, &[SHUTDOWN], b"")?;
        Ok(request)
    })
}

fn say(parts: &[&str]) {
    console::write(b"muslin: ");
    for part in parts {
        console::write(part.as_bytes());
    }
    console::write(b"\n");
}
