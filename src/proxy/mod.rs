//! Floor 3: sessions. [`uplink`] is the path of a message, top to bottom.

mod accepted;
mod bind;
mod cancel;
mod confirmed;
mod downlink;
mod evidence;
mod flow;
mod gateway;
mod govern;
mod hold;
mod leave;
mod listener;
mod multi;
mod notes;
mod outgoing;
mod reading;
mod refuse;
mod replace;
mod roster;
mod scheduled;
mod session;
mod steward;
mod sweep;
mod uplink;
mod upstream;
mod window;
mod wire;

pub use accepted::Remembered;
pub use gateway::{Gateway, ProxySettings, Sender, Site};
pub use hold::{Ended, Placed};
pub use leave::Drained;
pub use listener::Listener;
pub use roster::SessionView;
pub use scheduled::Inside;
