//! Floor 2: how much may flow, and how fast.

pub mod spread;
pub mod throttle;

pub use spread::Spread;
pub use throttle::Throttle;
