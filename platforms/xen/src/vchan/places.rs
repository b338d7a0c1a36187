//! Where in xenstore the two ends of a channel find each other.
//!
//! | place | whose | what |
//! |---|---|---|
//! | `/local/domain/S/data/vchan/C/P` | S | `ring-ref` and `event-channel` of a channel that S offers C at port P |
//! | `/local/domain/S/data/vsock/P` | S | S listens at port P; any guest may write below |
//! | `/local/domain/S/data/vsock/P/C` | C | C asks for a channel at port P |
//! | `/rendezvous/NAME` | S | S is found by this name |
//!
//! A guest may write below its own `data`, and say there who else may. What another guest writes belongs
//! to it, and xenstore tells whose a value is: so nobody asks in the name of another.

use alloc::format;
use alloc::string::String;

use muslin_abi::Errno;

use crate::xenstore::{ALONE, Bell, Store, Transaction, decimal};

/// A guest that offers a channel, one that it is for, and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Who offers.
    pub server: u32,
    /// For whom.
    pub client: u32,
    /// The port.
    pub port: u32,
}

/// What a client must know of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The grant of the first page.
    pub grant: u32,
    /// The server's end of the event channel.
    pub port: u32,
}

impl Place {
    fn offer(self) -> String {
        let Self {
            server,
            client,
            port,
        } = self;
        format!("/local/domain/{server}/data/vchan/{client}/{port}")
    }

    fn wish(self) -> String {
        format!("{}/{}", listening(self.server, self.port), self.client)
    }

    /// Offers a channel.
    ///
    /// # Errors
    /// Those of xenstore.
    pub fn put_offer<B: Bell>(self, store: &mut Store<B>, offer: Offer) -> Result<(), Errno> {
        let place = self.offer();
        let permissions = format!("n{}\0r{}\0", self.server, self.client);
        store.transaction(|store, within| {
            for (name, number) in [("/ring-ref", offer.grant), ("/event-channel", offer.port)] {
                let path = [&*place, name];
                store.write_number(within, &path, number.into())?;
                store.permit(within, &path, permissions.as_bytes())?;
            }
            Ok(())
        })
    }

    /// Offers it no more.
    pub fn remove_offer<B: Bell>(self, store: &mut Store<B>) {
        // It is not there, then.
        let _ = store.remove(ALONE, &[&self.offer()]);
    }

    /// The offer, if there is one for this guest.
    ///
    /// # Errors
    /// `ENOENT` there is none · others of xenstore.
    pub fn find_offer<B: Bell>(self, store: &mut Store<B>) -> Result<Offer, Errno> {
        let place = self.offer();
        let found = store.transaction(|store, within| {
            let mut number = |name| number_at(store, within, &[&place, name]);
            Ok(Offer {
                grant: number("/ring-ref")?,
                port: number("/event-channel")?,
            })
        });
        found.map_err(without_rights)
    }

    /// Has `changes` of the store tell of the offer.
    ///
    /// # Errors
    /// Those of xenstore.
    pub fn watch_offer<B: Bell>(self, store: &mut Store<B>) -> Result<(), Errno> {
        match store.watch(&[&self.offer()]) {
            Err(Errno::EEXIST) => Ok(()),
            done => done,
        }
    }

    /// Undoes that.
    pub fn unwatch_offer<B: Bell>(self, store: &mut Store<B>) {
        // Another attempt may have done so.
        let _ = store.unwatch(&[&self.offer()]);
    }

    /// Asks for an offer.
    ///
    /// # Errors
    /// `ENOENT` nobody listens there · others of xenstore.
    pub fn wish_for<B: Bell>(self, store: &mut Store<B>) -> Result<(), Errno> {
        store
            .write(ALONE, &[&self.wish()], b"")
            .map_err(without_rights)
    }

    /// Asks no more.
    pub fn remove_wish<B: Bell>(self, store: &mut Store<B>) {
        let _ = store.remove(ALONE, &[&self.wish()]);
    }

    /// Is this really a wish of the client's?
    pub fn is_wish<B: Bell>(self, store: &mut Store<B>) -> bool {
        store.owner(&[&self.wish()]) == Ok(self.client)
    }
}

/// Where a guest says that it listens.
fn listening(server: u32, port: u32) -> String {
    format!("/local/domain/{server}/data/vsock/{port}")
}

/// What a guest must not see looks to it like what is not there.
fn without_rights(errno: Errno) -> Errno {
    match errno {
        Errno::EACCES => Errno::ENOENT,
        errno => errno,
    }
}

fn number_at<B: Bell>(
    store: &mut Store<B>,
    within: Transaction,
    path: &[&str],
) -> Result<u32, Errno> {
    let number = store.number(within, path)?;
    u32::try_from(number).map_err(|_| Errno::EINVAL)
}

/// This guest's number.
///
/// # Errors
/// Those of xenstore.
pub fn own_number<B: Bell>(store: &mut Store<B>) -> Result<u32, Errno> {
    number_at(store, ALONE, &["domid"])
}

/// Lets others ask for channels at a port.
///
/// # Errors
/// Those of xenstore.
pub fn listen<B: Bell>(store: &mut Store<B>, own: u32, port: u32) -> Result<(), Errno> {
    let place = listening(own, port);
    store.write(ALONE, &[&place], b"")?;
    store.permit(ALONE, &[&place], format!("b{own}\0").as_bytes())?;
    match store.watch(&[&place]) {
        Err(Errno::EEXIST) => Ok(()),
        done => done,
    }
}

/// Undoes that.
pub fn stop<B: Bell>(store: &mut Store<B>, own: u32, port: u32) {
    let place = listening(own, port);
    // What is not there needs not go.
    let _ = store.unwatch(&[&place]);
    let _ = store.remove(ALONE, &[&place]);
}

/// Takes the next wish at a port, one that is really of who it says: whose it is.
///
/// # Errors
/// Those of xenstore.
pub fn take_wish<B: Bell>(store: &mut Store<B>, own: u32, port: u32) -> Result<Option<u32>, Errno> {
    let mut room = [0; NAMES_BYTES];
    let place = listening(own, port);
    let names = match store.names(&[&place], &mut room) {
        Ok(names) => names,
        // More than there is room for: they are looked at as others go.
        Err(Errno::EMSGSIZE) => &room[..],
        Err(errno) => return Err(errno),
    };
    let mut taken = None;
    for name in names.split(|&byte| byte == 0) {
        let Ok(name) = str::from_utf8(name) else {
            continue;
        };
        if name.is_empty() {
            continue;
        }
        // Only the way in which a client writes its number is a wish.
        let number = name.parse::<u32>().ok();
        let number = number.filter(|&number| decimal(number.into(), &mut [0; 20]) == name);
        let is_wish = number.is_some_and(|client| {
            let place = Place {
                server: own,
                client,
                port,
            };
            place.is_wish(store)
        });
        // It is answered, or nonsense.
        let _ = store.remove(ALONE, &[&place, "/", name]);
        if is_wish {
            taken = number;
            break;
        }
    }
    Ok(taken)
}

/// Room for names of guests that ask: some hundred.
const NAMES_BYTES: usize = 1024;

fn named(name: &str) -> Result<String, Errno> {
    let is_one = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    is_one
        .then(|| format!("/rendezvous/{name}"))
        .ok_or(Errno::EINVAL)
}

/// Lets others find this guest by a name.
///
/// # Errors
/// `EINVAL` it is no name · `EACCES` there are no names on this machine, or another guest has it.
pub fn publish<B: Bell>(store: &mut Store<B>, own: u32, name: &str) -> Result<(), Errno> {
    let place = named(name)?;
    store.write_number(ALONE, &[&place], own.into())?;
    if store.owner(&[&place])? != own {
        return Err(Errno::EACCES);
    }
    store.permit(ALONE, &[&place], format!("r{own}\0").as_bytes())
}

/// The guest with a name: whoever owns it.
///
/// # Errors
/// `ENOENT` nobody · `EACCES` `EINVAL`.
pub fn find<B: Bell>(store: &mut Store<B>, name: &str) -> Result<u32, Errno> {
    let place = named(name)?;
    let owner = store.owner(&[&place])?;
    // One that is left of a guest that is no more belongs to another one.
    match number_at(store, ALONE, &[&place])? == owner {
        true => Ok(owner),
        false => Err(Errno::ENOENT),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use std::borrow::ToOwned;
    use std::vec::Vec;

    use super::*;
    use crate::xenstore::tests::Peer;

    #[test]
    fn only_who_a_wish_names_can_have_made_it() {
        let peer = Peer::new(3, false);
        for (name, owner) in [("9", 9), ("07", 7), ("4", 9), ("x", 8), ("12", 12)] {
            let path = format!("/local/domain/5/data/vsock/80/{name}");
            peer.tree.borrow_mut().insert(path.clone(), Vec::new());
            peer.owners.borrow_mut().insert(path, owner);
        }
        let mut store = peer.store();
        let mut wishes = Vec::new();
        while let Some(client) = take_wish(&mut store, 5, 80).unwrap() {
            wishes.push(client);
        }
        wishes.sort_unstable();
        assert_eq!(wishes, [9, 12]);
        // What is nonsense is away as well.
        assert!(peer.tree.borrow().is_empty());
    }

    #[test]
    fn an_offer_is_whole_or_none() {
        let peer = Peer::new(4, false);
        let mut store = peer.store();
        let place = Place {
            server: 2,
            client: 6,
            port: 8,
        };
        assert_eq!(place.find_offer(&mut store), Err(Errno::ENOENT));
        let at = |name: &str| format!("/local/domain/2/data/vchan/6/8/{name}");
        let put = |name: &str, value: &[u8]| {
            peer.tree.borrow_mut().insert(at(name), value.to_vec());
        };
        put("ring-ref", b"11");
        assert_eq!(place.find_offer(&mut store), Err(Errno::ENOENT));
        put("event-channel", b"4294967296");
        assert_eq!(place.find_offer(&mut store), Err(Errno::EINVAL));
        put("event-channel", b"12");
        let (grant, port) = (11, 12);
        assert_eq!(place.find_offer(&mut store), Ok(Offer { grant, port }));
    }

    #[test]
    fn a_name_is_its_owners() {
        let peer = Peer::new(5, false);
        let mut store = peer.store();
        let path = "/rendezvous/server".to_owned();
        peer.tree.borrow_mut().insert(path.clone(), b"3".to_vec());
        peer.owners.borrow_mut().insert(path.clone(), 3);
        assert_eq!(find(&mut store, "server"), Ok(3));
        // Its guest is no more.
        peer.owners.borrow_mut().insert(path, 0);
        assert_eq!(find(&mut store, "server"), Err(Errno::ENOENT));
        assert_eq!(find(&mut store, "../domain/1"), Err(Errno::EINVAL));
        assert_eq!(find(&mut store, ""), Err(Errno::EINVAL));
    }
}
