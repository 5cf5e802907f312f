//! For each switch: in which direction it loosens.

use std::collections::BTreeSet;

use serde::Deserialize as _;
use serde_json::Value;

use crate::policy::content::Category;
use crate::policy::switches::{CountedCategories, Window};

use super::Effect;

/// In which direction a switch loosens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// A larger number lets more pass.
    MoreLoosens,
    /// A larger number lets less pass.
    MoreTightens,
    /// `true` lets more pass.
    TrueLoosens,
    /// `true` lets less pass.
    TrueTightens,
    /// Words from strict to loose; those of one group let the same pass.
    Order(&'static [&'static [&'static str]]),
    /// One word lets the least pass; the others differ.
    Strictest(&'static str),
    /// One word lets the most pass; the others differ.
    Loosest(&'static str),
    /// Every further item lets more pass.
    ItemsLoosen,
    /// Every further item lets less pass.
    ItemsTighten,
    /// Every further category lets less pass; the word for all is each of them.
    CategoriesTighten,
    /// Windows of the day in which nothing passes.
    Windows,
    /// Either, as the case may be.
    Either,
    /// The same messages pass; what is answered or counted changes.
    Neither,
}

use Direction::{
    CategoriesTighten, Either, ItemsLoosen, ItemsTighten, Loosest, MoreLoosens, MoreTightens, Neither, Order,
    Strictest, TrueLoosens, TrueTightens, Windows,
};

/// A refusal for now and one for good let the same pass.
const AVOID: Direction = Order(&[&["reject", "throttle"], &["warn"]]);
/// What is counted passes.
const REGISTRY_MODE: Direction = Order(&[&["enforce"], &["warn", "off"]]);
const NEED: Direction = Order(&[&["all"], &["any"]]);

/// The switches of `policy.toml`, tables left out.
const SWITCHES: &[(&str, Direction)] = &[
    ("length.unit", Order(&[&["utf16"], &["scalar"], &["grapheme"]])),
    ("length.limit", MoreLoosens),
    ("length.count_signature", TrueTightens),
    ("length.multipart", Order(&[&["reject"], &["group"]])),
    ("length.assembly_minutes", Either),
    ("signature.position", Order(&[&["tail"], &["head_or_tail"], &["anywhere"]])),
    ("signature.zone", MoreLoosens),
    ("signature.province", NEED),
    ("signature.city", NEED),
    ("signature.foreign_consult", Order(&[&["reject"], &["warn", "allow"]])),
    ("signature.province_numbers", Either),
    ("signature.strip_format_chars", Either),
    ("signature.contact_needs_name", TrueTightens),
    ("signature.city_on_1258", Loosest("either")),
    ("signature.extra_names", ItemsLoosen),
    ("signature.extra_consults", Either),
    ("dest.strict_ton", TrueTightens),
    ("region.unknown", Order(&[&["reject"], &["accept"]])),
    ("region.province_scope", Order(&[&["anhui"], &["any"]])),
    ("region.operator_scope", Order(&[&["cmcc"], &["warn", "any"]])),
    ("region.overlay", Either),
    ("hours.night", Windows),
    ("hours.busy", Windows),
    ("hours.edge_guard_seconds", MoreTightens),
    ("hours.check_submit_time", TrueTightens),
    ("hours.action", AVOID),
    ("holiday.scope", Order(&[&["day_off"], &["statutory_days"], &["day"]])),
    ("holiday.extra", ItemsTighten),
    ("holiday.qixi", TrueTightens),
    ("holiday.christmas_eve", TrueTightens),
    ("schedule.honoured", TrueLoosens),
    ("schedule.max_ahead_hours", MoreLoosens),
    ("schedule.zero_offset", Strictest("both")),
    ("validity.mode", Order(&[&["reject"], &["cap"], &["pass"]])),
    ("spread.limit", MoreLoosens),
    ("spread.window_seconds", MoreTightens),
    ("spread.action", AVOID),
    ("spread.digits", MoreLoosens),
    ("dedup.scope", Order(&[&["global"], &["unit"], &["account"]])),
    ("dedup.unknown_outcome", Order(&[&["consume"], &["release"]])),
    ("dedup.limit", MoreLoosens),
    ("dedup.categories", CategoriesTighten),
    ("quota.scope", Order(&[&["unit"], &["account"]])),
    ("quota.users", MoreLoosens),
    ("encoding.dc0", Either),
    ("encoding.dc15", Order(&[&["refuse"], &["gbk"]])),
    ("tlv.unknown", Order(&[&["refuse"], &["pass"]])),
    ("tlv.allow", ItemsLoosen),
    ("pause.ramp_seconds", Either),
    ("pause.cancel_scheduled", TrueTightens),
    ("overload.mode", Either),
    ("overload.freeze", Either),
    ("overload.lower_share_percent", Either),
    ("overload.lower_response_ms", Either),
    ("overload.lower_congestion", Either),
    ("overload.lower_in_flight", Either),
    ("overload.decrease_percent", Either),
    ("overload.increase_percent", Either),
    ("overload.least_per_second", Either),
    ("overload.hold_share_percent", Either),
    ("overload.hold_answers", Either),
    ("overload.hold_response_ms", Either),
    ("overload.hold_congestion", Either),
    ("overload.hold_congestion_answers", Either),
    ("overload.hold_congestion_at_once", Either),
    ("overload.window_seconds", Either),
    ("overload.quiet_seconds", Either),
    ("replace.mode", Order(&[&["refuse"], &["check"]])),
    ("replace.remember", MoreLoosens),
    ("multi.mode", Order(&[&["reject_all"], &["filter"]])),
    ("exempt.rules", ItemsTighten),
    ("audit.text", Neither),
    ("audit.retention_days", Neither),
    ("registry.lead_days", Neither), // it binds people, before anything is sent
    ("registry.lead_kind", Neither),
    ("registry.require_f14", Neither),
    ("registry.moa_province_review", TrueTightens),
    ("registry.unit", Order(&[&["own"], &["every"]])),
    ("registry.mode.province_1258", REGISTRY_MODE),
    ("registry.mode.city_moa", REGISTRY_MODE),
    ("registry.mode.key_account", REGISTRY_MODE),
    ("category.keywords.action", Order(&[&["reject"], &["report"]])),
    ("category.keywords.corporate_image", ItemsTighten),
    ("category.keywords.third_party", ItemsTighten),
    ("category.keywords.single_sp", ItemsTighten),
    ("optout.scope", Order(&[&["all"], &["account"], &["off"]])),
    ("optout.words", Either),
    ("report.success_basis", Neither),
];

/// The direction of a switch; `None` if it has none here.
pub(super) fn of_switch(path: &str) -> Option<Direction> {
    if path.starts_with("status.") {
        return Some(Neither);
    }
    SWITCHES.iter().find(|(own, _)| *own == path).map(|(_, direction)| *direction)
}

impl Direction {
    /// What a change from one value to another does.
    pub(super) fn effect(self, old: &Value, new: &Value) -> Effect {
        let more = |loosens: bool| if loosens { Effect::Loosens } else { Effect::Tightens };
        match self {
            Self::MoreLoosens => more(number(new) > number(old)),
            Self::MoreTightens => more(number(new) < number(old)),
            Self::TrueLoosens => more(new == &Value::Bool(true)),
            Self::TrueTightens => more(new == &Value::Bool(false)),
            Self::Order(groups) => match (rank(groups, old), rank(groups, new)) {
                (Some(old), Some(new)) if old == new => Effect::Neither,
                (Some(old), Some(new)) => more(new > old),
                _ => Effect::Either,
            },
            Self::Strictest(word) if old == word => Effect::Loosens,
            Self::Strictest(word) if new == word => Effect::Tightens,
            Self::Loosest(word) if new == word => Effect::Loosens,
            Self::Loosest(word) if old == word => Effect::Tightens,
            Self::ItemsLoosen => of_sets(&items(old), &items(new)),
            Self::ItemsTighten => of_sets(&items(new), &items(old)),
            Self::CategoriesTighten => of_sets(&categories(new), &categories(old)),
            Self::Windows => of_sets(&minutes(new), &minutes(old)),
            Self::Strictest(_) | Self::Loosest(_) | Self::Either => Effect::Either,
            Self::Neither => Effect::Neither,
        }
    }
}

/// A set of what passes becomes another.
pub(super) fn of_sets<T: Ord>(old: &BTreeSet<T>, new: &BTreeSet<T>) -> Effect {
    match (old.is_subset(new), new.is_subset(old)) {
        (true, true) => Effect::Neither, // only the order has changed
        (true, false) => Effect::Loosens,
        (false, true) => Effect::Tightens,
        (false, false) => Effect::Either,
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

fn rank(groups: &[&[&str]], value: &Value) -> Option<usize> {
    groups.iter().position(|group| value.as_str().is_some_and(|word| group.contains(&word)))
}

fn items(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().map(ToString::to_string).collect()
}

/// The categories that count; what is of none does in any case.
fn categories(value: &Value) -> BTreeSet<Category> {
    let counted = CountedCategories::deserialize(value).unwrap_or(CountedCategories::All);
    Category::ALL.iter().copied().filter(|category| counted.count(Some(*category))).collect()
}

/// The minutes of the day that windows cover.
fn minutes(value: &Value) -> BTreeSet<u32> {
    let texts = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    let windows: Vec<Window> = texts.filter_map(|text| Window::parse(text).ok()).collect();
    (0..1440).filter(|minute| windows.iter().any(|window| window.contains(minute * 60, 0))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::catalogue::{POLICY, Values};

    /// A new switch asks in which direction it loosens.
    #[test]
    fn every_switch_of_the_reference_has_a_direction() {
        let plain = POLICY.iter().filter(|key| !matches!(key.values, Values::Table(..)));
        let missing: Vec<_> = plain.filter(|key| of_switch(key.path).is_none()).map(|key| key.path).collect();
        assert!(missing.is_empty(), "add to SWITCHES in src/config/diff/direction.rs: {missing:?}");
        for (path, direction) in SWITCHES {
            let key = POLICY.iter().find(|key| key.path == *path).unwrap_or_else(|| panic!("no switch {path}"));
            if let (Order(groups), Values::OneOf(words)) = (direction, key.values) {
                let mut ordered: Vec<&str> = groups.concat();
                let mut words = words.to_vec();
                ordered.sort_unstable();
                words.sort_unstable();
                assert_eq!(ordered, words, "{path}");
            }
        }
    }

    #[test]
    fn windows_are_compared_by_the_minutes_they_cover() {
        let of = |old: &[&str], new: &[&str]| Windows.effect(&old.into(), &new.into());
        assert_eq!(of(&["22:00-08:00"], &["21:00-08:00"]), Effect::Tightens);
        assert_eq!(of(&["22:00-08:00"], &["22:00-07:59"]), Effect::Loosens);
        assert_eq!(of(&["22:00-08:00"], &["21:00-07:00"]), Effect::Either);
        assert_eq!(of(&["22:00-08:00"], &["22:00-24:00", "00:00-08:00"]), Effect::Neither);
    }
    #[test]
    fn categories_are_compared_by_what_counts() {
        let of = |old: Value, new: Value| CategoriesTighten.effect(&old, &new);
        let every: Vec<&str> = Category::ALL.iter().map(|category| category.code()).collect();
        assert_eq!(of("all".into(), every.into()), Effect::Neither);
        assert_eq!(of(["voice"].into(), "all".into()), Effect::Tightens);
        assert_eq!(of(["voice"].into(), ["voice", "service"].into()), Effect::Tightens);
        assert_eq!(of(["voice"].into(), ["service"].into()), Effect::Either);
    }
}
