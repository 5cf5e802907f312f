//! The keys of `policy.toml` about registered content and about those who opted out.

use super::Values::{Flag, List, OneOf, Range};
use super::{Key, key};

const REGISTRY_MODE: super::Values = OneOf(&["enforce", "warn", "off"]);

pub(super) const REGISTRY: [Key; 14] = [
    key(
        "registry.lead_days",
        Range(0, 60),
        "5.1.1, 5.2, A-18",
        "days from the application to the arranged date, the day of the application not counted",
        "申请至安排发送的提前天数,申请当日不计",
    ),
    key(
        "registry.lead_kind",
        OneOf(&["calendar", "working"]),
        "5.1.1, 5.2, A-18",
        "which days these are; `working` leaves out weekends and the holidays of the table",
        "提前天数按日历日或工作日计",
    ),
    key(
        "registry.require_f14",
        Flag,
        "5.1.1, F14",
        "whether the opinion of the provincial leader in charge is needed for an approval",
        "批准是否须有省公司分管领导意见",
    ),
    key(
        "registry.moa_province_review",
        Flag,
        "5.1.2, A-19",
        "whether what cities send by themselves is reviewed by the province too",
        "地市自行群发的内容是否也须省公司审批",
    ),
    key(
        "registry.unit",
        OneOf(&["own", "every"]),
        "3.4, F1",
        "whose campaigns an account of class province_1258 may send: its own unit's, or every unit's",
        "1258 账号可发送本单位或所有单位的申请",
    ),
    key(
        "registry.mode.province_1258",
        REGISTRY_MODE,
        "5.1.1, 5.2",
        "1258 sends approved campaigns only: enforced, counted, or not asked",
        "1258 须有已批准的申请:拦截、仅计数、不检查",
    ),
    key(
        "registry.mode.city_moa",
        REGISTRY_MODE,
        "7.8, A-19",
        "a city's texts are in the knowledge base; with `warn` nothing is counted while nothing at all is registered",
        "地市内容须已报送知识库;登记库为空时 warn 不计数",
    ),
    key("registry.mode.key_account", REGISTRY_MODE, "7.8, A-19", "the same for account managers", "客户经理账号同上"),
    key(
        "category.keywords.action",
        OneOf(&["report", "reject"]),
        "2.1-2.3",
        "a text with one of the words below: passed and counted, or refused",
        "含下列字样的内容:放行并计数,或拒绝",
    ),
    key(
        "category.keywords.corporate_image",
        List("word"),
        "2.1",
        "words of image promotion, looked for anywhere in a text; about 0.1 us each for every new text",
        "形象宣传字样",
    ),
    key(
        "category.keywords.third_party",
        List("word"),
        "2.2",
        "words of another organisation's advertising",
        "其他单位广告字样",
    ),
    key("category.keywords.single_sp", List("word"), "2.3", "words of a single SP service", "单一 SP 业务字样"),
    key(
        "optout.scope",
        OneOf(&["off", "all", "account"]),
        "-",
        "whom a subscriber who opted out is safe from: nobody, all governed accounts, or the account that the answer came to; an entry made without an account binds all",
        "退订对谁生效:不启用、所有账号、收到退订的账号",
    ),
    key(
        "optout.words",
        List("word"),
        "-",
        "what a subscriber answers to an account's number to opt out: the whole text, capitals or not; none for no such answers",
        "用户回复的退订口令(全文匹配,不分大小写)",
    ),
];
