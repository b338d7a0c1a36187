//! The start of a guest in the built-in tender beside stock Solo5's, where that can be had: it is not
//! built here.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::guests::quickest_and_median;
use crate::{Places, Result, programs};

/// Names a directory with stock Solo5's `solo5-spt` and its own hello, `test_hello.spt`.
pub const STOCK_VARIABLE: &str = "MUSLIN_STOCK_SOLO5";

/// How often each is started.
const STARTS: usize = 300;

/// Spawn to end in µs, the quickest and the median.
pub struct Tenders {
    /// Stock Solo5's hello in stock solo5-spt.
    pub stock_us: (f64, f64),
    /// The same image in the built-in tender.
    pub same_us: (f64, f64),
    /// Muslin's C hello in the built-in tender.
    pub muslin_us: (f64, f64),
}

impl Tenders {
    /// Starts them in turn; `None` without a stock tender. `hello` is Muslin's.
    pub fn measure(places: &Places, hello: &Path) -> Result<Option<Self>> {
        let Some(stock) = std::env::var_os(STOCK_VARIABLE).map(PathBuf::from) else {
            return Ok(None);
        };
        let (tender, image) = (stock.join("solo5-spt"), stock.join("test_hello.spt"));
        let command = |words: [&Path; 3]| {
            let mut command = Command::new(words[0]);
            command.args(&words[1..]);
            command
        };
        let (muslin, run) = (places.muslin_command.as_path(), Path::new("run"));
        let mut commands = [
            command([&tender, Path::new("--"), &image]),
            command([muslin, run, &image]),
            command([muslin, run, hello]),
        ];
        let mut times: [Vec<f64>; 3] = Default::default();
        for _ in 0..STARTS {
            for (command, times) in commands.iter_mut().zip(&mut times) {
                times.push(programs::start(command)?);
            }
        }
        let [stock_us, same_us, muslin_us] = times.map(quickest_and_median);
        Ok(Some(Self {
            stock_us,
            same_us,
            muslin_us,
        }))
    }
}
