//! A network of the test's own. The test runs once more, alone, as the first process of namespaces of network,
//! processes and mounts; all that it started there ends with it.

use std::env;
use std::fmt::Write;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::built::{self, Flavour, repository};
use crate::failure::{Failure, Step};
use crate::same::completion;
use crate::stage::tool;

use super::lab;
use super::started::{Said, Started};

/// Linux's own address.
pub const LINUX: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The program's.
pub const GUEST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// The program's.
pub const GUEST6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2);

/// Names the file in which the test within the network says how it went.
pub const REPORT: &str = "MUSLIN_TEST_REPORT";

/// What stands in it when all is well.
pub const FINE: &str = "fine";

/// The script's exit code when it may not make interfaces.
const MAY_NOT: i32 = 77;

/// Makes the network, then runs the test.
const NETWORK: &str = "\
    ip link set lo up && ip tuntap add tap7 mode tap && ip link set tap7 address 02:0:0:0:0:77 up \
        && ip address add 10.77.0.1/24 dev tap7 && ip address add fd77::1/64 dev tap7 nodad || exit 77
    exec \"$@\"";

/// The same where the program, too, is Linux's: nobody is at the other end of the interface.
const STOCK_NETWORK: &str = "\
    ip link set lo up && ip address add 10.77.0.1/24 dev lo && ip address add fd77::1/64 dev lo nodad \
        && ip address add 10.77.0.2/24 dev lo && ip address add fd77::2/64 dev lo nodad || exit 77
    exec \"$@\"";

/// Seconds that a test may take.
const SECONDS_MAX: &str = "300";
/// Seconds that one in `make test-long` may take.
const LONG_SECONDS_MAX: &str = "1800";

/// Where a program with Muslin's stack runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// Guest of Solo5's spt.
    Spt,
    /// Guest of Solo5's hvt, in the lab.
    Hvt,
    /// Process of Linux whose files are the kernel's and whose sockets are the stack's.
    Linux,
    /// Stock musl and Linux's own stack: what the tests take for right must be so there.
    Stock,
}

impl World {
    /// Those on this machine itself.
    pub const HERE: [World; 3] = [World::Spt, World::Linux, World::Stock];
    /// All of them.
    pub const ALL: [World; 4] = [World::Spt, World::Linux, World::Stock, World::Hvt];

    /// The name in tests.
    pub fn name(self) -> &'static str {
        match self {
            World::Spt => "solo5-spt",
            World::Hvt => "solo5-hvt",
            World::Linux => "linux",
            World::Stock => "stock",
        }
    }

    /// What its images are linked with.
    pub fn flavour(self) -> Flavour {
        match self {
            World::Spt | World::Hvt => Flavour::Solo5Spt,
            World::Linux => Flavour::Muslin,
            World::Stock => Flavour::Stock,
        }
    }
}

/// A test in a network of its own.
#[derive(Clone, Copy)]
pub struct Test {
    /// The programs that run with the stack.
    pub programs: &'static [&'static str],
    /// Those at Linux's end.
    pub peers: &'static [&'static str],
    /// Is it left to `make test-long`?
    pub is_long: bool,
    /// What is done.
    pub body: fn(&Place) -> Step<()>,
}

impl Test {
    /// One test for each world on this machine itself.
    pub fn trials(self, name: &str) -> Vec<Trial> {
        self.trials_of(&World::HERE, name)
    }

    /// One test for each of these worlds.
    pub fn trials_of(self, worlds: &[World], name: &str) -> Vec<Trial> {
        worlds
            .iter()
            .map(|&world| {
                let name = format!("network::{name}::{}", world.name());
                let test = name.clone();
                let is_ignored = self.is_long || world == World::Stock;
                if world == World::Hvt {
                    lab::add(&name, self, is_ignored);
                }
                Trial::ignorable_test(name, move || completion(self.run(&test, world)))
                    .with_ignored_flag(is_ignored)
            })
            .collect()
    }

    fn run(self, name: &str, world: World) -> Step<()> {
        if let Some(report) = env::var_os(REPORT) {
            let text = match Place::new(world, self.is_long).and_then(|place| (self.body)(&place)) {
                Ok(()) => FINE.to_owned(),
                Err(failure) => failure.to_string(),
            };
            let report = PathBuf::from(report);
            return fs::write(&report, text).map_err(|why| Failure::io("writing", &report, &why));
        }
        let network = match world {
            World::Hvt => return lab::outcome(name),
            World::Stock => STOCK_NETWORK,
            World::Spt | World::Linux => NETWORK,
        };
        // Nothing can be fetched from within.
        for program in self.programs {
            built::with_network(program, world.flavour())?;
        }
        for peer in self.peers {
            built::program(peer, Flavour::Stock)?;
        }
        let scratch = directory()?;
        let report = scratch.path().join("report");
        let limit = if self.is_long {
            LONG_SECONDS_MAX
        } else {
            SECONDS_MAX
        };
        let output = Command::new(tool("timeout"))
            .args([
                "--kill-after=5",
                limit,
                "unshare",
                "--map-root-user",
                "--net",
            ])
            .args([
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "sh",
                "-c",
                network,
                "sh",
            ])
            .arg(env::current_exe().map_err(|why| Failure::new(format_args!("this test: {why}")))?)
            .args([
                name,
                "--exact",
                "--include-ignored",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(REPORT, &report)
            .output()
            .map_err(|why| Failure::new(format_args!("running timeout: {why}")))?;
        let complaints = String::from_utf8_lossy(&output.stderr);
        match fs::read_to_string(&report) {
            Ok(text) if text == FINE => {
                eprint!("{complaints}");
                Ok(())
            }
            Ok(text) => match text.strip_prefix("skipped: ") {
                Some(why) => Err(Failure::skip(why)),
                None => Err(Failure::new(format_args!("{text}\n{complaints}"))),
            },
            Err(_) if output.status.code() == Some(MAY_NOT) || complaints.contains("unshare") => {
                Err(Failure::skip(
                    "this user may not make networks with interfaces",
                ))
            }
            Err(_) => Err(Failure::new(format_args!(
                "{}, without a word\n{}{complaints}",
                output.status,
                String::from_utf8_lossy(&output.stdout)
            ))),
        }
    }
}

/// The inside of such a network.
pub struct Place {
    /// Where the program with the stack runs.
    pub world: World,
    scratch: TempDir,
    is_long: bool,
}

impl Place {
    fn new(world: World, is_long: bool) -> Step<Place> {
        Ok(Place {
            world,
            scratch: directory()?,
            is_long,
        })
    }

    /// A file for the test's own use.
    pub fn file(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// A directory with these files: the root of a guest, the working directory of a process.
    pub fn directory(&self, name: &str, files: &[(&str, &[u8])]) -> Step<PathBuf> {
        let dir = self.file(name);
        for (file, content) in files {
            let path = dir.join(file);
            let parent = path.parent().unwrap_or(&dir);
            fs::create_dir_all(parent)
                .and_then(|()| fs::write(&path, content))
                .map_err(|why| Failure::io("writing", &path, &why))?;
        }
        Ok(dir)
    }

    /// Has the processes of Linux find the files of this directory's `etc` in their own.
    pub fn take_etc_of(&self, dir: &Path) -> Step<()> {
        let etc = dir.join("etc");
        for file in fs::read_dir(&etc).map_err(|why| Failure::io("reading", &etc, &why))? {
            let file = file.map_err(|why| Failure::io("reading", &etc, &why))?;
            let mut mount = self.tool("mount")?;
            mount
                .arg("--bind")
                .arg(file.path())
                .arg(Path::new("/etc").join(file.file_name()));
            self.succeed(mount)?;
        }
        Ok(())
    }

    /// A program with the stack at the usual addresses, in that directory.
    pub fn program(&self, recipe: &str, name: &str, dir: &Path) -> Step<Command> {
        let addresses = usual_addresses();
        let addresses: Vec<_> = addresses
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        self.program_with(recipe, name, dir, &addresses)
    }

    /// A program with the stack, as it was built.
    pub fn image(&self, recipe: &str, name: &str) -> Step<PathBuf> {
        Ok(built::with_network(recipe, self.world.flavour())?.join(name))
    }

    /// A guest of an image in so much memory, at the usual addresses, with that directory as its root.
    pub fn guest_in(&self, memory_mib: u32, image: &Path, dir: &Path) -> Command {
        let mut command = self.limited();
        command
            .current_dir(dir)
            .arg(self.muslin())
            .args(["run", "--net=service=tap7"])
            .arg(format!("--mem={memory_mib}"));
        for (name, value) in usual_addresses() {
            command.arg(format!("--env=MUSLIN_{name}={value}"));
        }
        command.arg("--initrd").arg(dir).arg(image).arg("--");
        command
    }

    /// The same with these variables, without the `MUSLIN_` of their names.
    pub fn program_with(
        &self,
        recipe: &str,
        name: &str,
        dir: &Path,
        network: &[(&str, &str)],
    ) -> Step<Command> {
        let image = self.image(recipe, name)?;
        let mut command = self.limited();
        command.current_dir(dir);
        match self.world {
            World::Spt | World::Hvt => {
                command.arg(self.muslin());
                command
                    .arg("run")
                    .arg(format!("--platform={}", self.world.name()));
                command.arg("--net=service=tap7");
                for (name, value) in network {
                    command.arg(format!("--env=MUSLIN_{name}={value}"));
                }
                command
                    .arg("--env=PATH=/usr/bin:/bin")
                    .arg("--initrd")
                    .arg(dir)
                    .arg(image)
                    .arg("--");
            }
            World::Stock => {
                command.arg(image);
            }
            World::Linux => {
                command.arg(image).env("MUSLIN_NET", "service=tap7");
                for (name, value) in network {
                    command.env(format!("MUSLIN_{name}"), value);
                }
            }
        }
        Ok(command)
    }

    /// A program of Linux's end.
    pub fn peer(&self, recipe: &str, name: &str) -> Step<Command> {
        let mut command = self.limited();
        command.arg(built::program(recipe, Flavour::Stock)?.join(name));
        command.current_dir(self.scratch.path());
        Ok(command)
    }

    /// A tool of this machine, or the test is left out.
    pub fn tool(&self, name: &str) -> Step<Command> {
        let path = tool(name);
        if !path.is_absolute() {
            return Err(Failure::skip(format_args!(
                "there is no {name} here (Debian: apt-get install {name})"
            )));
        }
        let mut command = self.limited();
        command.arg(path).current_dir(self.scratch.path());
        Ok(command)
    }

    /// Of so many bytes those that there is time for: a guest of hvt may be in a machine that another one emulates.
    pub fn share(&self, len_bytes: usize) -> usize {
        match self.world {
            World::Hvt => len_bytes / 16,
            _ => len_bytes,
        }
    }

    /// The command that runs guests.
    fn muslin(&self) -> PathBuf {
        match self.world {
            // The lab's own.
            World::Hvt => PathBuf::from("muslin"),
            _ => repository().join("out/bin/muslin"),
        }
    }

    /// Runs a command to its end.
    pub fn run(&self, command: Command) -> Step<Said> {
        Started::new(command)?.finish()
    }

    /// The same for one that must come to a good end; what it said.
    pub fn succeed(&self, command: Command) -> Step<String> {
        self.run(command)?.fine()
    }

    /// A command that ends in time, before the test does.
    fn limited(&self) -> Command {
        let mut command = Command::new(tool("timeout"));
        let limit = if self.is_long { "1700" } else { "240" };
        // BusyBox's has no long names.
        command.args(["-k", "5", limit]).env_clear();
        command
            .env("LC_ALL", "C")
            .env("PATH", env::var_os("PATH").unwrap_or_default());
        command
    }
}

/// The program's addresses, without the `MUSLIN_` of the variables' names.
fn usual_addresses() -> [(&'static str, String); 3] {
    [
        ("IPV4", format!("{GUEST}/24")),
        ("IPV4_GATEWAY", LINUX.to_string()),
        ("IPV6", format!("{GUEST6}/64")),
    ]
}

fn directory() -> Step<TempDir> {
    TempDir::new().map_err(|why| Failure::io("making", Path::new("a directory"), &why))
}

/// An address as it stands in a URL.
pub fn in_url(address: IpAddr) -> String {
    let mut text = String::new();
    let _ = match address {
        IpAddr::V4(address) => write!(text, "{address}"),
        IpAddr::V6(address) => write!(text, "[{address}]"),
    };
    text
}
