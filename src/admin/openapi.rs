//! The API's description (OpenAPI 3.1), made of the table of routes and the types of the bodies.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::openapi::{RefOr, Schema};

use super::api::ROUTES;
use super::auth::Access;
use super::problem::Problem;
use super::route::{Kind, Method, Parameter, Route, Shape};

/// The description.
pub fn document() -> Value {
    let mut schemas = BTreeMap::new();
    let problem = Shape::of::<Problem>();
    let failed = Shape { media: "application/problem+json", ..problem };
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.word().to_ascii_lowercase()] = operation(route, failed, &mut schemas);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "smsluice",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Administration of the gateway. Over TCP with a bearer token; on the local socket the \
                            permissions of the socket are the right to administer.",
            "license": { "name": "Apache-2.0 OR MIT" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

type Schemas = BTreeMap<String, Value>;

fn operation(route: &Route, failed: Shape, schemas: &mut Schemas) -> Value {
    let mut operation = json!({
        "operationId": route.id,
        "summary": route.about,
        "description": format!("Role: {}.", route.access.word()),
        "responses": responses(route, failed, schemas),
    });
    if route.access != Access::Open {
        operation["security"] = json!([{ "token": [] }]);
    }
    let mut parameters: Vec<Value> = route.query.iter().map(parameter).collect();
    if route.names_one() {
        parameters.push(json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } }));
    }
    if route.method == Method::Post {
        let about = "A request of the same key and body is done once and answered alike, for an hour.";
        let schema = json!({ "type": "string", "minLength": 1, "maxLength": super::idempotency::KEY_MAX, "pattern": "^[!-~]+$" });
        parameters.push(json!({ "name": "Idempotency-Key", "in": "header", "description": about, "schema": schema }));
    }
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(shape) = route.body {
        operation["requestBody"] = json!({ "required": true, "content": content(shape, schemas) });
    }
    operation
}

fn responses(route: &Route, failed: Shape, schemas: &mut Schemas) -> Value {
    let mut responses = Map::new();
    for status in route.statuses() {
        let told = axum::http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        // The readiness probe tells the same of a gateway that is not ready.
        let own = status == route.answer.0 || (route.path == "/readyz" && status == 503);
        let shape = if own { route.answer.1 } else { failed };
        let content = content(shape, schemas);
        responses.insert(status.to_string(), json!({ "description": told.unwrap_or_default(), "content": content }));
    }
    responses.into()
}

fn content(shape: Shape, schemas: &mut Schemas) -> Value {
    let mut used = Vec::new();
    (shape.used)(&mut used);
    let schema = match shape.name {
        Some(name) => {
            used.push((name().into_owned(), (shape.schema)()));
            json!({ "$ref": format!("#/components/schemas/{}", name()) })
        }
        None if shape.media == "application/json" => plain(&(shape.schema)()),
        None => json!({ "type": "string" }),
    };
    schemas.extend(used.into_iter().map(|(name, schema)| (name, plain(&schema))));
    json!({ shape.media: { "schema": schema } })
}

fn plain(schema: &RefOr<Schema>) -> Value {
    serde_json::to_value(schema).unwrap_or_default()
}

fn parameter(parameter: &Parameter) -> Value {
    let schema = match parameter.kind {
        Kind::Text => json!({ "type": "string", "minLength": 1, "maxLength": 200 }),
        Kind::Number(from, to) => json!({ "type": "integer", "minimum": from, "maximum": to }),
        Kind::Span => json!({ "type": "string", "pattern": "^[0-9]{1,6}[smhd]$" }),
        Kind::OneOf(words) => json!({ "type": "string", "enum": words }),
    };
    json!({ "name": parameter.name, "in": "query", "description": parameter.about, "schema": schema })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use utoipa::ToSchema as _;

    use super::*;

    #[test]
    fn every_reference_leads_somewhere_and_every_name_is_used_once() {
        let document = document();
        let text = document.to_string();
        let schemas = document["components"]["schemas"].as_object().expect("schemas");
        for link in text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(schemas.contains_key(link), "{link}");
        }
        let ids: BTreeSet<&str> = ROUTES.iter().map(|route| route.id).collect();
        assert_eq!(ids.len(), ROUTES.len(), "an operationId stands twice");
        let places: BTreeSet<_> = ROUTES.iter().map(|route| (route.path, route.method.word())).collect();
        assert_eq!(places.len(), ROUTES.len(), "a route stands twice");
        assert!(schemas.contains_key(&*Problem::name()));
    }

    #[test]
    fn nothing_is_changed_by_a_get_and_whatever_changes_something_has_a_role() {
        for route in ROUTES {
            let reads = matches!(route.id, "explain");
            let role = matches!(route.access, Access::Only(_) | Access::WorkOnCampaigns);
            assert!(!route.method.changes() || reads || role, "{route:?}");
            assert!(route.method.changes() || route.body.is_none(), "{route:?}");
            assert!(route.path.starts_with("/api/v1/") || route.access == Access::Open, "{route:?}");
        }
    }
}
