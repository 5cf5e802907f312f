//! `docs/metrics.md`: every family with its labels; a test holds the table
//! against what is registered.

use std::fmt::Write as _;

use super::shared;

/// A metric family as the document tells it.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Its name without the prefix.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Its labels, parted by `, `.
    pub labels: &'static str,
    /// What it tells, English.
    pub english: &'static str,
    /// The same, Chinese.
    pub chinese: &'static str,
}

pub(super) const fn family(
    name: &'static str,
    kind: &'static str,
    labels: &'static str,
    english: &'static str,
    chinese: &'static str,
) -> Family {
    Family { name, kind, labels, english, chinese }
}

/// Messages, accounts, sessions.
const TRAFFIC: &[Family] = &[
    family("messages_received_total", "counter", "account, verb", "messages read on bound sessions", "收到的提交"),
    family("messages_forwarded_total", "counter", "account, verb", "messages handed to the SMSC leg", "转发的提交"),
    family(
        "messages_refused_total",
        "counter",
        "account, reason",
        "messages refused by the gateway; the reasons are in [reasons.md](reasons.md)",
        "网关拒绝的提交,按原因",
    ),
    family(
        "messages_settled_total",
        "counter",
        "account, outcome",
        "forwarded messages by outcome: `accepted`, `rejected`, `unknown`",
        "已转发提交的结果:接受、被短信中心拒绝、未知",
    ),
    family("messages_in_flight", "gauge", "account", "forwarded and not settled", "已转发、尚无结果"),
    family(
        "shadow_refusals_total",
        "counter",
        "account, rule",
        "messages that a rule in mode `observe` would have refused, or that a switch has counted only",
        "观察模式下本应拒绝的消息,按规则",
    ),
    family(
        "segments_total",
        "counter",
        "account, verdict",
        "parts of concatenated messages by verdict: `forwarded`, `refused`; they are among the messages above",
        "长短信分段的处理结果:转发、拒绝,已含在上述提交数中",
    ),
    family(
        "quota_used_recipients",
        "gauge",
        "account",
        "subscribers counted today in the account's quota scope",
        "当日已计用户数",
    ),
    family("quota_limit_recipients", "gauge", "account", "subscribers allowed a day", "每日用户数上限"),
    family("throttle_limit_messages_per_second", "gauge", "account", "the account's rate", "账号速率"),
    family(
        "quirks_total",
        "counter",
        "account, quirk",
        "tolerances used (`quirks` of the account)",
        "软件容忍项使用次数",
    ),
    family(
        "unspecified_tlvs_total",
        "counter",
        "account, tag_class",
        "TLVs of readable submissions that no specification names, by class of their tag: `vendor` (0x1400 to 0x3FFF), `unknown`",
        "提交中规范未定义的 TLV 数,按标签类别:厂商自定义、未知",
    ),
    family("sessions", "gauge", "account, bind", "sessions bound now, by bind type", "当前会话数"),
    family("session_limit", "gauge", "account", "sessions allowed", "会话数上限"),
    family(
        "binds_total",
        "counter",
        "account, result",
        "bind attempts: `accepted`, `wrong_network`, `too_many_sessions`, `smsc_refused`, `smsc_down`, `smsc_silent`; account `unknown`: `unknown_account`, `malformed`",
        "绑定尝试,按结果",
    ),
    family(
        "session_closes_total",
        "counter",
        "side, cause",
        "ended sessions by the side that ended it (`esme`, `smsc`, `gateway`) and how (`eof`, `error`, `inactivity`, `partial_pdu`, `truncated`, `bad_length`, `unbind`, `silent`, `stop`, `drain`, `account_removed`, `kick`, `panic`)",
        "会话结束的一方与原因",
    ),
];

/// Protocol, SMSC, ledger, service.
const SERVICE: &[Family] = &[
    family("protocol_errors_total", "counter", "leg, kind", "malformed input", "协议错误"),
    family("anomalies_total", "counter", "kind", "answers of the SMSC that fit no request", "与请求不符的应答"),
    family(
        "receipts_total",
        "counter",
        "state",
        "receipts of the SMSC passed on, by the state they tell of; `unreadable`: it says that it is a receipt and names no message or no state",
        "转发的状态报告,按状态",
    ),
    family(
        "added_latency_seconds",
        "histogram",
        "",
        "from whole PDUs read to handed upstream and refusals answered; one observation a batch that forwards something",
        "网关引入的时延,每批一次",
    ),
    family(
        "stage_duration_seconds",
        "histogram",
        "stage",
        "a batch's time in `judge` (read, decide, reserve every message), `ledger` (wait for the commit), `forward` (write to the SMSC), `answer` (write refusals); one observation a batch with submissions",
        "一批消息在各阶段的耗时:判定、账本、转发、应答",
    ),
    family(
        "pdus_total",
        "counter",
        "leg, direction, command",
        "PDUs `received` from and `sent` to the `esme` and the `smsc` leg, by command; `other` is one without a name",
        "两侧收发的协议单元,按命令",
    ),
    family("received_bytes_total", "counter", "leg", "octets read from a leg's sockets", "两侧收到的字节"),
    family("sent_bytes_total", "counter", "leg", "octets written to a leg's sockets", "两侧发出的字节"),
    family(
        "holds",
        "gauge",
        "scope_kind",
        "holds in force, by kind of scope: `all`, `class`, `unit`, `city`, `account`, `smsc`",
        "生效中的暂停,按范围类型",
    ),
    family(
        "hold_oldest_timestamp_seconds",
        "gauge",
        "",
        "when the oldest hold in force was placed, seconds since 1970; 0 without one",
        "最早一个生效暂停的时间",
    ),
    family(
        "account_held",
        "gauge",
        "account",
        "1 while holds let nothing of the account pass to any SMSC",
        "账号被暂停",
    ),
    family(
        "smsc_rate_limit_messages_per_second",
        "gauge",
        "smsc",
        "messages a second to which the overload governor has lowered the rate; 0 without a limit",
        "过载调节的当前限速,0 为不限",
    ),
    family(
        "overload_steps_total",
        "counter",
        "smsc, step",
        "steps of the overload governor: `lower`, `raise`, `lift`, `hold`, `end`",
        "过载调节的步骤:下调、回升、解除、暂停、恢复",
    ),
    family(
        "scheduled_cancels_total",
        "counter",
        "result",
        "scheduled messages that the SMSC was asked to cancel during a pause: `cancelled`, `refused`, `later` (it is busy), `no_answer`",
        "暂停期间请求取消的定时短信,按结果",
    ),
    family("smsc_up", "gauge", "smsc", "1 while the last connect worked", "短信中心可达"),
    family(
        "smsc_connect_failures_total",
        "counter",
        "smsc, cause",
        "failed connects: `refused`, `timeout`, `other`",
        "连接失败",
    ),
    family(
        "smsc_response_seconds",
        "histogram",
        "smsc",
        "from handed upstream to the answer; one observation for each read of the SMSC's answers",
        "短信中心应答时间",
    ),
    family(
        "smsc_responses_total",
        "counter",
        "smsc, status",
        "answers of the SMSC: `ok`, `throttled`, `queue_full`, `system_error`, `bad_destination`, `bad_source`, `submit_failed`, `other`",
        "短信中心应答,按状态",
    ),
    family(
        "ledger_rows",
        "gauge",
        "state",
        "today's slots: `used`, `reserved`, `unknown`; those of observed rules count as used. `scheduled`: those of later days",
        "当日账本:已用、占用中、结果未知;以及以后日期的定时短信",
    ),
    family("registry_generation", "gauge", "", "counts up with every change of the registry", "登记库变更次数"),
    family("registry_texts", "gauge", "", "registered texts that messages are held against", "生效登记内容条数"),
    family("optout_entries", "gauge", "", "entries of those who opted out", "退订名单条数"),
    family(
        "optout_messages_total",
        "counter",
        "result",
        "subscribers' messages that opt out: `kept` are on disk, `lost` could not be written",
        "用户退订短信,按结果",
    ),
    family(
        "clock_jumps_total",
        "counter",
        "kind",
        "Steps of the clock of more than 5 s: `adjusted` was small and within the day, `jumped` stopped submissions",
        "时钟跳变",
    ),
    family(
        "clock_trusted",
        "gauge",
        "",
        "0 while the clock cannot be believed; 0 means submissions are refused",
        "时钟可信",
    ),
    family(
        "ledger_trusted",
        "gauge",
        "",
        "0 after a commit failed, until one works, and while a shared ledger takes nothing; 0 means submissions are refused",
        "账本可写",
    ),
    family(
        "ledger_damage",
        "gauge",
        "kind",
        "1 while the ledger's files are not what was written, and nothing is sent; kinds as in `/readyz`",
        "账本文件损坏、缺失或被替换",
    ),
    family(
        "ledger_owner",
        "gauge",
        "",
        "1 while this process owns its ledger; the sum over the gateways of one ledger is 1",
        "本进程拥有账本",
    ),
    family(
        "ledger_records_lost",
        "gauge",
        "",
        "refused messages and receipts of which no record could be kept since the start, because the disk did not take them in time",
        "自启动以来未能记录的被拒短信与状态报告数",
    ),
    family("ledger_unsealed", "gauge", "", "days that are over and not sealed", "已结束而未封存的天数"),
    family("ledger_size_bytes", "gauge", "", "octets of all files in the ledger's folder", "账本目录的大小"),
    family(
        "ledger_oldest_reserved_timestamp_seconds",
        "gauge",
        "",
        "no message that waits for its answer was handed over before this time, seconds since 1970; at most `smsc.response_timeout` early; 0 if none waits",
        "最早的未应答短信的发出时间",
    ),
    family(
        "ledger_commit_duration_seconds",
        "histogram",
        "",
        "write, and sync with `power`, of a group commit",
        "组提交耗时",
    ),
    family(
        "ledger_commit_rows",
        "histogram",
        "",
        "reservations of a group commit; 0 when it only settles",
        "每次组提交的条数",
    ),
    family("ledger_errors_total", "counter", "kind", "failed commits: `io`, `full`, `corrupt`, `lock`", "账本写入错误"),
    family(
        "ready",
        "gauge",
        "component",
        "as `/readyz` tells: `submits`, `ledger`, `policy`, `listeners`",
        "各部件是否就绪",
    ),
    family(
        "window_open",
        "gauge",
        "window",
        "1 while a message for immediate delivery is outside the hours and holidays that the rules forbid; the window is `default`",
        "当前时刻是否允许群发",
    ),
    family("policy_version", "gauge", "", "version of the policy in force", "生效的策略版本"),
    family(
        "config_last_reload_success_timestamp_seconds",
        "gauge",
        "",
        "when the configuration was loaded, seconds since 1970",
        "配置加载时间",
    ),
    family(
        "config_last_reload_successful",
        "gauge",
        "",
        "0 after a reload that was refused; what was in force before goes on",
        "最近一次重载是否成功",
    ),
    family(
        "build_info",
        "gauge",
        "version, revision",
        "always 1; the revision is that of the source, `unknown` if the build was not told",
        "版本与源码修订",
    ),
];

/// The process; the same for all gateways in it.
const PROCESS: &[Family] = &[
    family(
        "log_events_total",
        "counter",
        "level",
        "events the log was given: `error`, `warn`, `info`, `debug`, `trace`; [events.md](events.md) lists them",
        "日志事件,按级别",
    ),
    family(
        "telemetry_dropped_total",
        "counter",
        "sink",
        "what was dropped because nobody took it: lines of the `log` whose reader is stuck, `events` that a listener of the stream was too slow for",
        "因无人读取而丢弃的日志行与事件",
    ),
    family("panics_total", "counter", "", "parts of the program that failed; must stay 0", "程序异常,应恒为 0"),
    family(
        "invariant_violations_total",
        "counter",
        "invariant",
        "contradictions in the gateway's own books; must stay 0: `counts` (a batch's received = forwarded + refused), `slot` and `quota` (given back without having been taken), `reserved`, `window` and `sessions` (more ended than began)",
        "内部账目矛盾,应恒为 0",
    ),
    family("runtime_workers", "gauge", "", "threads that run the gateway's tasks", "工作线程数"),
    family("runtime_tasks", "gauge", "", "tasks alive: two a session and a few more", "任务数"),
    family("runtime_queue_depth", "gauge", "", "tasks that wait in the queue all workers share", "等待中的任务"),
    family("runtime_busy_seconds_total", "counter", "", "time the workers spent on tasks", "工作线程忙碌时间"),
    family(
        "admin_requests_total",
        "counter",
        "route, method, code",
        "requests of the admin API by route (template, or `other`), method and HTTP status",
        "管理接口请求数",
    ),
    family("admin_request_duration_seconds", "histogram", "route", "how long they took", "管理接口请求耗时"),
    family(
        "admin_auth_failures_total",
        "counter",
        "kind",
        "callers that were not let in: `missing`, `unknown`, `expired`, `forbidden`, `token_in_url`, `cross_site`, `wrong_host`",
        "管理接口鉴权失败",
    ),
    family("audit_events_total", "counter", "action", "operators' acts on record", "已记录的操作"),
    family("audit_errors_total", "counter", "", "operators' acts that could not be recorded", "未能记录的操作"),
];

/// The document.
pub fn markdown() -> String {
    let mut text = String::from(HEAD);
    let parts = [
        ("Traffic 业务", TRAFFIC),
        ("Service 服务", SERVICE),
        ("Shared ledger 共享账本", shared::FAMILIES),
        ("Process 进程", PROCESS),
    ];
    for (title, families) in parts {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n## {title}\n\n| name | type | labels | meaning | 说明 |\n|---|---|---|---|---|");
        for Family { name, kind, labels, english, chinese } in families {
            let labels = if labels.is_empty() { "-" } else { labels };
            let _ = writeln!(text, "| `smsluice_{name}` | {kind} | {labels} | {english} | {chinese} |");
        }
    }
    text.push_str(TAIL);
    text
}

const HEAD: &str = "# Metrics

At `/metrics` of the operations listener, Prometheus text format 0.0.4. Every name begins with `smsluice_`; `account` and
`smsc` come from the configuration and every other label from a closed set, so no number, text or system_id from the wire
becomes a label. Series of known labels exist from the start with the value 0.

A submit_multi counts as one message for each recipient. `messages_received_total` = `messages_forwarded_total` + `messages_refused_total`, summed over their labels, whenever no
batch is under way and no link broke in the middle of a write.

指标名均以 `smsluice_` 开头;标签只取自配置与封闭集合,不含号码和内容。submit_multi 按号码逐条计数。收到 = 转发 + 拒绝。
";

const TAIL: &str = "
`process_*` (CPU, memory, descriptors, start time) come with the Prometheus library.
";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::super::Metrics;
    use super::*;
    use crate::domain::AccountClass;
    use crate::policy::testing::account;

    /// Name, type and labels of every family that is registered.
    fn registered() -> BTreeSet<(String, String, String)> {
        let metrics = Metrics::new().expect("registers");
        let account = account(AccountClass::CityMoa);
        let _sender = metrics.sender(&account);
        metrics.limits(&account, 3000);
        metrics.smsc("192.0.2.1:2775").up.set(1);
        metrics.session_closes.with_label_values(&["esme", "eof"]).inc();
        metrics.ledger_rows.with_label_values(&["used"]).set(0);
        metrics.ready.with_label_values(&["submits"]).set(1);
        metrics.window_open.with_label_values(&["default"]).set(1);
        metrics.admin.requests.with_label_values(&["/livez", "GET", "200"]).inc();
        metrics.admin.duration.with_label_values(&["/livez"]).observe(0.1);
        metrics.admin.audit_events.with_label_values(&["session.kick"]).inc();
        let text = metrics.render();
        let mut types = text.lines().filter_map(|line| line.strip_prefix("# TYPE smsluice_"));
        let family = |line: &str| {
            let (name, kind) = line.split_once(' ').expect("a type");
            (name.to_owned(), kind.to_owned(), labels(&text, name))
        };
        types.by_ref().map(family).collect()
    }

    /// The labels of a family's first sample, in order of the alphabet.
    fn labels(text: &str, name: &str) -> String {
        let starts = |line: &&str| {
            let rest = line.strip_prefix("smsluice_").and_then(|line| line.strip_prefix(name));
            rest.is_some_and(|rest| rest.starts_with(['{', ' ', '_']))
        };
        let sample = text.lines().find(starts).unwrap_or_default();
        let inside = sample.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or("", |(inside, _)| inside);
        let names = inside.split("\",").filter_map(|pair| pair.split_once('=')).map(|(label, _)| label);
        names.filter(|label| *label != "le").collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
    }

    fn documented() -> BTreeSet<(String, String, String)> {
        let sorted =
            |labels: &str| labels.split(", ").collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ");
        let all = TRAFFIC.iter().chain(SERVICE).chain(shared::FAMILIES).chain(PROCESS);
        all.map(|family| (family.name.to_owned(), family.kind.to_owned(), sorted(family.labels))).collect()
    }

    #[test]
    fn the_table_lists_the_families_that_are_registered() {
        assert_eq!(documented(), registered());
    }

    #[test]
    fn the_document_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
        let current = markdown();
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &current).expect("writable");
        }
        let shipped = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(shipped == current, "run this test with BLESS=1 to write docs/metrics.md anew");
    }
}
