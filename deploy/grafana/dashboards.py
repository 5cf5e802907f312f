#!/usr/bin/env python3
"""Writes the dashboards of this folder as JSON; with --check, tells whether the files are what it would write.

A panel is one line below: its title, its kind, and its queries with their legends. The JSON is kept beside this script, so
that Grafana needs nothing else; change the lines here and run the script.
"""

import json
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "dashboards"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
GATEWAY = 'instance=~"$instance"'
ACCOUNT = GATEWAY + ', account="$account"'


def rate(family: str, by: str, where: str = GATEWAY) -> str:
    return f"sum by ({by}) (rate({family}{{{where}}}[$__rate_interval]))"


def quantile(q: float, family: str, by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, {rate(family + '_bucket', labels)})"


def quantiles(family: str, by: str = "") -> list[tuple[str, str]]:
    legend = f" {{{{{by}}}}}" if by else ""
    return [(quantile(0.5, family, by), "p50" + legend), (quantile(0.99, family, by), "p99" + legend)]


def gauge(family: str, where: str = GATEWAY) -> str:
    return f"{family}{{{where}}}"


def heat(family: str) -> list[tuple[str, str]]:
    return [(rate(family + "_bucket", "le"), "{{le}}")]


REFUSED_OF_RECEIVED = (
    f"{rate('smsluice_messages_refused_total', 'account')} / {rate('smsluice_messages_received_total', 'account')}"
)
THROTTLED = 'status=~"throttled|queue_full", ' + GATEWAY
BUSY = f"{rate('smsluice_runtime_busy_seconds_total', 'instance')} / sum by (instance) ({gauge('smsluice_runtime_workers')})"

# Each panel: title, kind, unit, queries with legends, width of 24.
DASHBOARDS = {
    "overview": ("smsluice: overview 总览", [
        ("Ready 就绪", "state", "bool_yes_no", [(gauge("smsluice_ready"), "{{instance}} {{component}}")], 8),
        ("Hours open 时段开放", "state", "bool_yes_no", [(gauge("smsluice_window_open"), "{{instance}}")], 8),
        ("SMSC up 短信中心", "state", "bool_yes_no", [(gauge("smsluice_smsc_up"), "{{instance}} {{smsc}}")], 8),
        ("Received, forwarded, refused 收发", "lines", "ops", [
            (rate("smsluice_messages_received_total", "instance"), "received {{instance}}"),
            (rate("smsluice_messages_forwarded_total", "instance"), "forwarded {{instance}}"),
            (rate("smsluice_messages_refused_total", "instance"), "refused {{instance}}")], 12),
        ("Refusals by reason 拒绝原因", "stack", "ops", [(rate("smsluice_messages_refused_total", "reason"), "{{reason}}")], 12),
        ("Accepted of settled 接受率", "lines", "percentunit", [
            (f"""sum(rate(smsluice_messages_settled_total{{outcome="accepted", {GATEWAY}}}[$__rate_interval]))"""
             f""" / sum(rate(smsluice_messages_settled_total{{{GATEWAY}}}[$__rate_interval]))""", "accepted")], 8),
        ("Added latency 网关时延", "lines", "s", quantiles("smsluice_added_latency_seconds"), 8),
        ("SMSC response 短信中心应答", "lines", "s", quantiles("smsluice_smsc_response_seconds", "smsc"), 8),
        ("Unknown outcomes today 结果未知", "lines", "short", [(gauge("smsluice_ledger_rows", 'state="unknown", ' + GATEWAY), "{{instance}}")], 8),
        ("Quota used, ten highest 配额", "bars", "percentunit", [
            (f"topk(10, {gauge('smsluice_quota_used_recipients')} / {gauge('smsluice_quota_limit_recipients')})", "{{account}}")], 8),
        ("Policy version 策略版本", "number", "none", [(gauge("smsluice_policy_version"), "{{instance}}")], 8),
        ("Holds by scope 暂停", "stack", "short", [(f"sum by (scope_kind) ({gauge('smsluice_holds')})", "{{scope_kind}}")], 8),
        ("Accounts held 被暂停账号", "table", "none", [(gauge("smsluice_account_held") + " == 1", "{{account}}")], 8),
        ("Age of the oldest hold 最早暂停", "lines", "s", [
            (f"time() - ({gauge('smsluice_hold_oldest_timestamp_seconds')} > 0)", "{{instance}}")], 8),
        ("Scheduled messages cancelled 取消的定时短信", "stack", "ops", [(rate("smsluice_scheduled_cancels_total", "result"), "{{result}}")], 8),
    ]),
    "smsc": ("smsluice: SMSC 短信中心", [
        ("In flight 在途", "lines", "short", [(f"sum by (instance) ({gauge('smsluice_messages_in_flight')})", "{{instance}}")], 8),
        ("Response time 应答时间", "heat", "s", heat("smsluice_smsc_response_seconds"), 16),
        ("Answers by status 应答状态", "stack", "ops", [(rate("smsluice_smsc_responses_total", "status"), "{{status}}")], 12),
        ("Throttled or queue full (alert above 5 %) 限流比例", "lines", "percentunit", [
            (f"{rate('smsluice_smsc_responses_total', 'smsc', THROTTLED)} / {rate('smsluice_smsc_responses_total', 'smsc')}", "{{smsc}}"),
            ("vector(0.05)", "alert")], 12),
        ("Failed connects 连接失败", "lines", "ops", [(rate("smsluice_smsc_connect_failures_total", "smsc, cause"), "{{smsc}} {{cause}}")], 8),
        ("Reachable 可达", "state", "bool_yes_no", [(gauge("smsluice_smsc_up"), "{{smsc}}")], 8),
        ("Sum of the accounts' rates, and what is forwarded 限速总和与实际", "lines", "ops", [
            (f"sum({gauge('smsluice_throttle_limit_messages_per_second')})", "sum of limits"),
            (f"sum({rate('smsluice_messages_forwarded_total', 'instance')})", "forwarded")], 8),
    ]),
    "account": ("smsluice: account 账号", [
        ("Quota 配额", "lines", "short", [
            (gauge("smsluice_quota_used_recipients", ACCOUNT), "used"),
            (gauge("smsluice_quota_limit_recipients", ACCOUNT), "limit")], 8),
        ("Rate 速率", "lines", "ops", [
            (rate("smsluice_messages_received_total", "account", ACCOUNT), "received"),
            (gauge("smsluice_throttle_limit_messages_per_second", ACCOUNT), "limit")], 8),
        ("Sessions 会话", "lines", "short", [
            (f"sum by (bind) ({gauge('smsluice_sessions', ACCOUNT)})", "{{bind}}"),
            (gauge("smsluice_session_limit", ACCOUNT), "limit")], 8),
        ("Refusals by reason 拒绝原因", "stack", "ops", [(rate("smsluice_messages_refused_total", "reason", ACCOUNT), "{{reason}}")], 12),
        ("Outcomes 结果", "stack", "ops", [(rate("smsluice_messages_settled_total", "outcome", ACCOUNT), "{{outcome}}")], 12),
        ("Would have been refused 观察模式", "stack", "ops", [(rate("smsluice_shadow_refusals_total", "rule", ACCOUNT), "{{rule}}")], 8),
        ("Tolerances used 容忍项", "lines", "ops", [(rate("smsluice_quirks_total", "quirk", ACCOUNT), "{{quirk}}")], 8),
        ("In flight 在途", "lines", "short", [(gauge("smsluice_messages_in_flight", ACCOUNT), "{{instance}}")], 8),
        ("Held 被暂停", "lines", "short", [(gauge("smsluice_account_held", ACCOUNT), "{{instance}}")], 24),
    ]),
    "ledger": ("smsluice: ledger and disk 账本与磁盘", [
        ("Commit time 提交耗时", "lines", "s", quantiles("smsluice_ledger_commit_duration_seconds"), 8),
        ("Commit time 提交耗时分布", "heat", "s", heat("smsluice_ledger_commit_duration_seconds"), 16),
        ("Reservations per commit 每次提交条数", "lines", "short", quantiles("smsluice_ledger_commit_rows"), 8),
        ("Slots by state 名额状态", "stack", "short", [(f"sum by (state) ({gauge('smsluice_ledger_rows')})", "{{state}}")], 8),
        ("Size 大小", "lines", "bytes", [(gauge("smsluice_ledger_size_bytes"), "{{instance}}")], 8),
        ("Errors 错误", "lines", "ops", [(rate("smsluice_ledger_errors_total", "kind"), "{{kind}}")], 8),
        ("Days not sealed, records lost 未封存天数与未留档数", "lines", "short", [
            (gauge("smsluice_ledger_unsealed"), "unsealed {{instance}}"), (gauge("smsluice_ledger_records_lost"), "lost {{instance}}")], 8),
        ("Trusted, owner, clock 可信、拥有者与时钟", "state", "bool_yes_no", [
            (gauge("smsluice_ledger_trusted"), "trusted {{instance}}"), (gauge("smsluice_ledger_owner"), "owner {{instance}}"),
            (gauge("smsluice_clock_trusted"), "clock {{instance}}")], 8),
        ("Age of the oldest unanswered message 最早未应答", "lines", "s", [
            (f"time() - ({gauge('smsluice_ledger_oldest_reserved_timestamp_seconds')} > 0)", "{{instance}}")], 8),
        ("Contradictions 账目矛盾", "lines", "short", [(f"sum by (invariant) ({gauge('smsluice_invariant_violations_total')})", "{{invariant}}")], 8),
        ("Room on the disk, now and in 24 h 磁盘余量", "lines", "bytes", [
            ('node_filesystem_avail_bytes{mountpoint=~".*smsluice.*"}', "now {{mountpoint}}"),
            ('predict_linear(node_filesystem_avail_bytes{mountpoint=~".*smsluice.*"}[6h], 86400)', "in 24 h {{mountpoint}}")], 8),
    ]),
    "sessions": ("smsluice: sessions and protocol 会话与协议", [
        ("Binds by result 绑定结果", "stack", "ops", [(rate("smsluice_binds_total", "result"), "{{result}}")], 8),
        ("Sessions by bind type 会话", "stack", "short", [(f"sum by (bind) ({gauge('smsluice_sessions')})", "{{bind}}")], 8),
        ("Closes by cause 关闭原因", "stack", "ops", [(rate("smsluice_session_closes_total", "side, cause"), "{{side}} {{cause}}")], 8),
        ("Protocol errors 协议错误", "lines", "ops", [(rate("smsluice_protocol_errors_total", "leg, kind"), "{{leg}} {{kind}}")], 12),
        ("Anomalies 异常应答", "lines", "ops", [(rate("smsluice_anomalies_total", "kind"), "{{kind}}")], 12),
        ("PDUs from and to senders 发送方侧", "stack", "ops", [
            (rate("smsluice_pdus_total", "direction, command", 'leg="esme", ' + GATEWAY), "{{direction}} {{command}}")], 12),
        ("PDUs from and to the SMSC 短信中心侧", "stack", "ops", [
            (rate("smsluice_pdus_total", "direction, command", 'leg="smsc", ' + GATEWAY), "{{direction}} {{command}}")], 12),
        ("Octets 字节", "lines", "Bps", [
            (rate("smsluice_received_bytes_total", "leg"), "received {{leg}}"),
            (rate("smsluice_sent_bytes_total", "leg"), "sent {{leg}}")], 12),
        ("Time of a batch by stage, p99 各阶段耗时", "lines", "s", [
            (quantile(0.99, "smsluice_stage_duration_seconds", "stage"), "{{stage}}")], 12),
    ]),
    "policy": ("smsluice: policy 策略", [
        ("Refused, 30 days 三十天拒绝数", "bars", "short", [
            (f"sum by (reason) (increase(smsluice_messages_refused_total{{{GATEWAY}}}[30d]))", "{{reason}}")], 12),
        ("Refused of received by account 各账号拒绝率", "lines", "percentunit", [(REFUSED_OF_RECEIVED, "{{account}}")], 12),
        ("Enforced 已执行", "stack", "ops", [(rate("smsluice_messages_refused_total", "reason"), "{{reason}}")], 12),
        ("Observed 观察", "stack", "ops", [(rate("smsluice_shadow_refusals_total", "rule"), "{{rule}}")], 12),
        ("Hours open 时段开放", "state", "bool_yes_no", [(gauge("smsluice_window_open"), "{{instance}}")], 8),
        ("Last reload worked 最近重载", "state", "bool_yes_no", [(gauge("smsluice_config_last_reload_successful"), "{{instance}}")], 8),
        ("Loaded, age 配置加载距今", "lines", "s", [
            (f"time() - {gauge('smsluice_config_last_reload_success_timestamp_seconds')}", "{{instance}}")], 8),
    ]),
    "admin": ("smsluice: administration and audit 管理与审计", [
        ("Requests by route 请求", "stack", "ops", [(rate("smsluice_admin_requests_total", "route"), "{{route}}")], 12),
        ("Requests by status 状态", "stack", "ops", [(rate("smsluice_admin_requests_total", "method, code"), "{{method}} {{code}}")], 12),
        ("Duration, p99 耗时", "lines", "s", [(quantile(0.99, "smsluice_admin_request_duration_seconds", "route"), "{{route}}")], 12),
        ("Callers not let in 鉴权失败", "stack", "ops", [(rate("smsluice_admin_auth_failures_total", "kind"), "{{kind}}")], 12),
        ("Acts on record 操作", "stack", "short", [
            (f"sum by (action) (increase(smsluice_audit_events_total{{{GATEWAY}}}[1h]))", "{{action}}")], 12),
        ("Acts that could not be recorded 未能记录", "lines", "short", [(gauge("smsluice_audit_errors_total"), "{{instance}}")], 12),
    ]),
    "runtime": ("smsluice: runtime 运行", [
        ("CPU 处理器", "lines", "percentunit", [('rate(process_cpu_seconds_total{job="smsluice"}[$__rate_interval])', "{{instance}}")], 8),
        ("Memory 内存", "lines", "bytes", [('process_resident_memory_bytes{job="smsluice"}', "{{instance}}")], 8),
        ("Descriptors 描述符", "lines", "short", [
            ('process_open_fds{job="smsluice"}', "open {{instance}}"), ('process_max_fds{job="smsluice"}', "limit {{instance}}")], 8),
        ("Workers busy 工作线程忙碌", "lines", "percentunit", [(BUSY, "{{instance}}")], 8),
        ("Tasks 任务", "lines", "short", [
            (gauge("smsluice_runtime_tasks"), "alive {{instance}}"), (gauge("smsluice_runtime_queue_depth"), "waiting {{instance}}")], 8),
        ("Scrape time 抓取耗时", "lines", "s", [('scrape_duration_seconds{job="smsluice"}', "{{instance}}")], 8),
        ("Log events 日志事件", "stack", "ops", [(rate("smsluice_log_events_total", "level"), "{{level}}")], 8),
        ("Panics 程序异常", "lines", "short", [(gauge("smsluice_panics_total"), "{{instance}}")], 8),
        ("Telemetry dropped 丢弃的日志与事件", "lines", "ops", [(rate("smsluice_telemetry_dropped_total", "sink"), "{{sink}}")], 8),
        ("Build 版本", "table", "none", [(gauge("smsluice_build_info"), "{{version}} {{revision}}")], 8),
    ]),
}

KINDS = {
    "lines": ("timeseries", {}, {}),
    "stack": ("timeseries", {"custom": {"stacking": {"mode": "normal"}, "fillOpacity": 30}}, {}),
    "bars": ("bargauge", {}, {"orientation": "horizontal", "displayMode": "basic"}),
    "heat": ("heatmap", {}, {"calculate": False, "yAxis": {"unit": "s"}}),
    "number": ("stat", {}, {"graphMode": "none"}),
    "table": ("table", {}, {}),
    "state": ("state-timeline", {
        "mappings": [{"type": "value", "options": {
            "0": {"text": "no", "color": "red"}, "1": {"text": "yes", "color": "green"}}}],
        "custom": {"fillOpacity": 80}}, {"mergeValues": True}),
}


def target(query: str, legend: str, ref: int, kind: str) -> dict:
    form = {"heat": "heatmap", "table": "table"}.get(kind, "time_series")
    return {"datasource": SOURCE, "expr": query, "legendFormat": legend, "refId": chr(ord("A") + ref),
            "format": form, "instant": kind in ("bars", "number", "table"), "range": kind not in ("bars", "number", "table")}


def panels(rows: list) -> list[dict]:
    made, x, y = [], 0, 0
    for number, (title, kind, unit, queries, width) in enumerate(rows, 1):
        if x + width > 24:
            x, y = 0, y + 8
        name, defaults, options = KINDS[kind]
        made.append({
            "id": number, "title": title, "type": name, "datasource": SOURCE,
            "gridPos": {"h": 8, "w": width, "x": x, "y": y},
            "fieldConfig": {"defaults": {"unit": unit, **defaults}, "overrides": []}, "options": options,
            "targets": [target(query, legend, ref, kind) for ref, (query, legend) in enumerate(queries)]})
        x += width
    return made


def variable(name: str, label: str, query: str, several: bool) -> dict:
    return {"name": name, "label": label, "type": "query", "datasource": SOURCE, "refresh": 2, "sort": 1,
            "query": {"query": query, "refId": name}, "multi": several, "includeAll": several,
            "current": {"text": "All", "value": "$__all"} if several else {}}


def dashboard(name: str) -> dict:
    title, rows = DASHBOARDS[name]
    variables = [{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "current": {}},
                 variable("instance", "gateway 网关", "label_values(smsluice_build_info, instance)", True)]
    if name == "account":
        variables.append(variable("account", "account 账号", "label_values(smsluice_session_limit, account)", False))
    marks = [{"name": "policy in force 策略变更", "datasource": SOURCE, "enable": True, "iconColor": "blue",
              "expr": "changes(smsluice_policy_version[1m]) > 0", "titleFormat": "policy version"}]
    marks.append({"name": "hold placed 暂停", "datasource": SOURCE, "enable": True, "iconColor": "red",
                  "expr": "changes(smsluice_hold_oldest_timestamp_seconds[1m]) > 0", "titleFormat": "hold"})
    links = [{"title": "smsluice", "type": "dashboards", "tags": ["smsluice"], "asDropdown": True, "keepTime": True}]
    return {"uid": f"smsluice-{name}", "title": title, "tags": ["smsluice"], "timezone": "Asia/Shanghai", "schemaVersion": 39,
            "version": 1, "editable": True, "refresh": "30s", "time": {"from": "now-6h", "to": "now"}, "links": links,
            "annotations": {"list": marks}, "templating": {"list": variables}, "panels": panels(rows)}


def main() -> int:
    check = sys.argv[1:] == ["--check"]
    stale = []
    for name in DASHBOARDS:
        path = FOLDER / f"{name}.json"
        text = json.dumps(dashboard(name), ensure_ascii=False, indent=1) + "\n"
        if check and (not path.exists() or path.read_text(encoding="utf-8") != text):
            stale.append(path.name)
        elif not check:
            path.write_text(text, encoding="utf-8")
    if stale:
        print(f"not what dashboards.py writes: {', '.join(stale)}")
    return len(stale)


if __name__ == "__main__":
    sys.exit(main())
