//! How gcc is told to use a sysroot: a specs file.
//!
//! gcc itself decides what a command line means: whether it links, which start files go with it,
//! where libraries belong, what `-nostdlib` leaves out. A specs file replaces the pieces that name
//! the host's libc and leaves those decisions where they are; a computed list of arguments would
//! have to repeat them, and could not take the host's library directories off the linker's line.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

use rustix::fs::{MemfdFlags, memfd_create};

use crate::locate::{Platform, Sysroot};

/// A specs file that lives as long as this value, in memory.
pub struct Specs {
    file: File,
}

impl Specs {
    /// Writes the specs for a sysroot.
    pub fn new(sysroot: &Sysroot, platform: Platform) -> io::Result<Self> {
        // Not closed on exec: gcc and whatever gcc starts read it by its path below.
        let mut file = File::from(memfd_create("muslin.specs", MemfdFlags::empty())?);
        file.write_all(text(sysroot, platform).as_bytes())?;
        Ok(Self { file })
    }

    /// The option that makes gcc read it.
    pub fn option(&self) -> String {
        format!("-specs=/proc/self/fd/{}", self.file.as_raw_fd())
    }
}

/// A condition of the specs language with two answers: what a static-pie image needs, and what a fixed one needs.
///
/// Position-independent is the default, as it is for Rust on this target and for gcc on most hosts:
/// the image can be loaded anywhere, and the objects are the ones that gcc makes when nothing is said.
/// `-static` alone means a fixed address to gcc, so it does here, as does `-no-pie`.
///
/// A platform whose images lie where they were linked for gets no choice.
fn pie_or_fixed(platform: Platform, pie: &str, fixed: &str) -> String {
    if platform.is_fixed() {
        return fixed.to_owned();
    }
    format!("%{{static-pie|pie:{pie};static|no-pie:{fixed};:{pie}}}")
}

fn text(sysroot: &Sysroot, platform: Platform) -> String {
    let include = quoted(&sysroot.dir.join("include"));
    let include_linux = quoted(&sysroot.dir.join("include-linux"));
    let lib = quoted(&sysroot.lib());
    let start = pie_or_fixed(
        platform,
        &format!("{lib}/rcrt1.o {lib}/crti.o crtbeginS.o%s"),
        &format!("{lib}/crt1.o {lib}/crti.o crtbeginT.o%s"),
    );
    let end = pie_or_fixed(platform, "crtendS.o%s", "crtend.o%s");
    // An image that is read into memory whole pays for each page that only a segment's end fills.
    let position = pie_or_fixed(
        platform,
        "-pie --no-dynamic-linker -z text",
        if platform.is_fixed() {
            "%{fuse-ld=gold:;:-z noseparate-code}"
        } else {
            ""
        },
    );
    let script = match sysroot.linker_script() {
        Some(script) => format!(
            "%{{fuse-ld=gold|fuse-ld=lld|fuse-ld=mold:;:-T {}}}",
            quoted(&script)
        ),
        None => String::new(),
    };
    // -nostdinc and -nostdlib keep the host's libc out; a program that says -nostdinc itself gets no
    //   headers at all. musl's headers come before gcc's own, as musl wants it, and the kernel's last.
    //   No word about _FORTIFY_SOURCE, which some hosts' gcc defines: musl's headers do not know it.
    // -fPIE is said for those gcc whose own default it is not.
    // libgcc_eh is left out: that of a host with glibc needs glibc's _dl_find_object.
    // -rdynamic is left out: nothing can be loaded at run time, and every exported symbol would
    //   keep its section. An executable stack is the linker's choice, as it is without us.
    format!(
        "\
%rename cpp_unique_options muslin_cpp_unique_options

*cpp_unique_options:
%(muslin_cpp_unique_options) %{{!nostdinc:-nostdinc -isystem {include} -isystem include%s -idirafter {include_linux}}}

%rename cc1 muslin_cc1

*cc1:
%(muslin_cc1) %{{fpie|fPIE|fpic|fPIC|fno-pie|fno-PIE|fno-pic|fno-PIC:;:-fPIE}}

*startfile:
{start}

*endfile:
{end} {lib}/crtn.o

*link_libgcc:
-L{lib} -L .%s

*libgcc:
libgcc.a%s

*lib:
-lc

*link_gcc_c_sequence:
--start-group %{{!nolibc:%L}} %G --end-group

*link_ssp:


*link:
-m elf_x86_64 -nostdlib %{{!r:--build-id -static {position} --eh-frame-hdr --gc-sections -z relro -z now {script}}}

"
    )
}

/// A path as a word of the specs language.
fn quoted(path: &Path) -> String {
    let mut word = String::new();
    for character in path.to_string_lossy().chars() {
        if matches!(
            character,
            ' ' | '\t' | '\\' | '%' | '{' | '}' | '|' | ';' | ':' | '*' | '<' | '@'
        ) {
            word.push('\\');
        }
        word.push(character);
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_a_blank_is_one_word() {
        assert_eq!(quoted(Path::new("/a b/c%d")), "/a\\ b/c\\%d");
    }

    #[test]
    fn a_sysroot_without_a_script_gets_no_script() {
        let sysroot = Sysroot {
            dir: "/nowhere".into(),
        };
        let text = text(&sysroot, Platform::Linux);
        assert!(!text.contains("-T "));
        assert!(text.contains("/nowhere/lib/rcrt1.o"));
    }

    #[test]
    fn a_platform_with_fixed_images_is_never_position_independent() {
        let sysroot = Sysroot {
            dir: "/nowhere".into(),
        };
        let text = text(&sysroot, Platform::Solo5Spt);
        assert!(text.contains("/nowhere/lib/crt1.o"));
        assert!(!text.contains("rcrt1.o") && !text.contains("-pie "));
    }
}
