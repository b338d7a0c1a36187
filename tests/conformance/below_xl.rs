//! Programs as guests of Xen that a dom0 starts by `xl`: those that are chosen run in the lab one behind the
//! other, in few starts of it, when the first of them is asked for.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use muslin_lab::xen::{Console, Job, Lab, Mode};

use crate::judge::Cell;
use crate::platforms::Platform;
use crate::program::Program;
use crate::run::{GUEST_DIR, Outcome, compile, environment_of, without_reports};

/// How many programs one start of the lab takes: what they weigh is in dom0's memory.
const PROGRAMS_MAX: usize = 20;

/// Far more seconds than any program needs, even in an emulated machine on a busy one.
const SECONDS_MAX: u64 = 60;

/// The memory of a guest in MiB.
const MEMORY_MIB: u64 = 256;

/// Runs each guest, and says its number, how `xl` says that it ended, and how many bytes it has written, which
/// follow.
const SCRIPT: &str = r#"
    number=0
    while [ -f "$number.cfg" ]; do
        timeout "$(cat seconds)" guest "$number.cfg" </dev/null >out 2>/dev/console
        reason=$?
        xl destroy "c$number" 2>/dev/null
        echo "$number $reason $(wc -c <out)"
        cat out
        number=$((number + 1))
    done
"#;

/// What `timeout` says when it had to end the guest.
const TOO_LONG: i32 = 143;

/// Programs by the column in which they will be asked for.
static CHOSEN: Mutex<Vec<(&'static str, Program)>> = Mutex::new(Vec::new());

/// What came of the programs of one start.
type Results = HashMap<String, Result<Outcome, Cell>>;
/// By the column, and the number of the start.
type Starts = HashMap<(&'static str, usize), Arc<OnceLock<Results>>>;

/// Says which programs will be asked for in which column.
pub fn choose(programs: Vec<(&'static str, Program)>) {
    *CHOSEN.lock().unwrap_or_else(PoisonError::into_inner) = programs;
}

/// What came of the program.
pub fn outcome(program: &Program, platform: &Platform, mode: Mode) -> Result<Outcome, Cell> {
    static STARTS: Mutex<Option<Starts>> = Mutex::new(None);
    if program.stdin.is_some() {
        return Err(Cell::Skipped("needs an end of its input".to_owned()));
    }
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
    results
        .get_or_init(|| run_all(programs, platform, mode))
        .get(&program.name)
        .cloned()
        .unwrap_or_else(|| Err(Cell::Failed("the lab has not come to it".to_owned())))
}

/// The programs of a column that can run there.
fn of_column(platform: &Platform) -> Vec<Program> {
    let chosen = CHOSEN.lock().unwrap_or_else(PoisonError::into_inner);
    let programs = chosen.iter().filter(|(column, program)| {
        *column == platform.name && program.stdin.is_none() && platform.takes(program)
    });
    programs.map(|(_, program)| program.clone()).collect()
}

fn run_all(programs: &[Program], platform: &Platform, mode: Mode) -> Results {
    let for_all = |cell: &dyn Fn() -> Cell| {
        programs
            .iter()
            .map(|program| (program.name.clone(), Err(cell())))
            .collect()
    };
    let lab = match Lab::find() {
        Ok(lab) => lab,
        Err(why) => return for_all(&|| Cell::Skipped(why.clone())),
    };
    let mut results = Results::new();
    let mut names = Vec::new();
    let mut files = vec![("seconds".to_owned(), SECONDS_MAX.to_string().into_bytes())];
    for program in programs {
        let image = compile(program, platform)
            .and_then(|path| std::fs::read(&path).map_err(|error| error.to_string()));
        match image {
            Ok(image) => {
                let number = names.len();
                let config = config(program, platform, mode, number);
                files.push((format!("{number}.image"), image));
                files.push((format!("{number}.cfg"), config.into_bytes()));
                names.push(program.name.clone());
            }
            Err(why) => {
                results.insert(program.name.clone(), Err(Cell::Failed(why)));
            }
        }
    }
    let seconds = SECONDS_MAX * (names.len() as u64 + 1);
    let job = Job {
        script: SCRIPT.to_owned(),
        files,
        limit: Some(Duration::from_secs(seconds)),
        ..Job::default()
    };
    let mut output = Vec::new();
    let done = lab.run_for_output(&job, &mut output);
    let ended = Ended::all(&output);
    let log = done.map_or_else(|why| why, |done| done.log);
    for (number, name) in names.into_iter().enumerate() {
        let outcome = ended
            .iter()
            .find(|ended| ended.number == number)
            .map(Ended::in_words)
            .ok_or_else(|| Cell::Failed(format!("the lab has not come to it:\n{log}")));
        results.insert(name, outcome);
    }
    results
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
    format!(
        "name = \"c{number}\"\ntype = \"{kind}\"\nkernel = \"{number}.image\"\nmemory = {MEMORY_MIB}\n\
         cmdline = \"MUSLIN_ARGV0=./{name} MUSLIN_CWD={GUEST_DIR}{environment}\"\n\
         on_poweroff = \"preserve\"\non_reboot = \"preserve\"\non_crash = \"preserve\"\n"
    )
}

/// A guest that has ended.
struct Ended {
    number: usize,
    /// What the script that ran it says.
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
