//! Programs as guests of Xen that a dom0 starts by `xl`: those that are chosen run in the lab, a few at a time, in
//! few starts of it, when the first of them is asked for.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use muslin_lab::xen::{Console, GUESTS_MIB_MAX, Job, Lab, Mode};

use crate::judge::Cell;
use crate::platforms::Platform;
use crate::program::Program;
use crate::run::{GUEST_DIR, Outcome, environment_of, without_reports};
use crate::together::{self, Results};

/// How many programs one start of the lab takes: what they weigh is in dom0's memory.
const PROGRAMS_MAX: usize = 40;

/// How many of them run at the same time: most of them wait most of their time.
const AT_ONCE: usize = 4;

/// Far more seconds than any program needs, even in an emulated machine on a busy one.
const SECONDS_MAX: u64 = 180;

/// The memory of a guest in MiB, and of one whose program needs much, of which there is one at a time.
const MEMORY_MIB: u64 = 112;
const LARGE_MIB: u64 = 400;

/// Programs that read their input though they are given none.
const READERS: &[&str] = &["descriptors", "read_write", "stdio"];

/// How a console's input ends.
const END_OF_INPUT: u8 = 4;

/// Programs that need much.
const LARGE: &[&str] = &["heap"];

const _: () = assert!((AT_ONCE as u64 - 1) * MEMORY_MIB + LARGE_MIB <= GUESTS_MIB_MAX);

/// Runs the guests, and says the number of each, Xen's code for the reason of its end, and how many bytes it has
/// written, which follow. One program of Xen's stays with each guest from its beginning to its end, and the
/// daemon of consoles, which is started once more for that, writes down what guests say: where something is
/// typed there are many more programs, and to start them is what takes time.
const SCRIPT: &str = r#"
    mkdir consoles typed
    daemon=$(cat /run/xenconsoled.pid)
    kill "$daemon"
    while kill -0 "$daemon" 2>/dev/null; do sleep 0.05; done
    xenconsoled --log=guest --log-dir=/job/consoles --pid-file=/run/xenconsoled.pid
    run() {
        if [ -f "$1.input" ]; then
            timeout "$SECONDS_MAX" guest "$1.cfg" <"$1.input" >"typed/$1" 2>"$1.said"
            code=$?
            reason=
        else
            timeout "$SECONDS_MAX" xl create -F -q "$1.cfg" </dev/null >"$1.said" 2>&1
            code=$?
            reason=$(sed -n 's/^Domain [0-9]* has shut down, reason code \([0-9]*\) .*/\1/p' "$1.said")
        fi
        : "${reason:=$code}"
        [ "$reason" != "$TOO_LONG" ] || xl destroy "c$1" 2>/dev/console
        echo "$reason" >"$1.reason"
        cat "$1.said" >/dev/console
        rm "$1.image"
    }
    tell() {
        for console in "typed/$1" "consoles/guest-c$1.log" "$1.said"; do
            [ ! -f "$console" ] || break
        done
        echo "$1 $(cat "$1.reason") $(wc -c <"$console")"
        cat "$console"
    }
    next=0
    while [ -f "$next.cfg" ]; do
        first=$next
        while [ "$next" -lt $((first + AT_ONCE)) ] && [ -f "$next.cfg" ]; do
            run "$next" &
            running="$running $!"
            next=$((next + 1))
        done
        wait $running
        running=
        while [ "$first" -lt "$next" ]; do
            tell "$first"
            first=$((first + 1))
        done
    done
"#;

/// What `timeout` says when it had to end the guest.
const TOO_LONG: i32 = 143;

/// Programs by the column in which they will be asked for.
static CHOSEN: Mutex<Vec<(&'static str, Program)>> = Mutex::new(Vec::new());

/// By the column, and the number of the start.
type Starts = HashMap<(&'static str, usize), Arc<OnceLock<Results>>>;

/// Says which programs will be asked for in which column.
pub fn choose(programs: Vec<(&'static str, Program)>) {
    *CHOSEN.lock().unwrap_or_else(PoisonError::into_inner) = programs;
}

/// What came of the program.
pub fn outcome(program: &Program, platform: &Platform, mode: Mode) -> Result<Outcome, Cell> {
    static STARTS: Mutex<Option<Starts>> = Mutex::new(None);
    let programs = of_column(platform);
    let place = programs.iter().position(|it| it.name == program.name);
    let Some(start) = place.map(|place| place / PROGRAMS_MAX) else {
        return Err(Cell::Failed("it was not taken to the lab".to_owned()));
    };
    let results = {
        let mut starts = STARTS.lock().unwrap_or_else(PoisonError::into_inner);
        let starts = starts.get_or_insert_default();
        Arc::clone(starts.entry((platform.name, start)).or_default())
    };
    let programs = programs.chunks(PROGRAMS_MAX).nth(start).unwrap_or_default();
    let results = results.get_or_init(|| {
        together::run(programs, platform, Lab::find, |lab, images| {
            run_all(lab, images, platform, mode)
        })
    });
    together::outcome(results, program)
}

/// The programs of a column that can run there.
fn of_column(platform: &Platform) -> Vec<Program> {
    let chosen = CHOSEN.lock().unwrap_or_else(PoisonError::into_inner);
    let programs = chosen
        .iter()
        .filter(|(column, program)| *column == platform.name && platform.takes(program));
    programs.map(|(_, program)| program.clone()).collect()
}

fn run_all(
    lab: &Lab,
    images: &[(&Program, PathBuf)],
    platform: &Platform,
    mode: Mode,
) -> Result<Results, Cell> {
    let mut job = Job {
        script: format!(
            "SECONDS_MAX={SECONDS_MAX} AT_ONCE={AT_ONCE} TOO_LONG={TOO_LONG}\n{SCRIPT}"
        ),
        limit: Some(Duration::from_secs(SECONDS_MAX * (images.len() as u64 + 1))),
        ..Job::default()
    };
    for (number, (program, path)) in images.iter().enumerate() {
        let image = std::fs::read(path)
            .map_err(|error| Cell::Failed(format!("{}: {error}", path.display())))?;
        let config = config(program, platform, mode, number);
        job.files.push((format!("{number}.image"), image));
        job.files
            .extend(input(program).map(|input| (format!("{number}.input"), input)));
        job.files
            .push((format!("{number}.cfg"), config.into_bytes()));
    }
    let mut output = Vec::new();
    let done = lab.run_for_output(&job, &mut output);
    let log = done.map_or_else(|why| why, |done| done.log);
    let ended = Ended::all(&output);
    let outcome_of = |number: usize| {
        ended
            .iter()
            .find(|ended| ended.number == number)
            .map(Ended::in_words)
            .ok_or_else(|| Cell::Failed(format!("the lab has not come to it:\n{log}")))
    };
    Ok(images
        .iter()
        .enumerate()
        .map(|(number, (program, _))| (program.name.clone(), outcome_of(number)))
        .collect())
}

fn config(program: &Program, platform: &Platform, mode: Mode, number: usize) -> String {
    let kind = match mode {
        Mode::Pv => "pv",
        Mode::Pvh => "pvh",
    };
    let environment: String = environment_of(platform, Path::new("."))
        .iter()
        .map(|(name, value)| format!(" {name}={value}"))
        .collect();
    let name = &program.name;
    let memory_mib = match LARGE.contains(&name.as_str()) {
        true => LARGE_MIB,
        false => MEMORY_MIB,
    };
    // `guest` looks at those that have ended.
    let end = match input(program) {
        Some(_) => "preserve",
        None => "destroy",
    };
    format!(
        "name = \"c{number}\"\ntype = \"{kind}\"\nkernel = \"{number}.image\"\nmemory = {memory_mib}\n\
         cmdline = \"MUSLIN_ARGV0=./{name} MUSLIN_CWD={GUEST_DIR}{environment}\"\n\
         on_poweroff = \"{end}\"\non_reboot = \"{end}\"\non_crash = \"{end}\"\n"
    )
}

/// What is typed for the program, if it reads.
fn input(program: &Program) -> Option<Vec<u8>> {
    let is_reader = READERS.contains(&program.name.as_str());
    let given = program.stdin.clone().or(is_reader.then(String::new))?;
    let mut typed = given.into_bytes();
    typed.push(END_OF_INPUT);
    Some(typed)
}

/// A guest that has ended.
struct Ended {
    number: usize,
    /// Xen's code, or [`TOO_LONG`], or why it did not start.
    reason: i32,
    output: Vec<u8>,
}

impl Ended {
    /// Reads what the script says; what is cut off is left out.
    fn all(mut said: &[u8]) -> Vec<Self> {
        let mut all = Vec::new();
        while let Some(end) = said.iter().position(|&byte| byte == b'\n') {
            let words = String::from_utf8_lossy(&said[..end]);
            let mut words = words.split(' ').map(str::parse::<i32>);
            let (Some(Ok(number)), Some(Ok(reason)), Some(Ok(len))) =
                (words.next(), words.next(), words.next())
            else {
                break;
            };
            let Some((output, rest)) = said[end + 1..].split_at_checked(len as usize) else {
                break;
            };
            all.push(Self {
                number: number as usize,
                reason,
                output: output.to_vec(),
            });
            said = rest;
        }
        all
    }

    fn in_words(&self) -> Outcome {
        let mut output = Vec::new();
        let mut console = Console::default();
        console.take(&self.output, &mut |text| output.extend_from_slice(text));
        let status = console.end(&mut |text| output.extend_from_slice(text));
        Outcome {
            output: without_reports(&String::from_utf8_lossy(&output)),
            complaints: String::new(),
            end: match (status, self.reason) {
                (Some(status), _) => format!("status {status}"),
                (None, TOO_LONG) => format!("killed: took more than {SECONDS_MAX} s"),
                (None, reason) => format!("ended without a status, for reason {reason}"),
            },
        }
    }
}
