//! The runtime's heap beside the usual one of a kernel in Rust, a list of free blocks under a spin
//! lock. Only the former may be used in a signal handler, or in the child of a fork that happened
//! while another thread held the lock.

use criterion::Criterion;

#[cfg(feature = "muslin")]
mod heaps;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(50))
        .measurement_time(std::time::Duration::from_millis(200))
        .sample_size(20)
        .nresamples(1000)
        .without_plots()
        .configure_from_args();
    #[cfg(feature = "muslin")]
    heaps::bench(&mut criterion);
    criterion.final_summary();
}
