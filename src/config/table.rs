//! CSV tables: a header that must fit, rows with their lines.

use csv::StringRecord;

use super::problem::Problem;

/// Problems of one table that are reported; the rest is counted.
const ROWS_REPORTED_MAX: usize = 20;

/// The columns a table has.
pub(super) struct Columns {
    /// Those it must have.
    pub(super) required: &'static [&'static str],
    /// Those it may have.
    pub(super) optional: &'static [&'static str],
}

/// A row under its header.
pub(super) struct Row<'a> {
    file: &'a str,
    header: &'a StringRecord,
    record: &'a StringRecord,
    /// Line of the file, from 1.
    pub(super) line: u32,
}

/// Reads every row; a row's problem is reported and the next row is read. Gives the number of rows.
pub(super) fn read(
    file: &str,
    text: &str,
    columns: &Columns,
    problems: &mut Vec<Problem>,
    mut row: impl FnMut(&Row<'_>) -> Result<(), Problem>,
) -> usize {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().cloned().unwrap_or_default();
    let unfit = columns.unfit(file, &header);
    if !unfit.is_empty() {
        problems.extend(unfit);
        return 0;
    }
    let mut found = Vec::new();
    let (mut record, mut rows) = (StringRecord::new(), 0);
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {
                rows += 1;
                let line = record.position().map_or(0, |position| position.line() as u32);
                found.extend(row(&Row { file, header: &header, record: &record, line }).err());
            }
            Err(error) => {
                let line = error.position().map_or(0, |position| position.line() as u32);
                found.push(shape(file, &error, header.len()).at_line(line));
            }
        }
    }
    let more = found.len().saturating_sub(ROWS_REPORTED_MAX);
    found.truncate(ROWS_REPORTED_MAX);
    problems.extend(found);
    if more > 0 {
        problems.push(Problem::error(file, "rows", format!("{more} more problems of this kind")));
    }
    rows
}

fn shape(file: &str, error: &csv::Error, columns: usize) -> Problem {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { len, .. } => {
            Problem::error(file, "row", format!("{len} fields under a header of {columns}"))
                .hint("put fields that hold a comma in double quotes")
        }
        _ => Problem::error(file, "row", "cannot be read as comma separated values"),
    }
}

impl Columns {
    fn unfit(&self, file: &str, header: &StringRecord) -> Vec<Problem> {
        let whole = || format!("the header is `{}`", self.required.join(","));
        let mut problems = Vec::new();
        for column in self.required.iter().filter(|column| !header.iter().any(|own| own == **column)) {
            let missing = Problem::error(file, *column, format!("column `{column}` is missing"));
            problems.push(missing.at_line(1).hint(whole()));
        }
        for (index, column) in header.iter().enumerate() {
            let known = self.required.contains(&column) || self.optional.contains(&column);
            if !known {
                let unknown = Problem::error(file, column, format!("unknown column `{column}`"));
                problems.push(unknown.at_line(1).hint(whole()));
            } else if header.iter().take(index).any(|other| other == column) {
                problems.push(Problem::error(file, column, format!("column `{column}` stands twice")).at_line(1));
            }
        }
        problems
    }
}

impl Row<'_> {
    /// A column's field; empty if the table lacks the column.
    pub(super) fn get(&self, column: &str) -> &str {
        let index = self.header.iter().position(|own| own == column);
        index.and_then(|index| self.record.get(index)).unwrap_or_default()
    }

    /// An error in a column of this row. The row itself is not quoted: it could hold a subscriber's number.
    pub(super) fn problem(&self, column: &str, message: impl Into<String>) -> Problem {
        Problem::error(self.file, column, message).at_line(self.line)
    }
}
