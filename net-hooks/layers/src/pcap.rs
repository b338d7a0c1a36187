//! Captures as tcpdump and Wireshark read them: the pcap format with times in nanoseconds.
//!
//! A file is [`header`], then for each frame [`record`] and its bytes.

/// The number by which readers know times in nanoseconds, and the order of bytes.
const MAGIC: u32 = 0xa1b2_3c4d;
const VERSION_MAJOR: u16 = 2;
const VERSION_MINOR: u16 = 4;
/// No frame is cut: longer ones than this are none of Ethernet.
const LEN_BYTES_MAX: u32 = 0x4_0000;
/// `LINKTYPE_ETHERNET`.
const ETHERNET: u32 = 1;
const NS_PER_SECOND: u64 = 1_000_000_000;

/// The beginning of a file.
pub fn header() -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[0..4].copy_from_slice(&MAGIC.to_le_bytes());
    bytes[4..6].copy_from_slice(&VERSION_MAJOR.to_le_bytes());
    bytes[6..8].copy_from_slice(&VERSION_MINOR.to_le_bytes());
    // A time zone and an accuracy, both 0 in all files, are between.
    bytes[16..20].copy_from_slice(&LEN_BYTES_MAX.to_le_bytes());
    bytes[20..24].copy_from_slice(&ETHERNET.to_le_bytes());
    bytes
}

/// What precedes a frame: when it was seen, in nanoseconds since 1970, and its length.
pub fn record(time_ns: u64, frame_bytes: u32) -> [u8; 16] {
    let seconds = (time_ns / NS_PER_SECOND) as u32;
    let rest_ns = (time_ns % NS_PER_SECOND) as u32;
    let mut bytes = [0; 16];
    for (place, word) in bytes
        .chunks_exact_mut(4)
        .zip([seconds, rest_ns, frame_bytes, frame_bytes])
    {
        place.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_begins_as_its_format_says() {
        assert_eq!(
            header(),
            [
                0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0
            ]
        );
    }

    #[test]
    fn a_frame_has_its_time_and_length() {
        assert_eq!(
            record(0x1_0203 * NS_PER_SECOND + 0x0405, 60),
            [3, 2, 1, 0, 5, 4, 0, 0, 60, 0, 0, 0, 60, 0, 0, 0]
        );
    }
}
