#!/usr/bin/env bash
# Writes prometheusrule.yaml: the rules of ../prometheus/rules.yml as the Prometheus operator wants them.
set -euo pipefail
cd "$(dirname "$0")"
{
    echo '# Written by prometheusrule.sh from ../prometheus/rules.yml; change the rules there.'
    printf '%s\n' 'apiVersion: monitoring.coreos.com/v1' 'kind: PrometheusRule' 'metadata:' '  name: smsluice' 'spec:'
    grep -v '^#' ../prometheus/rules.yml | sed 's/^\(.\)/  \1/'
} >"${1:-prometheusrule.yaml}"
