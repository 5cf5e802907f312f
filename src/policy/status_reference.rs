//! `docs/status-codes.md`: for a unit that sees a number in its sender's log. Made of the catalogue of reasons.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::smpp::command::status;

use super::reason::Reason;
use super::reference::advice;

/// The document.
pub fn markdown() -> String {
    let mut by_status: BTreeMap<u32, Vec<Reason>> = BTreeMap::new();
    for reason in Reason::ALL {
        by_status.entry(reason.status()).or_default().push(reason);
    }
    let mut text = String::from(HEAD);
    for (number, reasons) in by_status {
        let name = status::name(number);
        for reason in reasons {
            let (english, chinese) = advice(reason);
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "| 0x{number:02X} ({number}) `{name}` | {};{} | {}; {} | [`{reason}`](reasons.md#{reason}) |",
                reason.chinese(),
                chinese,
                reason.english(),
                english,
            );
        }
    }
    text.push_str(TAIL);
    text
}

const HEAD: &str = "# Status codes for units 状态码速查

发送软件日志里的数字是什么意思、该怎么办。编号为 SMPP 的 command_status,括号内为十进制。一个状态码可能有几种原因,由运营商用
`smsluice explain` 或日志查明是哪一种。运营商可能为本站点或本账号改用别的状态码。

What the number in a sender's log means, and what to do. It is SMPP's command_status, in brackets as a decimal number. One status may
have several reasons; the operator tells which, by `smsluice explain` or from the log. A site or an account may use other statuses.

| status | 含义与处理 | meaning, and what to do | reason |
|---|---|---|---|
";

const TAIL: &str = "
## Binding 绑定

| status | 含义与处理 | meaning, and what to do |
|---|---|---|
| 0x0D (13) `ESME_RBINDFAIL` | 账号未经指定、来源地址未登记、会话数超限,或网关正在停止;核对账号与地址,减少连接数,稍后再试 | the account is not designated, its address is not listed, all its sessions are taken, or the gateway is stopping; check account and address, use fewer connections, try again later |
| 0x08 (8) `ESME_RSYSERR` | 短信中心不可达或未应答;稍后再试 | the SMSC cannot be reached or did not answer; try again later |
| 0x05 (5) `ESME_RALYBND` | 会话已绑定 | the session is bound already |
| 其他 others | 短信中心自己的应答,原样转交:0x0E (14) 口令错误,0x0F (15) 账号错误 | the SMSC's own answer, passed on: 0x0E (14) wrong password, 0x0F (15) wrong system_id |

## Answers that are not the gateway's 非网关的应答

0x08 (8) `ESME_RSYSERR` for a message that took the response timer long: the SMSC did not answer, **the message may have been sent**; do not send
it again today. Every other status is the SMSC's own. 等待很久之后返回的 0x08:短信中心未应答,**短信可能已发出**,当日不要重发。其余状态码由短信中心给出,请查其文档。
";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_document_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/status-codes.md");
        let current = markdown();
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &current).expect("writable");
        }
        let shipped = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(shipped == current, "run this test with BLESS=1 to write docs/status-codes.md anew");
    }

    #[test]
    fn every_reason_stands_in_it() {
        let text = markdown();
        for reason in Reason::ALL {
            assert!(text.contains(&format!("reasons.md#{reason}")), "{reason}");
        }
    }
}
