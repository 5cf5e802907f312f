//! What 1258 may send in the demo: applied for and approved like everything that it sends.

use std::time::Duration;

use crate::domain::{AccountClass, Moment};
use crate::proxy::Gateway;
use crate::registry::workflow::Parts;
use crate::registry::{Act, Actor, Category, Department, Form, Site, Span};

use super::cast::Cast;
use super::scenes::province_text;

const DAY: Duration = Duration::from_secs(86_400);

/// Takes an application of every 1258 account's unit all its way. The demo's clock begins at `start`; the applications
/// were handed in long before, so that no lead is too short.
pub(super) fn approve(gateway: &Gateway, cast: &Cast, start: Moment) -> Result<(), String> {
    let (before, site) = (Moment::from_ms(start.ms() - 100 * DAY.as_millis() as i64), gateway.site());
    let rules = &site.rules;
    let parts = Parts { all: true, ..Parts::default() };
    let actor = Actor { by: "demo", name: "李四", opinion: "同意", parts: &parts, now: before };
    let own = Site { switches: &rules.switches.registry, calendar: &rules.calendar, regions: &rules.regions };
    let publish = |snapshot| gateway.publish(snapshot);
    for role in cast.roles.iter().filter(|role| role.class == AccountClass::Province1258) {
        let Some(account) = rules.account(&role.system_id) else { continue };
        let form = Form {
            unit: rules.unit(account.unit).to_owned(),
            category: Some(Category::NewBusiness),
            contact: "张三".to_owned(),
            telephone: "0551-62621258".to_owned(),
            target: "在网满2年的客户".to_owned(),
            requested: Some(Span { from: start, until: start.plus(30 * DAY) }),
            content: province_text(role),
            in_knowledge_base: true,
            ..Form::default()
        };
        let registry = gateway.registry();
        let made = registry.draft(vec![form], &actor, &own, &publish).map_err(|(_, error)| error.to_string())?;
        let number = made.first().map_or(0, |application| application.number);
        for act in [Act::Submit, Act::Review(Department::ProvinceLeader), Act::Approve(None)] {
            registry.act(number, None, &act, &actor, &own, &publish).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}
