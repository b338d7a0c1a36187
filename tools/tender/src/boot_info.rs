//! What a guest finds in memory when it starts: `struct spt_boot_info`, its manifest, its command
//! line.

use crate::refusal::Refusal;

/// Where guest memory begins.
pub(crate) const MEMORY_BASE: u64 = 0x1_0000;

/// Where the boot info is.
pub(crate) const BOOT_INFO_ADDRESS: u64 = MEMORY_BASE + 0x1000;

/// The longest command line in bytes, with the zero at its end.
pub const COMMAND_LINE_BYTES_MAX: usize = 8192;

const BOOT_INFO_BYTES: u64 = 40;

/// What the boot info tells.
pub(crate) struct BootInfo {
    pub(crate) memory_bytes: u64,
    pub(crate) image_end: u64,
    pub(crate) manifest: Vec<u8>,
    pub(crate) command_line: Vec<u8>,
    pub(crate) epoll_fd: i32,
    pub(crate) timer_fd: i32,
    /// Whether the guest may set its thread pointer by the instruction `wrfsbase`.
    pub(crate) may_write_thread_pointer: bool,
}

impl BootInfo {
    /// The bytes for [`BOOT_INFO_ADDRESS`].
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let manifest_address = BOOT_INFO_ADDRESS + BOOT_INFO_BYTES;
        let command_line_address = manifest_address + self.manifest.len() as u64;
        let mut bytes = Vec::new();
        for word in [
            self.memory_bytes,
            self.image_end,
            command_line_address,
            manifest_address,
        ] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&self.epoll_fd.to_le_bytes());
        bytes.extend_from_slice(&self.timer_fd.to_le_bytes());
        bytes.extend_from_slice(&self.manifest);
        bytes.extend_from_slice(&self.command_line);
        bytes.push(0);
        // Behind what stock tenders write, so that other guests do not see it.
        if self.may_write_thread_pointer {
            bytes.extend_from_slice(b"wrfsbase");
        }
        bytes
    }
}

/// Checks that a command line can reach the guest.
pub(crate) fn check_command_line(line: &[u8]) -> Result<(), Refusal> {
    if line.contains(&0) {
        return Err(Refusal::new(
            "the command line has a zero byte in it",
            "leave it out",
        ));
    }
    if line.len() >= COMMAND_LINE_BYTES_MAX {
        return Err(Refusal::new(
            format_args!(
                "the command line has {} bytes, and a guest takes {}",
                line.len(),
                COMMAND_LINE_BYTES_MAX - 1
            ),
            "shorten it",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_that_of_stock_solo5() {
        let bytes = BootInfo {
            memory_bytes: 0x20_0000,
            image_end: 0x10_3000,
            manifest: vec![7; 112],
            command_line: b"a b".to_vec(),
            epoll_fd: 5,
            timer_fd: 6,
            may_write_thread_pointer: true,
        }
        .to_bytes();
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap_or_default());
        assert_eq!((word(0), word(8)), (0x20_0000, 0x10_3000));
        assert_eq!(word(16), 0x1_1000 + 40 + 112);
        assert_eq!(word(24), 0x1_1000 + 40);
        assert_eq!(bytes[32..40], [5, 0, 0, 0, 6, 0, 0, 0]);
        assert_eq!(bytes[40..152], [7; 112]);
        assert_eq!(&bytes[152..156], b"a b\0");
        // Where stock leaves zeros.
        assert_eq!(&bytes[156..], b"wrfsbase");
    }

    #[test]
    fn a_command_line_has_room_for_its_zero() {
        assert!(check_command_line(&[b'a'; 8191]).is_ok());
        assert!(check_command_line(&[b'a'; 8192]).is_err());
        assert!(check_command_line(b"a\0b").is_err());
    }
}
