//! What was measured, side by side, and the targets.

use crate::database::Database;
use crate::guests::Guests;
use crate::images::{Time, Times};
use crate::programs::{Size, Start};
use crate::tenders::STOCK_VARIABLE;
use crate::waits::Wait;

/// Prints everything. The quickest samples are compared: the others say how busy the machine was.
pub fn print(
    times: &Times,
    sizes: &[Size],
    starts: &[Start],
    guests: &Guests,
    waits: &[Wait],
    database: &Database,
) {
    println!("{}", machine());
    println!("Times in ns: the quickest sample, then the median. Comparisons are of the quickest.");
    calls(times);
    heaps(times);
    println!("\nSize of stripped programs, in bytes");
    println!("  {:34}{:>10}{:>10}{:>10}", "", "stock", "Muslin", "more");
    for Size {
        name,
        stock,
        muslin,
    } in sizes
    {
        let more = *muslin as i64 - *stock as i64;
        println!("  {name:34}{stock:>10}{muslin:>10}{more:>+10}");
    }
    println!("\nStart of a program that does nothing: spawn to end in µs, and instructions");
    for start in starts {
        let instructions = match start.instructions {
            Some(count) => count.to_string(),
            None => "skipped: no valgrind".into(),
        };
        println!(
            "  {:34}{:>10.1}{:>10.1}{instructions:>10}",
            start.name, start.fastest_us, start.median_us
        );
    }
    print_guests(guests);
    print_waits(waits);
    println!("\nSQLite's speedtest1, database in memory, in seconds; the quickest");
    println!(
        "  {:34}{:>10.2}{:>10.2}",
        "native, guest of spt", database.native_s, database.guest_s
    );
    println!("\nTargets");
    for target in targets(times, sizes)
        .iter()
        .chain(&targets_of(guests))
        .chain(&targets_of_waits(waits))
    {
        target.print();
    }
    at_most(
        "SQLite in a guest, to native",
        1.0,
        database.guest_s / database.native_s,
        "",
    )
    .print();
}

fn print_guests(guests: &Guests) {
    println!(
        "\nCalls of a guest of spt beside those of a native program, in ns; the quickest, then the median"
    );
    let columns = format!("{:>10}{:>10}{:>7}", "native", "guest", "times");
    println!("  {:27}{columns}{columns}", "");
    for call in &guests.calls {
        let beside =
            |native: f64, guest: f64| format!("{native:>10.1}{guest:>10.1}{:>7.1}", native / guest);
        println!(
            "  {:27}{}{}",
            call.name,
            beside(call.native.fastest, call.guest.fastest),
            beside(call.native.median, call.guest.median)
        );
    }
    println!("\nSmall programs: native, and as guests of spt in the built-in tender");
    println!(
        "  {:34}{:>16}{:>16}",
        "spawn to end in µs", "native", "guest"
    );
    for program in &guests.programs {
        let pair = |(quickest, median): (f64, f64)| format!("{quickest:.0} ({median:.0})");
        println!(
            "  {:34}{:>16}{:>16}",
            program.name,
            pair(program.native_us),
            pair(program.guest_us)
        );
    }
    println!(
        "  {:34}{:>10}{:>10}{:>14}",
        "image", "bytes", "--mem", "entry to main"
    );
    for program in &guests.programs {
        let memory = match program.memory_mib {
            Some(mib) => mib.to_string(),
            None => "more".into(),
        };
        let to_main = match &program.to_main {
            Ok(count) => count.to_string(),
            Err(why) => format!("skipped: {why}"),
        };
        println!(
            "  {:34}{:>10}{memory:>10}{to_main:>14}",
            program.name, program.bytes
        );
    }
    println!("\nStart of a guest of spt, spawn to end in µs; the quickest, then the median");
    let Some(tenders) = &guests.tenders else {
        println!(
            "  skipped: {STOCK_VARIABLE} names no directory with stock Solo5's solo5-spt and test_hello.spt"
        );
        return;
    };
    for (what, (quickest, median)) in [
        ("stock hello in stock solo5-spt", tenders.stock_us),
        ("  in muslin run", tenders.same_us),
        ("C hello in muslin run", tenders.muslin_us),
    ] {
        println!("  {what:34}{quickest:>10.0}{median:>10.0}");
    }
}

fn print_waits(waits: &[Wait]) {
    println!("\nThreads, waiting and timers, in ns: the quickest batch, then the median");
    println!(
        "  {:34}{:>20}{:>20}{:>20}{:>8}",
        "", "native", "on one processor", "guest of spt", "times"
    );
    for wait in waits {
        let pair = |time: Time| format!("{:.0} ({:.0})", time.fastest, time.median);
        let times = wait.native.median / wait.guest.median;
        println!(
            "  {:34}{:>20}{:>20}{:>20}{times:>8.1}",
            wait.name,
            pair(wait.native),
            pair(wait.native_on_one),
            pair(wait.guest)
        );
    }
}

/// The processor and the kernel: numbers mean nothing without them.
fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let mut models = processors
        .lines()
        .filter_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = models
        .next()
        .map_or("unknown processor", |(_, model)| model);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{model} x {}, Linux {}", models.count() + 1, kernel.trim())
}

fn calls(times: &Times) {
    let row = |what: &str, name: &str, note: String| {
        let time = times.of(name);
        println!(
            "  {what:34}{:>10.2}{:>10.2}  {note}",
            time.fastest, time.median
        );
    };
    let plain = |what: &str, name: &str| row(what, name, String::new());
    // Beside the instruction of the same call.
    let handled = |what: &str, name: &str| {
        let (call, _) = name.split_once('/').unwrap_or((name, ""));
        let instruction = times.of(&format!("muslin/{call}/instruction")).fastest;
        let name = format!("muslin/{name}");
        let cheaper = instruction / times.of(&name).fastest;
        row(
            what,
            &name,
            format!("{cheaper:.0} times cheaper than the instruction"),
        );
    };
    // Beside the same function of stock musl.
    let passed = |what: &str, name: &str| {
        let stock = times.of(&format!("stock/{name}")).fastest;
        let name = format!("muslin/{name}");
        let percent = (times.of(&name).fastest / stock - 1.0) * 100.0;
        row(what, &name, format!("{percent:+.1} % beside stock"));
    };
    println!("\ngetppid: what a call costs by itself");
    handled("plain indirect call", "getppid/plain");
    handled("code in the slot", "getppid/code in the slot");
    handled("handler in C", "getppid/C handler");
    handled("  that sets errno", "getppid/C handler, errno");
    handled("  on its own stack", "getppid/C handler, own stack");
    handled("  on top of another", "getppid/two handlers");
    handled("  by syscall(SYS_getppid)", "getppid/C handler by number");
    handled("handler in Rust", "getppid/Rust handler");
    handled("  with data", "getppid/Rust closure");
    handled("  static (getuid)", "getppid/static Rust handler");
    plain("instruction", "muslin/getppid/instruction");
    plain("stock", "stock/getppid/libc");
    passed("Muslin", "getppid/libc");
    plain("Muslin, a handler passes it on", "muslin/getppid/passed on");
    plain("stock, by syscall()", "stock/getppid/by number");
    passed("Muslin, by syscall()", "getppid/by number");
    println!("\nclock_gettime(CLOCK_MONOTONIC)");
    plain("instruction", "muslin/clock_gettime/instruction");
    plain("stock", "stock/clock_gettime/libc");
    passed("Muslin", "clock_gettime/libc");
    println!("\nwrite of one byte to /dev/null");
    plain("instruction", "muslin/write/instruction");
    plain("stock", "stock/write/libc");
    passed("Muslin", "write/libc");
    handled("handler in C", "write/C handler");
}

fn heaps(times: &Times) {
    println!("\nHeap of the runtime, and linked_list_allocator under a spin lock");
    println!("  {:34}{:>10}{:>10}", "", "runtime", "list");
    for bench in ["one block", "256 blocks", "one block beside a thread"] {
        let [own, list] = ["runtime", "linked_list_allocator"]
            .map(|heap| times.of(&format!("muslin/heap {heap}/{bench}")).fastest);
        println!("  {bench:34}{own:>10.2}{list:>10.2}");
    }
}

/// Something promised: a number that should not be above, or not below, another.
struct Target {
    what: String,
    wanted: f64,
    measured: f64,
    unit: &'static str,
    at_least: bool,
}

impl Target {
    fn is_met(&self) -> bool {
        if self.at_least {
            self.measured >= self.wanted
        } else {
            self.measured <= self.wanted
        }
    }

    fn print(&self) {
        let Self {
            what,
            wanted,
            measured,
            unit,
            at_least,
        } = self;
        let bound = if *at_least { "at least" } else { "at most" };
        let verdict = if self.is_met() { "met" } else { "MISSED" };
        println!("  {verdict:8}{what}: {measured:.2}{unit} ({bound} {wanted}{unit})");
    }
}

fn at_most(what: &str, wanted: f64, measured: f64, unit: &'static str) -> Target {
    Target {
        what: what.into(),
        wanted,
        measured,
        unit,
        at_least: false,
    }
}

/// What is promised of guests.
fn targets_of(guests: &Guests) -> Vec<Target> {
    let mut targets: Vec<Target> = guests
        .calls
        .iter()
        .map(|call| Target {
            what: format!("{} in a guest, in times of native", call.name),
            wanted: 10.0,
            measured: call.native.fastest / call.guest.fastest,
            unit: "",
            at_least: true,
        })
        .collect();
    for (program, (kib, mib)) in guests.programs.iter().zip([(100.0, 2.0), (600.0, 2.0)]) {
        let name = program.name;
        let image_kib = program.bytes as f64 / 1024.0;
        targets.push(at_most(&format!("{name}, image"), kib, image_kib, " KiB"));
        let memory_mib = program.memory_mib.map_or(f64::INFINITY, f64::from);
        targets.push(at_most(
            &format!("{name}, least memory"),
            mib,
            memory_mib,
            " MiB",
        ));
        if let Ok(count) = program.to_main {
            let what = format!("{name}, instructions from entry to main");
            targets.push(at_most(&what, 10_000.0, count as f64, ""));
        }
    }
    if let Some(tenders) = &guests.tenders {
        targets.push(at_most(
            "start of C hello in muslin run, to stock Solo5's in its own tender",
            1.0,
            tenders.muslin_us.0 / tenders.stock_us.0,
            "",
        ));
    }
    targets
}

/// What is promised of threads and waiting. Medians are compared: on several processors the quickest
/// batches of a native program may come to no wait at all.
fn targets_of_waits(waits: &[Wait]) -> Vec<Target> {
    waits
        .iter()
        .map(|wait| Target {
            what: format!("{} in a guest, in times of native", wait.name),
            wanted: 3.0,
            measured: wait.native.median / wait.guest.median,
            unit: "",
            at_least: true,
        })
        .collect()
}

fn targets(times: &Times, sizes: &[Size]) -> Vec<Target> {
    let ns = |name: &str| times.of(name).fastest;
    let plain = ns("muslin/getppid/plain");
    let more_percent = |ours: f64, than: f64| (ours / than - 1.0) * 100.0;
    let instruction = ns("muslin/getppid/instruction");
    let mut targets = Vec::new();
    for (what, cheaper, name) in [
        (
            "empty code in a slot, beyond a plain indirect call",
            "the instruction, in times of empty code in a slot",
            "muslin/getppid/code in the slot",
        ),
        (
            "empty static handler in Rust, beyond a plain indirect call",
            "the instruction, in times of an empty static handler in Rust",
            "muslin/getppid/static Rust handler",
        ),
        (
            "empty handler registered in C, beyond a plain indirect call",
            "the instruction, in times of an empty handler registered in C",
            "muslin/getppid/C handler",
        ),
    ] {
        targets.push(at_most(what, 2.0, ns(name) - plain, " ns"));
        targets.push(Target {
            what: cheaper.into(),
            wanted: 40.0,
            measured: instruction / ns(name),
            unit: "",
            at_least: true,
        });
    }
    targets.extend([
        at_most(
            "getppid passed through, beyond stock",
            5.0,
            more_percent(ns("muslin/getppid/libc"), ns("stock/getppid/libc")),
            " %",
        ),
        at_most(
            "write passed through, beyond stock",
            5.0,
            more_percent(ns("muslin/write/libc"), ns("stock/write/libc")),
            " %",
        ),
        at_most(
            "clock_gettime, beyond stock",
            15.0,
            more_percent(
                ns("muslin/clock_gettime/libc"),
                ns("stock/clock_gettime/libc"),
            ),
            " %",
        ),
    ]);
    targets.extend(
        sizes
            .iter()
            .filter(|size| size.name.starts_with('C'))
            .map(|size| {
                let more_bytes = size.muslin as f64 - size.stock as f64;
                at_most(size.name, 5.0, more_bytes / 1024.0, " KiB more")
            }),
    );
    targets
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn targets_are_met_on_their_own_side() {
        let target = |measured, at_least| Target {
            what: String::new(),
            wanted: 5.0,
            measured,
            unit: "",
            at_least,
        };
        assert!(target(4.9, false).is_met() && !target(5.1, false).is_met());
        assert!(target(5.1, true).is_met() && !target(4.9, true).is_met());
    }
}
