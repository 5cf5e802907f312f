//! A route of the API: one row says what the router, the door and the API's description need to know.

use std::borrow::Cow;
use std::pin::Pin;

use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::auth::Access;
use super::call::{Call, Outcome};

/// What a handler is while it runs.
pub type Handling = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// One route.
#[derive(Clone, Copy)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path; `{id}` stands for one segment.
    pub path: &'static str,
    /// What it asks for.
    pub access: Access,
    /// Its name in the API's description.
    pub id: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// Its parameters.
    pub query: &'static [Parameter],
    /// The body it takes.
    pub body: Option<Shape>,
    /// What it answers when all is well.
    pub answer: (u16, Shape),
    /// Statuses beside those that every route of its kind has.
    pub also: &'static [u16],
    /// What it does, in code.
    pub run: fn(Call) -> Handling,
}

/// The methods in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Sees.
    Get,
    /// Does.
    Post,
    /// Sets.
    Put,
    /// Ends.
    Delete,
}

/// A parameter of the query.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// What it is for.
    pub about: &'static str,
}

/// What a parameter may be.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// 1 to 200 characters.
    Text,
    /// A whole number between two, both included.
    Number(u64, u64),
    /// Seconds, minutes, hours or days: `90s`, `30m`, `12h`, `7d`.
    Span,
    /// One of some words.
    OneOf(&'static [&'static str]),
}

/// The shape of a body.
#[derive(Clone, Copy)]
pub struct Shape {
    /// How it is sent.
    pub media: &'static str,
    /// Its schema.
    pub schema: fn() -> RefOr<Schema>,
    /// The schemas it refers to.
    pub used: fn(&mut Vec<(String, RefOr<Schema>)>),
    /// Its own name, where it is referred to by it.
    pub name: Option<fn() -> Cow<'static, str>>,
}

/// Entries that a list has at most.
pub const LIMIT: Parameter =
    Parameter { name: "limit", kind: Kind::Number(1, 1000), about: "entries at most; 100 unless given" };

impl Shape {
    /// One object.
    pub const fn of<T: ToSchema>() -> Self {
        Self {
            media: "application/json",
            schema: <T as PartialSchema>::schema,
            used: <T as ToSchema>::schemas,
            name: Some(<T as ToSchema>::name),
        }
    }

    /// A list.
    pub const fn list<T: ToSchema>() -> Self {
        Self { media: "application/json", schema: list_of::<T>, used: used_by_list_of::<T>, name: None }
    }

    /// Something else than JSON, or JSON of no fixed shape.
    pub const fn free(media: &'static str) -> Self {
        Self { media, schema: <serde_json::Value as PartialSchema>::schema, used: |_| {}, name: None }
    }
}

fn list_of<T: ToSchema>() -> RefOr<Schema> {
    let items = utoipa::openapi::Ref::from_schema_name(T::name());
    utoipa::openapi::schema::ArrayBuilder::new().items(items).build().into()
}

fn used_by_list_of<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

impl Method {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    /// Whether it changes something.
    pub fn changes(self) -> bool {
        self != Self::Get
    }
}

impl Route {
    /// Whether its path names one thing of many.
    pub fn names_one(&self) -> bool {
        self.path.contains('{')
    }

    /// Every status it may answer with.
    pub fn statuses(&self) -> Vec<u16> {
        let mut statuses = vec![self.answer.0, 400, 403, 408, 500];
        if self.access != Access::Open {
            statuses.push(401);
        }
        if self.names_one() {
            statuses.push(404);
        }
        if self.body.is_some() {
            statuses.extend([413, 415, 422]);
        }
        if !self.query.is_empty() || self.names_one() {
            statuses.push(422);
        }
        if self.method.changes() {
            statuses.push(503); // the act cannot be recorded, or takes too long
        }
        if self.method == Method::Post {
            statuses.extend([409, 422]); // an idempotency key in use, or used for something else
        }
        statuses.extend(self.also);
        statuses.sort_unstable();
        statuses.dedup();
        statuses
    }
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method.word(), self.path)
    }
}
