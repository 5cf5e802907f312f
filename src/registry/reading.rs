//! What the rules are to know of an application.

use std::sync::Arc;

use crate::policy::content::{Campaign, Pattern, PatternError, Period, Standing};

use super::application::{Application, State};

/// An application as the rules know it; `None` while it says nothing to them. A submitted one is in the knowledge base (7.8) and
/// no more; whether that is enough is a matter of the class that sends it.
pub(super) fn campaign(application: &Application) -> Result<Option<Campaign>, PatternError> {
    let standing = match application.state {
        State::Approved => Standing::Approved,
        State::Submitted if application.form.in_knowledge_base => Standing::Registered,
        State::Submitted | State::Draft | State::Rejected | State::Closed => return Ok(None),
    };
    let form = &application.form;
    let window = application.arranged.filter(|_| standing == Standing::Approved);
    Ok(Some(Campaign {
        number: application.number,
        unit: form.unit.as_str().into(),
        city: form.is_of_city().then(|| form.city.as_str().into()),
        category: form.category,
        standing,
        window: window.map(|span| Period { from: span.from, until: span.until }),
        pattern: Arc::new(Pattern::parse(&form.content)?),
    }))
}
