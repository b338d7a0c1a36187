//! The runtime's heap beside the usual one of a kernel in Rust, a list of free blocks under a spin
//! lock. Only the former may be used in a signal handler, or in the child of a fork that happened
//! while another thread held the lock.

use std::alloc::{GlobalAlloc, Layout};
use std::hint::black_box;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use spin::Mutex;

/// The heap of linked_list_allocator under a spin lock.
struct ListHeap(Mutex<linked_list_allocator::Heap>);

// SAFETY: hands out what the inner heap hands out, under its lock.
unsafe impl GlobalAlloc for ListHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = self.0.lock().allocate_first_fit(layout);
        block.map_or(std::ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(block) = NonNull::new(block) {
            // SAFETY: as the caller promises.
            unsafe { self.0.lock().deallocate(block, layout) };
        }
    }
}

const SIZES_BYTES: [usize; 8] = [48, 16, 512, 80, 1500, 24, 200, 4000];
const BATCH: usize = 256;
const LIST_HEAP_BYTES: usize = 16 << 20;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_millis(200))
        .sample_size(40)
        .nresamples(1000)
        .without_plots()
        .configure_from_args();
    bench(&mut criterion);
    criterion.final_summary();
}

fn bench(criterion: &mut Criterion) {
    let memory = vec![0u8; LIST_HEAP_BYTES].leak();
    let mut list = linked_list_allocator::Heap::empty();
    // SAFETY: leaked memory, which nobody else has.
    unsafe { list.init(memory.as_mut_ptr(), memory.len()) };
    let list = ListHeap(Mutex::new(list));
    for (name, heap) in [
        ("runtime", &muslin::Heap as &(dyn GlobalAlloc + Sync)),
        ("linked_list_allocator", &list),
    ] {
        let mut group = criterion.benchmark_group(format!("heap {name}"));
        bench_one(&mut group, heap);
        group.finish();
    }
}

fn bench_one(group: &mut BenchmarkGroup<'_, WallTime>, heap: &(dyn GlobalAlloc + Sync)) {
    group.bench_function("one block", |b| b.iter(|| one(heap)));
    let mut blocks = Vec::with_capacity(BATCH);
    group.bench_function("256 blocks", |b| b.iter(|| batch(heap, &mut blocks)));
    group.bench_function("one block beside a thread", |b| {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    one(heap);
                }
            });
            b.iter(|| one(heap));
            stop.store(true, Ordering::Relaxed);
        });
    });
}

/// Takes a block and gives it back.
fn one(heap: &(dyn GlobalAlloc + Sync)) {
    let layout = layout(0);
    // SAFETY: the size is not 0; the block goes back with its layout.
    unsafe {
        let block = heap.alloc(layout);
        assert!(!block.is_null());
        heap.dealloc(black_box(block), layout);
    }
}

/// Takes blocks of different sizes, and gives every other one back before the rest.
fn batch(heap: &(dyn GlobalAlloc + Sync), blocks: &mut Vec<(*mut u8, Layout)>) {
    for i in 0..BATCH {
        let layout = layout(i);
        // SAFETY: the size is not 0.
        let block = unsafe { heap.alloc(layout) };
        assert!(!block.is_null());
        blocks.push((block, layout));
    }
    let (even, odd) = (blocks.iter().step_by(2), blocks.iter().skip(1).step_by(2));
    for &(block, layout) in even.chain(odd) {
        // SAFETY: each block goes back once, with its layout.
        unsafe { heap.dealloc(block, layout) };
    }
    blocks.clear();
}

fn layout(i: usize) -> Layout {
    // SAFETY: small sizes, and a power of two.
    unsafe { Layout::from_size_align_unchecked(SIZES_BYTES[i % SIZES_BYTES.len()], 16) }
}
