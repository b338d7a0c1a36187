//! What a program sends beside the bytes of a message: headers, each with data behind it (cmsg(3)).

use crate::Errno;
use crate::layout::{Cmsghdr, Pod};

/// Headers begin at multiples of this.
pub const ALIGNMENT: usize = 8;

/// Goes through the headers and their data. What is too short for a header is not looked at.
///
/// # Errors
/// `EINVAL` a header says that it is shorter than itself, or longer than what is there; whatever
/// `each` answers.
pub fn each_header<'a>(
    mut bytes: &'a [u8],
    mut each: impl FnMut(&Cmsghdr, &'a [u8]) -> Result<(), Errno>,
) -> Result<(), Errno> {
    while bytes.len() >= Cmsghdr::BYTES {
        let header = Cmsghdr::from_bytes(bytes);
        let data = bytes.get(Cmsghdr::BYTES..header.cmsg_len);
        each(&header, data.ok_or(Errno::EINVAL)?)?;
        let next = header.cmsg_len.next_multiple_of(ALIGNMENT);
        bytes = bytes.get(next..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(len: usize) -> [u8; Cmsghdr::BYTES] {
        let mut bytes = [0; Cmsghdr::BYTES];
        let header = Cmsghdr {
            cmsg_len: len,
            cmsg_level: 1,
            cmsg_type: 2,
        };
        header.to_bytes(&mut bytes);
        bytes
    }

    #[test]
    fn headers_are_aligned_and_checked() {
        let mut bytes = [0; 45];
        bytes[..16].copy_from_slice(&header(17));
        bytes[16] = 7;
        bytes[24..40].copy_from_slice(&header(20));
        bytes[40..44].copy_from_slice(b"four");
        let mut seen = [(0, 0); 2];
        let mut count = 0;
        let walked = each_header(&bytes, |header, data| {
            seen[count] = (header.cmsg_type, data.len());
            count += 1;
            Ok(())
        });
        assert_eq!((walked, count, seen), (Ok(()), 2, [(2, 1), (2, 4)]));
        for wrong in [0, 15, 17, usize::MAX] {
            let walked = each_header(&header(wrong), |_, _| Ok(()));
            assert_eq!(walked, Err(Errno::EINVAL), "{wrong}");
        }
        let stopped = each_header(&bytes, |_, _| Err(Errno::EPERM));
        assert_eq!(stopped, Err(Errno::EPERM));
    }
}
