//! What a guest finds in memory when it starts: `struct hvt_boot_info`, its manifest, its command
//! line.

/// Where the boot info is.
pub(crate) const BOOT_INFO_ADDRESS: u64 = 0x1_0000;

/// With the fields of ABI 2, which a guest of ABI 1 does not look at.
const BOOT_INFO_BYTES: u64 = 56;

/// `HVT_FEATURE_RING_IO`, in the lower half of a word; the upper one is the guest's.
const FEATURE_RING: u64 = 1;

/// What the boot info tells.
pub(crate) struct BootInfo<'a> {
    pub(crate) memory_bytes: u64,
    pub(crate) image_end: u64,
    pub(crate) cycles_per_second: u64,
    /// Where the ring of frames is, if there is one.
    pub(crate) ring: Option<u64>,
    pub(crate) manifest: &'a [u8],
    pub(crate) command_line: &'a [u8],
}

impl BootInfo<'_> {
    /// The bytes for [`BOOT_INFO_ADDRESS`].
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let manifest_address = BOOT_INFO_ADDRESS + BOOT_INFO_BYTES;
        let command_line_address = manifest_address + self.manifest.len() as u64;
        let features = self.ring.map_or(0, |_| FEATURE_RING);
        let words = [
            self.memory_bytes,
            self.image_end,
            self.cycles_per_second,
            command_line_address,
            manifest_address,
            features,
            self.ring.unwrap_or_default(),
        ];
        let mut bytes = words.map(u64::to_le_bytes).concat();
        bytes.extend_from_slice(self.manifest);
        bytes.extend_from_slice(self.command_line);
        bytes.push(0);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_that_of_stock_solo5() {
        let bytes = BootInfo {
            memory_bytes: 0x20_0000,
            image_end: 0x10_3000,
            cycles_per_second: 2_300_000_000,
            ring: Some(0x20_0000),
            manifest: &[7; 112],
            command_line: b"a b",
        }
        .to_bytes();
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap_or_default());
        assert_eq!(
            [0, 8, 16, 24, 32].map(word),
            [
                0x20_0000,
                0x10_3000,
                2_300_000_000,
                0x1_0000 + 56 + 112,
                0x1_0000 + 56
            ]
        );
        assert_eq!([40, 48].map(word), [1, 0x20_0000]);
        assert_eq!(bytes[56..168], [7; 112]);
        assert_eq!(&bytes[168..], b"a b\0");
    }
}
