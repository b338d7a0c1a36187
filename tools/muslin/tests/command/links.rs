//! Guests on a link, and what is between a guest's device and its interface: captures, counters, faults.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Output, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::lab::{
    MUSLIN, clean, directory, driver, refuse, skip, solo5, stderr, stdout, succeed, with, write,
};

/// Says that it listens, and sends back to one peer what that sends.
pub const ECHO: &str = r#"
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
int main(void) {
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(7) };
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (void *)&any, sizeof any) || listen(listener, 5)) return 1;
    puts("listening");
    fflush(stdout);
    static char bytes[65536];
    int fd = accept(listener, 0, 0);
    for (long got; (got = read(fd, bytes, sizeof bytes)) > 0;)
        for (long done = 0, put; done < got; done += put)
            if ((put = write(fd, bytes + done, got - done)) <= 0) return 2;
    return close(fd);
}
"#;

/// Sends a megabyte in pieces, each when the one before has come back whole.
pub const ASK: &str = r#"
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
int main(int count, char **words) {
    struct sockaddr_in there = { AF_INET, htons(7), { inet_addr(words[1]) } };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (void *)&there, sizeof there)) { perror("connect"); return 1; }
    static unsigned char out[20000], in[20000];
    for (int piece = 0; piece < 50; piece++) {
        for (int i = 0; i < sizeof out; i++) out[i] = i * 7 + piece + i / 251;
        if (write(fd, out, sizeof out) != sizeof out) return 2;
        for (long got = 0, more; got < sizeof in; got += more)
            if ((more = read(fd, in + got, sizeof in - got)) <= 0) return 3;
        for (int i = 0; i < sizeof out; i++) if (in[i] != out[i]) return 4;
    }
    puts("all came back");
    return close(fd);
}
"#;

/// A folder with both programs and the command in it, for a user without any privilege.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new(test: &str) -> Option<Self> {
        let sysroot = solo5(test)?;
        let source = directory(test);
        write(&source, &[("echo.c", ECHO), ("ask.c", ASK)]);
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        for name in ["echo", "ask"] {
            let mut driver = driver(sysroot, &source);
            driver.args(["-O2", "--device", "service=net", "-o", name]);
            succeed(driver.arg(format!("{name}.c")));
            fs::copy(source.join(name), dir.path().join(name)).unwrap();
        }
        fs::copy(MUSLIN, dir.path().join("muslin")).unwrap();
        Some(Self { dir })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts a guest with an address on the link: as nobody, where the tester is more than that.
    fn start(&self, address: &str, options: &[&str], words: &[&str]) -> Child {
        let mut command = as_nobody(&self.path("muslin"));
        command.args(["run", "--net", "service=link:wire", "--mem", "16"]);
        command
            .arg("--env")
            .arg(format!("MUSLIN_IPV4={address}/24"));
        command.args(options).args(words);
        let mut command = clean(command);
        command.current_dir(self.dir.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Two guests, one of which sends and the other sends it back; how both ended.
    fn all_comes_back(&self, echo_options: &[&str], ask_options: &[&str]) -> (Output, Output) {
        let mut echo = self.start("10.9.0.1", echo_options, &["echo"]);
        assert_eq!(hear(&mut echo), "listening\n");
        let ask = self.start("10.9.0.2", ask_options, &["ask", "10.9.0.1"]);
        let ask = ask.wait_with_output().unwrap();
        let echo = echo.wait_with_output().unwrap();
        assert_eq!(
            stdout(&ask),
            "all came back\n",
            "{}{}",
            stderr(&ask),
            stderr(&echo)
        );
        (echo, ask)
    }
}

/// A program run by nobody, where the tester is more than that.
pub fn as_nobody(program: &Path) -> Command {
    const NOBODY: &str = "65534";
    let is_root = succeed(Command::new("id").arg("-u")) == "0\n";
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]);
    // An interface is made by this capability, a link and a user's own network by none.
    command.args(["--bounding-set=-all", "--"]).arg(program);
    command
}

/// Waits for a line.
pub fn hear(child: &mut Child) -> String {
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.as_mut().unwrap());
    output.read_line(&mut line).unwrap();
    line
}

/// Frames, bytes and drops, as --stats tells them: what was received, and what was sent.
pub fn traffic(output: &Output) -> [[u64; 3]; 2] {
    let said = stderr(output);
    let mut lines = said.lines();
    let line = lines.find_map(|line| line.strip_prefix("muslin: service: received "));
    let line = line.expect(&said);
    let (received, sent) = line.split_once("; sent ").expect(&said);
    [received, sent].map(|text| {
        let words: Vec<&str> = text.split_whitespace().collect();
        let ["frames,", "bytes,", "dropped"] = [words[1], words[3], words[5]] else {
            panic!("{said}");
        };
        [words[0], words[2], words[4]].map(|word| word.parse().unwrap())
    })
}

/// The frames of a capture.
pub fn frames(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).unwrap();
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!(
        (word(0), word(20)),
        (0xa1b2_3c4d, 1),
        "nanoseconds, Ethernet"
    );
    let mut frames = Vec::new();
    let mut at = 24;
    while at < bytes.len() {
        let (rest_ns, len) = (word(at + 4), word(at + 8));
        assert!(rest_ns < 1_000_000_000 && len == word(at + 12));
        frames.push(bytes[at + 16..at + 16 + len].to_vec());
        at += 16 + len;
    }
    frames
}

#[test]
fn two_guests_talk_over_a_link_without_privilege() {
    let Some(place) = Place::new("links_two") else {
        return;
    };
    let capture = ["--stats", "--pcap", "echo.pcap"];
    let (echo, ask) = place.all_comes_back(&capture, &["--stats"]);
    assert!(ask.status.success() && echo.status.success());

    let [received, sent] = traffic(&echo);
    assert!(
        received[1] > 1_000_000 && sent[1] > 1_000_000,
        "{}",
        stderr(&echo)
    );
    assert_eq!(received[2], 0, "{}", stderr(&echo));
    // The one that ended first is not there for the last words of the other.
    let [heard, told] = traffic(&ask);
    assert!(
        told[0] >= received[0] && heard[0] <= sent[0],
        "{}{}",
        stderr(&ask),
        stderr(&echo)
    );

    let frames = frames(&place.path("echo.pcap"));
    let bytes: u64 = frames.iter().map(|frame| frame.len() as u64).sum();
    assert_eq!(frames.len() as u64, received[0] + sent[0] + sent[2]);
    assert!(bytes >= received[1] + sent[1]);
    assert!(frames.iter().any(|frame| frame[12..14] == [8, 6]), "ARP");
    assert!(
        !place.path("wire").exists(),
        "the first takes the socket away"
    );
}

#[test]
fn a_stream_survives_faults() {
    let Some(place) = Place::new("links_faults") else {
        return;
    };
    let faults = "7,loss=20,reorder=20,duplicate=20,corrupt=10,delay=10";
    let options = ["--stats", "--net-faults", faults];
    let (_, ask) = place.all_comes_back(&["--stats"], &options);
    let [received, sent] = traffic(&ask);
    assert!(received[2] > 0 && sent[2] > 0, "{}", stderr(&ask));
}

#[test]
fn the_first_ends_in_good_order_and_leaves_room_for_another() {
    let Some(place) = Place::new("links_order") else {
        return;
    };
    let mut first = place.start("10.9.0.1", &["--stats"], &["echo"]);
    assert_eq!(hear(&mut first), "listening\n");
    assert!(place.path("wire").exists());
    succeed(Command::new("kill").arg(first.id().to_string()));
    let first = first.wait_with_output().unwrap();
    assert_eq!(first.status.code(), Some(128 + 15));
    assert!(
        stderr(&first).contains("muslin: service: received 0 frames, "),
        "{}",
        stderr(&first)
    );
    assert!(!place.path("wire").exists());

    // One that could not: the socket is left, and the next takes its place.
    let mut second = place.start("10.9.0.1", &[], &["echo"]);
    assert_eq!(hear(&mut second), "listening\n");
    second.kill().unwrap();
    second.wait().unwrap();
    assert!(place.path("wire").exists());
    let mut third = place.start("10.9.0.1", &[], &["echo"]);
    assert_eq!(hear(&mut third), "listening\n");
    let ask = place.start("10.9.0.2", &[], &["ask", "10.9.0.1"]);
    assert_eq!(stdout(&ask.wait_with_output().unwrap()), "all came back\n");
    assert!(third.wait().unwrap().success());
}

#[test]
fn who_is_ended_in_its_first_moments_tells_what_it_had() {
    let Some(place) = Place::new("links_early") else {
        return;
    };
    if !Path::new("/proc/self/task")
        .join(process::id().to_string())
        .join("children")
        .exists()
    {
        return skip(
            "links_early",
            "this kernel does not tell a process's children",
        );
    }
    for turn in 0..20 {
        let mut first = place.start("10.9.0.1", &["--stats"], &["echo"]);
        // The guest is a process, and perhaps nothing more yet.
        let children = format!("/proc/{0}/task/{0}/children", first.id());
        while fs::read_to_string(&children).is_ok_and(|children| children.is_empty()) {
            assert!(first.try_wait().unwrap().is_none(), "turn {turn}");
            thread::yield_now();
        }
        kill_process(Pid::from_child(&first), Signal::TERM).unwrap();
        let first = first.wait_with_output().unwrap();
        assert!(
            stderr(&first).contains("muslin: service: received 0 frames, "),
            "turn {turn}: {}: {}",
            first.status,
            stderr(&first)
        );
        assert_eq!(first.status.code(), Some(128 + 15), "turn {turn}");
    }
}

#[test]
fn layers_that_mean_nothing_are_refused() {
    let Some(sysroot) = solo5("links_wrong") else {
        return;
    };
    let dir = directory("links_wrong");
    write(&dir, &[("echo.c", ECHO)]);
    let mut driver = driver(sysroot, &dir);
    succeed(driver.args(["--device", "service=net", "echo.c", "-o", "echo"]));
    let image = dir.join("echo");
    let net = ["run", "--net", "service=link:wire"];
    let run = |options: &[&str]| {
        let mut command = with(options);
        command.current_dir(&dir).arg(&image);
        command
    };
    let also = |options: &[&str]| run(&[&net[..], options].concat());
    for (option, words) in [
        ("--stats", &["run", "--stats"][..]),
        ("--pcap", &["run", "--pcap", "f"]),
        ("--net-faults", &["run", "--net-faults", "1,loss=1"]),
    ] {
        let line = format!("{option}: no network device is given; give one: --net NAME=TAP");
        refuse(&mut run(words), 2, &line);
    }
    for (faults, problem) in [
        ("loss=10", "its first word is not a seed, which is a number"),
        (
            "1,lost=10",
            "it has a word that is none of loss=, reorder=, duplicate=, corrupt=, delay=",
        ),
        ("1,loss=1,loss=2", "it has a kind of fault twice"),
        (
            "1,loss=1001",
            "it has a rate that is not a number from 0 to 1000",
        ),
    ] {
        refuse(
            &mut also(&["--net-faults", faults]),
            2,
            &format!(
                "--net-faults {faults}: {problem}; give a seed and numbers of a thousand frames, as in 1,loss=10,reorder=5"
            ),
        );
    }
    refuse(
        &mut also(&["--stats", "--tender", "solo5-spt"]),
        2,
        "--stats is an option of the built-in tender alone; leave it out, or --tender",
    );
    refuse(
        &mut also(&["--net", "other=link:w", "--pcap", "frames.pcap"]),
        2,
        "--pcap frames.pcap: it is not said which of 2 network devices; give --pcap NAME=FILE with a name of a --net",
    );
    let cannot = |problem: &str| format!("cannot run {}: {problem}", image.display());
    refuse(
        &mut also(&["--pcap", "a", "--pcap", "service=b"]),
        126,
        &cannot("two captures are wanted of 'service'; give it one"),
    );
    refuse(
        &mut also(&["--pcap", "none/f"]),
        126,
        &cannot(
            "cannot write the capture none/f: no such file or directory; give --pcap a file that can be written",
        ),
    );
    for (interface, problem) in [
        (
            "link:echo.c",
            "that file is not a socket; give a path where there is no file",
        ),
        (
            "link:none/wire",
            "its folder: no such file or directory; give a path in a folder that is there",
        ),
        (
            "fd:0",
            "that descriptor is not a socket; give a connected socket of packets, as socketpair makes it with SOCK_SEQPACKET or SOCK_DGRAM",
        ),
        (
            "fd:x",
            "that is not the number of a descriptor; give a connected socket of packets, as socketpair makes it with SOCK_SEQPACKET or SOCK_DGRAM",
        ),
    ] {
        let mut command = run(&["run", "--net", &format!("service={interface}")]);
        refuse(
            command.stdin(Stdio::null()),
            126,
            &cannot(&format!(
                "cannot use interface '{interface}' for 'service': {problem}"
            )),
        );
    }
    assert!(dir.join("echo.c").exists());
}

/// Makes an interface in a network of one's own, and asks a guest behind it.
const OVER_A_TAP: &str = "\
    ip tuntap add dev tap0 mode tap && ip link set tap0 up || exit 77\n\
    ip addr add 10.9.0.1/24 dev tap0\n\
    \"$@\" >said &\n\
    until grep -q listening said; do sleep 0.1; done\n\
    exec 3<>/dev/tcp/10.9.0.2/7\n\
    echo 'over a tap' >&3\n\
    read -r line <&3\n\
    echo \"$line\"\n\
    exec 3>&-\n\
    wait $!\n";

#[test]
fn what_goes_over_a_tap_is_captured_and_counted() {
    let test = "links_tap";
    let Some(place) = Place::new(test) else {
        return;
    };
    let mut command = clean(Command::new("unshare"));
    command.args(["--map-root-user", "--net", "--", "bash", "-c", OVER_A_TAP]);
    command.args(["bash", MUSLIN, "run", "--net", "service=tap0", "--stats"]);
    command.args([
        "--pcap",
        "service=tap.pcap",
        "--env",
        "MUSLIN_IPV4=10.9.0.2/24",
        "echo",
    ]);
    let output = command.current_dir(place.dir.path()).output().unwrap();
    if output.status.code() == Some(77) || stderr(&output).contains("unshare") {
        return skip(
            test,
            "no tap interface can be made in a network of one's own",
        );
    }
    assert_eq!(stdout(&output), "over a tap\n", "{}", stderr(&output));
    let [received, sent] = traffic(&output);
    assert_eq!((received[2], sent[2]), (0, 0), "{}", stderr(&output));
    let frames = frames(&place.path("tap.pcap"));
    assert_eq!(frames.len() as u64, received[0] + sent[0]);
    let said = b"over a tap\n";
    let with_words = frames.iter().filter(|frame| frame.ends_with(said));
    assert_eq!(with_words.count(), 2, "there and back");
}
