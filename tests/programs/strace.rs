//! Reads what `strace -f -C` wrote: the trace itself and, below it, the table of counts.
//!
//! The table counts a call when it returns to the program. Two kinds of calls make it differ from
//! what programs ask for, and the trace shows both: a call still waiting when its process ended was
//! made but never counted, and a call that a signal interrupted and the kernel began again was made
//! once but counted twice.

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

/// Calls made, by name, without the exempt ones.
pub fn calls_made(text: &str) -> BTreeMap<String, u64> {
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
    made
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
    /// The text of the call it waits in.
    begun: &'a str,
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
            if event.ends_with("<unfinished ...>") {
                self.waiting = Some(name);
            } else {
                self.returned(name, event, made);
            }
        }
    }

    fn returned(&mut self, name: &'a str, event: &'a str, made: &mut BTreeMap<String, u64>) {
        let result = event.rsplit_once(" = ").map_or("", |(_, result)| result);
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
