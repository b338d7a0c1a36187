//! Streams within one host: the loopback loses nothing, so nothing there waits for a timer. Time stands
//! still once the reader reads.
#![allow(clippy::expect_used, reason = "a test")]

use std::net::SocketAddr;

use muslin_abi::Errno;
use muslin_net_stack::{Family, Kind, ReceiveHow, SendTo, SmolStack, SocketId, Stack};

/// What is moved.
const BYTES: usize = 1 << 20;
/// As many bytes of a large write the calls hand over at once; more follows then.
const HANDED_BYTES: usize = 64 * 1024;

struct Host {
    stack: SmolStack,
    now_ns: u64,
    writer: SocketId,
    reader: SocketId,
    payload: Vec<u8>,
    written: usize,
    read: usize,
}

impl Host {
    fn new() -> Self {
        let mut stack = SmolStack::new([9; 16]);
        stack.set_time(1);
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let listener = stack.socket(Family::V4, Kind::Stream).expect("a socket");
        stack.bind(listener, address).expect("an address");
        stack.listen(listener, 16).expect("listens");
        let writer = stack.socket(Family::V4, Kind::Stream).expect("a socket");
        assert_eq!(stack.connect(writer, address), Err(Errno::EINPROGRESS));
        let (reader, _) = stack.accept(listener).expect("a connection");
        Self {
            stack,
            now_ns: 1,
            writer,
            reader,
            payload: (0..BYTES)
                .map(|place| (place / 251 + place) as u8)
                .collect(),
            written: 0,
            read: 0,
        }
    }

    /// Time goes on, and all that is due until then happens.
    fn pass(&mut self, ns: u64) {
        let end_ns = self.now_ns + ns;
        while self.now_ns < end_ns {
            self.now_ns = self.stack.deadline().max(self.now_ns + 1).min(end_ns);
            self.stack.poll(self.now_ns);
        }
    }

    /// Writes pieces of at most this many bytes until no more are taken.
    fn write(&mut self, piece_bytes: usize, has_more: bool) {
        let how = SendTo::default();
        while self.written < BYTES {
            let end = BYTES.min(self.written + piece_bytes);
            let handed = end.min(self.written + HANDED_BYTES);
            let bytes = &self.payload[self.written..handed];
            let has_more = has_more && end < BYTES || handed < end;
            match self.stack.send(self.writer, &[bytes], &how, has_more) {
                Ok(len) => self.written += len,
                Err(errno) => return assert_eq!(errno, Errno::EAGAIN),
            }
        }
    }

    /// Reads a piece of at most this many bytes. Whether there was one.
    fn read(&mut self, piece_bytes: usize) -> bool {
        let mut place = vec![0; piece_bytes];
        let how = ReceiveHow::default();
        match self.stack.receive(self.reader, &mut [&mut place[..]], how) {
            Ok(received) => {
                let end = self.read + received.bytes;
                assert_eq!(place[..received.bytes], self.payload[self.read..end]);
                self.read = end;
                true
            }
            Err(errno) => {
                assert_eq!(errno, Errno::EAGAIN);
                false
            }
        }
    }

    /// Moves all bytes to a reader that begins late, and reads so many pieces between writes.
    fn transfer(&mut self, write_bytes: usize, has_more: bool, read_bytes: usize, reads: usize) {
        while self.read < BYTES {
            self.write(write_bytes, has_more);
            let before = (self.read, self.written);
            for _ in 0..reads {
                self.read(read_bytes);
            }
            // All that is due now, and nothing that is due later.
            self.stack.poll(self.now_ns);
            self.write(write_bytes, has_more);
            assert_ne!(
                (self.read, self.written),
                before,
                "waits for a timer: writes of {write_bytes} (more: {has_more}), {reads} reads of {read_bytes}"
            );
        }
    }
}

#[test]
fn a_reader_that_begins_late_waits_for_no_timer() {
    for late_ns in [0, 5_000_000, 300_000_000] {
        for write_bytes in [1000, 8192, 65_536, BYTES] {
            for (read_bytes, reads) in [(1000, 1), (4096, 3), (65_536, 1), (BYTES, 2)] {
                let mut host = Host::new();
                host.write(write_bytes, false);
                host.pass(late_ns);
                host.transfer(write_bytes, false, read_bytes, reads);
            }
        }
    }
}

#[test]
fn what_fills_the_buffer_does_not_wait_for_more() {
    for write_bytes in [512, 1000, 1024, 4096, 8192, 65_536] {
        for read_bytes in [1000, 4096, BYTES] {
            Host::new().transfer(write_bytes, true, read_bytes, 4);
        }
    }
}
