//! Guests of Xen that dom0 asks for something, and that wait for their console beside other things.

use std::fs;

use crate::xen_lab::XenLab;

/// For guests; what is said to them and asked of them depends on what they have written.
const BEGINNING: &str = r#"
    start() {
        sed "s/@type/$1/; s/@word/$2/" guest.cfg >this.cfg
        mkfifo input
        { guest this.cfg <input 2>/dev/console; echo "reason $?"; } >output &
        job=$!
        exec 5>input
    }
    wait_for() {
        tries=0
        until grep -q "$1" output; do
            sleep 0.1
            tries=$((tries + 1))
            [ "$tries" -lt 600 ] || { echo "the guest never said $1"; break; }
        done
    }
    end() {
        exec 5>&-
        wait "$job"
        cat output
        rm input output
    }
    # begin_to_wait TYPE WORD: one that waits for SIGTERM in the end.
    begin_to_wait() {
        start "$1" "$2"
        wait_for reads
        sleep 1
        echo there >&5
        wait_for polls
        echo again >&5
        wait_for waits
    }
"#;

/// Runs guests that are asked for several things.
const ASKED: &str = r#"
    # Devices that come late; and Xen's own program begins to write the guest's memory.
    more() {
        xl block-attach g format=raw,vdev=xvdb,access=rw,target=/disks/1 2>/dev/null
        wait_for xvdb
        xl network-attach g bridge=br0 2>/dev/null
        wait_for vif0
        xl save g /dev/null 2>/dev/null && echo saved >>output
    }
    for type in pv pvh; do
        begin_to_wait "$type" function
        # It is taken, and nothing comes of it.
        xl trigger g nmi 2>/dev/null
        [ "$type" = pvh ] || more
        xenstore write "/local/domain/$(xl domid g)/control/shutdown" suspend
        wait_for suspend
        xl mem-set g 20
        wait_for KiB
        xl shutdown g 2>/dev/null
        end
        start "$type" default
        wait_for asleep
        xl reboot g 2>/dev/null
        end
    done
    begin_to_wait pv signal
    xl shutdown g 2>/dev/null
    end
"#;

/// Xen's own program waits for a minute until a guest in a virtual machine lets itself be written.
const SAVE: &str = r#"
    begin_to_wait pvh function
    xl save g /dev/null 2>/dev/null && echo saved >>output
    xl shutdown g 2>/dev/null
    end
"#;

const SAVED: &str = "\
muslin: asked to suspend, which this guest cannot; it goes on
interrupted
muslin: exit status 6
reason 0
";

const CONFIG: &str = r#"name = "g"
type = "@type"
kernel = "image"
memory = 24
cmdline = "MUSLIN_ARGV0=image -- @word"
on_poweroff = "preserve"
on_reboot = "preserve"
on_crash = "preserve"
"#;

/// What a guest writes that waits for input while it counts.
const BEGINS: &str = "reads
counted meanwhile
polls
waits
";

/// What it says of devices that come while it waits.
const ATTACHED: &str = "\
muslin: the disk xvdb was attached, and is not used: this guest has the devices that it had at its start
muslin: the network device vif0 was attached, and is not used: this guest has the devices that it had at its start
";

/// What it cannot do, and how it ends by a function for SIGTERM.
const FUNCTION: &str = "\
muslin: asked to suspend, which this guest cannot; it goes on
muslin: asked to have 20480 KiB of memory; it keeps what it has
interrupted
muslin: exit status 6
reason 0
";

/// One that never said what SIGTERM does, and is asked to start again.
const DEFAULT: &str = "asleep\nmuslin: exit status 143\nreason 1\n";

/// One that has it told.
const SIGNAL: &str = "reads
counted meanwhile
polls
waits
signal 15
muslin: exit status 8
reason 0
";

/// Runs a script in dom0, with the image; what it says.
fn said(test: &str, script: &str) -> Option<String> {
    let xen = XenLab::find(test)?;
    let image = xen.for_guests("image", include_str!("xen_requests.c"), &[]);
    let config = ("guest.cfg".to_owned(), CONFIG.as_bytes().to_vec());
    let disk = xen.dir.join("disk");
    fs::write(&disk, [0; 65_536]).unwrap();
    let script = [BEGINNING, script].concat();
    let (said, _) = xen.run(script, vec![image, config], vec![disk]);
    Some(said)
}

#[test]
fn a_guest_of_xen_is_asked_to_end_and_waits_for_input_beside_other_things() {
    if let Some(said) = said("xen_requests", ASKED) {
        let in_pv = [BEGINS, ATTACHED, FUNCTION, DEFAULT];
        let in_pvh = [BEGINS, FUNCTION, DEFAULT];
        assert_eq!(said, [&in_pv[..], &in_pvh, &[SIGNAL]].concat().concat());
    }
}

#[test]
#[ignore = "takes a minute: `make test-long` runs it"]
fn a_virtual_machine_that_is_not_saved_goes_on() {
    if let Some(said) = said("xen_requests_save", SAVE) {
        assert_eq!(said, [BEGINS, SAVED].concat());
    }
}
