//! Who gets the network stack: programs that call `socket` as guests, others when they ask for it.

use std::path::Path;

use crate::lab::{directory, driver, has, refuse, solo5, succeed, sysroot, write};

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
    let mut nm = std::process::Command::new("nm");
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
        succeed(&mut std::process::Command::new(dir.join("program")));
    }
}
