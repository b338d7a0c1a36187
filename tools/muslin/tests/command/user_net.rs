//! Networks without any privilege, by way of the user's own sockets: for guests, for images of guests that
//! are processes, and for Linux images with the network stack.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::lab::{
    MUSLIN, clean, directory, driver, refuse, skip, solo5, stderr, stdout, succeed, sysroot, with,
    write,
};
use crate::links::{ASK, ECHO, as_nobody, frames, hear, traffic};

/// Looks up a name, sends a megabyte there, and says what it hears back.
const FETCH: &str = r#"
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
int main(int count, char **words) {
    struct addrinfo *found, hints = { .ai_socktype = SOCK_STREAM };
    int error = getaddrinfo(words[1], words[2], &hints, &found);
    if (error) { printf("%s: %s\n", words[1], gai_strerror(error)); return 1; }
    int fd = socket(found->ai_family, SOCK_STREAM, 0);
    if (connect(fd, found->ai_addr, found->ai_addrlen)) { perror("connect"); return 2; }
    static unsigned char bytes[1 << 20];
    for (int i = 0; i < sizeof bytes; i++) bytes[i] = i * 7 + i / 251;
    for (long done = 0, put; done < sizeof bytes; done += put)
        if ((put = write(fd, bytes + done, sizeof bytes - done)) <= 0) return 3;
    shutdown(fd, SHUT_WR);
    unsigned sum = 0;
    long all = 0;
    for (long got; (got = read(fd, bytes, sizeof bytes)) > 0; all += got)
        for (long i = 0; i < got; i++) sum = sum * 31 + bytes[i];
    printf("%ld bytes, %u\n", all, sum);
    return 0;
}
"#;

/// How an image is run, and which one.
#[derive(Clone, Copy)]
struct Kind {
    image: &'static str,
    options: &'static [&'static str],
}

const GUEST: Kind = Kind {
    image: "guest",
    options: &["--mem", "16"],
};
const PROCESS: Kind = Kind {
    image: "guest",
    options: &["--platform", "linux"],
};
const LINUX: Kind = Kind {
    image: "linux",
    options: &[],
};

/// A folder with programs and the command in it, for a user without any privilege.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    /// The images are `NAME.guest`, `NAME.linux` with the network stack, and `NAME.plain` without.
    fn new(test: &str, programs: &[(&str, &str)]) -> Option<Self> {
        let (guests, linux) = (solo5(test)?, sysroot(test)?);
        let source = directory(test);
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        for (name, text) in programs {
            write(&source, &[("program.c", text)]);
            let ways: [(&str, _, &[&str]); 3] = [
                ("guest", guests, &["--device", "service=net"]),
                ("linux", linux, &["--net"]),
                ("plain", linux, &[]),
            ];
            for (kind, sysroot, options) in ways {
                let mut driver = driver(sysroot, &source);
                driver.args(["-O2", "-o", "program", "program.c"]);
                succeed(driver.args(options));
                let image = dir.path().join(format!("{name}.{kind}"));
                fs::copy(source.join("program"), image).unwrap();
            }
        }
        fs::copy(MUSLIN, dir.path().join("muslin")).unwrap();
        Some(Self { dir })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn start(&self, kind: Kind, options: &[&str], name: &str, words: &[&str]) -> Child {
        let mut command = clean(as_nobody(&self.path("muslin")));
        command.arg("run").args(options).args(kind.options);
        command.arg(format!("{name}.{}", kind.image)).args(words);
        command.current_dir(self.dir.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }
}

/// A port that was free just now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn a_published_port_reaches_anybodys_server() {
    let Some(place) = Place::new("user_net_published", &[("echo", ECHO)]) else {
        return;
    };
    for kind in [GUEST, PROCESS, LINUX] {
        let port = free_port();
        let publish = format!("{port}:7");
        let net = ["--net", "service=user", "--publish", &publish];
        let layers = ["--stats", "--pcap", "frames.pcap"];
        let _ = fs::remove_file(place.path("frames.pcap"));
        let mut echo = place.start(kind, &[&net[..], &layers].concat(), "echo", &[]);
        assert_eq!(hear(&mut echo), "listening\n");
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(b"over a port\n").unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        assert_eq!(line, "over a port\n");
        drop(stream);
        let output = echo.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let [received, sent] = traffic(&output);
        assert_eq!((received[2], sent[2]), (0, 0), "{}", stderr(&output));
        let frames = frames(&place.path("frames.pcap"));
        assert_eq!(frames.len() as u64, received[0] + sent[0]);
        let said = b"over a port\n";
        assert_eq!(
            frames.iter().filter(|frame| frame.ends_with(said)).count(),
            2
        );
    }
}

#[test]
fn who_is_ended_by_a_signal_tells_what_went_over() {
    let Some(place) = Place::new("user_net_signal", &[("echo", ECHO)]) else {
        return;
    };
    for kind in [GUEST, LINUX] {
        let port = free_port();
        let publish = format!("{port}:7");
        let options = ["--net", "service=user", "--publish", &publish, "--stats"];
        let mut echo = place.start(kind, &options, "echo", &[]);
        assert_eq!(hear(&mut echo), "listening\n");
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
        succeed(Command::new("kill").arg(echo.id().to_string()));
        let output = echo.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(128 + 15), "{}", stderr(&output));
        let [received, sent] = traffic(&output);
        assert!(received[0] > 3 && sent[0] > 3, "{}", stderr(&output));
    }
}

/// Answers questions after any name with one address of IPv4, and says how many names there were.
fn serve_names(address: [u8; 4]) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((len, from)) = socket.recv_from(&mut question) {
            // The type of the question is before its class, at its end.
            let is_v4 = question[len - 4..len - 2] == [0, 1];
            let mut answer = question[..len].to_vec();
            answer[2..4].copy_from_slice(&[0x81, 0x80]);
            answer[6..8].copy_from_slice(&[0, u8::from(is_v4)]);
            if is_v4 {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
                answer.extend(address);
            }
            socket.send_to(&answer, from).unwrap();
        }
    });
    port
}

/// The first that comes, unless a program ends before.
fn accept(listener: &TcpListener, program: &mut Child) -> Option<TcpStream> {
    listener.set_nonblocking(true).unwrap();
    loop {
        if let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(false).unwrap();
            return Some(stream);
        }
        if program.try_wait().unwrap().is_some() {
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_client_finds_a_server_of_this_machine_by_name() {
    const BYTES: usize = 3 << 20;
    let Some(place) = Place::new("user_net_client", &[("fetch", FETCH)]) else {
        return;
    };
    let names = serve_names([10, 0, 2, 2]);
    let net = format!("service=user,host,dns=127.0.0.1:{names}");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let down: Vec<u8> = (0..BYTES).map(|at| (at * 13 + at / 241) as u8).collect();
    let sum = down.iter().fold(0_u32, |sum, &byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    let expected = format!("{BYTES} bytes, {sum}\n");
    let up: Vec<u8> = (0..1 << 20)
        .map(|at: usize| (at * 7 + at / 251) as u8)
        .collect();
    for (kind, faults) in [
        (GUEST, &[][..]),
        (PROCESS, &[]),
        (LINUX, &[]),
        (LINUX, &["--net-faults", "7,loss=5,reorder=20"]),
    ] {
        let options = [&["--net", &net][..], faults].concat();
        let mut fetch = place.start(kind, &options, "fetch", &["server.test", &port]);
        let Some(mut stream) = accept(&listener, &mut fetch) else {
            let output = fetch.wait_with_output().unwrap();
            panic!("it never came: {}{}", stdout(&output), stderr(&output));
        };
        let mut sent = Vec::new();
        stream.read_to_end(&mut sent).unwrap();
        assert!(sent == up, "{} bytes", sent.len());
        stream.write_all(&down).unwrap();
        drop(stream);
        let output = fetch.wait_with_output().unwrap();
        assert_eq!(stdout(&output), expected, "{}", stderr(&output));
    }
}

/// Makes two machines, `near` (this one) and `far`, with a wire between, and an echo server on each; asks
/// both from behind a gateway on `near`, without and with leave to reach it.
const TWO_MACHINES: &str = "\
    ip link set lo up && ip link add near type veth peer name far || exit 77\n\
    unshare --net sleep 60 & there=$!\n\
    until [ \"$(readlink /proc/$there/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ]; do sleep 0.1; done\n\
    ip link set far netns $there || exit 77\n\
    ip addr add 198.51.100.1/24 dev near && ip link set near up || exit 77\n\
    on_far() { nsenter --net=/proc/$there/ns/net \"$@\"; }\n\
    on_far ip addr add 198.51.100.2/24 dev far && on_far ip link set far up || exit 77\n\
    on_far ./echo.plain >far.log & ./echo.plain >near.log &\n\
    until grep -q listening far.log && grep -q listening near.log; do sleep 0.1; done\n\
    for to in 198.51.100.2 198.51.100.1 10.0.2.2; do\n\
        \"$1\" run --net service=user --mem 16 ask.guest $to 2>&1\n\
    done\n\
    \"$1\" run --net service=user,host ask.linux 198.51.100.1\n\
    kill $there\n";

#[test]
fn other_machines_are_reached_and_this_one_only_if_that_is_said() {
    let test = "user_net_reach";
    let Some(place) = Place::new(test, &[("echo", ECHO), ("ask", ASK)]) else {
        return;
    };
    let mut command = clean(Command::new("unshare"));
    command.args(["--map-root-user", "--net", "--", "bash", "-c", TWO_MACHINES]);
    command.args(["bash", MUSLIN]).current_dir(place.dir.path());
    let output = command.output().unwrap();
    if output.status.code() == Some(77) || stderr(&output).contains("unshare") {
        return skip(test, "no two machines can be made in networks of one's own");
    }
    assert_eq!(
        stdout(&output),
        "all came back\nconnect: Host is unreachable\nconnect: Connection refused\nall came back\n",
        "{}",
        stderr(&output)
    );
}

#[test]
fn two_processes_talk_over_a_link() {
    let Some(place) = Place::new("user_net_link", &[("echo", ECHO), ("ask", ASK)]) else {
        return;
    };
    let on_link =
        |address: &'static str| ["--net", "service=link:wire", "--env", address, "--stats"];
    let mut echo = place.start(LINUX, &on_link("MUSLIN_IPV4=10.9.0.1/24"), "echo", &[]);
    assert_eq!(hear(&mut echo), "listening\n");
    let options = on_link("MUSLIN_IPV4=10.9.0.2/24");
    let ask = place.start(LINUX, &options, "ask", &["10.9.0.1"]);
    let ask = ask.wait_with_output().unwrap();
    let echo = echo.wait_with_output().unwrap();
    assert_eq!(
        stdout(&ask),
        "all came back\n",
        "{}{}",
        stderr(&ask),
        stderr(&echo)
    );
    let [received, sent] = traffic(&echo);
    assert!(
        received[1] > 1_000_000 && sent[1] > 1_000_000,
        "{}",
        stderr(&echo)
    );
}

#[test]
fn networks_that_cannot_be_are_refused() {
    let Some(place) = Place::new("user_net_wrong", &[("echo", ECHO)]) else {
        return;
    };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().port();
    let refused = |image: &str, options: &[&str], code: i32, line: &str| {
        let mut command = with(["run"]);
        command
            .args(options)
            .arg(image)
            .current_dir(place.dir.path());
        refuse(&mut command, code, line);
    };
    for image in ["echo.guest", "echo.linux"] {
        let form = "give this machine's port and the guest's, as in 8080:80 or 0.0.0.0:5300:53/udp";
        let net = ["--net", "service=user", "--publish"];
        for (word, problem) in [
            ("80", "it wants two ports"),
            ("0:80", "a port is a number from 1 to 65535"),
            (
                "a:80:80",
                "before the ports comes an address of this host, as in 127.0.0.1",
            ),
            ("80:80/sctp", "behind the ports comes /udp or nothing"),
        ] {
            let line = format!("--publish {word}: {problem}; {form}");
            refused(image, &[&net[..], &[word]].concat(), 2, &line);
        }
        refused(
            image,
            &[&net[..], &[&format!("{taken}:80")]].concat(),
            126,
            &format!(
                "cannot run {image}: cannot publish port {taken} of 127.0.0.1: address already in use; give another port, or address, of this host"
            ),
        );
        refused(
            image,
            &["--net", "service=user,all"],
            126,
            &format!(
                "cannot run {image}: cannot use interface 'user,all' for 'service': it has a word that is none of host, dns=ADDRESS; write user, or user,host or user,dns=ADDRESS"
            ),
        );
        refused(
            image,
            &["--net", "service=link:w", "--publish", "8080:80"],
            126,
            &format!(
                "cannot run {image}: cannot use interface 'link:w' for 'service': no ports can be published there; give --net service=user, or leave out --publish"
            ),
        );
        refused(
            image,
            &["--publish", "8080:80"],
            2,
            "--publish: no network device is given; give one: --net NAME=TAP",
        );
    }
    refused(
        "echo.plain",
        &["--net", "service=user"],
        2,
        "echo.plain has no network stack: its sockets are those of Linux; link it with muslin cc --net, or leave out --net",
    );
    refused(
        "echo.linux",
        &["--net", "a,b=user"],
        2,
        "'a,b' is no name of a network device; give one without a comma",
    );
}
