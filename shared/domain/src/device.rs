//! What a player signs in with, as far as it can be told apart.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Devices that are remembered of a player. One more takes the place of the one that
/// was met first.
pub const MOST_DEVICES: usize = 8;

/// A keyed hash of what a client says of itself: it tells two devices apart, and
/// nobody without the key what they are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Device(pub [u8; 8]);

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Device(…)")
    }
}

/// The devices a player was seen with, the one that was met first in front. As text,
/// all hashes in a row, in hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Devices(Vec<Device>);

/// Stored devices cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not hashes of eight bytes in hexadecimal")]
pub struct InvalidDevices;

impl Devices {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn contains(&self, device: Device) -> bool {
        self.0.contains(&device)
    }

    /// The devices with one more; of too many the oldest goes.
    #[must_use]
    pub fn with(&self, device: Device) -> Self {
        let kept = self.0.len().saturating_sub(MOST_DEVICES - 1);
        Self(self.0[kept..].iter().copied().chain([device]).collect())
    }

    /// Each hash in hexadecimal.
    pub fn iter(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|device| crate::fairness::hex(&device.0))
    }
}

impl From<Devices> for String {
    fn from(devices: Devices) -> Self {
        devices.iter().collect()
    }
}

impl TryFrom<String> for Devices {
    type Error = InvalidDevices;

    fn try_from(text: String) -> Result<Self, InvalidDevices> {
        let digits: Option<Vec<u8>> = text
            .chars()
            .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect();
        let digits = digits.ok_or(InvalidDevices)?;
        let device = |hash: &[u8]| {
            let mut bytes = [0; 8];
            if hash.len() != 2 * bytes.len() {
                return Err(InvalidDevices);
            }
            for (byte, pair) in bytes.iter_mut().zip(hash.chunks_exact(2)) {
                *byte = pair[0] << 4 | pair[1];
            }
            Ok(Device(bytes))
        };
        digits.chunks(16).map(device).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ninth_device_takes_the_place_of_the_first() {
        let device = |number: u8| Device([number; 8]);
        let devices = (1..=8).fold(Devices::default(), |all, number| all.with(device(number)));
        assert!((1..=8).all(|number| devices.contains(device(number))));
        let devices = devices.with(device(9));
        assert!((2..=9).all(|number| devices.contains(device(number))));
        assert!(!devices.contains(device(1)));
    }

    #[test]
    fn devices_read_back_and_nothing_else_is_read() {
        let devices = Devices::default().with(Device([0xab; 8])).with(Device([0x01; 8]));
        let text = String::from(devices.clone());
        assert_eq!(text, "abababababababab0101010101010101");
        assert_eq!(Devices::try_from(text), Ok(devices));
        assert_eq!(Devices::try_from(String::new()), Ok(Devices::default()));
        for wrong in ["0", "abababababababa", "abababababababab01", "zzzzzzzzzzzzzzzz", "별"] {
            assert_eq!(Devices::try_from(wrong.to_owned()), Err(InvalidDevices), "{wrong}");
        }
    }
}
