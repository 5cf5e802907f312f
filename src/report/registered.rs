//! What the registry knows beside the figures: whose a campaign is, whether it says that it goes to everybody (7.2), and which
//! applications were reviewed late (5.1.1, 5.2: within one working day).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{Day, LocalTime, Moment};
use crate::policy::calendar::Calendar;
use crate::policy::switches::RegistrySwitches;
use crate::registry::{Application, workflow};

use super::{Asked, Report};

/// An application whose campaign stands in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Registered {
    /// Its number.
    pub number: u32,
    /// F1: the applying unit.
    pub unit: String,
    /// What it is for.
    pub category: String,
    /// How far it has come.
    pub state: String,
    /// F6: the target group.
    pub target: String,
    /// Whether it says that it goes to everybody (7.2).
    pub general_send: bool,
}

/// An application that was, or is, reviewed later than one working day after it was handed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LateReview {
    /// Its number.
    pub number: u32,
    /// F1: the applying unit.
    pub unit: String,
    /// When it was handed in.
    pub submitted: String,
    /// The last day on which a review is in time.
    pub due: String,
    /// When it was approved or rejected; `null` where it is still waiting.
    pub reviewed: Option<String>,
}

impl Report {
    /// Adds what the registry knows; `applications` are all of it, or one page after the other.
    pub fn register(
        &mut self,
        applications: &[Application],
        asked: &Asked,
        now: Moment,
        switches: &RegistrySwitches,
        calendar: &Calendar,
    ) {
        let by_number: BTreeMap<u32, &Application> = applications.iter().map(|own| (own.number, own)).collect();
        let numbers: std::collections::BTreeSet<u32> = self.lines.iter().filter_map(|line| line.campaign).collect();
        let known = numbers.iter().filter_map(|number| by_number.get(number));
        self.registered.extend(known.map(|own| registered(own)));
        let reviewed = applications.iter().filter(|own| workflow::is_reviewed(&own.form, switches));
        let today = LocalTime::of(now).day;
        self.late_reviews.extend(reviewed.filter_map(|own| late(own, asked, today, calendar)));
    }
}

fn registered(own: &Application) -> Registered {
    Registered {
        number: own.number,
        unit: own.form.unit.clone(),
        category: own.form.category.map(|category| category.code().to_owned()).unwrap_or_default(),
        state: own.state.code().to_owned(),
        target: own.form.target.clone(),
        general_send: own.is_general(),
    }
}

/// Whether an application that was handed in on these days was, or is, reviewed late.
fn late(own: &Application, asked: &Asked, today: Day, calendar: &Calendar) -> Option<LateReview> {
    let submitted = own.submitted.as_ref()?.at;
    if !(asked.from..=asked.to).contains(&LocalTime::of(submitted).day) {
        return None;
    }
    let due = workflow::review_due(own, calendar)?;
    let reviewed = own.group_data.as_ref().or(own.ended.as_ref()).map(|word| word.at);
    if reviewed.map_or(today, |at| LocalTime::of(at).day) <= due {
        return None;
    }
    Some(LateReview {
        number: own.number,
        unit: own.form.unit.clone(),
        submitted: submitted.to_string(),
        due: due.to_string(),
        reviewed: reviewed.map(|at| at.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::switches::Switches;
    use crate::policy::testing::with_switches;
    use crate::registry::application::Opinion;
    use crate::registry::{Form, State};
    use crate::report::{Figures, Line};

    fn at(text: &str) -> Moment {
        Moment::parse(text).expect("a time")
    }

    /// An application for 1258, handed in on a Friday.
    fn application(number: u32, reviewed: Option<&str>) -> Application {
        let opinion = |time: &str| Opinion {
            name: "李四".to_owned(),
            role: "leader".to_owned(),
            by: "uid:1".to_owned(),
            at: at(time),
            opinion: String::new(),
        };
        Application {
            number,
            state: if reviewed.is_some() { State::Approved } else { State::Submitted },
            revision: 1,
            form: Form { unit: "hefei".to_owned(), target: "全网".to_owned(), ..Form::default() },
            applicant: "uid:1".to_owned(),
            submitted: Some(opinion("2026-11-20T10:00:00+08:00")),
            department: None,
            group_data: reviewed.map(opinion),
            arranged: None,
            province_leader: None,
            ended: None,
        }
    }

    #[test]
    fn a_review_is_late_after_one_working_day() {
        let site = with_switches(Switches::default());
        let days = |from: &str, to: &str| {
            let day = |text: &str| Day::parse(text).expect("a day");
            Asked { from: day(from), to: day(to), campaign: None, success_basis: "delivered" }
        };
        let all = [
            application(1, Some("2026-11-23T23:59:59+08:00")), // the Monday
            application(2, Some("2026-11-24T00:00:00+08:00")),
            application(3, None),
            Application { submitted: None, ..application(4, None) },
        ];
        let late = |asked: &Asked, now: &str| {
            let line = Line { campaign: Some(2), ..line() };
            let mut report = Report { lines: vec![line], ..Report::default() };
            for page in all.chunks(2) {
                report.register(page, asked, at(now), &site.switches.registry, &site.calendar);
            }
            assert_eq!(
                report.registered.iter().map(|own| (own.number, own.general_send)).collect::<Vec<_>>(),
                [(2, true)]
            );
            report.late_reviews.iter().map(|own| own.number).collect::<Vec<_>>()
        };
        let month = days("2026-11-01", "2026-11-30");
        assert_eq!(late(&month, "2026-11-24T09:00:00+08:00"), [2, 3]);
        assert_eq!(late(&month, "2026-11-23T23:00:00+08:00"), [2], "the third has time still");
        assert_eq!(late(&days("2026-11-21", "2026-11-30"), "2026-11-24T09:00:00+08:00"), [0; 0], "of other days");
    }

    fn line() -> Line {
        let empty = String::new;
        Line {
            day: empty(),
            unit: empty(),
            account: empty(),
            class: empty(),
            campaign: None,
            figures: Figures::default(),
        }
    }
}
