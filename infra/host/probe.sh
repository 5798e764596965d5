#!/bin/sh
# Once a minute on a host that serves: one line of JSON for CloudWatch's metric filters.
#   {"up":1,"ready_ms":12,"errors":0,"predict_ms":34,"store_unreachable":0,"not_served":0,"automation":1,"backup_hours":7}
# up: whether the service says that it is ready; ready_ms: how long that took. Since the last line, from the service's own
# counters: errors, answers with a server error; predict_ms, mean time of an answer with predictions, null when there was
# none. store_unreachable: 1 while the bundle store cannot be read, or is damaged; not_served: appointed champions that are
# refused. All four are null when the counters could not be read. automation: whether Dagster's daemon gives signs of life and
# the automation looked within half an hour; null while a delivery is at work, here or on a training host, or an operator
# (`paused`), who stop it; 0 once `paused` is four hours old, since it was forgotten. backup_hours: since the last backup, or
# since the first delivery. No molecule is sent and none is logged.
set -eu

address=${AIDRUG_SERVICE:-http://127.0.0.1:8000}
log=${AIDRUG_PROBE_LOG:-/var/log/aidrug/probe.log}
memory=${AIDRUG_PROBE_MEMORY:-/run/aidrug-probe}
root=${AIDRUG_ROOT:-/opt/aidrug}
state=${AIDRUG_STATE:-/var/lib/aidrug}
dagster=${AIDRUG_DAGSTER:-http://127.0.0.1:3000}
[ -e "$root/.env" ] || exit 0 # a host that only trains, or one before its first delivery
secrets=${AIDRUG_SECRETS:-/opt/aidrug/secrets.env} # the service shows its counters to nobody without a key

mkdir -p "$(dirname "$log")"
up=0
milliseconds=null
if seconds=$(curl --silent --fail --max-time 10 --output /dev/null --write-out '%{time_total}' "$address/health/ready"); then
    up=1
    milliseconds=$(printf '%s' "$seconds" | awk '{printf "%d", $1 * 1000 + 0.5}')
fi

# The key goes to curl's standard input: arguments are seen by everybody on the machine.
counted() {
    sed -n "s/^AIDRUG_ADMIN_TOKEN='\(.*\)'$/header = \"Authorization: Bearer \1\"/p" "$secrets" 2>/dev/null |
        curl --silent --fail --max-time 10 --config - "$address/metrics"
}

# Errors, answers with predictions, and milliseconds spent on these, since the service began. Counters have the form
# `name{...,status="503",...} 7`.
since='"errors":null,"predict_ms":null'
if page=$(counted); then
    counters=$(printf '%s\n' "$page" | awk '
        /^[a-z_]*requests_total\{/ && /status(_code)?="5[0-9][0-9]"/ {errors += $NF}
        /^[a-z_]*request_seconds_count\{route="\/v1\/predict"/ {answers += $NF}
        /^[a-z_]*request_seconds_sum\{route="\/v1\/predict"/ {ms += 1000 * $NF}
        END {printf "%d %d %d", errors, answers, ms}')
    last="0 0 0"
    [ ! -r "$memory" ] || read -r last <"$memory" || last="0 0 0"
    printf '%s\n' "$counters" >"$memory"
    # A service that restarted counts from nought again.
    since=$(printf '%s %s\n' "$counters" "$last" | awk '{
        if ($1 < $4) $4 = 0
        if ($2 < $5) $5 = $6 = 0
        printf "\"errors\":%d,\"predict_ms\":%s", $1 - $4, ($2 > $5 ? int(($3 - $6) / ($2 - $5) + 0.5) : "null")}')
fi

# gauge NAME: what the service says of something at this moment; nothing when it does not.
gauge() { printf '%s\n' "$page" | awk -v name="$1" '$1 == name {printf "%d", $2}'; }
store_unreachable=$(gauge aidrug_store_unreachable)
not_served=$(gauge aidrug_not_served)

automation=null
if [ -e "$root/paused" ]; then
    [ -z "$(find "$root/paused" -mmin +240)" ] || automation=0
elif [ "$(cat "$root/awaits" 2>/dev/null || echo 0)" -lt "$(date +%s)" ] && flock -n "$state/delivery.lock" true; then
    automation=0
    asked='{"query":"{instance{daemonHealth{daemonStatus(daemonType:\"SENSOR\"){healthy}}}}"}'
    case $(curl --silent --fail --max-time 10 --header 'Content-Type: application/json' --data "$asked" "$dagster/graphql") in
    *'"healthy":true'* | *'"healthy": true'*) automation=1 ;;
    esac
    # A daemon may be well and every look of its sensor fail: the service reports when the last one worked.
    looked=$(gauge aidrug_automation_last_look_timestamp_seconds)
    [ -z "$looked" ] || [ $(($(date +%s) - looked)) -lt 1800 ] || automation=0
fi
stamp=$state/home/locks/backed_up
[ -e "$stamp" ] || stamp=$root/first_minute
[ -e "$stamp" ] || : >"$stamp"
hours=$((($(date +%s) - $(date -r "$stamp" +%s)) / 3600))

printf '{"up":%s,"ready_ms":%s,%s,"store_unreachable":%s,"not_served":%s,"automation":%s,"backup_hours":%s}\n' "$up" \
    "$milliseconds" "$since" "${store_unreachable:-null}" "${not_served:-null}" "$automation" "$hours" >>"$log"
