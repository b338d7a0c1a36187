//! Makes reads short and lets them fail with EINTR, by a seed: what goes wrong goes wrong again.
//!
//!     MUSLIN_SEED=7 cargo run --target x86_64-unknown-linux-musl --bin faults
//!
//! std's `read_to_string` must not care; a program that takes one `read` for the whole file does.

use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};

use muslin::{Context, Errno, SyscallArgs, SyscallResult, Sysno};

/// One read in so many.
const SHORT_ONE_IN: u64 = 3;
const EINTR_ONE_IN: u64 = 5;

static STATE: AtomicU64 = AtomicU64::new(0);
static CUT: AtomicU64 = AtomicU64::new(0);
static INTERRUPTED: AtomicU64 = AtomicU64::new(0);

fn random_below(limit: u64) -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut now = STATE.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
    now = (now ^ (now >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    now = (now ^ (now >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (now ^ (now >> 31)) % limit
}

fn fault(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    if random_below(EINTR_ONE_IN) == 0 {
        INTERRUPTED.fetch_add(1, Ordering::Relaxed);
        return Err(Errno::EINTR);
    }
    let wanted = args.size(2);
    if wanted < 2 || random_below(SHORT_ONE_IN) != 0 {
        return context.next(args);
    }
    CUT.fetch_add(1, Ordering::Relaxed);
    // Not 0: that would say "end of file".
    let less = 1 + random_below(wanted as u64 - 1) as usize;
    context.next(&args.with(2, less))
}

fn main() -> Result<(), Errno> {
    let seed = std::env::var("MUSLIN_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(20);
    STATE.store(seed, Ordering::Relaxed);
    let path = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "/proc/self/maps".to_owned());
    let whole = std::fs::read_to_string(&path).map_or(0, |text| text.len());

    for nr in [Sysno::read, Sysno::pread64, Sysno::recvfrom] {
        muslin::register(nr, fault)?;
    }
    let mut careless = vec![0; whole];
    let once = std::fs::File::open(&path).and_then(|mut file| file.read(&mut careless));
    match once {
        Ok(count) => println!("one read: {count} of {whole} bytes"),
        Err(error) => println!("one read: {error}"),
    }
    let all = std::fs::read_to_string(&path).map_or(0, |text| text.len());
    println!("read_to_string: {all} of {whole} bytes");
    println!(
        "{} reads were cut and {} interrupted; again with MUSLIN_SEED={seed}",
        CUT.load(Ordering::Relaxed),
        INTERRUPTED.load(Ordering::Relaxed),
    );
    Ok(())
}
