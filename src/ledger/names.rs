//! Short numbers for accounts and units, kept in every day file so that old
//! records can be read whatever the configuration says today.

use std::collections::HashMap;

/// Names by number. 0 stands for all senders together.
#[derive(Clone, Debug, Default)]
pub struct Names {
    by_name: HashMap<String, u16>,
    next: u16,
}

impl Names {
    /// The number of an account, given on first sight.
    pub fn account(&mut self, system_id: &str) -> u16 {
        self.intern(format!("account:{system_id}"))
    }

    /// The number of a unit, given on first sight.
    pub fn unit(&mut self, unit: &str) -> u16 {
        self.intern(format!("unit:{unit}"))
    }

    fn intern(&mut self, name: String) -> u16 {
        if let Some(id) = self.by_name.get(&name) {
            return *id;
        }
        // 65 535 names are more accounts and units than one gateway is configured with; further ones share the last.
        let id = self.next.saturating_add(1);
        self.next = id;
        self.by_name.insert(name, id);
        id
    }

    /// Enters a name read from a file.
    pub(super) fn restore(&mut self, id: u16, name: String) {
        self.next = self.next.max(id);
        self.by_name.insert(name, id);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether every number up to the last has its name.
    pub(super) fn are_whole(&self) -> bool {
        self.by_name.len() >= usize::from(self.next) || self.next == u16::MAX
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Number and name.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &str)> {
        self.by_name.iter().map(|(name, id)| (*id, name.as_str()))
    }

    /// All names, each in the place of its number.
    pub fn by_number(&self) -> Vec<String> {
        let mut names = vec![String::new(); usize::from(self.next) + 1];
        for (id, name) in self.iter() {
            name.clone_into(&mut names[usize::from(id)]);
        }
        names
    }

    /// The number of a name.
    pub(super) fn number(&self, name: &str) -> Option<u16> {
        self.by_name.get(name).copied()
    }

    /// The name of a number.
    pub fn name(&self, id: u16) -> Option<&str> {
        self.iter().find(|(own, _)| *own == id).map(|(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_one_number_and_is_found_by_it() {
        let mut names = Names::default();
        assert!(names.is_empty() && names.are_whole());
        let own = [names.account("a"), names.unit("a"), names.account("b")];
        assert_eq!((own, names.account("a"), names.unit("a")), ([1, 2, 3], 1, 2));
        assert!(!names.is_empty());
        assert_eq!(names.len(), 3);
        assert_eq!(
            [0, 1, 2, 3, 4].map(|id| names.name(id)),
            [None, Some("account:a"), Some("unit:a"), Some("account:b"), None]
        );
        assert_eq!((names.number("unit:a"), names.number("a")), (Some(2), None));
        assert_eq!(names.by_number(), ["", "account:a", "unit:a", "account:b"]);
    }

    #[test]
    fn a_number_without_its_name_is_noticed() {
        let mut names = Names::default();
        names.restore(2, "unit:a".to_owned());
        assert!(!names.are_whole(), "the first is missing");
        names.restore(1, "account:a".to_owned());
        assert!(names.are_whole());
        assert_eq!(names.account("b"), 3, "numbers go on behind the last");
        let mut last = Names::default();
        last.restore(u16::MAX, "unit:z".to_owned());
        assert!(last.are_whole(), "behind the last number names share it");
        assert_eq!(last.account("more"), u16::MAX);
    }
}
