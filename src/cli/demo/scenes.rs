//! What is played: a realistic mix of good and forbidden messages.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::domain::AccountClass;
use crate::policy::Reason;
use crate::sim::esme::{Answer, Esme};
use crate::sim::smsc::SmscStats;
use crate::sim::submit::SubmitSpec;
use crate::smpp::bind::BindType;

use super::cast::{Cast, Role};
use super::screen::{Line, Screen};

/// Fills a text up to 66 characters.
const FILLER: &str = "尊敬的客户您好现将本月优惠活动告知如下预存话费即可获赠相应话费办理地点为全市各营业厅活动时间为每日上午九点至下午五点请您携带";

/// What 1258 has an approval for.
pub(super) fn province_text(role: &Role) -> String {
    format!("老客户回馈:在网满2年客户可参加预存话费赠话费活动。安徽移动 询{}", role.consult)
}

/// The senders on stage.
pub(super) struct Stage {
    cast: Cast,
    screen: Screen,
    senders: BTreeMap<String, Esme>,
    counts: BTreeMap<String, Counts>,
    /// Whether the clock stands where the expected verdicts hold.
    judged: bool,
    surprises: u32,
}

/// One account's figures.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) sent: u32,
    pub(super) passed: u32,
    pub(super) refused: BTreeMap<&'static str, u32>,
    pub(super) receipts: u32,
}

/// One message and the verdict it should get.
struct Cue {
    role: Role,
    to: String,
    text: String,
    expect: Option<Reason>,
}

impl Stage {
    pub(super) async fn new(cast: Cast, screen: Screen, gateway: SocketAddr, judged: bool) -> Result<Self, String> {
        let mut senders = BTreeMap::new();
        for role in &cast.roles {
            let esme = Esme::connect(gateway, BindType::Transceiver, &role.system_id, "secret", 0x34)
                .await
                .map_err(|error| format!("{} cannot bind: {error}", role.system_id))?;
            senders.insert(role.system_id.clone(), esme);
            screen.bound(role);
        }
        Ok(Self { cast, screen, senders, counts: BTreeMap::new(), judged, surprises: 0 })
    }

    /// Every scene once.
    pub(super) async fn play(&mut self) -> Result<(), String> {
        for index in 0..3 {
            for cue in self.good(index) {
                self.perform(cue).await?;
            }
        }
        for cue in self.forbidden() {
            self.perform(cue).await?;
        }
        self.burst().await
    }

    /// A trickle until Ctrl-C.
    pub(super) async fn keep(&mut self) -> Result<(), String> {
        self.screen.keeping();
        let mut round = 0;
        loop {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => return Ok(()),
                () = tokio::time::sleep(Duration::from_millis(400)) => {}
            }
            let cues = if round % 4 == 3 { self.forbidden() } else { self.good(round) };
            round += 1;
            for cue in cues.into_iter().take(3) {
                self.perform(cue).await?;
            }
        }
    }

    /// Texts that keep every rule.
    fn good(&mut self, index: usize) -> Vec<Cue> {
        let mut cues = Vec::new();
        for role in self.cast.roles.clone() {
            let to = self.cast.subscriber(role.city);
            let text = match role.class {
                AccountClass::Province1258 => province_text(&role),
                AccountClass::CityMoa if index.is_multiple_of(2) => {
                    format!("新营业厅开业,充100送50,欢迎光临。{}移动 询{}", role.city_cn, role.consult)
                }
                AccountClass::CityMoa => format!("家庭V网今起办理,成员间通话免费。{}移动", role.city_cn),
                AccountClass::KeyAccount => format!("张总您好,贵公司V网续约优惠本月截止,请联系{}。移动", role.contact),
                AccountClass::ExemptPlatform => "您的话费账单已生成,可登录网上营业厅查询。中国移动".to_owned(),
            };
            cues.push(Cue { role, to, text, expect: None });
        }
        cues
    }

    /// One message against each rule.
    fn forbidden(&mut self) -> Vec<Cue> {
        let (Some(here), Some(there)) = (self.cast.branch(0), self.cast.branch(1)) else { return Vec::new() };
        let sign = format!("{}移动 询{}", here.city_cn, here.consult);
        let mut cues = Vec::new();
        let mut cue =
            |role: &Role, to: String, text: String, expect| cues.push(Cue { role: role.clone(), to, text, expect });

        let twice = self.cast.subscriber(here.city);
        cue(&here, twice.clone(), format!("周末现场办理套餐赠精美礼品。{sign}"), None);
        cue(&here, twice, format!("周末现场办理套餐赠精美礼品。{sign}"), Some(Reason::Duplicate));
        cue(&here, self.cast.subscriber(there.city), format!("周末促销。{sign}"), Some(Reason::OtherCity));
        let room = 66 - sign.chars().count();
        let long: String = FILLER.chars().chain("一二三四五六".chars()).take(room).collect();
        cue(&here, self.cast.subscriber(here.city), format!("{long}{sign}"), Some(Reason::TooLong));
        cue(&here, self.cast.subscriber(here.city), "请到就近的移动营业厅办理".to_owned(), Some(Reason::NoSignature));
        let foreign = format!("办理请咨询。移动 询{}", there.consult);
        cue(&here, self.cast.subscriber(here.city), foreign, Some(Reason::ForeignConsult));
        cue(&here, "055162620000".to_owned(), format!("固定电话也行吗。{sign}"), Some(Reason::BadDestination));
        let mut stranger = here.clone();
        stranger.source.clone_from(&there.source);
        cue(&stranger, self.cast.subscriber(here.city), format!("冒用主叫。{sign}"), Some(Reason::SourceNotAllowed));
        if let Some(province) = self.cast.first(AccountClass::Province1258) {
            let to = self.cast.subscriber(here.city);
            cue(&province, to, "积分可兑换话费及礼品。安徽移动".to_owned(), Some(Reason::NoConsult));
            let to = self.cast.subscriber(here.city);
            let altered = province_text(&province).replace("满2年", "满1年");
            cue(&province, to, altered, Some(Reason::NotApproved));
        }
        if let Some(manager) = self.cast.first(AccountClass::KeyAccount) {
            let to = self.cast.subscriber(manager.city);
            cue(&manager, to, "您好,新的办公套餐已上线。移动".to_owned(), Some(Reason::NoContact));
        }
        cues
    }

    async fn perform(&mut self, cue: Cue) -> Result<(), String> {
        let spec = SubmitSpec::new(&cue.role.source, &cue.to, &cue.text).with_receipt();
        let sender = self.senders.get_mut(&cue.role.system_id).ok_or("a role without a sender")?;
        let answer = sender.submit(&spec).await.map_err(|error| format!("{}: {error}", cue.role.system_id))?;
        self.note(&cue, &answer);
        tokio::time::sleep(Duration::from_millis(60)).await;
        Ok(())
    }

    /// More at once than the account's rate allows.
    async fn burst(&mut self) -> Result<(), String> {
        let Some(role) = self.cast.first(AccountClass::KeyAccount) else { return Ok(()) };
        self.screen.burst(&role);
        let text = format!("会议改期至周五9点,联系人{}。移动", role.contact);
        let specs: Vec<_> =
            (0..25).map(|_| SubmitSpec::new(&role.source, &self.cast.subscriber(role.city), &text)).collect();
        let sender = self.senders.get_mut(&role.system_id).ok_or("a role without a sender")?;
        let answers = sender.submit_many(&specs, 25).await.map_err(|error| error.to_string())?;
        let passed = answers.iter().filter(|answer| answer.status == 0).count();
        let limited = answers.iter().filter(|answer| answer.status == Reason::Rate.status()).count();
        self.screen.burst_done(answers.len(), passed, limited);
        let counts = self.counts.entry(role.system_id).or_default();
        counts.sent += answers.len() as u32;
        counts.passed += passed as u32;
        *counts.refused.entry(Reason::Rate.code()).or_default() += limited as u32;
        if self.judged && (passed == 0 || limited == 0) {
            self.surprises += 1;
        }
        Ok(())
    }

    fn note(&mut self, cue: &Cue, answer: &Answer) {
        let counts = self.counts.entry(cue.role.system_id.clone()).or_default();
        counts.sent += 1;
        let reason = if answer.status == 0 {
            counts.passed += 1;
            None
        } else {
            // The wire carries a status only; several reasons share one, so the demo names the one it provoked.
            let reason = cue.expect.filter(|reason| reason.status() == answer.status);
            *counts.refused.entry(reason.map_or("other", Reason::code)).or_default() += 1;
            reason
        };
        let expected = match cue.expect {
            None => answer.status == 0,
            Some(expect) => expect.status() == answer.status,
        };
        if self.judged && !expected {
            self.surprises += 1;
        }
        self.screen.verdict(&Line {
            account: &cue.role.system_id,
            to: &cue.to,
            text: &cue.text,
            status: answer.status,
            reason,
            message_id: &answer.message_id,
            surprising: self.judged && !expected,
        });
    }

    /// Unbinds everybody and shows the figures; whether every verdict was the expected one.
    pub(super) async fn close(mut self, smsc: &SmscStats, admin: SocketAddr) -> bool {
        for (system_id, mut sender) in std::mem::take(&mut self.senders) {
            while let Ok(Ok(_)) = tokio::time::timeout(Duration::from_millis(100), sender.delivery()).await {
                self.counts.entry(system_id.clone()).or_default().receipts += 1;
            }
            let _ = sender.unbind().await; // the figures matter more than a polite end
        }
        self.screen.closing(&self.counts, smsc, admin).await;
        if self.surprises > 0 {
            self.screen.surprised(self.surprises);
        }
        self.surprises == 0 && smsc.taken_twice == 0
    }
}
