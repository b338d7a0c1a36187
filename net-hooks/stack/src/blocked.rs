//! Senders that wait until a link takes more: connections, and sockets of messages whose program was told
//! `EAGAIN`.

use crate::slots::Name;
use crate::smol::SmolStack;
use crate::socket::Body;

impl SmolStack {
    /// A message was refused because this link is full: its socket cannot be written before there is room.
    pub(crate) fn block_messages(&mut self, name: Name, link: u32) {
        if let Some(socket) = self.sockets.get_mut(name)
            && let Body::Datagrams(datagrams) = &mut socket.body
            && datagrams.full_link.replace(link).is_none()
        {
            // There is room for each socket once.
            self.tcp.blocked.push(name);
        }
    }

    /// Lets those go on whose links have room again.
    pub(crate) fn run_blocked(&mut self) {
        // Those that are blocked again are behind them; the memory of the list stays.
        let count = self.tcp.blocked.len();
        for index in 0..count {
            let name = self.tcp.blocked[index];
            if let Some(connection) = self.sockets.connection(name) {
                connection.is_blocked = false;
                self.drive(name);
            } else {
                self.unblock_messages(name);
            }
        }
        self.tcp.blocked.drain(..count);
    }

    fn unblock_messages(&mut self, name: Name) {
        let Some(socket) = self.sockets.get_mut(name) else {
            return;
        };
        let Body::Datagrams(datagrams) = &mut socket.body else {
            return;
        };
        let Some(link) = datagrams.full_link.take() else {
            return;
        };
        if self.has_room(link) {
            self.mark_changed(name);
        } else {
            self.block_messages(name, link);
        }
    }
}
