//! The manifest: the devices that an image declares, and what the tender gives it for them.
//!
//! The layout is `struct mft` of Solo5's `mft_abi.h`, version 1: a version, a count, and 104 bytes
//! an entry. The first entry is reserved; a device's handle is the index of its entry.

use muslin_abi::net_device::{OFFLOAD_GIVEN, OFFLOAD_UNDERSTOOD};

use crate::refusal::Refusal;

const VERSION: u32 = 1;
const HEADER_BYTES: usize = 8;
const ENTRY_BYTES: usize = 104;
const ENTRIES_MAX: usize = 64;
const NAME_BYTES: usize = 68;
const TYPE_AT: usize = 68;
const PROPERTIES_AT: usize = 72;
/// Where a block device has the size of its sectors, and a network device nothing in stock Solo5.
const OFFLOAD_AT: usize = 80;
const HOST_FD_AT: usize = 88;
const ATTACHED_AT: usize = 96;

const TYPE_BLOCK: u32 = 1;
const TYPE_NET: u32 = 2;
const TYPE_RESERVED_FIRST: u32 = 1 << 30;

/// The devices that an image declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// In the image's order: the first one has handle 1.
    pub devices: Vec<Device>,
}

/// A declared device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Letters and digits, at most 67.
    pub name: String,
    /// What kind of device.
    pub kind: Kind,
    /// The image understands frames of a network device that have something in front.
    pub(crate) understands_offload: bool,
    /// What the tender gives for it.
    pub(crate) attached: Option<Attached>,
}

/// The kind of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A block device.
    Block,
    /// A network device.
    Net,
}

impl Kind {
    /// The word for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Net => "network",
        }
    }

    /// The option that gives it something.
    pub(crate) const fn option(self) -> &'static str {
        match self {
            Self::Block => "--block",
            Self::Net => "--net",
        }
    }

    const fn number(self) -> u32 {
        match self {
            Self::Block => TYPE_BLOCK,
            Self::Net => TYPE_NET,
        }
    }
}

/// What plays a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attached {
    Block(AttachedBlock),
    Net(AttachedNet),
}

impl Attached {
    pub(crate) const fn host_fd(self) -> i32 {
        match self {
            Self::Block(block) => block.host_fd,
            Self::Net(net) => net.host_fd,
        }
    }
}

/// A file that plays a block device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AttachedBlock {
    pub(crate) capacity_bytes: u64,
    pub(crate) sector_bytes: u16,
    pub(crate) host_fd: i32,
}

/// An interface that plays a network device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AttachedNet {
    pub(crate) mac: [u8; 6],
    pub(crate) mtu: u16,
    pub(crate) host_fd: i32,
    /// Frames have a `struct virtio_net_hdr` in front.
    pub(crate) has_offload: bool,
}

impl Manifest {
    /// A device by its handle.
    pub(crate) fn device(&self, handle: u64) -> Option<&Device> {
        let index = usize::try_from(handle.checked_sub(1)?).ok()?;
        self.devices.get(index)
    }

    /// The attached devices with their handles.
    pub(crate) fn attached(&self) -> impl Iterator<Item = (u64, Attached)> {
        (1..)
            .zip(&self.devices)
            .filter_map(|(handle, device)| Some((handle, device.attached?)))
    }

    /// Reads the manifest of an image, which may be anything.
    ///
    /// # Errors
    /// It is not one of version 1, or says what none can say.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let wrong = |what: &str| Refusal::of_image(format_args!("the image's manifest {what}"));
        let (Some(version), Some(entries)) = (word_at(bytes, 0), word_at(bytes, 4)) else {
            return Err(wrong("is cut off"));
        };
        if version != VERSION {
            return Err(wrong(&format!("has version {version}, not {VERSION}")));
        }
        let entries = entries as usize;
        if entries == 0 || entries > ENTRIES_MAX {
            return Err(wrong(&format!(
                "has {entries} entries, not 1 to {ENTRIES_MAX}"
            )));
        }
        if bytes.len() != HEADER_BYTES + entries * ENTRY_BYTES {
            return Err(wrong(&format!(
                "has {} bytes, which does not fit {entries} entries",
                bytes.len()
            )));
        }
        let mut devices = Vec::with_capacity(entries - 1);
        for (index, entry) in bytes[HEADER_BYTES..].chunks_exact(ENTRY_BYTES).enumerate() {
            let kind = word_at(entry, TYPE_AT).unwrap_or(0);
            if index == 0 {
                if kind != TYPE_RESERVED_FIRST || entry[0] != 0 {
                    return Err(wrong("does not start with the reserved entry"));
                }
                continue;
            }
            if entry[ATTACHED_AT] != 0 {
                return Err(wrong(&format!("claims that device {index} is attached")));
            }
            devices.push(Device {
                name: name_of(entry)
                    .ok_or_else(|| wrong(&format!("gives device {index} a bad name")))?,
                kind: match kind {
                    TYPE_BLOCK => Kind::Block,
                    TYPE_NET => Kind::Net,
                    other => {
                        return Err(wrong(&format!(
                            "gives device {index} the unknown type {other}"
                        )));
                    }
                },
                understands_offload: kind == TYPE_NET
                    && entry[OFFLOAD_AT..OFFLOAD_AT + 2] == OFFLOAD_UNDERSTOOD.to_le_bytes(),
                attached: None,
            });
        }
        Ok(Self { devices })
    }

    /// The manifest as the guest reads it.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let entries = 1 + self.devices.len();
        let mut bytes = vec![0; HEADER_BYTES + entries * ENTRY_BYTES];
        put(&mut bytes, 0, &VERSION.to_le_bytes());
        put(&mut bytes, 4, &(entries as u32).to_le_bytes());
        let (reserved, rest) = bytes[HEADER_BYTES..].split_at_mut(ENTRY_BYTES);
        put(reserved, TYPE_AT, &TYPE_RESERVED_FIRST.to_le_bytes());
        for (device, entry) in self.devices.iter().zip(rest.chunks_exact_mut(ENTRY_BYTES)) {
            put(entry, 0, device.name.as_bytes());
            put(entry, TYPE_AT, &device.kind.number().to_le_bytes());
            let Some(attached) = device.attached else {
                continue;
            };
            match attached {
                Attached::Block(block) => {
                    put(entry, PROPERTIES_AT, &block.capacity_bytes.to_le_bytes());
                    put(entry, PROPERTIES_AT + 8, &block.sector_bytes.to_le_bytes());
                }
                Attached::Net(net) => {
                    put(entry, PROPERTIES_AT, &net.mac);
                    put(entry, PROPERTIES_AT + 6, &net.mtu.to_le_bytes());
                    if net.has_offload {
                        put(entry, OFFLOAD_AT, &OFFLOAD_GIVEN.to_le_bytes());
                    }
                }
            }
            put(entry, HOST_FD_AT, &attached.host_fd().to_le_bytes());
            put(entry, ATTACHED_AT, &[1]);
        }
        bytes
    }
}

fn name_of(entry: &[u8]) -> Option<String> {
    let field = &entry[..NAME_BYTES];
    let end = field.iter().position(|&byte| byte == 0)?;
    let name = &field[..end];
    let is_good = !name.is_empty() && name.iter().all(u8::is_ascii_alphanumeric);
    is_good.then(|| String::from_utf8_lossy(name).into_owned())
}

fn word_at(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(word.try_into().ok()?))
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage() -> Manifest {
        Manifest {
            devices: vec![Device {
                name: "storage".to_owned(),
                kind: Kind::Block,
                understands_offload: false,
                attached: None,
            }],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = storage().to_bytes();
        assert_eq!(bytes.len(), 8 + 2 * 104);
        assert_eq!(Manifest::parse(&bytes), Ok(storage()));
    }

    #[test]
    fn an_attached_device_tells_its_size() {
        let mut manifest = storage();
        manifest.devices[0].attached = Some(Attached::Block(AttachedBlock {
            capacity_bytes: 0x1_0000_0200,
            sector_bytes: 512,
            host_fd: 7,
        }));
        let bytes = manifest.to_bytes();
        let entry = &bytes[8 + 104..];
        assert_eq!(entry[72..80], 0x1_0000_0200_u64.to_le_bytes());
        assert_eq!(entry[80..82], [0, 2]);
        assert_eq!(entry[88..92], [7, 0, 0, 0]);
        assert_eq!(entry[96], 1);
        // An image cannot declare itself attached.
        assert!(Manifest::parse(&bytes).is_err());
    }

    #[test]
    fn what_is_in_front_of_frames_is_said_only_where_it_is() {
        let mut bytes = storage().to_bytes();
        let entry = &mut bytes[8 + 104..];
        entry[TYPE_AT] = TYPE_NET as u8;
        let understands = |bytes: &[u8]| {
            let manifest = Manifest::parse(bytes).unwrap_or_default();
            manifest.devices.iter().any(|it| it.understands_offload)
        };
        assert!(!understands(&bytes));
        bytes[8 + 104 + OFFLOAD_AT] = OFFLOAD_UNDERSTOOD as u8;
        assert!(understands(&bytes));
        // The word of an image is not the tender's.
        let mut manifest = Manifest::parse(&bytes).unwrap_or_default();
        for has_offload in [false, true] {
            manifest.devices[0].attached = Some(Attached::Net(AttachedNet {
                mac: [2; 6],
                mtu: 1500,
                host_fd: 7,
                has_offload,
            }));
            let said = manifest.to_bytes()[8 + 104 + OFFLOAD_AT];
            assert_eq!(u16::from(said) == OFFLOAD_GIVEN, has_offload);
            assert_ne!(u16::from(said), OFFLOAD_UNDERSTOOD);
        }
    }

    #[test]
    fn every_length_but_the_right_one_is_refused() {
        let bytes = storage().to_bytes();
        for len in 0..bytes.len() {
            assert!(Manifest::parse(&bytes[..len]).is_err(), "{len} bytes");
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(Manifest::parse(&longer).is_err());
    }

    #[test]
    fn names_are_letters_and_digits() {
        for name in ["", "a b", "a\n", "ä"] {
            let mut bytes = storage().to_bytes();
            bytes[112..112 + 68].fill(0);
            bytes[112..112 + name.len()].copy_from_slice(name.as_bytes());
            assert!(Manifest::parse(&bytes).is_err(), "{name:?}");
        }
        let mut unended = storage().to_bytes();
        unended[112..112 + 68].fill(b'a');
        assert!(Manifest::parse(&unended).is_err());
    }
}
