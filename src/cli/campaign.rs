//! `smsluice campaign`: applications for campaigns, from the draft to the approval (chapter 5).

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};
use hyper::Method;
use serde_json::{Map, Value, json};

use crate::domain::Moment;
use crate::registry::{Category, Department, Platform, State, csv};

use super::client::{Client, Reach, escaped};
use super::failure::{EXIT_CODES, Failure, Told, acted, code, described, finish, listed};
use super::table::Column;

/// Octets of CSV sent at once; the API takes 64 KiB a body, and JSON needs more of them than the text has.
const SENT_AT_ONCE: usize = 24 * 1024;
/// Applications asked for at once.
const PAGE: usize = 500;

/// Applications for campaigns: what 1258 may send, and when.
///
/// draft -> submitted -> approved or rejected -> closed. A city's campaign is reviewed by the department of
/// its category (F11) and approved by Group Customer and Data (F12), which arranges the time (F13); a provincial
/// department's by the latter alone. An approval is in force when the command returns, and so is its end.
#[derive(Debug, ClapArgs)]
#[command(after_help = format!("Examples:
  smsluice campaign new --unit hefei --category voice --contact 张三 --telephone 0551-62620001 \\
      --target '在网两年以上的客户' --from 2026-11-24T09:00 --until 2026-11-24T18:00 --in-knowledge-base \\
      --content '尊敬的{{姓名}},语音信箱业务已开通。安徽移动 询1860'
  smsluice campaign submit 12 --leader 李四
  smsluice campaign review 12 --department marketing --name 王五 --opinion 同意
  smsluice campaign approve 12 --name 赵六 --from 2026-11-25T09:00 --until 2026-11-25T11:00
  smsluice campaign edit 12 --withdraw --remarks '改期'
  smsluice campaign ls --state submitted
  smsluice campaign export --out campaigns.csv

Roles of a token: applicant:UNIT; reviewer:DEPARTMENT with group_data, marketing, customer_service,
centre_1860 or province_leader.

{EXIT_CODES}"))]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Begin an application; a draft may lack anything but its unit
    New {
        #[command(flatten)]
        form: Box<FormArgs>,
    },
    /// Change fields of a draft; those not given stay
    Edit {
        /// Its number
        number: u32,
        #[command(flatten)]
        form: Box<FormArgs>,
        /// Take one that was submitted, approved or rejected back to a draft; it loses every signature
        #[arg(long)]
        withdraw: bool,
    },
    /// Hand it in, with the leader's signature (F2)
    Submit {
        /// Its number
        number: u32,
        /// The leader of the applying unit who has signed it
        #[arg(long, value_name = "NAME")]
        leader: String,
        /// In the leader's words
        #[arg(long, value_name = "TEXT", default_value = "")]
        opinion: String,
    },
    /// A department's opinion (F11), or the provincial leader's (F14)
    Review(Word),
    /// Group Customer and Data's approval (F12), with the time it arranges (F13)
    Approve {
        #[command(flatten)]
        word: Word,
        /// From when on it may be sent; the time that was asked for unless given
        #[arg(long, value_name = "TIME", value_parser = super::moment, requires = "until")]
        from: Option<Moment>,
        /// Until before when
        #[arg(long, value_name = "TIME", value_parser = super::moment, requires = "from")]
        until: Option<Moment>,
    },
    /// It may not be sent; an approved one not any more
    Reject(Word),
    /// It is over
    Close(Word),
    /// One application, with the steps of its way
    Show {
        /// Its number
        number: u32,
    },
    /// Applications, in the order of their numbers
    Ls {
        #[command(flatten)]
        which: Which,
        /// How many at most
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Behind this number only
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        after: u32,
    },
    /// Begin an application with each line of a CSV file (UTF-8)
    Import {
        /// The file; its first line names the columns
        file: PathBuf,
    },
    /// All applications as a CSV file that spreadsheets open
    Export {
        #[command(flatten)]
        which: Which,
        /// The file to write; standard output unless given
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// Somebody's word.
#[derive(Debug, ClapArgs)]
struct Word {
    /// Its number
    number: u32,
    /// Whose word it is; the token's name unless given
    #[arg(long, value_name = "NAME", default_value = "")]
    name: String,
    /// In their words; a rejection needs it
    #[arg(long, value_name = "TEXT", default_value = "")]
    opinion: String,
    /// For which department, where the token is for several
    #[arg(long)]
    department: Option<Department>,
}

/// Which applications.
#[derive(Debug, ClapArgs)]
struct Which {
    /// Of this unit only
    #[arg(long)]
    unit: Option<String>,
    /// In this state only: draft, submitted, approved, rejected, closed
    #[arg(long)]
    state: Option<State>,
}

/// The fields of the form.
#[derive(Debug, ClapArgs)]
struct FormArgs {
    /// F1: the applying unit, as accounts.toml names it
    #[arg(long)]
    unit: Option<String>,
    /// City of a city campaign, a slug of cities.csv; that of the unit's name unless given
    #[arg(long)]
    city: Option<String>,
    /// 1258, or moa for what a city sends by itself
    #[arg(long)]
    platform: Option<Platform>,
    /// new_business, voice, integrated_campaign, service, single_sp, ...
    #[arg(long)]
    category: Option<Category>,
    /// The integrated campaign that a single SP service is part of (2.3)
    #[arg(long, value_name = "ID")]
    integrated_campaign: Option<String>,
    /// F3: whom to ask
    #[arg(long, value_name = "NAME")]
    contact: Option<String>,
    /// F4
    #[arg(long, value_name = "NUMBER")]
    telephone: Option<String>,
    /// F5
    #[arg(long, value_name = "NUMBER")]
    fax: Option<String>,
    /// F6: the target group
    #[arg(long, value_name = "TEXT")]
    target: Option<String>,
    /// F7: begin of the sending time that is asked for
    #[arg(long, value_name = "TIME", value_parser = super::moment, requires = "until")]
    from: Option<Moment>,
    /// F7: its end, excluded
    #[arg(long, value_name = "TIME", value_parser = super::moment, requires = "from")]
    until: Option<Moment>,
    /// F8: the text; {name} stands for up to 20 characters
    #[arg(long, value_name = "TEXT")]
    content: Option<String>,
    /// F9
    #[arg(long, value_name = "TEXT")]
    remarks: Option<String>,
    /// F10: it was given to the 1860 centre for its knowledge base
    #[arg(long, value_name = "yes|no", num_args = 0..=1, default_missing_value = "yes", value_parser = ["yes", "no"])]
    in_knowledge_base: Option<String>,
}

/// Runs the command.
pub async fn run(args: &Args) -> ExitCode {
    finish(told(args).await)
}

async fn told(args: &Args) -> Told {
    let (reach, client) = (&args.reach, args.reach.client()?);
    match &args.verb {
        Verb::New { form } => {
            let body = json!({ "form": form.over(Map::new()) });
            Ok(done(reach, &client.send(Method::POST, "campaigns", &body).await?))
        }
        Verb::Edit { number, form, withdraw } => {
            let before = client.get(&format!("campaigns/{number}")).await?;
            let body = json!({ "form": form.over(before["form"].as_object().cloned().unwrap_or_default()), "withdraw": withdraw, "revision": before["revision"] });
            Ok(done(reach, &client.send(Method::PUT, &format!("campaigns/{number}"), &body).await?))
        }
        Verb::Submit { number, leader, opinion } => {
            act(reach, &client, *number, "submit", json!({ "name": leader, "opinion": opinion })).await
        }
        Verb::Review(word) => act(reach, &client, word.number, "review", word.body()).await,
        Verb::Approve { word, from, until } => {
            let mut body = word.body();
            if let (Some(from), Some(until)) = (from, until) {
                body["arranged"] = span(*from, *until);
            }
            act(reach, &client, word.number, "approve", body).await
        }
        Verb::Reject(word) => act(reach, &client, word.number, "reject", word.body()).await,
        Verb::Close(word) => act(reach, &client, word.number, "close", word.body()).await,
        Verb::Show { number } => {
            let one = client.get(&format!("campaigns/{number}")).await?;
            Ok(described(reach, &one))
        }
        Verb::Ls { which, limit, after } => {
            let found = which.all(&client, *after, *limit).await?;
            Ok(listed(reach, &Value::Array(found), COLUMNS))
        }
        Verb::Import { file } => import(reach, &client, file).await,
        Verb::Export { which, out } => export(&client, which, out.as_deref()).await,
    }
}

const COLUMNS: &[Column] = &[
    ("number", "编号", "/number"),
    ("state", "状态", "/state"),
    ("unit", "申请单位", "/form/unit"),
    ("category", "类别", "/form/category"),
    ("asked for", "申请时间", "/form/requested/from"),
    ("arranged", "安排时间", "/arranged/from"),
    ("due", "审核期限", "/review_due"),
    ("late", "逾期", "/late"),
];

async fn act(reach: &Reach, client: &Client, number: u32, verb: &str, body: Value) -> Told {
    Ok(done(reach, &client.send(Method::POST, &format!("campaigns/{number}/{verb}"), &body).await?))
}

fn done(reach: &Reach, view: &Value) -> String {
    let text = |pointer: &str| super::table::shown(view.pointer(pointer).unwrap_or(&Value::Null));
    acted(reach, view, |chinese| {
        let (number, state) = (text("/number"), text("/state"));
        let window = match (view["state"] == "approved", chinese) {
            (false, _) => String::new(),
            (true, false) => {
                format!(", to be sent from {} until before {}", text("/arranged/from"), text("/arranged/until"))
            }
            (true, true) => format!(",发送时间 {} 至 {}(不含)", text("/arranged/from"), text("/arranged/until")),
        };
        let general = match (view["general_send"] == true, chinese) {
            (false, _) => "",
            (true, false) => "; it goes to everybody, which is to be avoided (7.2)",
            (true, true) => ";面向全部用户,应尽量避免(7.2)",
        };
        if chinese {
            format!("第 {number} 号:{state}{window}{general}")
        } else {
            format!("campaign {number} is {state}{window}{general}")
        }
    })
}

/// Lines of a file, checked here first, then sent in parts that the API takes.
async fn import(reach: &Reach, client: &Client, file: &std::path::Path) -> Told {
    let failed = |why: String| Failure::new(code::INVALID, format!("error: {}: {why}", file.display()));
    let octets = std::fs::read(file).map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8(octets).map_err(|_| failed("is not UTF-8; save it as CSV UTF-8".to_owned()))?;
    let forms = csv::forms(&text).map_err(|faults| {
        let told: Vec<String> = faults.iter().take(50).map(ToString::to_string).collect();
        failed(format!("nothing was imported\n  {}", told.join("\n  ")))
    })?;
    if forms.is_empty() {
        return Err(failed("there is no line behind the head".to_owned()));
    }
    let mut parts: Vec<(u64, String)> = Vec::new();
    for (line, form) in &forms {
        let row = csv::form_row(form);
        match parts.last_mut() {
            Some((_, part)) if part.len() + row.len() <= SENT_AT_ONCE => *part += &row,
            _ => parts.push((*line, csv::form_head() + &row)),
        }
    }
    let mut numbers = Vec::new();
    for (line, part) in parts {
        let body = json!({ "csv": part });
        let answer = client.send(Method::POST, "campaigns:import", &body).await.map_err(|failure| {
            let before = numbers.len();
            let told = format!("{}\n{before} drafts of the lines before line {line} were made", failure.message);
            Failure::new(failure.code, told)
        })?;
        numbers.extend(answer["numbers"].as_array().cloned().unwrap_or_default());
    }
    let (first, last, count) = (numbers.first().cloned(), numbers.last().cloned(), numbers.len());
    let answer = json!({ "drafts": count, "first": first, "last": last });
    Ok(acted(reach, &answer, |chinese| {
        let [first, last] = ["first", "last"].map(|member| super::table::shown(&answer[member]));
        if chinese {
            format!("已建 {count} 份草稿,第 {first} 至 {last} 号")
        } else {
            format!("{count} drafts, {first} to {last}")
        }
    }))
}

async fn export(client: &Client, which: &Which, out: Option<&std::path::Path>) -> Told {
    let (mut text, mut behind) = (String::new(), None);
    loop {
        let cursor = behind.map_or_else(String::new, |number: u64| format!("&cursor={number}"));
        let path = format!("/api/v1/campaigns:export?limit={PAGE}{cursor}{}", which.query());
        let (status, octets) = client.raw(Method::GET, &path, None).await?;
        if status != 200 {
            return Err(Client::refused(status, &octets));
        }
        let page = String::from_utf8_lossy(&octets);
        let Some(last) = csv::last_number(&page) else {
            if behind.is_none() {
                text += &page; // the head of an empty list
            }
            break;
        };
        text += &page;
        behind = Some(last);
    }
    let Some(out) = out else { return Ok(text) };
    let written = std::fs::write(out, text);
    written.map_err(|error| Failure::new(code::FAILED, format!("error: {}: {error}", out.display())))?;
    Ok(String::new())
}

impl Which {
    fn query(&self) -> String {
        let unit = self.unit.as_deref().map(|unit| format!("&unit={}", escaped(unit))).unwrap_or_default();
        unit + &self.state.map(|state| format!("&state={state}")).unwrap_or_default()
    }

    /// Applications behind a number, page by page.
    async fn all(&self, client: &Client, after: u32, limit: usize) -> Result<Vec<Value>, Failure> {
        let (mut found, mut behind) = (Vec::new(), u64::from(after));
        while found.len() < limit {
            let page = (limit - found.len()).min(PAGE);
            let path = format!("campaigns?limit={page}&cursor={behind}{}", self.query());
            let Value::Array(part) = client.get(&path).await? else { break };
            let Some(last) = part.last().and_then(|one| one["number"].as_u64()) else { break };
            behind = last;
            found.extend(part);
        }
        Ok(found)
    }
}

impl Word {
    fn body(&self) -> Value {
        let Self { name, opinion, department, .. } = self;
        json!({ "name": name, "opinion": opinion, "department": department })
    }
}

impl FormArgs {
    /// The form with what is given over what it has.
    fn over(&self, mut form: Map<String, Value>) -> Value {
        let texts = [
            ("unit", &self.unit),
            ("city", &self.city),
            ("integrated_campaign", &self.integrated_campaign),
            ("contact", &self.contact),
            ("telephone", &self.telephone),
            ("fax", &self.fax),
            ("target", &self.target),
            ("content", &self.content),
            ("remarks", &self.remarks),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                form.insert(name.to_owned(), value.as_str().into());
            }
        }
        if let Some(platform) = self.platform {
            form.insert("platform".to_owned(), platform.code().into());
        }
        if let Some(category) = self.category {
            form.insert("category".to_owned(), category.code().into());
        }
        if let (Some(from), Some(until)) = (self.from, self.until) {
            form.insert("requested".to_owned(), span(from, until));
        }
        if let Some(is_there) = &self.in_knowledge_base {
            form.insert("in_knowledge_base".to_owned(), (is_there == "yes").into());
        }
        form.into()
    }
}

fn span(from: Moment, until: Moment) -> Value {
    json!({ "from": from.to_string(), "until": until.to_string() })
}
