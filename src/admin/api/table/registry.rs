//! The routes of the registry and of those who opted out.

use crate::admin::api::{campaigns, optout, reports};
use crate::admin::auth::Access::{Only, SeeCampaigns, WorkOnCampaigns};
use crate::admin::route::Kind::{Number, OneOf, Text};
use crate::admin::route::Method::{Post, Put};
use crate::admin::route::{LIMIT, Parameter, Route, Shape};

use super::get;

const NUMBER: Parameter = Parameter {
    name: "cursor",
    kind: Number(0, u32::MAX as u64),
    about: "the last number that was seen; the list goes on behind it",
};
const UNIT: Parameter = Parameter { name: "unit", kind: Text, about: "of this unit only" };
const STATE: Parameter = Parameter {
    name: "state",
    kind: OneOf(&["draft", "submitted", "approved", "rejected", "closed"]),
    about: "in this state only",
};

/// An act on one application.
const fn act(path: &'static str, id: &'static str, about: &'static str, run: super::Run) -> Route {
    Route {
        method: Post,
        access: WorkOnCampaigns,
        body: Some(Shape::of::<campaigns::WordBody>()),
        also: &[412],
        ..get(path, id, about, Shape::of::<campaigns::CampaignView>(), run)
    }
}

pub(super) const ROUTES: [Route; 17] = [
    Route {
        access: SeeCampaigns,
        also: &[409, 503],
        ..get(
            "/api/v1/campaigns/{id}/form",
            "campaignForm",
            "The application form of a campaign with what was sent for it (F1 to F17), as a page that prints",
            Shape::free("text/html"),
            run!(reports::form),
        )
    },
    Route {
        access: SeeCampaigns,
        query: &[LIMIT, NUMBER, UNIT, STATE],
        also: &[503],
        ..get(
            "/api/v1/campaigns",
            "listCampaigns",
            "Applications for campaigns, in the order of their numbers",
            Shape::list::<campaigns::CampaignView>(),
            run!(campaigns::list),
        )
    },
    Route {
        method: Post,
        access: WorkOnCampaigns,
        body: Some(Shape::of::<campaigns::NewBody>()),
        answer: (201, Shape::of::<campaigns::CampaignView>()),
        ..get(
            "/api/v1/campaigns",
            "newCampaign",
            "Begin an application; a draft may lack anything but its unit",
            Shape::of::<campaigns::CampaignView>(),
            run!(campaigns::new),
        )
    },
    Route {
        method: Post,
        access: WorkOnCampaigns,
        body: Some(Shape::of::<campaigns::ImportBody>()),
        answer: (201, Shape::of::<campaigns::ImportedView>()),
        ..get(
            "/api/v1/campaigns:import",
            "importCampaigns",
            "Begin an application with each line of a CSV file: all of them, or none",
            Shape::of::<campaigns::ImportedView>(),
            run!(campaigns::import),
        )
    },
    Route {
        access: SeeCampaigns,
        query: &[LIMIT, NUMBER, UNIT, STATE],
        also: &[503],
        ..get(
            "/api/v1/campaigns:export",
            "exportCampaigns",
            "The same list as a CSV file; the head stands in the first page",
            Shape::free("text/csv"),
            run!(campaigns::export),
        )
    },
    Route {
        access: SeeCampaigns,
        also: &[503],
        ..get(
            "/api/v1/campaigns/{id}",
            "getCampaign",
            "One application, with the steps of its way",
            Shape::of::<campaigns::CampaignView>(),
            run!(campaigns::show),
        )
    },
    Route {
        method: Put,
        access: WorkOnCampaigns,
        body: Some(Shape::of::<campaigns::EditBody>()),
        also: &[409, 412],
        ..get(
            "/api/v1/campaigns/{id}",
            "editCampaign",
            "Fill the form in anew; with `withdraw` a submitted or approved one becomes a draft again",
            Shape::of::<campaigns::CampaignView>(),
            run!(campaigns::edit),
        )
    },
    act(
        "/api/v1/campaigns/{id}/submit",
        "submitCampaign",
        "Hand it in, signed by the leader (F2)",
        run!(campaigns::submit),
    ),
    act(
        "/api/v1/campaigns/{id}/review",
        "reviewCampaign",
        "A department's opinion (F11, F14)",
        run!(campaigns::review),
    ),
    act(
        "/api/v1/campaigns/{id}/approve",
        "approveCampaign",
        "Group Customer and Data approves it (F12) for a time (F13); in force when this is answered",
        run!(campaigns::approve),
    ),
    act(
        "/api/v1/campaigns/{id}/reject",
        "rejectCampaign",
        "It may not be sent, or not any more; in force when this is answered",
        run!(campaigns::reject),
    ),
    act("/api/v1/campaigns/{id}/close", "closeCampaign", "It is over", run!(campaigns::close)),
    Route {
        access: Only("ledger"),
        query: &[
            LIMIT,
            Parameter { name: "cursor", kind: Number(0, i64::MAX as u64), about: "the last id that was seen" },
        ],
        also: &[503],
        ..get(
            "/api/v1/optouts",
            "listOptOuts",
            "Who has opted out; numbers are masked",
            Shape::list::<optout::OptOutView>(),
            run!(optout::list),
        )
    },
    get(
        "/api/v1/optouts:count",
        "countOptOuts",
        "How many have opted out, and whether the list is in force",
        Shape::of::<optout::OptOutCount>(),
        run!(optout::count),
    ),
    Route {
        method: Post,
        access: Only("ledger"),
        body: Some(Shape::of::<optout::OptOutQuestion>()),
        ..get(
            "/api/v1/optouts:lookup",
            "lookUpOptOut",
            "What a subscriber has opted out of",
            Shape::list::<optout::OptOutView>(),
            run!(optout::lookup),
        )
    },
    Route {
        method: Post,
        access: Only("ledger"),
        body: Some(Shape::of::<optout::OptOutBody>()),
        also: &[404],
        ..get(
            "/api/v1/optouts:add",
            "addOptOuts",
            "Enter subscribers who opted out; in force when this is answered",
            Shape::of::<optout::OptOutChanged>(),
            run!(optout::add),
        )
    },
    Route {
        method: Post,
        access: Only("ledger"),
        body: Some(Shape::of::<optout::OptOutBody>()),
        also: &[404],
        ..get(
            "/api/v1/optouts:remove",
            "removeOptOuts",
            "Take subscribers out of the list",
            Shape::of::<optout::OptOutChanged>(),
            run!(optout::remove),
        )
    },
];
