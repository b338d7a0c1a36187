//! What images weigh: a program pays for what it can reach, and for no more.

use std::fs;

use crate::lab::{directory, driver, solo5, succeed, write};

/// Bytes that a stripped hello by printf may have.
const HELLO_BYTES_MAX: u64 = 100 * 1024;

#[test]
fn a_hello_without_files_holds_no_file_system() {
    let Some(sysroot) = solo5("size_hello") else {
        return;
    };
    let dir = directory("size_hello");
    let source = "#include <stdio.h>\nint main(void) { printf(\"%s %d\\n\", \"hello\", 42); }\n";
    write(&dir, &[("hello.c", source)]);
    succeed(driver(sysroot, &dir).args(["-O2", "-s", "hello.c", "-o", "hello"]));
    let bytes = fs::metadata(dir.join("hello")).unwrap().len();
    assert!(
        bytes <= HELLO_BYTES_MAX,
        "a stripped hello is {bytes} bytes, and was at most {HELLO_BYTES_MAX}: `nm --size-sort` of it \
         without -s tells what came in"
    );
}
