"""Reads the compose file as its specification has it, then runs its commands of the gateway's own image as processes.

usage: compose.py COMPOSE_YAML BINARY

The services share one network there, so they share the loopback addresses here; ports and folders are others, and what
would run for a day runs for some seconds. Fails when a command is refused, when nothing is forwarded, or when the
sender that is too fast is not slowed.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import yaml
from compose_spec import PyCompose

SECONDS = 6


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def mounts_exist(path: Path, services: dict) -> None:
    for name, service in services.items():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith(".") and not (path.parent / source).exists():
                raise SystemExit(f"{name}: {source} is not there")


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


def until(what: str, holds) -> None:
    for _ in range(300):
        try:
            if holds():
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"in vain: {what}")


def total(metrics: str, series: str) -> float:
    lines = (line for line in metrics.splitlines() if re.match(series, line))
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def main() -> int:
    path, binary = Path(sys.argv[1]), sys.argv[2]
    text = path.read_text(encoding="utf-8")
    services = yaml.safe_load(text)["services"]
    # The specification's reader knows no YAML anchors' merge key, so it is given the merged file.
    PyCompose.from_yaml(yaml.safe_dump({k: v for k, v in yaml.safe_load(text).items() if not k.startswith("x-")}))
    mounts_exist(path, services)

    work = Path(tempfile.mkdtemp())
    shutil.copytree("config", work / "config")
    smpp, smsc, admin = free_port(), free_port(), free_port()
    environment = os.environ | {
        "SMSLUICE__LISTEN__SMPP": f"127.0.0.1:{smpp}",
        "SMSLUICE__ADMIN__LISTEN": f"127.0.0.1:{admin}",
        "SMSLUICE__SMSC__ADDRESS": f"127.0.0.1:{smsc}",
        "SMSLUICE__LEDGER__PATH": str(work / "ledger"),
    }
    running = {}

    def start(name: str) -> None:
        words = [str(word).replace("/etc/smsluice", str(work / "config")) for word in services[name]["command"]]
        words = [word.replace("127.0.0.1:2776", f"127.0.0.1:{smsc}").replace("=24h", f"={SECONDS}s") for word in words]
        if words[0] == "load":
            words.append(f"--to=127.0.0.1:{smpp}")
        log = (work / f"{name}.log").open("w")
        running[name] = subprocess.Popen([binary, *words], env=environment, stdout=log, stderr=log)

    try:
        for name in ("smsc", "smsluice"):
            start(name)
        until("the gateway is ready", lambda: '"ready":true' in get(f"http://127.0.0.1:{admin}/readyz"))
        for name in ("branch", "hasty"):
            start(name)
        for name in ("branch", "hasty"):
            status = running[name].wait(timeout=60)
            if status != 0:
                raise SystemExit(f"{name} ended with {status}: {(work / f'{name}.log').read_text()}")
        metrics = get(f"http://127.0.0.1:{admin}/metrics")
        accepted = total(metrics, r'smsluice_messages_settled_total\{account="\w+",outcome="accepted"\}')
        slowed = total(metrics, r'smsluice_messages_refused_total\{account="wh6202",reason="rate"\}')
        print(f"{len(services)} services; accepted {accepted:.0f}, slowed {slowed:.0f}")
        if accepted < 20 or slowed < 10:
            raise SystemExit("the senders of the compose file do not do what they are there for")
        running["smsluice"].terminate()
        if running["smsluice"].wait(timeout=30) != 0:
            raise SystemExit("the gateway does not stop cleanly")
    finally:
        for process in running.values():
            if process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
