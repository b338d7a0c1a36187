//! Vec, format! and threads inside the handlers of the calls that allocators make, with the
//! runtime's heap as the program's allocator; and `muslin::print!` inside a write handler.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use muslin::{Errno, family};

#[global_allocator]
static HEAP: muslin::Heap = muslin::Heap;

static CALLS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

fn main() {
    muslin::register_family(family::MEMORY, |context, args| {
        let depth = DEPTH.get() + 1;
        DEPTH.set(depth);
        assert_eq!(depth, 1, "a handler met its own calls");
        let mut words: Vec<String> = Vec::new();
        for i in 0..50 {
            words.push(format!("{} {i} {}", context.nr(), "x".repeat(i * 20)));
        }
        let long = words.concat();
        CALLS.fetch_add(1, Ordering::Relaxed);
        DEPTH.set(depth - 1);
        if long.is_empty() {
            Err(Errno::ENOMEM)
        } else {
            context.next(args)
        }
    })
    .unwrap();
    muslin::register_family(family::WRITES, |context, args| {
        if args.fd(0) == 1 {
            muslin::print!("{} of {} bytes", context.nr(), args.size(2));
        }
        context.next(args)
    })
    .unwrap();
    let before = CALLS.load(Ordering::Relaxed);
    let threads: Vec<_> = (0..4)
        .map(|n| {
            std::thread::spawn(move || {
                let mut lists: Vec<Vec<u8>> = Vec::new();
                for i in 0..2000usize {
                    lists.push(vec![n as u8; i * 97 % 9000]);
                    if lists.len() > 40 {
                        let list = lists.swap_remove(i % 40);
                        assert!(list.iter().all(|&byte| byte == n as u8));
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    // SAFETY: a mapping that nothing uses.
    unsafe {
        let page = libc::mmap(
            std::ptr::null_mut(),
            4096,
            0,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        libc::munmap(page, 4096);
    }
    assert!(CALLS.load(Ordering::Relaxed) >= before + 4);
    println!("hello");
}
