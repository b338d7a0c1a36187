//! Where in xenstore the two ends of a channel find each other.
//!
//! | place | whose | what |
//! |---|---|---|
//! | `/local/domain/S/data/vchan/C/P` | S | `ring-ref` and `event-channel` of a channel that S offers C at port P |
//! | `/local/domain/S/data/vsock/P` | S | S listens at port P; any guest may write below |
//! | `/local/domain/S/data/vsock/P/C` | C | C asks for a channel at port P, until it is offered one |
//! | `/rendezvous/NAME` | S | S is found by this name |
//!
//! A guest may write below its own `data`, and say there who else may. What another guest writes belongs
//! to it, and xenstore tells whose a value is: so nobody asks in the name of another. Where any guest may
//! write it can also write much, and remove the place itself: then the place is made anew, and who asked and
//! finds neither its wish nor an offer asks again.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

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

    /// Has `changes` of the store tell of the offer, and when the wish goes.
    ///
    /// # Errors
    /// Those of xenstore.
    pub fn watch_offer<B: Bell>(self, store: &mut Store<B>) -> Result<(), Errno> {
        watch_path(store, &self.offer())?;
        watch_path(store, &self.wish())
    }

    /// Undoes that.
    pub fn unwatch_offer<B: Bell>(self, store: &mut Store<B>) {
        // Another attempt may have done so.
        let _ = store.unwatch(&[&self.offer()]);
        let _ = store.unwatch(&[&self.wish()]);
    }

    /// Asks for an offer. Nobody but the two guests can see that, or undo it.
    ///
    /// # Errors
    /// `ENOENT` nobody listens there · `ENOSPC` xenstore takes no more names there · others of xenstore.
    pub fn wish_for<B: Bell>(self, store: &mut Store<B>) -> Result<(), Errno> {
        let wish = self.wish();
        let written = store.write(ALONE, &[&wish], b"");
        written.map_err(without_rights)?;
        let permissions = format!("n{}\0b{}\0", self.client, self.server);
        match store.permit(ALONE, &[&wish], permissions.as_bytes()) {
            // It was answered already.
            Err(Errno::ENOENT) => Ok(()),
            done => done,
        }
    }

    /// Does this guest still ask?
    ///
    /// # Errors
    /// Those of xenstore.
    pub fn has_wish<B: Bell>(self, store: &mut Store<B>) -> Result<bool, Errno> {
        match store.read(ALONE, &[&self.wish()], &mut []) {
            Ok(_) | Err(Errno::EMSGSIZE) => Ok(true),
            Err(Errno::ENOENT | Errno::EACCES) => Ok(false),
            Err(errno) => Err(errno),
        }
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
pub fn open<B: Bell>(store: &mut Store<B>, own: u32, port: u32) -> Result<(), Errno> {
    let place = listening(own, port);
    store.write(ALONE, &[&place], b"")?;
    store.permit(ALONE, &[&place], format!("w{own}\0").as_bytes())
}

/// Has `changes` of the store tell who asks.
///
/// # Errors
/// Those of xenstore.
pub fn watch<B: Bell>(store: &mut Store<B>, own: u32, port: u32) -> Result<(), Errno> {
    watch_path(store, &listening(own, port))
}

fn watch_path<B: Bell>(store: &mut Store<B>, path: &str) -> Result<(), Errno> {
    match store.watch(&[path]) {
        Err(Errno::EEXIST) => Ok(()),
        done => done,
    }
}

/// Undoes both.
pub fn stop<B: Bell>(store: &mut Store<B>, own: u32, port: u32) {
    let place = listening(own, port);
    // What is not there needs not go.
    let _ = store.unwatch(&[&place]);
    let _ = store.remove(ALONE, &[&place]);
}

/// Removes all wishes at once, also those that belong to others and cannot be removed by themselves.
///
/// # Errors
/// Those of xenstore.
pub fn clear<B: Bell>(store: &mut Store<B>, own: u32, port: u32) -> Result<(), Errno> {
    match store.remove(ALONE, &[&listening(own, port)]) {
        Ok(()) | Err(Errno::ENOENT) => open(store, own, port),
        Err(errno) => Err(errno),
    }
}

/// Who asks at a port.
#[derive(Debug, Default)]
pub struct Wishes {
    /// Guests that really do.
    pub clients: Vec<u32>,
    /// There are more names than were looked at.
    pub is_flood: bool,
}

/// The wishes at a port, as far as they are looked at in one go. What is no wish is removed.
///
/// # Errors
/// Those of xenstore · `ENOMEM`.
pub fn wishes<B: Bell>(store: &mut Store<B>, own: u32, port: u32) -> Result<Wishes, Errno> {
    let mut room = [0; NAMES_BYTES];
    let mut wishes = Wishes::default();
    let place = listening(own, port);
    let names = match store.names(&[&place], &mut room) {
        Ok(names) => names,
        // Whoever may write below a place may remove it as well.
        Err(Errno::ENOENT) => {
            open(store, own, port)?;
            return Ok(wishes);
        }
        Err(errno) => return Err(errno),
    };
    wishes.is_flood = !names.are_all;
    let names = names.names.split(|&byte| byte == 0);
    for (count, name) in names.filter(|name| !name.is_empty()).enumerate() {
        if count == NAMES_MAX {
            wishes.is_flood = true;
            break;
        }
        let Ok(name) = str::from_utf8(name) else {
            continue;
        };
        // Only the way in which a client writes its number is a wish.
        let client = name.parse::<u32>().ok();
        let client = client.filter(|&client| {
            let place = Place {
                server: own,
                client,
                port,
            };
            decimal(client.into(), &mut [0; 20]) == name && place.is_wish(store)
        });
        match client {
            Some(client) => {
                let room = wishes.clients.try_reserve(1);
                room.map_err(|_| Errno::ENOMEM)?;
                wishes.clients.push(client);
            }
            None => {
                // Its owner may not let it be removed; then it is there until there are too many.
                let _ = store.remove(ALONE, &[&place, "/", name]);
            }
        }
    }
    Ok(wishes)
}

/// Room for names of guests that ask, and how many are looked at in one go: each costs some requests.
const NAMES_BYTES: usize = 1024;
const NAMES_MAX: usize = 64;

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
/// `EINVAL` it is no name · `EACCES` there are no names on this machine · `EEXIST` another guest has it · `ESTALE` a
/// guest had it that is no more: only the first guest can remove it.
pub fn publish<B: Bell>(store: &mut Store<B>, own: u32, name: &str) -> Result<(), Errno> {
    let place = named(name)?;
    match store.owner(&[&place]) {
        Err(Errno::ENOENT) => {}
        Err(errno) => return Err(errno),
        Ok(owner) if owner == own => {}
        // A value belongs to the first guest once its owner is no more, if it is not removed then.
        Ok(owner) => {
            let is_live = number_at(store, ALONE, &[&place]) == Ok(owner);
            return Err(if is_live {
                Errno::EEXIST
            } else {
                Errno::ESTALE
            });
        }
    }
    store.write_number(ALONE, &[&place], own.into())?;
    store.permit(ALONE, &[&place], format!("r{own}\0").as_bytes())
}

/// Undoes that.
pub fn withdraw<B: Bell>(store: &mut Store<B>, own: u32, name: &str) {
    if let Ok(place) = named(name)
        && store.owner(&[&place]) == Ok(own)
    {
        // Without it the name is there until the guest is no more.
        let _ = store.remove(ALONE, &[&place]);
    }
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
    use crate::hostile::Numbers;
    use crate::xenstore::tests::Peer;

    const PLACE: &str = "/local/domain/5/data/vsock/80";

    /// Another guest writes below the place.
    fn put(peer: &Peer, name: &str, owner: u32) {
        let path = format!("{PLACE}/{name}");
        let is_new = peer.tree.borrow_mut().insert(path.clone(), Vec::new());
        if is_new.is_none() {
            let mut order = peer.order.borrow_mut();
            order.retain(|other| *other != path);
            order.push(path.clone());
        }
        peer.owners.borrow_mut().insert(path, owner);
    }

    #[test]
    fn only_who_a_wish_names_can_have_made_it() {
        let peer = Peer::new(3, false);
        for (name, owner) in [("9", 9), ("07", 7), ("4", 9), ("x", 8), ("12", 12)] {
            put(&peer, name, owner);
        }
        let mut store = peer.store();
        open(&mut store, 5, 80).unwrap();
        let mut wishes = wishes(&mut store, 5, 80).unwrap();
        wishes.clients.sort_unstable();
        assert_eq!(wishes.clients, [9, 12]);
        assert!(!wishes.is_flood);
        // What is nonsense is away.
        let left: Vec<String> = peer.tree.borrow().keys().cloned().collect();
        assert_eq!(
            left,
            [
                PLACE.to_owned(),
                format!("{PLACE}/12"),
                format!("{PLACE}/9")
            ]
        );
    }

    #[test]
    fn a_place_that_another_guest_removed_is_made_anew() {
        let peer = Peer::new(6, false);
        let mut store = peer.store();
        assert!(wishes(&mut store, 5, 80).unwrap().clients.is_empty());
        assert!(peer.tree.borrow().contains_key(PLACE));
    }

    #[test]
    fn a_flood_of_names_shuts_nobody_out() {
        for seed in 1..10 {
            let mut numbers = Numbers::new(seed);
            let peer = Peer::new(seed, false);
            let mut store = peer.store();
            open(&mut store, 5, 80).unwrap();
            // Guest 6 has been at it for a while.
            let mut names = 0;
            let mut flood = |peer: &Peer, most: u64| {
                for _ in 0..numbers.below(most) {
                    names += 1;
                    let name = match numbers.below(3) {
                        0 => format!("{}", 1000 + names),
                        1 => format!("nonsense-{names}"),
                        _ => format!("0{names}"),
                    };
                    put(peer, &name, 6);
                    if numbers.below(2) == 0 {
                        peer.kept.borrow_mut().insert(format!("{PLACE}/{name}"));
                    }
                }
            };
            flood(&peer, 2000);
            let mut rounds = 0;
            loop {
                // Guest 7 asks again when its wish is away, among what guest 6 writes meanwhile.
                flood(&peer, 30);
                put(&peer, "7", 7);
                flood(&peer, 1000);
                peer.rest();
                let found = wishes(&mut store, 5, 80).unwrap();
                assert!(found.clients.iter().all(|&client| client == 7));
                if found.clients == [7] {
                    break;
                }
                assert!(found.is_flood, "it has its wish, and is not heard");
                clear(&mut store, 5, 80).unwrap();
                rounds += 1;
                assert!(rounds < 3, "seed {seed}: guest 7 is not heard");
            }
        }
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

    #[test]
    fn nobody_takes_the_name_of_another() {
        let peer = Peer::new(8, false);
        let mut store = peer.store();
        let path = "/rendezvous/server".to_owned();
        let give = |value: &[u8], owner: u32| {
            peer.tree.borrow_mut().insert(path.clone(), value.to_vec());
            peer.owners.borrow_mut().insert(path.clone(), owner);
        };
        // xenstore refuses to make one, as where dom0 has not allowed it.
        assert_eq!(publish(&mut store, 4, "server"), Err(Errno::EACCES));
        give(b"3", 3);
        assert_eq!(publish(&mut store, 4, "server"), Err(Errno::EEXIST));
        withdraw(&mut store, 4, "server");
        assert_eq!(find(&mut store, "server"), Ok(3));
        // Guest 3 is no more.
        give(b"3", 0);
        assert_eq!(publish(&mut store, 4, "server"), Err(Errno::ESTALE));
        // It was this guest's all the time.
        give(b"4", 4);
        withdraw(&mut store, 4, "server");
        assert_eq!(find(&mut store, "server"), Err(Errno::ENOENT));
    }
}
