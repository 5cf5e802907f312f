//! "Did you mean": the nearest word of a list.

/// `did you mean …` if a word is near, otherwise the whole list.
pub(super) fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    near(word, known.iter().copied()).unwrap_or_else(|| {
        format!("one of {}", known.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "))
    })
}

/// `did you mean …` if a word is near.
pub(super) fn near<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    nearest(word, &known).map(|near| format!("did you mean `{near}`?"))
}

/// The nearest word, if it differs in no more than a third of its letters.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let cost = |candidate: &str| {
        let begun = word.len() >= 3 && candidate.starts_with(word);
        if begun { 1 } else { distance(word, candidate) }
    };
    let best = known.iter().map(|candidate| (cost(candidate), *candidate)).min()?;
    (best.0 <= word.chars().count().max(3) / 3).then_some(best.1)
}

/// Edits (insert, delete, replace, swap neighbours) between two words.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let mut edits = (above[j] + usize::from(a[i] != b[j])).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                edits = edits.min(before[j - 1] + 1);
            }
            row.push(edits);
        }
        (before, above) = (above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_nonsense_the_list() {
        assert_eq!(distance("limitt", "limit"), 1);
        assert_eq!(distance("hefie", "hefei"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(hint("suzhou", ["bozhou", "suzhou-ah"]), "did you mean `suzhou-ah`?");
        assert_eq!(hint("limitt", ["unit", "limit"]), "did you mean `limit`?");
        assert_eq!(hint("colour", ["unit", "limit"]), "one of `unit`, `limit`");
    }
}
