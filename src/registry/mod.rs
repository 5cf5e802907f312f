//! Floor 2: the registry of what may be sent: applications for campaigns (chapter 5, clause 7.8, appendix F1-F17) and who has opted
//! out.
//!
//! [`workflow`] is a pure function: an application, an act, who acts and when give the application that follows or a refusal with
//! its clause. [`store`] keeps applications and the list of those who opted out in `registry.db`. Every change gives a
//! [`Snapshot`] for the rules, handed over in the order of the changes.

pub mod application;
pub mod csv;
mod file;
pub mod optout;
mod reading;
pub mod store;
pub mod workflow;

pub use application::{Application, Category, Department, Form, Platform, Span, State};
pub use store::{Registry, RegistryError, Snapshot};
pub use workflow::{Act, Actor, Refused, Site};
