//! Random numbers: ChaCha20, seeded from the platform when it is first asked.

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use muslin_abi::{Errno, SyscallArgs, SyscallResult};
use muslin_platform::Platform;

use crate::context::Context;
use crate::lock::Mutex;
use crate::user_mem::{RW_BYTES_MAX, UserBufMut};

const GRND_NONBLOCK: u32 = 1;
const GRND_RANDOM: u32 = 2;
const GRND_INSECURE: u32 = 4;

/// Bytes after which the generator takes a new seed.
const RESEED_BYTES: usize = 1 << 20;

/// The generator behind `getrandom` and `/dev/urandom`.
pub struct Random {
    generator: Mutex<Option<Generator>>,
}

struct Generator {
    stream: ChaCha20Rng,
    left_bytes: usize,
}

impl Default for Random {
    fn default() -> Self {
        Self::new()
    }
}

impl Random {
    /// A generator without a seed.
    pub fn new() -> Self {
        Self {
            generator: Mutex::new(None),
        }
    }

    /// Fills a buffer.
    ///
    /// # Errors
    /// `EIO`: the platform has no entropy, so there never was a seed.
    pub fn fill(&self, platform: &dyn Platform, to: &mut UserBufMut<'_>) -> Result<usize, Errno> {
        let mut place = self.generator.lock();
        let mut chunk = [0; 256];
        let mut done = 0;
        while done < to.len() {
            let generator = match &mut *place {
                Some(generator) if generator.left_bytes > 0 => generator,
                old => {
                    let mut seed = [0; 32];
                    platform.entropy().fill(&mut seed)?;
                    old.insert(Generator {
                        stream: ChaCha20Rng::from_seed(seed),
                        left_bytes: RESEED_BYTES,
                    })
                }
            };
            let bytes = &mut chunk[..(to.len() - done).min(256)];
            generator.stream.fill_bytes(bytes);
            generator.left_bytes = generator.left_bytes.saturating_sub(bytes.len());
            done += to.copy_in(done, bytes);
        }
        Ok(done)
    }
}

/// `getrandom(buf, buflen, flags)` — fills memory with random bytes.
///
/// Returns the bytes filled, all that were asked for up to 0x7fff_f000. Never waits: the platform's
/// entropy is ready from the start, so `GRND_NONBLOCK` changes nothing.
///
/// # Errors
/// `EINVAL` unknown flags, or `GRND_RANDOM` with `GRND_INSECURE` · `EFAULT` bad `buf` · `EIO` the
/// platform has no entropy.
/// # Source
/// getrandom(2), man-pages 6.9
pub fn sys_getrandom(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let flags = args.int(2) as u32;
    let both = GRND_RANDOM | GRND_INSECURE;
    if flags & !(GRND_NONBLOCK | both) != 0 || flags & both == both {
        return Err(Errno::EINVAL);
    }
    let len_bytes = args.size(1).min(RW_BYTES_MAX);
    let mut to = UserBufMut::new(context, args.addr(0), len_bytes)?;
    context.process.random.fill(context.platform, &mut to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    #[test]
    fn bytes_are_new_each_time_and_follow_from_the_seed() {
        let worlds = [World::new(), World::new()];
        let draws = worlds.each_ref().map(|world| {
            let room = world.room(64);
            assert_eq!(world.call(sys_getrandom, [room, 32]), Ok(32));
            assert_eq!(world.get(room + 32, 32), [0; 32]);
            assert_eq!(world.call(sys_getrandom, [room + 32, 32, 1]), Ok(32));
            world.get(room, 64)
        });
        assert_eq!(draws[0], draws[1]);
        assert_ne!(draws[0][..32], draws[0][32..]);
        assert_ne!(draws[0][..32], [0; 32]);
    }

    #[test]
    fn flags_and_addresses_are_checked() {
        let world = World::new();
        let room = world.room(16);
        for flags in [0, 1, 2, 3, 4, 5] {
            assert_eq!(world.call(sys_getrandom, [room, 16, flags]), Ok(16));
        }
        for flags in [6, 7, 8, 0x8000_0000] {
            assert_eq!(
                world.call(sys_getrandom, [room, 16, flags]),
                Err(Errno::EINVAL)
            );
        }
        assert_eq!(world.call(sys_getrandom, [8, 16]), Err(Errno::EFAULT));
        assert_eq!(world.call(sys_getrandom, [8, 0]), Ok(0));
    }

    #[test]
    fn there_is_no_randomness_without_entropy() {
        let world = World::new();
        world.sim.break_entropy();
        let room = world.room(16);
        assert_eq!(world.call(sys_getrandom, [room, 16]), Err(Errno::EIO));
        assert_eq!(world.get(room, 16), [0; 16]);
    }

    #[test]
    fn the_generator_takes_a_new_seed() {
        let world = World::new();
        let room = world.room(RESEED_BYTES);
        assert_eq!(
            world.call(sys_getrandom, [room, RESEED_BYTES]),
            Ok(RESEED_BYTES)
        );
        world.sim.break_entropy();
        assert_eq!(world.call(sys_getrandom, [room, 1]), Err(Errno::EIO));
    }
}
