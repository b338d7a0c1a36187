//! Many runs at once over one interface.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use muslin_net_stack::{Address, AddressSource, Link, SmolStack, Stack};

use crate::engine::{Side, Step};
use crate::linux::{self, Gate, Way};
use crate::plan::{ENDINGS, Ending, Plan};
use crate::wire::{PORTS, Plug, Wire};

/// How many runs are on their way at once.
const AT_ONCE: usize = 32;
/// A run, and what its connection leaves behind, is over in this time, or it hangs.
const PATIENCE_NS: u64 = 120_000_000_000;
/// When Linux is done for so long, what did not come to the engine will not come any more.
const MISSED_NS: u64 = 20_000_000_000;
/// How long the ends that are to cross are kept on their way.
const CROSSING_NS: u64 = 20_000_000;
/// Frames of as many runs meet their faults after the run itself is over.
const LANES: u64 = 128;

/// A run that is on its way.
struct Run {
    plan: Plan,
    port: u16,
    began_ns: u64,
    engine: Side,
    linux: Receiver<Result<usize, String>>,
    linux_bytes: Option<usize>,
}

/// The world of all runs.
struct World {
    stack: SmolStack,
    wire: Arc<Mutex<Wire>>,
    began: Instant,
}

fn fails(plan: &Plan, why: &str) -> String {
    let seed = plan.seed;
    format!("MUSLIN_SEED={seed} runs it again: {why}\n{plan:?}")
}

pub fn all(interface: &str, first: u64, count: u64) {
    let mut world = World::new(interface);
    let mut seeds = (first..first + count).zip(0..);
    let mut runs: Vec<Run> = Vec::new();
    let (mut bytes, mut resting_until_ns) = (0, 0);
    let mut endings: BTreeMap<Ending, u64> = BTreeMap::new();
    let mut silences_ns = Vec::new();
    loop {
        while runs.len() < AT_ONCE
            && let Some((seed, number)) = seeds.next()
        {
            let run = world.begin(Plan::new(seed), number);
            runs.push(run.unwrap_or_else(|error| panic!("{error}")));
        }
        if runs.is_empty() {
            break;
        }
        world.turn(&mut runs, &mut resting_until_ns);
        runs.retain_mut(|run| {
            let is_over = world.look(run);
            if is_over {
                bytes += run.engine.bytes().max(run.linux_bytes.unwrap_or_default());
                *endings.entry(run.plan.ending).or_default() += 1;
                silences_ns.push((
                    world.wire.lock().unwrap().silence_ns(run.port),
                    run.plan.seed,
                ));
            }
            !is_over
        });
    }
    world.wait_for_leftovers();
    let lost = world.wire.lock().unwrap().lost_frames();
    println!(
        "{count} runs: {bytes} bytes, {lost} frames lost, {endings:?}, in {:?}",
        world.began.elapsed()
    );
    silences_ns.sort_unstable();
    let rank = |part: usize| silences_ns[(silences_ns.len() - 1) * part / 100];
    for part in [50, 90, 99, 100] {
        let (silence_ns, seed) = rank(part);
        let milliseconds = silence_ns / 1_000_000;
        println!(
            "silences: {part} % of all runs were never still for more than {milliseconds} ms (seed {seed})"
        );
    }
    if count >= 40 {
        assert!(lost > 0, "nothing was lost");
        for ending in ENDINGS {
            assert!(endings.contains_key(&ending), "never {ending:?}");
        }
    }
}

/// The engine on a wire to Linux.
pub fn with_addresses(plug: impl Link + Send + 'static) -> SmolStack {
    let mut stack = SmolStack::new(*b"0123456789abcdef");
    let link = stack.add_link(Box::new(plug));
    for (address, prefix_bits) in [("10.77.0.2", 24), ("fd77::2", 64)] {
        let address = Address {
            link,
            address: address.parse().unwrap(),
            prefix_bits,
            source: AddressSource::Static,
        };
        stack.add_address(address).unwrap();
    }
    stack
}

impl World {
    fn new(interface: &str) -> Self {
        let wire = Arc::new(Mutex::new(Wire::open(interface)));
        let stack = with_addresses(Plug(wire.clone()));
        Self {
            stack,
            wire,
            began: Instant::now(),
        }
    }

    fn now_ns(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }

    fn begin(&mut self, plan: Plan, number: u64) -> Result<Run, String> {
        let port_of = |number: u64| PORTS.start + (number % PORTS.len() as u64) as u16;
        let port = port_of(number);
        {
            let mut wire = self.wire.lock().unwrap();
            if let Some(old) = number.checked_sub(LANES) {
                wire.remove_lane(port_of(old));
            }
            wire.add_lane(port, plan.faults);
        }
        let [ours, theirs]: [IpAddr; 2] = if plan.is_v6 {
            ["fd77::2", "fd77::1"]
        } else {
            ["10.77.0.2", "10.77.0.1"]
        }
        .map(|text| text.parse().unwrap());
        let (ours, theirs) = (SocketAddr::new(ours, port), SocketAddr::new(theirs, port));
        let gate = Arc::new(Gate::default());
        let now_ns = self.now_ns();
        let mut begin = || -> Result<(Side, Option<Way>), String> {
            let way = match (plan.does_linux_connect, plan.ending) {
                (true, _) => Some(Way::To(ours)),
                (false, Ending::Refused) => None,
                (false, _) => Some(Way::From(linux::listen(theirs.ip(), port, &plan)?)),
            };
            self.stack.set_time(now_ns);
            let side = Side::begin(&mut self.stack, plan, ours, theirs, gate.clone())?;
            Ok((side, way))
        };
        let (engine, way) = begin().map_err(|error| fails(&plan, &error))?;
        let (sender, linux) = channel();
        thread::spawn(move || {
            let result = way.map_or(Ok(0), |way| linux::run(&plan, way, &gate));
            // Nobody listens any more if another run failed.
            let _ = sender.send(result);
        });
        Ok(Run {
            plan,
            port,
            began_ns: now_ns,
            engine,
            linux,
            linux_bytes: None,
        })
    }

    /// Moves all that can be moved, then waits for more.
    fn turn(&mut self, runs: &mut [Run], resting_until_ns: &mut u64) {
        let mut now_ns = self.now_ns();
        let mut is_busy = self.wire.lock().unwrap().move_frames(now_ns);
        self.stack.set_time(now_ns);
        self.stack.poll(now_ns);
        let mut has_changed = false;
        while self.stack.take_changed().is_some() {
            has_changed = true;
        }
        if has_changed || is_busy || now_ns >= *resting_until_ns {
            *resting_until_ns = u64::MAX;
            for run in &mut *runs {
                match run.engine.step(&mut self.stack, now_ns) {
                    Ok(Step::Nothing) => {}
                    Ok(Step::Something) => is_busy = true,
                    Ok(Step::Crossed) => {
                        is_busy = true;
                        let mut wire = self.wire.lock().unwrap();
                        wire.hold(run.port, now_ns + CROSSING_NS);
                    }
                    Err(error) => self.fail(run, &error),
                }
                *resting_until_ns = run.engine.wakes_at_ns().min(*resting_until_ns);
            }
            // Linux may be at a gate, which nothing tells.
            *resting_until_ns = (now_ns + 5_000_000).min(*resting_until_ns);
        }
        for _ in 0..8 {
            now_ns = self.now_ns();
            if self.stack.deadline() > now_ns {
                break;
            }
            self.stack.poll(now_ns);
        }
        let next_ns = {
            let mut wire = self.wire.lock().unwrap();
            is_busy |= wire.move_frames(now_ns);
            wire.next_ns()
        };
        let wake_ns = next_ns.min(self.stack.deadline()).min(*resting_until_ns);
        if !is_busy {
            self.wait(wake_ns.saturating_sub(now_ns).clamp(100_000, 5_000_000));
        }
    }

    /// Waits for frames of Linux.
    fn wait(&self, timeout_ns: u64) {
        let mut fd = libc::pollfd {
            fd: self.wire.lock().unwrap().fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let timeout = libc::timespec {
            tv_sec: 0,
            tv_nsec: timeout_ns as i64,
        };
        // SAFETY: one descriptor and one time, both alive.
        unsafe { libc::ppoll(&raw mut fd, 1, &raw const timeout, std::ptr::null()) };
    }

    /// Whether a run is over.
    fn look(&mut self, run: &mut Run) -> bool {
        match run.linux.try_recv() {
            Ok(Ok(bytes)) => run.linux_bytes = Some(bytes),
            Ok(Err(error)) => self.fail(run, &error),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) if run.linux_bytes.is_some() => {}
            Err(TryRecvError::Disconnected) => self.fail(run, "Linux: its thread ended"),
        }
        let took_ns = self.now_ns() - run.began_ns;
        if took_ns > PATIENCE_NS {
            self.fail(run, "it hangs");
        }
        if took_ns > MISSED_NS && run.linux_bytes.is_some() {
            run.engine.miss(&mut self.stack);
        }
        run.engine.is_over() && run.linux_bytes.is_some()
    }

    fn fail(&self, run: &Run, why: &str) -> ! {
        let states = linux::states(|port| port == run.port);
        panic!(
            "{}\nengine: {}\nLinux: {states:#?}\nis Linux done: {}",
            fails(&run.plan, why),
            run.engine.describe(&self.stack),
            run.linux_bytes.is_some()
        );
    }

    /// What was closed has to end too, on both sides.
    fn wait_for_leftovers(&mut self) {
        let began_ns = self.now_ns();
        loop {
            for _ in 0..100 {
                self.turn(&mut [], &mut 0);
            }
            let theirs = linux::states(|port| PORTS.contains(&port));
            let mut sockets = 0;
            self.stack.each_socket(&mut |_, _, _| sockets += 1);
            let ours = (self.stack.unfinished(), sockets);
            if theirs.is_empty() && ours == (0, 0) {
                return;
            }
            assert!(
                self.now_ns() - began_ns < PATIENCE_NS,
                "connections stay behind: the engine has {} to end and {} sockets, Linux {theirs:#?}",
                ours.0,
                ours.1
            );
        }
    }
}
