//! The C programs that need no network: Lua, SQLite, zlib, bzip2, BusyBox.

use std::fs;
use std::os::unix::fs::symlink;

use libtest_mimic::Trial;

use crate::failure::{Failure, Step};
use crate::same::trials as both;
use crate::stage::{Stage, copy_files};

/// The tests.
pub fn trials() -> Vec<Trial> {
    let mut all = Vec::new();
    all.extend(both("lua", "lua", lua));
    all.extend(both("lua-suite", "lua-suite", lua_suite));
    all.extend(both("sqlite", "sqlite", sqlite));
    all.extend(both("zlib", "zlib", zlib));
    all.extend(both("bzip2", "bzip2", bzip2));
    all.extend(both("busybox", "busybox", busybox));
    all
}

fn lua(stage: &Stage) -> Step<()> {
    for script in ["language.lua", "files.lua", "memory.lua"] {
        stage.run("lua", &[script, "one", "two"], b"first line\nsecond line\n")?;
    }
    stage.run("lua", &["-"], b"print('a script on standard input')")?;
    stage.run("lua", &["-e", "error('a message')"], b"")?;
    stage.run("lua", &["absent.lua"], b"")?;
    stage.run("luac", &["-o", "language.out", "language.lua"], b"")?;
    stage.run("lua", &["language.out", "compiled"], b"")?;
    // popen and system() start the machine's own shell, which has no table.
    stage.run_unwatched("lua", &["shell.lua"], b"")?;
    Ok(())
}

/// Lua's own test suite, in the form its authors offer to users.
fn lua_suite(stage: &Stage) -> Step<()> {
    copy_files(&stage.executable("testes"), &stage.work())?;
    let output = stage.finish(stage.command("lua").args(["-l", "prelude", "all.lua"]), b"")?;
    // What it prints holds times, addresses and random numbers; the files it went through and its
    // last words are the same each time.
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || !said.contains("final OK !!!") {
        return Err(Failure::new(format_args!(
            "Lua's own test suite failed ({}):\n{said}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )));
    }
    for line in said.lines().filter(|line| line.starts_with("***** FILE")) {
        stage.note(format!("{line}\n"));
    }
    Ok(())
}

fn sqlite(stage: &Stage) -> Step<()> {
    for script in ["tables.sql", "wal.sql", "search.sql", "wrong.sql"] {
        let text = fs::read(stage.work().join(script))
            .map_err(|why| Failure::io("reading", &stage.work(), &why))?;
        stage.run("sqlite3", &["library.db"], &text)?;
    }
    stage.run("sqlite3", &["library.db", ".dump"], b"")?;
    stage.run(
        "sqlite3",
        &["-json", "library.db", "SELECT * FROM book LIMIT 3"],
        b"",
    )?;
    Ok(())
}

fn zlib(stage: &Stage) -> Step<()> {
    // What zlib's own `make test` does, for both kinds of file offsets.
    for (example, minigzip) in [("example", "minigzip"), ("example64", "minigzip64")] {
        let packed = stage.run(minigzip, &[], b"hello world\n")?;
        stage.run(minigzip, &["-d"], &packed.stdout)?;
        stage.run(example, &["example.gz"], b"")?;
    }
    // A file in place, there and back.
    let original = text(2_000_000);
    write(stage, "book", &original)?;
    stage.run("minigzip", &["-9", "book"], b"")?;
    stage.run("minigzip", &["-d", "book.gz"], b"")?;
    same_bytes(stage, "book", &original)
}

fn bzip2(stage: &Stage) -> Step<()> {
    // What bzip2's own `make test` does: the samples packed and unpacked as their authors kept them.
    for (level, sample) in [("-1", "sample1"), ("-2", "sample2"), ("-3", "sample3")] {
        let plain = product(stage, &format!("{sample}.ref"))?;
        let packed = product(stage, &format!("{sample}.bz2"))?;
        let did_pack = stage.run("bzip2", &[level], &plain)?.stdout == packed;
        let unpack = if sample == "sample3" { "-ds" } else { "-d" };
        let did_unpack = stage.run("bzip2", &[unpack], &packed)?.stdout == plain;
        if !did_pack || !did_unpack {
            return Err(Failure::new(format_args!(
                "{sample}: packed as kept: {did_pack}, unpacked as kept: {did_unpack}"
            )));
        }
    }
    let original = text(1_500_000);
    write(stage, "book", &original)?;
    stage.run("bzip2", &["-v", "book"], b"")?;
    stage.run("bzip2recover", &["book.bz2"], b"")?;
    stage.run("bzip2", &["-tv", "book.bz2"], b"")?;
    stage.run("bzip2", &["-d", "book.bz2"], b"")?;
    stage.run("bzip2", &["-d", "absent.bz2"], b"")?;
    same_bytes(stage, "book", &original)
}

fn busybox(stage: &Stage) -> Step<()> {
    // Every applet by its own name: what the script starts is BusyBox again, so that it is counted.
    let list = stage.run_unwatched("busybox", &["--list"], b"")?;
    let busybox = stage.executable("busybox");
    for applet in String::from_utf8_lossy(&list.stdout).lines() {
        let link = stage.tools().join(applet);
        symlink(&busybox, &link).map_err(|why| Failure::io("linking", &link, &why))?;
    }
    for script in ["pipes.sh", "processes.sh", "applets.sh"] {
        stage.run(
            "busybox",
            &["ash", script, "one", "two words"],
            b"line 1\nline 2\n",
        )?;
    }
    Ok(())
}

/// Text of this length from a fixed seed: words of a small vocabulary, so that it packs well.
pub fn text(len_bytes: usize) -> Vec<u8> {
    const WORDS: [&str; 8] = [
        "muslin ", "thread ", "loom ", "weft ", "warp ", "cloth ", "dye\n", "seam ",
    ];
    let mut state = 0x2545_f491_u32;
    let mut text = Vec::with_capacity(len_bytes + 8);
    while text.len() < len_bytes {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        text.extend_from_slice(WORDS[state as usize % WORDS.len()].as_bytes());
    }
    text.truncate(len_bytes);
    text
}

fn write(stage: &Stage, name: &str, bytes: &[u8]) -> Step<()> {
    let path = stage.work().join(name);
    fs::write(&path, bytes).map_err(|why| Failure::io("writing", &path, &why))
}

fn same_bytes(stage: &Stage, name: &str, wanted: &[u8]) -> Step<()> {
    let path = stage.work().join(name);
    let found = fs::read(&path).map_err(|why| Failure::io("reading", &path, &why))?;
    if found == wanted {
        return Ok(());
    }
    Err(Failure::new(format_args!(
        "{name} came back with {} bytes, other than the {} that went in",
        found.len(),
        wanted.len()
    )))
}

/// A file that was built or kept beside the executables.
fn product(stage: &Stage, name: &str) -> Step<Vec<u8>> {
    let path = stage.executable(name);
    fs::read(&path).map_err(|why| Failure::io("reading", &path, &why))
}
