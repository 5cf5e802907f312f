//! Floor 2: how much may flow, how fast, and whether at all.

pub mod bucket;
pub mod ease;
pub mod gate;
pub mod hold;
mod hold_file;
pub mod overload;
pub mod scope;
pub mod spread;
pub mod throttle;

pub use bucket::{Bucket, Taken};
pub use ease::Ease;
pub use gate::{Gate, Pass};
pub use hold::{Ended, Hold, HoldError, Holds, Mark, NewHold, Past, Received, Which};
pub use hold_file::HoldsError;
pub use overload::Governor;
pub use scope::{Party, Scope};
pub use spread::Spread;
pub use throttle::Throttle;
