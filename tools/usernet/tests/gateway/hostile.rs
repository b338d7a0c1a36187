//! Guests that send anything.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::thread;

use muslin_net_stack::{Kind, Link, SendTo, Stack};

use crate::guest::{Guest, HOST};

const SEEDS: u64 = 8;
const FRAMES: usize = 5000;

/// Numbers by seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Frames as a guest sends them, of each kind.
fn samples(port: u16) -> Vec<Vec<u8>> {
    const TO: [u8; 6] = [0x52, 0x55, 0x0a, 0, 2, 2];
    const FROM: [u8; 6] = [2, 0, 0, 0, 0, 0x15];
    let ip = |protocol: u8, to: [u8; 4], content: &[u8]| {
        let len = (20 + content.len()) as u16;
        let mut header = vec![0x45, 0];
        header.extend(len.to_be_bytes());
        header.extend([0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 2, 15]);
        header.extend(to);
        [&TO[..], &FROM, &[8, 0], &header, content].concat()
    };
    let [high, low] = port.to_be_bytes();
    let mut samples = vec![
        [
            &[0xff; 6][..],
            &FROM,
            &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1],
            &FROM,
            &[10, 0, 2, 15],
            &[0; 6],
            &[10, 0, 2, 2],
        ]
        .concat(),
        ip(
            17,
            [10, 0, 2, 2],
            &[3, 3, high, low, 0, 12, 0, 0, 1, 2, 3, 4],
        ),
        ip(17, [10, 0, 2, 3], &[3, 3, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4]),
        ip(1, [10, 0, 2, 2], &[8, 0, 0, 0, 0, 1, 0, 1, 9, 9]),
        ip(1, [10, 0, 2, 77], &[8, 0, 0, 0, 0, 1, 0, 1, 9, 9]),
    ];
    for flags in [2, 16, 17, 4, 20, 18, 24] {
        let mut segment = vec![3, 3, high, low, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags];
        segment.extend([0xff, 0xff, 0, 0, 0, 0]);
        samples.push(ip(6, [10, 0, 2, 2], &segment));
    }
    let mut lease = vec![0, 68, 0, 67, 1, 4, 0, 0, 1, 1, 6, 0];
    lease.resize(8 + 236, 0);
    lease.extend([99, 130, 83, 99, 53, 1, 3, 50, 4, 10, 0, 2, 15, 255, 0, 0]);
    samples.push(ip(17, [255; 4], &lease));
    let mut six = [&TO[..], &FROM, &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 58, 255]].concat();
    six.extend([0xfe, 0x80]);
    six.extend([0; 13]);
    six.extend([9, 0xff, 2]);
    six.extend([0; 13]);
    six.extend([2, 133, 0, 0, 0, 0, 0, 0, 0]);
    samples.push(six);
    samples
}

/// Makes the sums of IPv4, and of what is in it, right: else nobody would look further.
fn sum_up(frame: &mut [u8]) {
    let sum = |bytes: &[u8], first: u32| {
        let words = bytes.chunks(2).map(|word| match *word {
            [high, low] => u32::from(high) << 8 | u32::from(low),
            [high] => u32::from(high) << 8,
            _ => 0,
        });
        let sum: u32 = words.sum::<u32>() + first;
        let folded = (sum & 0xffff) + (sum >> 16);
        !((folded & 0xffff) + (folded >> 16)) as u16
    };
    if frame.len() < 34 || frame[12..14] != [8, 0] {
        return;
    }
    let at = 14 + usize::from(frame[14] & 15) * 4;
    if at < 34 || at > frame.len() {
        return;
    }
    frame[24..26].fill(0);
    let header = sum(&frame[14..at], 0);
    frame[24..26].copy_from_slice(&header.to_be_bytes());
    let ends: u32 = frame[26..34]
        .chunks(2)
        .map(|word| u32::from(word[0]) << 8 | u32::from(word[1]))
        .sum();
    let (place, first) = match frame[23] {
        1 => (2, 0),
        6 => (16, ends + 6 + (frame.len() - at) as u32),
        17 => (6, ends + 17 + (frame.len() - at) as u32),
        _ => return,
    };
    if at + place + 2 <= frame.len() {
        frame[at + place..at + place + 2].fill(0);
        let above = sum(&frame[at..], first);
        frame[at + place..at + place + 2].copy_from_slice(&above.to_be_bytes());
    }
}

#[test]
fn whatever_a_guest_sends_its_gateway_goes_on() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let _server = UdpSocket::bind(("127.0.0.1", port)).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(b"here");
        }
    });
    let samples = samples(port);
    for seed in 1..=SEEDS {
        let mut guest = Guest::new();
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut wire = guest.wire.clone();
        for number in 0..FRAMES {
            let mut frame = samples[random.below(samples.len())].clone();
            for _ in 0..random.below(4) {
                let at = random.below(frame.len());
                match random.below(4) {
                    0 => frame[at] ^= 1 << random.below(8),
                    1 => frame[at] = random.next() as u8,
                    2 => frame.truncate(at.max(1)),
                    _ => frame.extend(vec![random.next() as u8; random.below(64)]),
                }
            }
            if random.below(8) != 0 {
                sum_up(&mut frame);
            }
            while wire.send(&frame).is_err() {
                guest.until("a frame is taken", |_| true);
            }
            if number % 64 == 0 {
                guest.until("answers are taken", |_| true);
            }
        }
        let socket = guest.connect(SocketAddr::new(HOST, port));
        assert_eq!(guest.receive(socket).unwrap(), b"here", "seed {seed}");
        let echo = guest.socket(Kind::Echo, HOST);
        let to = SendTo {
            to: Some(SocketAddr::new(HOST, 0)),
            ..SendTo::default()
        };
        let request = [8, 0, 0, 0, 0, 0, 0, 1, 1];
        guest.stack.send(echo, &[&request], &to, false).unwrap();
        assert_eq!(guest.receive(echo).unwrap().len(), 9, "seed {seed}");
    }
}
