//! Reads what `strace -f -C` wrote: the trace itself and, below it, the table of counts.
//!
//! The table counts a call when it returns to the program. Two kinds of calls make it differ from
//! what programs ask for, and the trace shows both: a call still waiting when its process ended was
//! made but never counted, and a call that a signal interrupted and the kernel began again was made
//! once but counted twice. A third cannot be seen from outside: a thread that was running when
//! another ended the process may have counted a call and not have come to the instruction.

use std::collections::BTreeMap;

/// Calls that cannot be compared: they do not return (and `strace` does not count them), begin
/// before there is a table, or are made by the kernel itself.
pub const EXEMPT: [&str; 5] = [
    "execve",
    "exit",
    "exit_group",
    "rt_sigreturn",
    "restart_syscall",
];

/// The head of the table of counts.
const TABLE_HEAD: &str = "% time ";

/// What a trace tells.
#[derive(Debug)]
pub struct Made {
    /// Calls made, by name, without the exempt ones.
    pub calls: BTreeMap<String, u64>,
    /// Threads that were running, in no call, when another thread or a signal ended them.
    pub ended_while_running: u64,
}

/// Reads a trace with its table.
pub fn read(text: &str) -> Made {
    let (trace, table) = match text.find(TABLE_HEAD) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let mut made = counted(table);
    let mut processes = BTreeMap::<&str, Process>::new();
    for line in trace.lines() {
        let Some((pid, event)) = line.split_once(' ') else {
            continue;
        };
        let process = processes.entry(pid).or_default();
        process.event(event.trim_start(), &mut made);
    }
    for process in processes.values() {
        process.ended(&mut made);
    }
    made.retain(|name, calls| *calls != 0 && !EXEMPT.contains(&name.as_str()));
    Made {
        calls: made,
        ended_while_running: processes.values().filter(|process| process.runs).count() as u64,
    }
}

/// The table: `% time, seconds, usecs/call, calls, [errors,] syscall`.
fn counted(table: &str) -> BTreeMap<String, u64> {
    let mut calls = BTreeMap::new();
    for line in table.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if let [_, _, _, count, .., name] = fields[..]
            && let Ok(count) = count.parse()
            && name != "total"
        {
            calls.insert(name.to_owned(), count);
        }
    }
    calls
}

/// What one process (or thread) is doing.
#[derive(Default)]
struct Process<'a> {
    /// The call it waits in.
    waiting: Option<&'a str>,
    /// Calls that a signal interrupted, the newest last, with the text they began with.
    interrupted: Vec<(&'a str, &'a str)>,
    /// The text of the call it began last.
    begun: &'a str,
    /// It is in no call and has not asked to end.
    runs: bool,
}

impl<'a> Process<'a> {
    fn event(&mut self, event: &'a str, made: &mut BTreeMap<String, u64>) {
        if let Some(rest) = event.strip_prefix("<... ") {
            let name = self.waiting.take().unwrap_or(first_word(rest));
            self.returned(name, event, made);
        } else if event.starts_with("+++") || event.starts_with("---") {
            // An end or a signal: neither begins nor ends a call.
        } else if let Some((name, _)) = event.split_once('(') {
            let text = event.split(" <unfinished").next().unwrap_or(event);
            let text = text.rsplit_once(") ").map_or(text, |(call, _)| call);
            // The kernel began the call again without a handler in between.
            if self.interrupted.last() == Some(&(name, text)) {
                self.interrupted.pop();
                began_again(name, made);
            }
            self.begun = text;
            self.runs = false;
            if event.ends_with("<unfinished ...>") {
                self.waiting = Some(name);
            } else {
                self.returned(name, event, made);
            }
        }
    }

    fn returned(&mut self, name: &'a str, event: &'a str, made: &mut BTreeMap<String, u64>) {
        let result = event.rsplit_once(" = ").map_or("", |(_, result)| result);
        self.runs = true;
        if name == "rt_sigreturn" {
            if let Some((name, _)) = self.interrupted.pop()
                && !result.contains("EINTR")
            {
                began_again(name, made);
            }
        } else if result.contains("ERESTART_RESTARTBLOCK") {
            // Goes on as restart_syscall, which is exempt, or ends with EINTR.
        } else if result.contains("ERESTART") {
            self.interrupted.push((name, self.begun));
        } else if result == "?" {
            self.runs = false;
            *made.entry(name.to_owned()).or_default() += 1;
        }
    }

    fn ended(&self, made: &mut BTreeMap<String, u64>) {
        if let Some(name) = self.waiting {
            *made.entry(name.to_owned()).or_default() += 1;
        }
    }
}

fn began_again(name: &str, made: &mut BTreeMap<String, u64>) {
    if let Some(calls) = made.get_mut(name) {
        *calls = calls.saturating_sub(1);
    }
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or(text)
}

/// Traces as `strace` writes them, shortened.
pub mod samples {
    /// Threads 11 and 12 wait in futex when thread 10 ends the process; thread 13 runs.
    pub const WAITING: &str = "\
13 write(1, \"y\", 1) = 1
10 write(1, \"x\", 1) = 1
11 futex(0x1, FUTEX_WAIT_PRIVATE, 2, NULL <unfinished ...>
12 futex(0x2, FUTEX_WAIT_PRIVATE, 2, NULL <unfinished ...>
10 exit_group(0) = ?
12 <... futex resumed>) = ?
11 +++ exited with 0 +++
12 +++ exited with 0 +++
13 +++ exited with 0 +++
10 +++ exited with 0 +++
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
100.00    0.000004           4         2           write
------ ----------- ----------- --------- --------- ----------------
100.00    0.000004           4         2           total
";

    /// read goes on after a handler (which called getpid), wait4 after a signal without a handler.
    pub const BEGUN_AGAIN: &str = "\
10 read(0, 0x1, 10) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)
10 --- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_USER, si_pid=9, si_uid=0} ---
10 getpid() = 10
10 rt_sigreturn({mask=[]}) = 0
10 read(0, \"a\", 10) = 1
10 wait4(-1,  <unfinished ...>
10 <... wait4 resumed>0x7ff, 0, NULL) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)
10 --- SIGWINCH {si_signo=SIGWINCH, si_code=SI_USER, si_pid=9, si_uid=0} ---
10 wait4(-1,  <unfinished ...>
10 <... wait4 resumed>[{WIFEXITED(s)}], 0, NULL) = 11
10 exit_group(0) = ?
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 50.00    0.000004           4         2         1 read
 25.00    0.000004           4         2         1 wait4
 25.00    0.000004           4         1           getpid
  0.00    0.000000           0         1           rt_sigreturn
------ ----------- ----------- --------- --------- ----------------
100.00    0.000012           4         6         2 total
";

    /// The handler of the first signal has no SA_RESTART; a sleep goes on as restart_syscall.
    pub const ENDED_BY_SIGNAL: &str = "\
10 read(0, 0x1, 10) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)
10 --- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_USER, si_pid=9, si_uid=0} ---
10 rt_sigreturn({mask=[]}) = -1 EINTR (Interrupted system call)
10 read(0, \"a\", 10) = 1
10 nanosleep({tv_sec=1, tv_nsec=0}, 0x1) = ? ERESTART_RESTARTBLOCK (Interrupted by signal)
10 --- SIGSTOP {si_signo=SIGSTOP, si_code=SI_USER, si_pid=9, si_uid=0} ---
10 restart_syscall(<... resuming interrupted nanosleep ...>) = 0
10 exit_group(0) = ?
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 50.00    0.000004           4         2         1 read
 25.00    0.000004           4         1         1 nanosleep
 25.00    0.000004           4         1           restart_syscall
  0.00    0.000000           0         1           rt_sigreturn
------ ----------- ----------- --------- --------- ----------------
100.00    0.000012           4         5         2 total
";
}
