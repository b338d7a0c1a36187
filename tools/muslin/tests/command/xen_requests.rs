//! Guests of Xen that dom0 asks for something, and that wait for their console beside other things.

use crate::xen_lab::XenLab;

/// Runs guests; what is said to them and asked of them depends on what they have written.
const SCRIPT: &str = r#"
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
    for type in pv pvh; do
        start "$type" function
        wait_for reads
        sleep 1
        echo there >&5
        wait_for polls
        echo again >&5
        wait_for waits
        # An NMI is taken, and nothing comes of it.
        xl trigger g nmi 2>/dev/null
        xl block-attach g format=raw,vdev=xvdb,access=rw,target=/disks/1 2>/dev/null
        wait_for xvdb
        xl network-attach g bridge=br0 2>/dev/null
        wait_for vif
        # Xen's own program writes the guest's memory, if it gets as far; with a virtual machine it waits for a minute.
        if [ "$type" = pv ]; then
            xl save g /dev/null 2>/dev/null && echo saved >>output
        fi
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
    start pv signal
    wait_for reads
    sleep 1
    echo there >&5
    wait_for polls
    echo again >&5
    wait_for waits
    xl shutdown g 2>/dev/null
    end
"#;

const CONFIG: &str = r#"name = "g"
type = "@type"
kernel = "image"
memory = 24
cmdline = "MUSLIN_ARGV0=image -- @word"
on_poweroff = "preserve"
on_reboot = "preserve"
on_crash = "preserve"
"#;

/// What a guest writes that waits for input while it counts, and then for SIGTERM by a function.
const FUNCTION: &str = "reads
counted meanwhile
polls
waits
muslin: the disk xvdb was attached, and is not used: this guest has the devices that it had at its start
muslin: the network device vif0 was attached, and is not used: this guest has the devices that it had at its start
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

#[test]
fn a_guest_of_xen_is_asked_to_end_and_waits_for_input_beside_other_things() {
    let Some(xen) = XenLab::find("xen_requests") else {
        return;
    };
    let image = xen.for_guests("image", include_str!("xen_requests.c"), &[]);
    let config = ("guest.cfg".to_owned(), CONFIG.as_bytes().to_vec());
    let (said, done) = xen.run(SCRIPT.to_owned(), vec![image, config], Vec::new());
    let expected = [FUNCTION, DEFAULT, FUNCTION, DEFAULT, SIGNAL].concat();
    assert_eq!(said, expected, "{}", done.log);
}
