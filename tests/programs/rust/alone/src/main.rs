//! The standard library in one thread: maps, strings, sorting, files, directories, times, panics
//! that are caught, and one that is not. Prints the same text on every run.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

thread_local! {
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("panic") => panic!("on purpose: {}", words.len()),
        Some("abort") => std::process::abort(),
        Some("exit") => std::process::exit(words.len() as i32 + 40),
        Some("large") => return large(),
        _ => {}
    }
    match session(Path::new("made")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("alone: {why}");
            ExitCode::FAILURE
        }
    }
}

fn session(dir: &Path) -> io::Result<()> {
    println!("arguments: {}", std::env::args().count());
    println!("home: {:?}", std::env::var("HOME"));
    println!("maps: {:?}", maps());
    println!("floats: {:?}", floats());
    println!("caught: {:?}", caught());
    println!("dropped while unwinding: {:?}", dropped());
    println!("given file: {:?}", given(Path::new("given.txt")));
    println!("files: {:?}", files(dir)?);
    println!("tree: {:?}", tree(dir)?);
    println!("errors: {:?}", errors());
    println!("input: {:?}", io::stdin().lock().lines().next().is_none());
    println!("time goes on: {}", time()?);
    println!("here: {:?}", std::env::current_dir()?.file_name());
    eprintln!("to standard error");
    Ok(())
}

fn maps() -> (usize, u64, Vec<String>, bool) {
    let mut squares: HashMap<u64, u64> = (0..5000).map(|n| (n, n * n)).collect();
    squares.retain(|n, _| n % 3 == 0);
    let mut words: Vec<String> = "weft warp loom dye seam"
        .split(' ')
        .map(str::to_owned)
        .collect();
    words.sort_by_key(|word| (word.len(), word.clone()));
    let letters: HashSet<char> = words.iter().flat_map(|word| word.chars()).collect();
    let counts: BTreeMap<char, usize> = letters.iter().map(|c| (*c, 1)).collect();
    let sum = squares.values().sum();
    (counts.len(), sum, words, squares.contains_key(&4998))
}

fn floats() -> Vec<String> {
    [0.1 + 0.2, 2f64.sqrt(), 1e300 * 1e10, f64::MIN_POSITIVE, 1.0_f64.atan2(3.0)]
        .iter()
        .map(|x| format!("{x} {x:.3e} {:x}", x.to_bits()))
        .collect()
}

fn caught() -> Vec<String> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|info| {
        let line = info.to_string().lines().last().unwrap_or_default().to_owned();
        LOG.with_borrow_mut(|log| log.push(line));
    }));
    let empty: Vec<u8> = Vec::new();
    let index = empty.len() + 7;
    let outcomes = [
        panic::catch_unwind(|| panic!("a message")).is_err(),
        panic::catch_unwind(AssertUnwindSafe(|| empty[index])).is_err(),
        panic::catch_unwind(|| "x".parse::<u8>().expect("a number")).is_err(),
        panic::catch_unwind(|| 1).is_err(),
    ];
    panic::set_hook(hook);
    let mut lines = LOG.take();
    lines.push(format!("{outcomes:?}"));
    lines
}

fn dropped() -> usize {
    struct Counted<'a>(&'a RefCell<usize>);
    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            *self.0.borrow_mut() += 1;
        }
    }
    fn deep(count: &RefCell<usize>, depth: usize) {
        let _guard = Counted(count);
        if depth == 0 {
            panic::resume_unwind(Box::new(()));
        }
        deep(count, depth - 1);
    }
    let count = RefCell::new(0);
    let ended = panic::catch_unwind(AssertUnwindSafe(|| deep(&count, 99)));
    count.into_inner() + usize::from(ended.is_ok())
}

fn given(path: &Path) -> io::Result<(usize, u64, bool)> {
    let meta = fs::metadata(path)?;
    let lines = BufReader::new(File::open(path)?).lines().count();
    Ok((lines, meta.len(), meta.permissions().readonly()))
}

fn files(dir: &Path) -> io::Result<(u64, String, Vec<u8>, u64)> {
    fs::create_dir(dir)?;
    let path = dir.join("log.txt");
    let mut file = OpenOptions::new()
        .create_new(true)
        .read(true)
        .write(true)
        .open(&path)?;
    for n in 0..1000 {
        writeln!(file, "line {n}")?;
    }
    file.seek(SeekFrom::Start(5))?;
    let mut four = [0; 4];
    file.read_exact(&mut four)?;
    file.set_len(4096 * 3)?;
    OpenOptions::new().append(true).open(&path)?.write_all(b"end")?;
    fs::copy(&path, dir.join("copy.txt"))?;
    fs::rename(dir.join("copy.txt"), dir.join("renamed.txt"))?;
    let text = fs::read_to_string(dir.join("renamed.txt"))?;
    let last = text.chars().rev().take(3).collect();
    let modified = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    file.set_modified(modified)?;
    let seconds = fs::metadata(&path)?
        .modified()?
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    Ok((fs::metadata(&path)?.len(), last, four.to_vec(), seconds))
}

fn tree(dir: &Path) -> io::Result<(Vec<String>, bool, bool)> {
    let deep = dir.join("a/b/c");
    fs::create_dir_all(&deep)?;
    for n in 0..40 {
        fs::write(deep.join(format!("file-{n:02}")), n.to_string())?;
    }
    std::os::unix::fs::symlink("a/b", dir.join("short"))?;
    fs::hard_link(dir.join("log.txt"), dir.join("second"))?;
    let mut names = fs::read_dir(dir.join("short/c"))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    names.truncate(3);
    let is_link = fs::symlink_metadata(dir.join("short"))?.is_symlink();
    fs::remove_dir_all(dir)?;
    Ok((names, is_link, dir.exists()))
}

fn errors() -> Vec<String> {
    let results = [
        fs::read("no/such/file").err(),
        fs::read_dir("given.txt").err(),
        fs::create_dir("given.txt").err(),
        fs::remove_dir(".").err(),
        File::open("given.txt/below").err(),
        fs::rename("absent", "given.txt").err(),
        fs::write("", "").err(),
    ];
    results
        .into_iter()
        .map(|error| error.map_or("none".to_owned(), |error| error.to_string()))
        .collect()
}

fn time() -> io::Result<bool> {
    let begin = Instant::now();
    std::thread::sleep(Duration::from_millis(3));
    let slept = begin.elapsed() >= Duration::from_millis(3);
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(io::Error::other)?;
    Ok(slept && since_1970 > Duration::from_secs(1_700_000_000))
}

/// Asks for much memory, lets it go, and asks for more than there is.
fn large() -> ExitCode {
    for round in 0..20 {
        let mut bytes = vec![0_u8; 20 << 20];
        bytes[round << 20] = 1;
        println!("{}", bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>());
    }
    let mut wanted: Vec<u8> = Vec::new();
    println!("{:?}", wanted.try_reserve_exact(1 << 50).is_err());
    ExitCode::SUCCESS
}
