//! The keys of `accounts.toml`.

use super::Values::{Free, List, OneOf, Range, Table};
use super::{ANY_U32, Key, MODE, key};

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
        "quirks",
        List("trailing_zeros, local_offset00, long_system_id or international_source"),
        "section 4",
        "what is tolerated of its software, each counted when used",
        "对该账号软件的容忍项,逐项计数",
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
