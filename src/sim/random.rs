//! Chance from a seed: `SplitMix64`, which needs eight octets of state and no
//! dependency, and is good enough to mix errors and latencies.

/// A reproducible stream of numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Stream `number` of a seed: one each for connections that share a seed.
    pub fn stream(seed: u64, number: u64) -> Self {
        let mut random = Self(seed ^ number.wrapping_mul(0xD1B5_4A32_D192_ED03));
        random.number();
        random
    }

    /// The next 64 bits.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 when the bound is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // Multiply and shift: no division, and the bias of a 64-bit draw does not matter here.
        ((u128::from(self.number()) * u128::from(bound)) >> 64) as u64
    }

    /// A number of 0 or more and less than 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
    pub fn fraction(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with that probability. Draws nothing for 0, so that an unused fault costs nothing.
    pub fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.fraction() < probability
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_streams_and_chances_come_true_as_often_as_asked() {
        let (mut one, mut two) = (Random::stream(7, 1), Random::stream(7, 1));
        assert!((0..100).all(|_| one.number() == two.number()));
        assert_ne!(Random::stream(7, 1).number(), Random::stream(7, 2).number());
        let hits = (0..100_000).filter(|_| one.chance(0.05)).count();
        assert!((4_500..5_500).contains(&hits), "{hits}");
        assert!((0..1000).all(|_| one.below(7) < 7) && !one.chance(0.0));
    }
}
