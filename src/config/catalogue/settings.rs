//! The keys of `smsluice.toml`.

use super::Values::{Free, List, OneOf, Range};
use super::{Key, key};

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
    key("admin.listen", Free("address:port"), "-", "health and metrics", "健康检查与指标地址"),
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
