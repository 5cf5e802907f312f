//! Applications as CSV, for spreadsheets and other programs.
//!
//! UTF-8 with a byte order mark, so that a spreadsheet shows Chinese. A cell that a spreadsheet would take for a formula
//! gets an apostrophe in front of it, which is taken away when the file comes back. What is read are drafts: a state, an
//! opinion or an arranged time in the file is for people.

use crate::domain::Moment;

use super::application::{Application, Form, Opinion, Span};

/// What the file begins with.
pub const BOM: char = '\u{FEFF}';

/// Columns that an application is read from.
pub const READ: [&str; 15] = [
    "unit",
    "city",
    "platform",
    "category",
    "integrated_campaign",
    "contact",
    "telephone",
    "fax",
    "target",
    "requested_from",
    "requested_until",
    "content",
    "remarks",
    "in_knowledge_base",
    "number",
];

/// Columns that tell what has become of it.
const TOLD: [&str; 14] = [
    "state",
    "revision",
    "applicant",
    "submitted_at",
    "leader",
    "department_by",
    "department_opinion",
    "group_data_by",
    "group_data_opinion",
    "arranged_from",
    "arranged_until",
    "province_leader",
    "ended_by",
    "ended_why",
];

/// A cell that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, {column}: {message}")]
pub struct Fault {
    /// The line in the file.
    pub line: u64,
    /// The column.
    pub column: String,
    /// What is wrong; not what is in it.
    pub message: String,
}

/// The first line, with the mark.
pub fn head() -> String {
    let names: Vec<&str> = READ.into_iter().chain(TOLD).collect();
    format!("{BOM}{}", line(&names))
}

/// An application's line.
pub fn row(application: &Application) -> String {
    let Application { number, state, revision, form, applicant, .. } = application;
    let name = |opinion: &Option<Opinion>| opinion.as_ref().map(|own| own.name.clone()).unwrap_or_default();
    let said = |opinion: &Option<Opinion>| opinion.as_ref().map(|own| own.opinion.clone()).unwrap_or_default();
    let at = application.submitted.as_ref().map(|own| own.at.to_string()).unwrap_or_default();
    let told = [
        number.to_string(),
        state.to_string(),
        revision.to_string(),
        applicant.clone(),
        at,
        name(&application.submitted),
        name(&application.department),
        said(&application.department),
        name(&application.group_data),
        said(&application.group_data),
        time(application.arranged, |span| span.from),
        time(application.arranged, |span| span.until),
        name(&application.province_leader),
        name(&application.ended),
        said(&application.ended),
    ];
    let cells: Vec<String> = form_cells(form).into_iter().chain(told).map(|cell| neutral(&cell)).collect();
    line(&cells.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The cells of what the applicant fills in.
fn form_cells(form: &Form) -> [String; READ.len() - 1] {
    [
        form.unit.clone(),
        form.city.clone(),
        form.platform.to_string(),
        form.category.map(|category| category.to_string()).unwrap_or_default(),
        form.integrated_campaign.clone(),
        form.contact.clone(),
        form.telephone.clone(),
        form.fax.clone(),
        form.target.clone(),
        time(form.requested, |span| span.from),
        time(form.requested, |span| span.until),
        form.content.clone(),
        form.remarks.clone(),
        if form.in_knowledge_base { "yes" } else { "no" }.to_owned(),
    ]
}

fn time(span: Option<Span>, of: fn(Span) -> Moment) -> String {
    span.map(|span| of(span).to_string()).unwrap_or_default()
}

/// The first line of a file of forms alone, without the mark.
pub fn form_head() -> String {
    line(&READ[..READ.len() - 1])
}

/// A form's line in such a file.
pub fn form_row(form: &Form) -> String {
    line(&form_cells(form).each_ref().map(|cell| neutral(cell)).each_ref().map(String::as_str))
}

/// The number in the last line of what [`row`] has written.
pub fn last_number(text: &str) -> Option<u64> {
    let text = text.trim_start_matches(BOM);
    let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let last = reader.records().last()?.ok()?;
    last.get(READ.len() - 1)?.parse().ok()
}

/// Reads forms, or tells every cell that cannot be used. Each form has the line that it stands in.
pub fn forms(text: &str) -> Result<Vec<(u64, Form)>, Vec<Fault>> {
    let text = text.trim_start_matches(BOM);
    let mut reader = ::csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let unreadable = |error: &::csv::Error| Fault {
        line: error.position().map_or(1, ::csv::Position::line),
        column: "line".to_owned(),
        message: "is no line of a CSV file".to_owned(),
    };
    let columns = match reader.headers() {
        Ok(headers) => headers.iter().map(|name| name.trim().to_owned()).collect::<Vec<_>>(),
        Err(error) => return Err(vec![unreadable(&error)]),
    };
    let unknown = columns.iter().filter(|name| !READ.contains(&name.as_str()) && !TOLD.contains(&name.as_str()));
    let mut faults: Vec<Fault> = unknown
        .map(|name| Fault { line: 1, column: name.clone(), message: "is no column of an application".to_owned() })
        .collect();
    if !columns.iter().any(|name| name == "unit") {
        faults.push(Fault { line: 1, column: "unit".to_owned(), message: "the column is missing".to_owned() });
    }
    let (mut forms, mut lines) = (Vec::new(), Lines { text, at: 0, line: 1 });
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                faults.push(unreadable(&error));
                continue;
            }
        };
        let line = lines.at(record.position().map_or(0, ::csv::Position::byte) as usize);
        if record.len() > columns.len() {
            faults.push(Fault { line, column: "line".to_owned(), message: "has more cells than the head".to_owned() });
            continue;
        }
        let cell = |name: &str| {
            let at = columns.iter().position(|own| own == name);
            original(at.and_then(|at| record.get(at)).unwrap_or_default())
        };
        match form(cell) {
            Ok(form) => forms.push((line, form)),
            Err((column, message)) => faults.push(Fault { line, column: column.to_owned(), message }),
        }
    }
    if faults.is_empty() { Ok(forms) } else { Err(faults) }
}

/// Counts lines: the reader's own count is behind where they end with two characters.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of a record that begins at an octet, or with the line break before it. Records are asked for in their order.
    fn at(&mut self, octet: usize) -> u64 {
        let rest = self.text.as_bytes().get(octet..).unwrap_or_default();
        let begin = octet + rest.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
        let passed = self.text.as_bytes().get(self.at..begin).unwrap_or_default();
        self.line += memchr::memchr_iter(b'\n', passed).count() as u64;
        self.at = begin.max(self.at);
        self.line
    }
}

fn form(cell: impl Fn(&str) -> String) -> Result<Form, (&'static str, String)> {
    let word = |name: &'static str| Some(cell(name)).filter(|text| !text.trim().is_empty());
    let time = |name: &'static str| {
        let hint = "expected a time such as 2026-11-24T09:30:00+08:00";
        word(name).map(|text| moment(&text).ok_or((name, hint.to_owned()))).transpose()
    };
    let requested = match (time("requested_from")?, time("requested_until")?) {
        (Some(from), Some(until)) => Some(Span { from, until }),
        (None, None) => None,
        _ => return Err(("requested_until", "a span of time has a begin and an end".to_owned())),
    };
    let in_knowledge_base = match cell("in_knowledge_base").trim().to_lowercase().as_str() {
        "yes" | "true" | "1" | "是" => true,
        "no" | "false" | "0" | "否" | "" => false,
        _ => return Err(("in_knowledge_base", "expected yes or no".to_owned())),
    };
    let parsed = |name: &'static str| word(name).map(|text| text.trim().to_owned());
    Ok(Form {
        unit: cell("unit"),
        city: cell("city"),
        platform: parsed("platform")
            .map(|text| text.parse().map_err(|error| ("platform", error)))
            .transpose()?
            .unwrap_or_default(),
        category: parsed("category").map(|text| text.parse().map_err(|error| ("category", error))).transpose()?,
        integrated_campaign: cell("integrated_campaign"),
        contact: cell("contact"),
        telephone: cell("telephone"),
        fax: cell("fax"),
        target: cell("target"),
        requested,
        content: cell("content"),
        remarks: cell("remarks"),
        in_knowledge_base,
    })
}

/// A time as it is written here, or as a spreadsheet has made it.
fn moment(text: &str) -> Option<Moment> {
    let text = text.trim();
    Moment::parse(text).or_else(|| {
        let (day, clock) = text.split_once(' ')?;
        let day: Vec<u16> = day.split(['/', '-']).map(|part| part.parse().ok()).collect::<Option<_>>()?;
        let [year, month, day] = day[..] else { return None };
        let seconds = if clock.matches(':').count() == 1 { ":00" } else { "" };
        Moment::parse(&format!("{year:04}-{month:02}-{day:02}T{clock:0>5}{seconds}"))
    })
}

/// One line of a file.
fn line(cells: &[&str]) -> String {
    let mut writer = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(Vec::new());
    // Writing to memory cannot fail, and cells are UTF-8.
    let _ = writer.write_record(cells);
    writer.into_inner().ok().and_then(|octets| String::from_utf8(octets).ok()).unwrap_or_default()
}

/// Whether a spreadsheet would take a cell for a formula, apostrophes in front of it left aside.
fn is_formula(cell: &str) -> bool {
    cell.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
}

/// A cell that no spreadsheet takes for a formula.
pub fn neutral(cell: &str) -> String {
    if is_formula(cell) { format!("'{cell}") } else { cell.to_owned() }
}

/// What was in a cell before it was made neutral.
pub fn original(cell: &str) -> String {
    match cell.strip_prefix('\'') {
        Some(rest) if is_formula(rest) => rest.to_owned(),
        _ => cell.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::registry::application::{Category, Platform, State};

    fn application(form: Form) -> Application {
        Application {
            number: 7,
            state: State::Draft,
            revision: 1,
            form,
            applicant: "=cmd".to_owned(),
            submitted: None,
            department: None,
            group_data: None,
            arranged: None,
            province_leader: None,
            ended: None,
        }
    }

    fn cells() -> impl Strategy<Value = String> {
        prop_oneof!["['=+@\t\r\n,\";a-\u{4e00}＝-]{0,8}", "'{0,3}[=+@＠-].{0,5}", "\\PC{0,12}"]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_and_no_cell_is_a_formula(
            texts in proptest::collection::vec(cells(), 9),
            category in proptest::option::of(0..Category::ALL.len()),
            span in proptest::option::of((0..2_000_000_000_i64, 0..100_000_i64)),
            flags in any::<[bool; 2]>(),
        ) {
            let [unit, city, integrated_campaign, contact, telephone, fax, target, content, remarks] =
                <[String; 9]>::try_from(texts).expect("nine");
            let form = Form {
                unit, city, integrated_campaign, contact, telephone, fax, target, content, remarks,
                platform: if flags[0] { Platform::P1258 } else { Platform::Moa },
                category: category.map(|index| Category::ALL[index]),
                requested: span.map(|(from, length)| Span {
                    from: Moment::from_ms(from * 1000),
                    until: Moment::from_ms((from + length) * 1000),
                }),
                in_knowledge_base: flags[1],
            };
            let text = head() + &row(&application(form.clone()));
            prop_assert!(text.starts_with(BOM));
            let read = forms(&text).map_err(|faults| TestCaseError::fail(format!("{faults:?}")))?;
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!(&read[0].1, &form);
            let mut cells = ::csv::Reader::from_reader(text.trim_start_matches(BOM).as_bytes());
            for cell in cells.records().flat_map(|record| record.expect("a line").iter().map(str::to_owned).collect::<Vec<_>>()) {
                prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{:?}", cell);
            }
        }
    }

    #[test]
    fn what_a_spreadsheet_makes_of_times_is_read() {
        let moment = |text| super::moment(text).map(|moment| moment.to_string());
        for text in ["2026-11-24T09:00:00+08:00", "2026/11/24 9:00", "2026-11-24 09:00:00", " 2026/11/24 9:00 "] {
            assert_eq!(moment(text).as_deref(), Some("2026-11-24T09:00:00+08:00"), "{text}");
        }
        for text in ["2026-11", "24.11.2026", "2026/11/24 x", "46350.375", ""] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn every_cell_that_cannot_be_used_is_told_with_its_line() {
        let text = "\u{feff}unit,category,requested_from,requested_until,in_knowledge_base,colour\r\n\
            a,voice,2026-11-24T09:00:00,2026-11-24T10:00:00,yes,\r\n\
            b,noise,,,,\r\n\
            c,voice,2026-11-24T09:00:00,,,\r\n\
            d,voice,,,perhaps,\r\n\
            e,voice,,,,,\r\n";
        let faults = forms(text).expect_err("faults");
        let told: Vec<(u64, &str)> = faults.iter().map(|fault| (fault.line, fault.column.as_str())).collect();
        assert_eq!(
            told,
            [(1, "colour"), (3, "category"), (4, "requested_until"), (5, "in_knowledge_base"), (6, "line")]
        );
        assert!(!faults.iter().any(|fault| fault.to_string().contains("perhaps")));
        assert_eq!(forms("city\r\nx\r\n").expect_err("no unit")[0].column, "unit");
        let read = forms("unit\nhefei\n").expect("enough for a draft");
        assert_eq!((read[0].0, read[0].1.unit.as_str()), (2, "hefei"));
    }
}
