#!/usr/bin/env python3
"""Compares the gateway's own account of the run with what the senders did.

usage: books.py METRICS LOG SECRET ACCOUNT...

Each account sent four messages: two were taken, one was too long, one was a second one on a day.
Neither the metrics nor the log may hold the SECRET (the password), a whole number or a text.
"""

import re
import sys

failures = 0


def check(good, what):
    global failures
    failures += not good
    print(f"{'ok' if good else 'not ok'} - books: {what}")


def total(metrics, name, **labels):
    """The sum over all series of a metric that have these labels."""
    series = re.findall(rf"^smsluice_{name}\{{(.*)\}} (\S+)$", metrics, re.MULTILINE)
    return sum(float(value) for found, value in series if all(f'{key}="{one}"' in found for key, one in labels.items()))


def main(metrics_file, log_file, secret, *accounts):
    with open(metrics_file) as metrics, open(log_file) as log:
        metrics, log = metrics.read(), log.read()
    for account in accounts:
        counts = {
            "received": total(metrics, "messages_received_total", account=account),
            "forwarded": total(metrics, "messages_forwarded_total", account=account),
            "accepted": total(metrics, "messages_settled_total", account=account, outcome="accepted"),
            "too_long": total(metrics, "messages_refused_total", account=account, reason="too_long"),
            "duplicate": total(metrics, "messages_refused_total", account=account, reason="duplicate"),
            "refused": total(metrics, "messages_refused_total", account=account),
        }
        expected = {"received": 4, "forwarded": 2, "accepted": 2, "too_long": 1, "duplicate": 1, "refused": 2}
        check(counts == expected, f"{account}: {', '.join(f'{name} {count:g}' for name, count in counts.items())}")
    check(total(metrics, "protocol_errors_total") == 0, "no protocol error is counted")
    check(total(metrics, "anomalies_total") == 0, "no anomaly is counted")
    for place, text in (("metrics", metrics), ("log", log)):
        told = [what for what in (secret, "合肥移动", "62620000") if what in text]
        told += re.findall(r"\b(?:86)?1[3-9]\d{9}\b", text)
        check(not told, f"no password, text or whole number in the {place} {told or ''}")


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
    sys.exit(failures != 0)
