//! What a call costs. The same file is linked with stock musl and with Muslin's, so that both can be
//! compared in one run of `make bench`.

mod calls;
#[cfg(feature = "muslin")]
mod handled;

use std::time::Duration;

use criterion::Criterion;

fn main() {
    // Many short looks: on a busy machine the quickest ones say what the code costs.
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_millis(200))
        .sample_size(40)
        .nresamples(1000)
        .without_plots()
        .configure_from_args();
    calls::bench(&mut criterion);
    #[cfg(feature = "muslin")]
    handled::bench(&mut criterion);
    criterion.final_summary();
}
