//! Floor 2: what became of the messages of some days, in figures (section 6 of the policy reference; F15-F17, 3.1.1, 3.4, 5.3).
//!
//! [`gather`] adds attempts up, one after the other, as the journal tells them; what it keeps is bounded and no number leaves it.
//! A [`Report`] is what it comes to; the registry adds what it knows ([`registered`]). [`table`] writes it as CSV, [`page`] as a page
//! that prints, [`form`] as the application form with F15 to F17 filled in.

mod figures;
mod form;
mod gather;
mod page;
mod registered;
mod releases;
mod runs;
mod shares;
mod table;
mod view;

pub use figures::{Figures, ReasonCount, StateCount};
pub use form::form;
pub use gather::{Asked, Failed, LINES_MAX, gather};
pub use page::page;
pub use registered::{LateReview, Registered};
pub use releases::releases;
pub use runs::{RUN_MIN, Run};
pub use shares::{CityShare, Share};
pub use table::csv;
pub use view::{Line, Release, Report, Sum};
