//! Channels of bytes to other guests of the same machine.

use alloc::boxed::Box;

use muslin_abi::Errno;

/// The channels of a platform that has other guests beside this one. Guests have numbers, and ends of
/// channels that wait for others have ports. Nothing here waits for another guest:
/// [`Wait::wait_until`](crate::Wait::wait_until) returns when something may have changed.
///
/// A [`Platform`](crate::Platform) does not name its channels, as it does not its networks.
pub trait Channels: Sync {
    /// This guest's number.
    ///
    /// # Errors
    /// `ENODEV`: there are no other guests.
    fn own_number(&self) -> Result<u32, Errno>;
    /// Lets others come to a port, by channels that hold so many bytes each way; about as many as `most` may
    /// wait there.
    ///
    /// # Errors
    /// `EADDRINUSE` they can already · `ENODEV` `ENOMEM` `ENOSPC` `EACCES`.
    fn listen(&self, port: u32, bytes: usize, most: usize) -> Result<(), Errno>;
    /// Lets more wait at a port, or fewer.
    ///
    /// # Errors
    /// `EINVAL` nobody can come there.
    fn let_wait(&self, port: u32, most: usize) -> Result<(), Errno>;
    /// Lets those come to a port who can, and tells how many wait there.
    ///
    /// # Errors
    /// What it is about if nobody can come any more.
    fn waiting(&self, port: u32) -> Result<usize, Errno>;
    /// Takes who waits at a port: the guest's number, and the channel. No guest is kept from it by another
    /// that comes often.
    ///
    /// # Errors
    /// `EAGAIN` nobody does · `EINVAL` nobody can come there.
    fn accept(&self, port: u32) -> Result<(u32, Box<dyn Channel>), Errno>;
    /// Nobody can come to the port any more. Who has and was not taken is turned away.
    fn close(&self, port: u32);
    /// Begins to come to a guest's port.
    ///
    /// # Errors
    /// `ENODEV` there are no others, or it is this guest itself · `ENOMEM`.
    fn connect(&self, guest: u32, port: u32) -> Result<Box<dyn Coming>, Errno>;
    /// Lets others find this guest by a name, as long as it is there.
    ///
    /// # Errors
    /// `EINVAL` it is no name · `EACCES` this machine has no such names · `EEXIST` another guest has this one ·
    /// `ESTALE` one had it that is no more, and it cannot be taken.
    fn publish(&self, name: &str) -> Result<(), Errno>;
    /// Why this guest cannot have a name, and what to do, in words.
    fn why_no_name(&self, errno: Errno) -> &'static str;
    /// Others do not find this guest by a name any more.
    fn withdraw(&self, name: &str);
    /// The number of the guest with this name.
    ///
    /// # Errors
    /// `ENOENT` there is none · `EACCES` this machine has no such names.
    fn find(&self, name: &str) -> Result<u32, Errno>;
    /// Finishes what could not be finished when it was asked for. To be called now and then.
    fn settle(&self);
}

/// An attempt to come to another guest; when it is dropped it is given up.
pub trait Coming: Send {
    /// How far it is: the channel, once.
    ///
    /// # Errors
    /// `EAGAIN` the other guest has not answered yet · `ECONNRESET` nobody listens there · `EPROTO` the
    /// other guest breaks the rules · `ENOMEM` `ENOSPC`.
    fn go_on(&mut self) -> Result<Box<dyn Channel>, Errno>;
}

/// What can be done with a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelState {
    /// Bytes that can be read.
    pub ready: usize,
    /// Bytes that can be written.
    pub room: usize,
    /// The other end writes no more.
    pub is_silent: bool,
    /// The other end has gone, and has said so.
    pub is_gone: bool,
    /// How many bytes have come so far, round and round.
    pub come: u32,
}

/// One end of a channel; when it is dropped it is closed.
pub trait Channel: Send {
    /// What can be done now. `is_thorough` looks also whether the other guest is still there.
    ///
    /// # Errors
    /// `ECONNRESET` the other guest is no more and did not say so · `EPROTO` it breaks the rules. What has come
    /// can still be read.
    fn state(&mut self, is_thorough: bool) -> Result<ChannelState, Errno>;
    /// Reads what is there; 0 if nothing is.
    ///
    /// # Errors
    /// `EPROTO` the other end breaks the rules.
    fn read(&mut self, to: &mut [u8]) -> Result<usize, Errno>;
    /// Writes as much as there is room for.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn write(&mut self, from: &[u8]) -> Result<usize, Errno>;
    /// This end writes no more.
    fn fall_silent(&mut self);
}
