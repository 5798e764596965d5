#!/bin/sh
# Once a minute on a host that serves: one line of JSON for CloudWatch's metric filters.
#   {"up":1,"ready_ms":12,"errors":0}
# up: whether the service says that it is ready; ready_ms: how long that took; errors: answers with a server error since
# the last line, from the service's own counters. No molecule is sent and none is logged.
set -eu

address=${AIDRUG_SERVICE:-http://127.0.0.1:8000}
log=${AIDRUG_PROBE_LOG:-/var/log/aidrug/probe.log}
memory=${AIDRUG_PROBE_MEMORY:-/run/aidrug-probe-errors}

mkdir -p "$(dirname "$log")"
up=0
milliseconds=null
if seconds=$(curl --silent --fail --max-time 10 --output /dev/null --write-out '%{time_total}' "$address/health/ready"); then
    up=1
    milliseconds=$(printf '%s' "$seconds" | awk '{printf "%d", $1 * 1000 + 0.5}')
fi

# Counters of the form `name{...,status="503",...} 7`: their names may change, that label may not.
total=$(curl --silent --fail --max-time 10 "$address/metrics" 2>/dev/null |
    awk '/^[a-z_]*requests_total\{/ && /status(_code)?="5[0-9][0-9]"/ {sum += $NF} END {printf "%d", sum}') || total=0
before=0
[ ! -r "$memory" ] || read -r before <"$memory" || before=0
printf '%s\n' "${total:-0}" >"$memory"
# A service that restarted counts from nought again.
errors=$((total >= before ? total - before : total))

printf '{"up":%s,"ready_ms":%s,"errors":%s}\n' "$up" "$milliseconds" "$errors" >>"$log"
