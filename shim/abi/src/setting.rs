//! Variables of a guest's command line that are for the library OS alone.

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// What becomes `argv[0]`.
    Program,
    /// Where the tender put an archive: its address and its length, `0x3ff000,1024`.
    Initrd,
    /// The working directory to start in.
    WorkingDirectory,
    /// The machine's name.
    HostName,
}

impl Setting {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Program,
        Self::Initrd,
        Self::WorkingDirectory,
        Self::HostName,
    ];

    /// How its word begins.
    pub const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Program => b"MUSLIN_ARGV0=",
            Self::Initrd => b"MUSLIN_INITRD=",
            Self::WorkingDirectory => b"MUSLIN_CWD=",
            Self::HostName => b"MUSLIN_HOSTNAME=",
        }
    }

    /// Whether a word is one of them.
    pub fn is_in(word: &[u8]) -> bool {
        let mut settings = Self::ALL.iter();
        settings.any(|setting| word.starts_with(setting.prefix()))
    }
}
