//! Floor 2: how much may flow, how fast, and whether at all.

pub mod gate;
pub mod hold;
mod hold_file;
pub mod scope;
pub mod spread;
pub mod throttle;

pub use gate::{Gate, Pass};
pub use hold::{Hold, HoldError, Holds, NewHold, Past, Which};
pub use hold_file::HoldsError;
pub use scope::{Party, Scope};
pub use spread::Spread;
pub use throttle::Throttle;
