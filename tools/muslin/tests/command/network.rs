//! Who gets the network stack: programs that call `socket` as guests, others when they ask for it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use muslin_lab::{Batch, Ending, Job, Lab};

use crate::lab::{
    MUSLIN, clean, directory, driver, has, hvt, refuse, skip, solo5, stderr, stdout, succeed,
    sysroot, with, write,
};

const HELLO: &str = "#include <stdio.h>\nint main(void) { puts(\"hello\"); }\n";
const SOCKET: &str = "#include <sys/socket.h>\n\
    int main(void) { return socket(AF_UNIX, SOCK_STREAM, 0) != 3; }\n";
/// What is in an image if the stack is.
const SYMBOL: &str = "__muslin_net";

/// Links a program with these options, and says whether the stack is in it.
fn holds_network(sysroot: &Path, dir: &Path, source: &str, options: &[&str]) -> bool {
    write(dir, &[("program.c", source)]);
    let mut driver = driver(sysroot, dir);
    succeed(driver.args(["program.c", "-o", "program"]).args(options));
    let mut nm = Command::new("nm");
    let symbols = succeed(nm.current_dir(dir).arg("program"));
    symbols.lines().any(|line| line.ends_with(SYMBOL))
}

#[test]
fn a_guest_holds_the_network_if_it_calls_socket() {
    let (Some(sysroot), true) = (solo5("network_guest"), has("network_guest", "nm")) else {
        return;
    };
    let dir = directory("network_guest");
    for (source, options, expected) in [
        (HELLO, &[][..], false),
        (HELLO, &["--net"], true),
        (SOCKET, &[], true),
        (SOCKET, &["--no-net"], false),
    ] {
        let holds = holds_network(sysroot, &dir, source, options);
        assert_eq!(holds, expected, "{source} {options:?}");
    }
    refuse(
        driver(sysroot, &dir).args(["--net", "-fuse-ld=gold", "program.c"]),
        2,
        "--net: this linker does not put the network stack before the program's own handlers; \
         use GNU ld: leave -fuse-ld out",
    );
}

#[test]
fn a_process_holds_the_network_if_it_asks_for_it() {
    let (Some(sysroot), true) = (sysroot("network_process"), has("network_process", "nm")) else {
        return;
    };
    let dir = directory("network_process");
    for (options, expected) in [(&[][..], false), (&["--net"], true), (&["--no-net"], false)] {
        let holds = holds_network(sysroot, &dir, SOCKET, options);
        assert_eq!(holds, expected, "{options:?}");
        succeed(&mut Command::new(dir.join("program")));
    }
}

#[test]
fn the_environment_says_who_holds_the_network() {
    let (Some(linux), Some(guest)) = (sysroot("network_variable"), solo5("network_variable"))
    else {
        return;
    };
    if !has("network_variable", "nm") {
        return;
    }
    let dir = directory("network_variable");
    write(&dir, &[("program.c", SOCKET)]);
    for (sysroot, value, options, expected) in [
        (linux, "", &[][..], false),
        (linux, "stack", &[], true),
        (linux, "stack", &["--no-net"], false),
        (guest, "none", &[], false),
        (guest, "none", &["--net"], true),
    ] {
        let mut driver = driver(sysroot, &dir);
        driver.env("MUSLIN_NETWORK", value);
        succeed(driver.args(["program.c", "-o", "program"]).args(options));
        let symbols = succeed(Command::new("nm").current_dir(&dir).arg("program"));
        let holds = symbols.lines().any(|line| line.ends_with(SYMBOL));
        assert_eq!(holds, expected, "{value} {options:?}");
    }
    refuse(
        driver(linux, &dir)
            .env("MUSLIN_NETWORK", "yes")
            .arg("program.c"),
        2,
        "MUSLIN_NETWORK is 'yes', which says nothing; set it to stack, to none, or to nothing",
    );
}

/// Makes an interface in a network of its own, runs what `$0` and `$1` say, and tells its address.
const WITH_INTERFACE: &str = "\
    ip tuntap add tap7 mode tap && ip link set tap7 mtu 1400 address 02:0:0:0:0:77 up \
        && ip address add 10.77.0.1/24 dev tap7 || exit 77
    (sleep 1; ip neighbour replace 10.77.0.2 lladdr 02:0:0:0:0:9 nud probe dev tap7) &
    ";

/// The program says who answered it over an interface; `start` is how it is started.
fn is_answered(test: &str, image: &Path, start: &str) {
    let mut command = clean(Command::new("unshare"));
    let script = format!("{WITH_INTERFACE}{start}");
    command
        .args(["--net", "sh", "-c", &script, MUSLIN])
        .arg(image);
    let output = command.output().unwrap();
    if output.status.code() == Some(77) || stderr(&output).contains("unshare") {
        return skip(test, "this user may not make interfaces");
    }
    let said = stdout(&output);
    assert!(
        output.status.success() && said.starts_with("answered by 02:00:00:00:00:77\nchecked "),
        "{test}: {}\n{said}{}",
        output.status,
        stderr(&output)
    );
}

/// What a guest declares.
const DEVICES: [&str; 2] = ["--device", "service=net"];

/// Links the program that asks over its device.
fn frames(sysroot: &Path, dir: &Path, devices: &[&str]) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let include = tests.join("../../tests/handlers");
    let source = tests.join("tests/command/frames.c");
    let mut driver = driver(sysroot, dir);
    driver.args(["-O2", "-pthread", "--no-net"]).args(devices);
    driver.arg("-I").arg(include).arg(source);
    succeed(driver.args(["-o", "frames"]));
    dir.join("frames")
}

#[test]
fn handlers_move_frames() {
    let test = "network_frames";
    let Some(sysroot) = solo5(test) else {
        return;
    };
    if !has(test, "ip") || !has(test, "unshare") {
        return;
    }
    let image = frames(sysroot, &directory(test), &DEVICES);
    is_answered(
        &format!("{test} of spt"),
        &image,
        "exec timeout 60 \"$0\" run --net service=tap7 \"$1\" twice",
    );
    is_answered(
        &format!("{test} of a process"),
        &image,
        "MUSLIN_NET_service=tap7 exec timeout 60 \"$1\" twice",
    );
}

#[test]
fn handlers_move_frames_of_linux() {
    let test = "network_frames_of_linux";
    let Some(sysroot) = sysroot(test) else {
        return;
    };
    if !has(test, "ip") || !has(test, "unshare") {
        return;
    }
    let image = frames(sysroot, &directory(test), &[]);
    for (way, start) in [
        (
            "a list",
            "MUSLIN_NET=service=tap7 exec timeout 60 \"$1\" twice",
        ),
        (
            "a variable of its own",
            "MUSLIN_NET_service=tap7 exec timeout 60 \"$1\" twice",
        ),
    ] {
        is_answered(&format!("{test} by {way}"), &image, start);
    }
}

#[test]
fn a_server_on_linux_answers_over_an_interface() {
    let test = "network_server_of_linux";
    let Some(sysroot) = sysroot(test) else {
        return;
    };
    if !has(test, "ip") || !has(test, "unshare") {
        return;
    }
    let dir = directory(test);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/command/echoes.c");
    for (network, name) in [("--net", "server"), ("--no-net", "client")] {
        let mut driver = driver(sysroot, &dir);
        succeed(
            driver
                .args(["-O2", network])
                .arg(&source)
                .args(["-o", name]),
        );
    }
    let script = "\
        ip tuntap add tap7 mode tap && ip link set tap7 up && ip address add 10.77.0.1/24 dev tap7 || exit 77
        export MUSLIN_NET=service=tap7 MUSLIN_IPV4=10.77.0.2/24 MUSLIN_IPV6=none
        timeout 60 ./server >served & server=$!
        timeout 60 ./client ask && wait $server && cat served";
    let mut command = clean(Command::new("unshare"));
    command
        .current_dir(&dir)
        .args(["--net", "sh", "-c", script]);
    let output = command.output().unwrap();
    if output.status.code() == Some(77) || stderr(&output).contains("unshare") {
        return skip(test, "this user may not make interfaces");
    }
    assert_eq!(
        (stdout(&output), stderr(&output), output.status.code()),
        (
            "the same came back\nserved\n".to_owned(),
            String::new(),
            Some(0)
        )
    );
}

#[test]
fn devices_of_linux_are_there_if_they_are_named() {
    let test = "network_devices_of_linux";
    let Some(sysroot) = sysroot(test) else {
        return;
    };
    let dir = directory(test);
    let source = "#include <muslin.h>\n\
        int main(void) { struct muslin_net_device it; return muslin_net_device(0, &it) == -19 ? 19 : 0; }\n";
    write(&dir, &[("device.c", source)]);
    succeed(driver(sysroot, &dir).args(["device.c", "-o", "device"]));
    let unnamed = clean(Command::new(dir.join("device"))).output().unwrap();
    assert_eq!(unnamed.status.code(), Some(19));
    for (variable, line) in [
        (
            "service=nosuch0",
            "service=nosuch0 is not there; make it: ip tuntap add NAME mode tap; ip link set NAME up",
        ),
        (
            "service=@1",
            "service=@1 is neither a tap interface nor a connected socket of packets",
        ),
        (
            "tap0",
            "tap0 is no device; write name=interface or name=@descriptor",
        ),
        (
            "=tap0",
            "=tap0 has no good name; it takes 1 to 67 characters",
        ),
    ] {
        let mut named = clean(Command::new(dir.join("device")));
        let output = named.env("MUSLIN_NET", variable).output().unwrap();
        let expected = format!("muslin: MUSLIN_NET: {line}\n");
        assert_eq!((stderr(&output), output.status.code()), (expected, Some(1)));
    }
}

#[test]
fn handlers_move_frames_by_hypercalls() {
    let test = "network_frames_of_hvt";
    let (Some(linux), Some(sysroot)) = (sysroot(test), hvt(test)) else {
        return;
    };
    let lab = match Lab::find() {
        Ok(lab) => lab,
        Err(why) => return skip(test, &why),
    };
    let dir = directory(test);
    let image = frames(sysroot, &dir, &DEVICES);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/command/with_tap.c");
    succeed(driver(linux, &dir).arg(source).args(["-o", "with_tap"]));
    let words = [
        "./with_tap",
        "muslin",
        "run",
        "--net",
        "service=tap7",
        "frames",
    ];
    let mut counted = words.to_vec();
    counted.splice(3..3, ["--stats", "--net-faults", "1,duplicate=1000"]);
    let batch = Batch {
        files: vec![
            ("frames".to_owned(), image),
            ("with_tap".to_owned(), dir.join("with_tap")),
        ],
        jobs: [&words[..], &counted]
            .map(|words| Job::new(words, Duration::from_secs(120)))
            .to_vec(),
    };
    let outcomes = lab.run(&batch).unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(outcomes.len(), 2);
    for (outcome, is_counted) in outcomes.iter().zip([false, true]) {
        let (output, complaints) = (said(&outcome.output), said(&outcome.complaints));
        if outcome.ending == Ending::Status(77) {
            return skip(test, &complaints);
        }
        assert_eq!(outcome.ending, Ending::Status(0), "{output}{complaints}");
        assert!(
            output.starts_with("answered by 02:00:00:00:00:77\nchecked "),
            "{output}{complaints}"
        );
        let line = "muslin: service: received ";
        assert_eq!(complaints.contains(line), is_counted, "{complaints}");
    }
}

#[test]
fn devices_of_a_process_are_there_if_they_are_named() {
    let Some(sysroot) = solo5("network_process_devices") else {
        return;
    };
    let dir = directory("network_process_devices");
    let source = "#include <muslin.h>\n\
        int main(void) { struct muslin_net_device it; return muslin_net_device(0, &it) == -19 ? 19 : 0; }\n";
    write(&dir, &[("device.c", source)]);
    let mut driver = driver(sysroot, &dir);
    succeed(driver.args([
        "--no-net",
        "--device",
        "service=net",
        "device.c",
        "-o",
        "device",
    ]));
    let start = |variable: &str| {
        let mut command = clean(Command::new(dir.join("device")));
        let output = command.env("MUSLIN_NET_service", variable).output();
        output.unwrap()
    };
    let mut unnamed = clean(Command::new(dir.join("device")));
    assert_eq!(unnamed.output().unwrap().status.code(), Some(19));
    for (variable, problem) in [
        (
            "nosuch0",
            "is not there; make it: ip tuntap add NAME mode tap; ip link set NAME up",
        ),
        (
            "lo%d",
            "is not a name of a tap interface, nor @ and the number of a descriptor",
        ),
        (
            "@1",
            "is neither a tap interface nor a connected socket of packets",
        ),
    ] {
        let output = start(variable);
        let line = format!(
            "muslin: the tap interface {variable} of the network device service {problem}\n"
        );
        assert_eq!((stderr(&output), output.status.code()), (line, Some(1)));
    }
}

/// Sends every line back until one says "end"; then much, and ends while that is on its way.
const SERVER: &str = "#include <netinet/in.h>\n#include <string.h>\n#include <sys/socket.h>\n#include <unistd.h>\n\
    extern char **environ;\n\
    int main(void) {\n\
    /* As programs do that set their own title. */\n\
    for (char **word = environ; *word; word++)\n\
        if (!strncmp(*word, \"MUSLIN_IPV4\", 11)) memset(*word, 'x', strlen(*word));\n\
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(7) };\n\
    int listener = socket(AF_INET, SOCK_STREAM, 0);\n\
    if (bind(listener, (void *)&any, sizeof any) || listen(listener, 5)) return 1;\n\
    for (;;) {\n\
        char text[100];\n\
        int fd = accept(listener, 0, 0);\n\
        for (long got; (got = read(fd, text, sizeof text)) > 0; write(fd, text, got))\n\
            if (!strncmp(text, \"end\", 3)) {\n\
                static char much[1000000];\n\
                return write(fd, much, sizeof much) != sizeof much;\n\
            }\n\
        close(fd);\n\
    }\n}\n";

/// What a user does who has an interface, in a network of its own: the words
/// start the server.
const OVER_A_TAP: &str = "\
    set -e\n\
    ip link set lo up\n\
    ip tuntap add dev tap0 mode tap\n\
    ip addr add 10.0.0.1/24 dev tap0\n\
    ip link set tap0 up\n\
    \"$@\" &\n\
    for i in $(seq 300); do\n\
        (exec 3<>/dev/tcp/10.0.0.2/7) 2>/dev/null && break\n\
        sleep 0.1\n\
    done\n\
    exec 3<>/dev/tcp/10.0.0.2/7\n\
    echo 'over a tap' >&3\n\
    read -r line <&3\n\
    echo \"$line\"\n\
    echo end >&3\n\
    sleep 0.5\n\
    wc -c <&3\n\
    wait $!\n";

/// A command that runs the script; `None` where networks of one's own cannot be had.
fn in_a_network(test: &str, script: &str) -> Option<Command> {
    let trial = "ip tuntap add dev tap0 mode tap";
    let mut unshare = Command::new("unshare");
    unshare.args(["--map-root-user", "--net", "--", "bash", "-c", trial]);
    match unshare.output() {
        Ok(output) if output.status.success() => {}
        _ => {
            skip(
                test,
                "no tap interface can be made in a network of one's own",
            );
            return None;
        }
    }
    let mut command = Command::new("unshare");
    command.args([
        "--map-root-user",
        "--net",
        "--",
        "bash",
        "-c",
        script,
        "bash",
    ]);
    Some(command)
}

#[test]
fn a_guest_is_reached_over_a_tap() {
    let (Some(sysroot), Some(mut network)) = (
        solo5("network_tap"),
        in_a_network("network_tap", OVER_A_TAP),
    ) else {
        return;
    };
    let dir = directory("network_tap");
    write(&dir, &[("server.c", SERVER)]);
    let mut driver = driver(sysroot, &dir);
    succeed(driver.args(["--device", "service=net", "server.c", "-o", "server"]));
    network.arg(MUSLIN).args(["run", "--net", "service=tap0"]);
    network.args(["--env", "MUSLIN_IPV4=10.0.0.2/24", "server"]);
    assert_eq!(succeed(network.current_dir(&dir)), "over a tap\n1000000\n");
}

#[test]
fn a_process_is_reached_over_a_tap_without_the_kernels_sockets() {
    let (Some(sysroot), Some(mut network)) = (
        sysroot("network_tap_linux"),
        in_a_network("network_tap_linux", OVER_A_TAP),
    ) else {
        return;
    };
    let dir = directory("network_tap_linux");
    write(&dir, &[("server.c", SERVER)]);
    succeed(driver(sysroot, &dir).args(["--net", "server.c", "-o", "server"]));
    network.arg("./server").current_dir(&dir);
    network
        .env("MUSLIN_NET", "service=tap0")
        .env("MUSLIN_IPV4", "10.0.0.2/24");
    assert_eq!(succeed(&mut network), "over a tap\n1000000\n");
}

#[test]
fn a_guest_without_a_device_is_told_why_it_reaches_nobody() {
    let Some(sysroot) = solo5("network_alone") else {
        return;
    };
    let dir = directory("network_alone");
    let source = "#include <arpa/inet.h>\n#include <stdio.h>\n#include <sys/socket.h>\n\
        int main(void) {\n\
        struct sockaddr_in there = { AF_INET, htons(80), { inet_addr(\"192.0.2.1\") } };\n\
        for (int i = 0; i < 2; i++) {\n\
            int fd = socket(AF_INET, SOCK_STREAM, 0);\n\
            if (connect(fd, (void *)&there, sizeof there)) perror(\"connect\");\n\
        }\n}\n";
    write(&dir, &[("alone.c", source)]);
    succeed(driver(sysroot, &dir).args(["alone.c", "-o", "alone"]));
    let output = with(["run"]).arg(dir.join("alone")).output().unwrap();
    assert_eq!(
        stdout(&output),
        "muslin: the program wants to reach another machine, and has no network device: ENETUNREACH; \
         a guest gets one by muslin cc --device service=net and muslin run --net service=tap0, a process by \
         MUSLIN_NET=service=tap0\n\
         connect: Network unreachable\nconnect: Network unreachable\n"
    );
}

#[test]
fn a_guest_without_an_address_asks_for_one_and_goes_on() {
    let script = "ip tuntap add dev tap0 mode tap && ip link set tap0 up && \"$@\"";
    let (Some(sysroot), Some(mut network)) = (
        solo5("network_no_lease"),
        in_a_network("network_no_lease", script),
    ) else {
        return;
    };
    let dir = directory("network_no_lease");
    let source = "#include <stdio.h>\n#include <sys/socket.h>\n\
        int main(void) { printf(\"%d\\n\", socket(AF_INET, SOCK_DGRAM, 0)); }\n";
    write(&dir, &[("program.c", source)]);
    let mut driver = driver(sysroot, &dir);
    succeed(driver.args(["--device", "service=net", "program.c", "-o", "program"]));
    network
        .arg(MUSLIN)
        .args(["run", "--net", "service=tap0", "program"]);
    assert_eq!(
        succeed(network.current_dir(&dir)),
        "muslin: nobody gave the network device an address (DHCP, 5 s): give it one by \
         MUSLIN_IPV4=ADDRESS/BITS (muslin run --env), or --ipv4=ADDRESS/BITS on its command line\n3\n"
    );
}
