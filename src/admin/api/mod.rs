//! The resources, one a file, and the table that ties them to paths and roles.

mod accounts;
mod audit;
mod build;
mod campaigns;
mod drain;
mod errors;
mod events;
mod explain;
mod holds;
mod ledger;
mod log_level;
mod metrics;
mod optout;
mod policy;
mod probes;
mod records;
mod refusals;
mod reports;
mod scheduled;
mod sessions;
mod smscs;
mod status;
mod table;

use std::future::ready;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request};
use axum::routing::{MethodFilter, MethodRouter, on};

pub use build::Build;
pub use records::SealsView;
pub use table::ROUTES;

use super::door;
use super::route::{Method, Route};
use super::surface::Surface;

/// The router of the table.
pub fn router(surface: &Arc<Surface>) -> Router {
    let router = ROUTES.iter().fold(Router::new(), |router, route| router.route(route.path, one(surface, route)));
    let (strays, unknown) = (Arc::clone(surface), Arc::clone(surface));
    router
        .method_not_allowed_fallback(move |request: Request| ready(door::stray(&strays, true, &request)))
        .fallback(move |request: Request| ready(door::stray(&unknown, false, &request)))
}

fn one(surface: &Arc<Surface>, route: &'static Route) -> MethodRouter {
    let surface = Arc::clone(surface);
    let filter = match route.method {
        Method::Get => MethodFilter::GET,
        Method::Post => MethodFilter::POST,
        Method::Put => MethodFilter::PUT,
        Method::Delete => MethodFilter::DELETE,
    };
    if route.names_one() {
        on(filter, move |Path(id): Path<String>, request: Request| door::pass(Arc::clone(&surface), route, id, request))
    } else {
        on(filter, move |request: Request| door::pass(Arc::clone(&surface), route, String::new(), request))
    }
}
