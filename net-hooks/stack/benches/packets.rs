//! What a packet costs: a segment of 64 bytes comes in, its bytes are read, the answer goes out;
//! with 10, 1,000 and 10,000 connections. And bytes in bulk, over both stacks.

#![allow(missing_docs, reason = "what criterion makes has none")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

use std::collections::VecDeque;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use muslin_abi::Errno;
use muslin_net_stack::{
    Address, AddressSource, Family, Kind, Link, ReceiveHow, SendTo, SmolStack, SocketId, Stack,
};

type Frames = Arc<Mutex<VecDeque<Vec<u8>>>>;

/// One end of a cable in memory.
struct End {
    here: Frames,
    there: Frames,
    number: u8,
}

impl Link for End {
    fn name(&self) -> &str {
        "eth0"
    }

    fn mac(&self) -> [u8; 6] {
        [2, 0, 0, 0, 0, self.number]
    }

    fn mtu_bytes(&self) -> u16 {
        1500
    }

    fn receive(&mut self, frame: &mut [u8]) -> Result<usize, Errno> {
        let bytes = self.here.lock().unwrap().pop_front().ok_or(Errno::EAGAIN)?;
        frame[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), Errno> {
        self.there.lock().unwrap().push_back(frame.into());
        Ok(())
    }
}

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 80);

struct World {
    client: SmolStack,
    server: SmolStack,
    now_ns: u64,
    ends: Vec<(SocketId, SocketId)>,
}

impl World {
    fn new(connections: usize) -> Self {
        let cables: [Frames; 2] = Default::default();
        let host = |number: u8| {
            let mut stack = SmolStack::new([number; 16]);
            let link = stack.add_link(Box::new(End {
                here: cables[usize::from(number) - 1].clone(),
                there: cables[2 - usize::from(number)].clone(),
                number,
            }));
            let address = Address {
                link,
                address: Ipv4Addr::new(10, 0, 0, number).into(),
                prefix_bits: 24,
                source: AddressSource::Static,
            };
            stack.add_address(address).unwrap();
            stack
        };
        let mut world = Self {
            client: host(1),
            server: host(2),
            now_ns: 0,
            ends: Vec::new(),
        };
        let listener = world.server.socket(Family::V4, Kind::Stream).unwrap();
        world.server.bind(listener, SERVER).unwrap();
        world.server.listen(listener, 16).unwrap();
        for _ in 0..connections {
            let client = world.client.socket(Family::V4, Kind::Stream).unwrap();
            world.client.connect(client, SERVER).unwrap_err();
            let server = loop {
                world.step();
                if let Ok((server, _)) = world.server.accept(listener) {
                    break server;
                }
            };
            world.ends.push((client, server));
        }
        world
    }

    fn step(&mut self) {
        self.now_ns += 100_000;
        self.client.poll(self.now_ns);
        self.server.poll(self.now_ns);
    }
}

fn packet(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("segment in, read, answer out");
    for connections in [10, 1_000, 10_000] {
        let mut world = World::new(connections);
        let mut pick = 1usize;
        let mut bytes = [0; 128];
        group.bench_function(format!("{connections} connections"), |bencher| {
            bencher.iter_custom(|count| {
                let mut spent = Duration::ZERO;
                for _ in 0..count {
                    pick = pick.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let (client, server) = world.ends[(pick >> 33) % connections];
                    let how = SendTo::default();
                    world.client.send(client, &[&[7; 64]], &how, false).unwrap();
                    world.now_ns += 10_000;
                    let begin = Instant::now();
                    world.server.poll(world.now_ns);
                    let into: &mut [&mut [u8]] = &mut [&mut bytes];
                    world
                        .server
                        .receive(server, into, ReceiveHow::default())
                        .unwrap();
                    world.server.send(server, &[&[7; 64]], &how, false).unwrap();
                    spent += begin.elapsed();
                    world.client.poll(world.now_ns);
                    world
                        .client
                        .receive(client, &mut [&mut [0; 128]], ReceiveHow::default())
                        .unwrap();
                    black_box(&bytes);
                }
                spent
            });
        });
    }
    group.finish();
}

fn bulk(criterion: &mut Criterion) {
    const BYTES: usize = 4 << 20;
    let mut group = criterion.benchmark_group("bulk");
    group.throughput(Throughput::Bytes(BYTES as u64));
    let mut world = World::new(1);
    let (client, server) = world.ends[0];
    let much = vec![1; 256 << 10];
    let mut into = vec![0; 256 << 10];
    group.bench_function("one way, both stacks", |bencher| {
        bencher.iter(|| {
            let (mut sent, mut received) = (0, 0);
            while received < BYTES {
                let piece = &much[..much.len().min(BYTES - sent)];
                if let Ok(len) = world
                    .client
                    .send(client, &[piece], &SendTo::default(), false)
                {
                    sent += len;
                }
                world.step();
                while let Ok(got) =
                    world
                        .server
                        .receive(server, &mut [&mut into], ReceiveHow::default())
                {
                    received += got.bytes;
                }
            }
        });
    });
    group.finish();
}

criterion_group!(benches, packet, bulk);
criterion_main!(benches);
