//! Every key of the three TOML files: its range, its clause and what it does,
//! in both languages. The checks, `docs/configuration.md` and the printed
//! policy are made of this one list; tests compare it with the types.

use std::fmt;

/// A key of a file.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// `section.key`.
    pub path: &'static str,
    /// What it may be.
    pub values: Values,
    /// The clause, ambiguity or section it comes from; `-` for plain engineering.
    pub clause: &'static str,
    /// What it does.
    pub english: &'static str,
    /// The same in short.
    pub chinese: &'static str,
}

/// What a key may be.
#[derive(Clone, Copy, Debug)]
pub enum Values {
    /// A whole number between two, both included.
    Range(u64, u64),
    /// One of some words.
    OneOf(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// Something described in words.
    Free(&'static str),
    /// A list of something described in words.
    List(&'static str),
    /// A table from a word of the first kind to a value of the second.
    Table(&'static str, &'static str),
}

use Values::{Flag, Free, List, OneOf, Range, Table};

const ANY_U32: u64 = u32::MAX as u64;
const AVOID: Values = OneOf(&["reject", "throttle", "warn"]);
const MODE: Values = OneOf(&["enforce", "observe", "off"]);

const fn key(
    path: &'static str,
    values: Values,
    clause: &'static str,
    english: &'static str,
    chinese: &'static str,
) -> Key {
    Key { path, values, clause, english, chinese }
}

/// The keys of `smsluice.toml`.
pub const SETTINGS: &[Key] = &[
    key("listen.smpp", Free("address:port"), "-", "where senders connect", "发送方接入地址"),
    key(
        "listen.backlog",
        Range(1, 65_535),
        "-",
        "connections the kernel holds before they are accepted",
        "内核等待队列长度",
    ),
    key(
        "listen.max_connections",
        Range(1, 1_000_000),
        "-",
        "connections at a time, all accounts together",
        "总连接数上限",
    ),
    key(
        "listen.max_per_address",
        Range(1, 1_000_000),
        "-",
        "connections at a time from one address",
        "单一地址连接数上限",
    ),
    key("listen.session_init_timeout", Free("duration"), "-", "time for a connection to bind", "连接后完成绑定的时限"),
    key(
        "listen.inactivity_timeout",
        Free("duration"),
        "-",
        "time without any PDU after which a session is closed",
        "无任何消息的会话关闭时限",
    ),
    key(
        "listen.max_in_flight",
        Range(1, 1_000_000),
        "-",
        "requests of one session that are passed on and not answered yet",
        "单会话未应答请求上限",
    ),
    key("smsc.address", List("host:port"), "-", "the SMSC, tried in order", "短信中心地址,按顺序尝试"),
    key("smsc.connect_timeout", Free("duration"), "-", "time for one address to accept", "单个地址的连接时限"),
    key(
        "smsc.response_timeout",
        Free("duration"),
        "-",
        "time for the SMSC to answer; after it the outcome is unknown and counts as sent",
        "短信中心应答时限,逾期结果未知,按已发送计",
    ),
    key(
        "ledger.backend",
        Free("`embedded`"),
        "-",
        "which store keeps the slots; this version has one",
        "账本存储方式,本版本仅此一种",
    ),
    key(
        "ledger.path",
        Free("folder"),
        "-",
        "where the ledger lives; a relative path is taken from the configuration folder",
        "账本目录,相对路径以配置目录为准",
    ),
    key(
        "ledger.durability",
        OneOf(&["power", "process"]),
        "-",
        "when a slot counts as taken: synced to disk, or written (survives kill -9 but not the loss of power)",
        "落盘级别:掉电不丢 或 进程崩溃不丢",
    ),
    key(
        "ledger.valkey_url",
        Free("URL"),
        "-",
        "address of a shared store; accepted and not used while the backend is `embedded`",
        "共享账本地址,embedded 下不使用",
    ),
    key("admin.listen", Free("address:port"), "-", "console, API and metrics", "控制台、接口与指标地址"),
    key(
        "log.level",
        Free("level or filter"),
        "-",
        "`error`, `warn`, `info`, `debug`, or a filter such as `info,smsluice::proxy=debug`",
        "日志级别或过滤式",
    ),
    key("log.format", OneOf(&["text", "json"]), "-", "lines for people, or one JSON object a line", "日志格式"),
    key("runtime.workers", Range(0, 1024), "-", "worker threads; 0 is one per core", "工作线程数,0 为每核一个"),
];

/// The keys of `policy.toml`: the switches of the policy reference.
pub const POLICY: &[Key] = &[
    key(
        "mode",
        Table("rule or `default`", "enforce, observe or off"),
        "-",
        "what a rule does with what it finds: refuse, only count, nothing; `default` is for rules not named",
        "各规则的执行方式:拦截、仅观察、关闭",
    ),
    key(
        "length.unit",
        OneOf(&["scalar", "utf16", "grapheme"]),
        "4.1, A-10",
        "what counts as one character",
        "按何单位计一个字",
    ),
    key("length.limit", Range(1, 1000), "4.1", "characters allowed, this number included", "字数上限,含本数"),
    key("length.count_signature", Flag, "4.1, A-10", "whether the signature counts", "落款是否计入字数"),
    key(
        "signature.position",
        OneOf(&["tail", "head_or_tail", "anywhere"]),
        "4.2, 4.3, A-09",
        "where the signature may stand",
        "落款位置",
    ),
    key(
        "signature.zone",
        Range(1, 1000),
        "4.2, 4.3, A-09",
        "characters at the end (or head) in which the signature is looked for",
        "查找落款的末尾字数",
    ),
    key(
        "signature.province",
        OneOf(&["all", "any"]),
        "4.2, A-06",
        "province_1258: name and consultation phrase, or either",
        "省公司:名称与咨询电话须全有或任一",
    ),
    key(
        "signature.city",
        OneOf(&["any", "all"]),
        "4.3, A-08",
        "cities: name or local consultation phrase, or both",
        "地市:名称或当地咨询电话任一或全有",
    ),
    key(
        "signature.foreign_consult",
        OneOf(&["reject", "warn", "allow"]),
        "5.1.2, A-08",
        "a consultation number of another place in a city's text",
        "非当地咨询电话的处理",
    ),
    key(
        "signature.province_numbers",
        List("telephone number"),
        "4.2",
        "the province's consultation numbers",
        "省公司咨询电话",
    ),
    key(
        "signature.strip_format_chars",
        Flag,
        "4.2, 4.3",
        "whether invisible format characters are removed before matching",
        "匹配前是否去除不可见格式字符",
    ),
    key(
        "signature.contact_needs_name",
        Flag,
        "5.1.3, A-23",
        "whether an account manager must give the name beside the number",
        "客户经理是否须同时留姓名",
    ),
    key(
        "signature.city_on_1258",
        OneOf(&["province", "city", "either"]),
        "4.2, A-07",
        "whose signature a city campaign on 1258 carries",
        "地市经 1258 群发用谁的落款",
    ),
    key(
        "signature.extra_names",
        List("phrase"),
        "4.2, 4.3",
        "further name phrases, for every class (等字样)",
        "其他可接受的名称字样",
    ),
    key(
        "signature.extra_consults",
        List("phrase"),
        "4.2, 4.3",
        "further words that introduce a consultation number, beside 询 (等字样)",
        "除“询”外引出咨询电话的字样",
    ),
    key(
        "dest.strict_ton",
        Flag,
        "1.3",
        "whether a number of international type must carry its country code",
        "国际类型号码是否必须带国家码",
    ),
    key(
        "region.unknown",
        OneOf(&["reject", "accept"]),
        "7.3, A-13",
        "a number whose segment is unknown, for the city classes",
        "号段未知时地市账号的处理",
    ),
    key(
        "region.province_scope",
        OneOf(&["anhui", "any"]),
        "1.3, A-11",
        "where a provincial send may go",
        "省公司群发的地域范围",
    ),
    key(
        "region.operator_scope",
        OneOf(&["warn", "cmcc", "any"]),
        "1.3, A-12",
        "whose subscribers may be sent to; `warn` passes and counts others",
        "其他运营商用户的处理",
    ),
    key(
        "region.overlay",
        Free("CSV file beside this one"),
        "7.3, A-25",
        "exceptions to the segment table: `pattern,city,operator,valid_from,valid_to,reason`",
        "号段例外表",
    ),
    key(
        "hours.night",
        List("window \"22:00-08:00\""),
        "7.5, A-04",
        "night, half open, may pass midnight",
        "夜间时段,左闭右开,可跨零点",
    ),
    key(
        "hours.busy",
        List("window \"11:00-14:00\""),
        "7.5, A-26",
        "the daily busy hours, half open",
        "每日忙时,左闭右开",
    ),
    key(
        "hours.edge_guard_seconds",
        Range(0, 3600),
        "7.5, A-05",
        "seconds by which every window is widened on both sides",
        "各时段两端加宽的秒数",
    ),
    key(
        "hours.check_submit_time",
        Flag,
        "7.5",
        "whether the time of submission of a scheduled message is judged as well",
        "定时短信的提交时刻是否也须合规",
    ),
    key(
        "hours.action",
        AVOID,
        "7.4, 7.5, A-16",
        "how a message in a window or on a holiday is answered: permanent refusal, temporary refusal, passed and counted",
        "避开时段内的处理:拒绝、稍后再试、仅告警",
    ),
    key(
        "holiday.scope",
        OneOf(&["statutory_days", "day", "day_off"]),
        "7.4, A-14",
        "the statutory festival days, the festival's own day only, or the statutory days and the published days off",
        "节假日口径:法定节日、节日当天、含调休放假",
    ),
    key("holiday.extra", List("date \"2026-12-31\""), "7.4, A-15", "further blocked days", "另行指定的日期"),
    key("holiday.qixi", Flag, "7.4, A-15", "whether 七夕 blocks beside 14 February", "七夕是否也算情人节"),
    key("holiday.christmas_eve", Flag, "7.4, A-15", "whether 24 December blocks too", "平安夜是否也避开"),
    key(
        "schedule.honoured",
        Flag,
        "7.4, 7.5, section 4",
        "whether the SMSC honours schedule_delivery_time; if not, the field is refused",
        "短信中心是否支持定时发送",
    ),
    key(
        "schedule.max_ahead_hours",
        Range(1, 720),
        "7.6, A-27",
        "hours ahead that a message may be scheduled",
        "定时最多提前的小时数",
    ),
    key(
        "schedule.zero_offset",
        OneOf(&["both", "utc", "local"]),
        "7.4, 7.5, A-28",
        "how an absolute time with offset 00 is read; with `both` the two readings must be allowed and fall on one day",
        "时区偏移为 00 时的读法",
    ),
    key(
        "validity.mode",
        OneOf(&["pass", "reject"]),
        "7.4, 7.5, section 4",
        "a validity_period that crosses a forbidden window",
        "有效期跨越禁发时段的处理",
    ),
    key(
        "spread.limit",
        Range(1, 10_000),
        "7.7, A-24",
        "recipients per segment and window",
        "同一号段在时间窗内的用户数上限",
    ),
    key("spread.window_seconds", Range(1, 86_400), "7.7, A-24", "seconds of the sliding window", "滑动时间窗秒数"),
    key("spread.action", AVOID, "7.7, A-16", "how a message beyond it is answered", "超出时的处理"),
    key("spread.digits", Range(3, 11), "7.7, A-24", "leading digits that make a segment", "号段位数"),
    key(
        "dedup.scope",
        OneOf(&["global", "unit", "account"]),
        "7.1a, A-01",
        "across which senders a subscriber gets one message a day",
        "每日一条的统计范围",
    ),
    key(
        "dedup.unknown_outcome",
        OneOf(&["consume", "release"]),
        "7.1a, A-02",
        "whether a send of unknown outcome counts as sent",
        "结果未知是否按已发送计",
    ),
    key("dedup.limit", Range(1, 100), "7.1a", "messages per subscriber and day", "每用户每日条数"),
    key(
        "quota.scope",
        OneOf(&["unit", "account"]),
        "7.1b, A-03",
        "whose subscribers are counted together",
        "用户数的统计范围",
    ),
    key(
        "quota.users",
        Range(1, ANY_U32),
        "7.1b",
        "subscribers per unit (or account) and day, this number included; an account may only lower it",
        "每日用户数上限,含本数",
    ),
    key(
        "encoding.dc0",
        OneOf(&["gsm7", "latin1", "gbk"]),
        "4.1, section 4",
        "the SMSC's default alphabet, for data_coding 0",
        "data_coding 0 的字符集",
    ),
    key(
        "encoding.dc15",
        OneOf(&["gbk", "refuse"]),
        "4.1, section 4",
        "what data_coding 15 means",
        "data_coding 15 的含义",
    ),
    key(
        "tlv.unknown",
        OneOf(&["pass", "refuse"]),
        "section 4",
        "vendor TLVs and tags unknown to the specification",
        "未知 TLV 的处理",
    ),
    key(
        "tlv.allow",
        List("tag, 0-65535"),
        "section 4",
        "tags of the specification that pass, beside those the gateway itself reads",
        "另行放行的 TLV 标签",
    ),
    key(
        "exempt.rules",
        List("rule"),
        "2.4, A-20",
        "rules that bind the exempt class after all",
        "豁免平台仍须遵守的规则",
    ),
    key(
        "status",
        Table("reason", "command_status, not 0 and not 0x400-0x4FF"),
        "section 5",
        "command_status of a refusal where the site's senders need another",
        "各拒绝原因的返回码",
    ),
];

/// The keys of an `[[account]]` of `accounts.toml`.
pub const ACCOUNT: &[Key] = &[
    key(
        "system_id",
        Free("1 to 15 printable characters; required"),
        "2.4, 6.1",
        "what it binds with; unique",
        "绑定账号,唯一",
    ),
    key(
        "class",
        OneOf(&["province_1258", "city_moa", "key_account", "exempt_platform"]),
        "1.3, 2.4",
        "which clauses apply; required",
        "账号类别,必填",
    ),
    key(
        "unit",
        Free("word; required"),
        "1.4",
        "the department or city whose account it is; quotas are counted per unit",
        "所属单位,必填",
    ),
    key(
        "city",
        Free("slug of cities.csv"),
        "7.3",
        "required for `city_moa` and `key_account`; for `province_1258` the city whose campaigns it sends",
        "地市,地市账号必填",
    ),
    key("sources", List("address, or prefix with `*`; required"), "2.4", "its source addresses", "可用主叫号码,必填"),
    key(
        "source_default",
        Free("one address matched by `sources`"),
        "2.4",
        "written in when source_addr is empty; without it such a message is refused",
        "主叫为空时补写",
    ),
    key("consult_numbers", List("telephone number"), "4.3, 5.1.2", "the local consultation numbers", "当地咨询电话"),
    key(
        "contact_numbers",
        List("telephone number"),
        "5.1.3",
        "the manager's contact numbers; without one any telephone number in the text will do",
        "客户经理联系电话",
    ),
    key("contact_name", Free("name"), "5.1.3, A-23", "the manager's name", "客户经理姓名"),
    key(
        "customers",
        Free("CSV file beside this one, column `number`"),
        "5.1.3, A-22",
        "`key_account`: the only recipients; without it all of the city",
        "客户名单,仅限名单内号码",
    ),
    key(
        "custodian",
        Free("name, telephone"),
        "6.2",
        "who answers for account and password; required for `city_moa` and `key_account`",
        "账号密码管理人,地市账号必填",
    ),
    key(
        "rate",
        Free("{ per_second = 1-1000000, burst = 1-1000000 }"),
        "7.6",
        "messages per second, and at once; { per_second = 50, burst = 100 } if left out",
        "速率与突发量",
    ),
    key(
        "daily_users",
        Range(1, ANY_U32),
        "7.1b",
        "subscribers per day for this account alone, not above `quota.users`",
        "本账号每日用户数,只可调低",
    ),
    key("sessions", Range(1, 10_000), "6.1", "sessions at a time; 4 if left out", "同时会话数"),
    key(
        "networks",
        List("10.0.0.0/8, 192.0.2.7 or 2001:db8::/32; required"),
        "6.1",
        "where it may connect from; there is no default",
        "允许接入的网段,必填",
    ),
    key(
        "dc0",
        OneOf(&["gsm7", "latin1", "gbk"]),
        "4.1",
        "its default alphabet, where it differs from `encoding.dc0`",
        "该账号 data_coding 0 的字符集",
    ),
    key(
        "mode",
        MODE,
        "-",
        "mode of all its rules, instead of the site's; a rule that its class is free of stays off",
        "该账号各规则的执行方式",
    ),
    key(
        "modes",
        Table("rule", "enforce, observe or off"),
        "-",
        "mode of single rules of this account",
        "该账号单条规则的执行方式",
    ),
    key(
        "status",
        Table("reason", "command_status, not 0 and not 0x400-0x4FF"),
        "section 5",
        "command_status of its refusals, before the site's",
        "该账号的返回码",
    ),
];

/// The key of a path in `smsluice.toml` or `policy.toml`; words below a table are part of the table's key.
pub fn find(path: &str) -> Option<&'static Key> {
    let own = |key: &&Key| {
        let below = || path.strip_prefix(key.path).is_some_and(|rest| rest.starts_with('.') && rest.len() > 1);
        key.path == path || (matches!(key.values, Table(..)) && below())
    };
    SETTINGS.iter().chain(POLICY).find(own)
}

/// What the key of a problem should have been; `account.` paths are those of `accounts.toml`.
pub(super) fn expectation(path: &str) -> Option<String> {
    let of_account = |path: &str| {
        let own = path.split('.').next().unwrap_or_default();
        ACCOUNT.iter().find(|key| key.path == own)
    };
    let key = path.strip_prefix("account.").map_or_else(|| find(path), of_account)?;
    Some(format!("expected {}", key.values))
}

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Range(from, to) if *to == ANY_U32 => write!(f, "{from} or more"),
            Range(from, to) => write!(f, "{from} to {to}"),
            OneOf(words) => f.write_str(&words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")),
            Flag => f.write_str("`true`, `false`"),
            Free(what) => f.write_str(what),
            List(what) => write!(f, "list of: {what}"),
            Table(from, to) => write!(f, "table: {from} = {to}"),
        }
    }
}
