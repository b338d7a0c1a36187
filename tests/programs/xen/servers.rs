//! Servers as guests, and clients in dom0, which is Linux, linked with stock musl: they meet at the bridge.

use std::fs;
use std::path::Path;

use libtest_mimic::Trial;
use muslin_lab::xen::{Job, Lab};

use super::{Entry, Guest, add, run};
use crate::built::{self, Flavour, repository};
use crate::failure::{Failure, Step};
use crate::same::completion;

/// Where the guest is. Beside it is dom0, with 10.0.0.1.
const ADDRESS: &str = "10.0.0.2";
pub const OPTIONS: &[&str] = &[
    "--mem=128",
    "--net=vif0=br0",
    "--env=MUSLIN_IPV4=10.0.0.2/24",
    "--env=MUSLIN_IPV6=none",
];

/// The tests: Redis with few requests, and those that take minutes.
pub fn trials() -> Vec<Trial> {
    let mut all = Vec::new();
    for entry in [Entry::Pv, Entry::Pvh] {
        let name = |test: &str| format!("xen::{test}::xen-{}", entry.name());
        all.extend([
            Trial::ignorable_test(name("redis"), move || completion(redis(entry, 300))),
            Trial::ignorable_test(name("redis-benchmark"), move || {
                completion(redis(entry, 20_000))
            })
            .with_ignored_flag(true),
            Trial::ignorable_test(name("iperf3"), move || completion(iperf3(entry)))
                .with_ignored_flag(true),
        ]);
    }
    all
}

/// Adds files of a directory to a job.
pub fn take(job: &mut Job, from: &Path, names: &[&str]) -> Step<()> {
    for name in names {
        let path = from.join(name);
        let bytes = fs::read(&path).map_err(|why| Failure::io("reading", &path, &why))?;
        job.files.push(((*name).to_owned(), bytes));
    }
    Ok(())
}

/// A job that waits until the guest answers, with a packet of a size that needs two pages and one that does not.
pub const REACHED: &str = "
    # What dom0's own programs complain of is for the log.
    exec 2>/dev/console
    reached() {
        tries=0
        until ping -c 1 -W 1 10.0.0.2 >/dev/null; do
            tries=$((tries + 1))
            if [ $tries -gt 60 ]; then echo 'the guest does not answer'; cat log; exit 1; fi
        done
        ping -c 3 -i 0.2 -W 5 -s 56 10.0.0.2 | grep -q ' 0% packet loss' || { echo 'packets are lost'; exit 1; }
        ping -c 3 -i 0.2 -W 5 -s 5000 10.0.0.2 | grep -q ' 0% packet loss' || { echo 'long packets are lost'; exit 1; }
    }
";

const REDIS: &str = "
    chmod +x redis-*
    guest redis.cfg </dev/null >log 2>/dev/console &
    guest=$!
    reached
    # ask HOST NAME: the replies, and in the guest the benchmark.
    ask() {
        until [ \"$(timeout 5 ./redis-cli -h $1 ping 2>/dev/null)\" = PONG ]; do sleep 0.2; done
        timeout 60 ./redis-cli -h $1 <commands.txt >$2.replies 2>&1
        [ $2 = stock ] || timeout 300 ./redis-benchmark -h $1 -P 16 -c 30 -n $COUNT --csv -t ping,set,get,incr,lpush,mset >rates
        timeout 10 ./redis-cli -h $1 shutdown nosave
    }
    ask 10.0.0.2 guest
    wait $guest
    tail -n 1 log
    ./redis-server --bind 127.0.0.1 --save '' >/dev/null &
    ask 127.0.0.1 stock
    wc -l <rates
    head -n 1 guest.replies
    cmp guest.replies stock.replies && echo the same replies
    cut -d , -f 1,2 rates >/dev/console
";

fn redis(entry: Entry, count: u32) -> Step<()> {
    Lab::find().map_err(Failure::skip)?;
    let images = built::program("redis", Flavour::Xen)?;
    let stock = built::program("redis", Flavour::Stock)?;
    let inputs = repository().join("tests/programs/inputs/redis");
    let mut job = Job {
        script: format!("COUNT={count}\n{REACHED}{REDIS}"),
        ..Job::default()
    };
    add(
        &mut job,
        &Guest {
            name: "redis",
            entry,
            images: &images,
            image: "redis-server",
            options: OPTIONS,
            arguments: &["--bind", ADDRESS, "--save", "", "--protected-mode", "no"],
            initrd: None,
            disks: "",
        },
    )?;
    take(
        &mut job,
        &stock,
        &["redis-cli", "redis-benchmark", "redis-server"],
    )?;
    take(&mut job, &inputs, &["commands.txt"])?;
    says(job, "muslin: exit status 0\n8\nPONG\nthe same replies\n")
}

/// Bytes in the guest's direction and out of it; a server ends with its client.
const IPERF3: &str = "
    chmod +x iperf3
    for way in '' -R '-u -b 20M' '-u -R -b 20M'; do
        guest iperf3.cfg </dev/null >log 2>/dev/console &
        guest=$!
        reached
        tries=0
        until timeout 200 ./iperf3 -c 10.0.0.2 $way -t 2 >said 2>&1; do
            tries=$((tries + 1))
            if [ $tries -gt 20 ]; then cat said log; exit 1; fi
            sleep 0.3
        done
        wait $guest
        tail -n 1 log
        tail -n 1 said
        grep 'receiver' said >/dev/console
    done
";

fn iperf3(entry: Entry) -> Step<()> {
    Lab::find().map_err(Failure::skip)?;
    let images = built::program("iperf3", Flavour::Xen)?;
    let stock = built::program("iperf3", Flavour::Stock)?;
    let mut job = Job {
        script: format!("{REACHED}{IPERF3}"),
        ..Job::default()
    };
    add(
        &mut job,
        &Guest {
            name: "iperf3",
            entry,
            images: &images,
            image: "iperf3",
            options: OPTIONS,
            arguments: &["--server", "--one-off"],
            initrd: None,
            disks: "",
        },
    )?;
    take(&mut job, &stock, &["iperf3"])?;
    says(job, &"muslin: exit status 0\niperf Done.\n".repeat(4))
}

/// Runs a job whose script has to say this.
pub fn says(job: Job, expected: &str) -> Step<()> {
    let said = run(job)?;
    let said = String::from_utf8_lossy(&said);
    if said != expected {
        return Err(Failure::new(format_args!(
            "the job said\n{said}--- and not\n{expected}"
        )));
    }
    Ok(())
}
