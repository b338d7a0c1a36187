//! Turns an image from one tender to another: what tells them apart is one word of a note, where
//! the image itself finds out who runs it.

use crate::image::{ABI_VERSIONS, Target, abi_place};
use crate::refusal::Refusal;

/// Makes the image ask for another tender, or for another version of Solo5's binary interface.
///
/// Only an image that runs under either tender may be given another `target`: who calls answers for
/// that.
///
/// # Errors
/// It is not a Solo5 image, or there is no such version.
pub fn retarget(
    bytes: &mut [u8],
    target: Option<Target>,
    version: Option<u32>,
) -> Result<(), Refusal> {
    let at =
        abi_place(bytes).ok_or_else(|| Refusal::of_image("the image has no Solo5 ABI note"))?;
    if let Some(version) = version.filter(|version| !ABI_VERSIONS.contains(version)) {
        return Err(Refusal::new(
            format_args!("there is no version {version} of Solo5's ABI here"),
            "say 1 (Solo5 before 0.8) or 2",
        ));
    }
    for (at, word) in [(at, target.map(Target::number)), (at + 4, version)] {
        if let (Some(place), Some(word)) = (bytes.get_mut(at..at + 4), word) {
            place.copy_from_slice(&word.to_le_bytes());
        }
    }
    Ok(())
}
