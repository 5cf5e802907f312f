#!/usr/bin/env bash
# Rules, dashboards and metrics, judged by Prometheus itself: promtool on the rules and their tests, promtool's lint on what a
# working gateway exposes, and a Prometheus that scrapes it, evaluates the rules and answers the query of every panel.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly BIN=${SMSLUICE_BIN:-${CARGO_TARGET_DIR:-target}/release/smsluice}
readonly CLOCK=2026-11-24T09:30:00+08:00 # a Tuesday, in an open window
readonly RULES=deploy/prometheus

die() {
    echo "tests/monitoring.sh: $*" >&2
    exit 1
}
for tool in promtool prometheus python3 curl; do
    command -v "$tool" >/dev/null || die "$tool is missing (Debian: prometheus, python3, curl)"
done
[[ -x $BIN ]] || die "$BIN is not there: cargo build --release, or set SMSLUICE_BIN"

echo "--- rules and their tests"
promtool check rules "$RULES/rules.yml"
promtool check config "$RULES/prometheus.yml"
promtool test rules "$RULES/rules_test.yml"

echo "--- dashboards are what their script writes"
python3 deploy/grafana/dashboards.py --check

work=$(mktemp -d)
declare -a started=()
finish() {
    local status=$?
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    if ((status)); then tail -n 20 "$work"/*.log; fi
    rm -rf "$work"
}
trap finish EXIT
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
until_there() { # until_there URL: at most 60 s
    for _ in {1..300}; do
        curl -fs -o "$work/answer" "$1" && return
        sleep 0.2
    done
    die "no answer from $1"
}

smpp=$(free_port) smsc=$(free_port) admin=$(free_port) web=$(free_port)
cp -r config "$work/config"
"$BIN" smsc --listen "127.0.0.1:$smsc" --error 0x14=0.05 --receipts 100ms -q >"$work/smsc.log" 2>&1 &
started+=($!)
SMSLUICE__LISTEN__SMPP=127.0.0.1:$smpp SMSLUICE__ADMIN__LISTEN=127.0.0.1:$admin SMSLUICE__SMSC__ADDRESS=127.0.0.1:$smsc \
    SMSLUICE__LEDGER__PATH=$work/ledger \
    "$BIN" serve --config "$work/config" --clock-start "$CLOCK" --allow-test-clock >"$work/gateway.log" 2>&1 &
started+=($!)
until_there "http://127.0.0.1:$admin/readyz"

echo "--- a Prometheus scrapes it"
sed -e "s/smsluice:9775/127.0.0.1:$admin/" -e 's/_interval: 15s/_interval: 1s/' "$RULES/prometheus.yml" >"$work/prometheus.yml"
cp "$RULES/rules.yml" "$work/"
prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" --web.listen-address="127.0.0.1:$web" \
    --log.level=warn >"$work/prometheus.log" 2>&1 &
started+=($!)
until_there "http://127.0.0.1:$web/-/ready"

echo "--- a mixed load goes through"
"$BIN" load --to "127.0.0.1:$smpp" --account hf6202 --password secret --count 3000 --rate 200 --source 62020551 \
    --segments "$work/config/segments.csv" --city hefei --connections 2 --receipts \
    --mix other_city=0.05,too_long=0.05,no_signature=0.05,repeat=0.05 -q

echo "--- promtool's lint on the metrics"
curl -fs "http://127.0.0.1:$admin/metrics" >"$work/metrics.txt"
promtool check metrics <"$work/metrics.txt"

echo "--- the query of every panel, and every rule"
python3 tests/monitoring/queries.py "http://127.0.0.1:$web" deploy/grafana/dashboards
