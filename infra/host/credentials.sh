#!/bin/sh
# Credentials of the containers: a role of its own for each folder in ${AIDRUG_STATE}/aws, which compose.yaml mounts into those
# that take it (service: reads the bundles; pipeline: the buckets). Run by boot.sh before Docker starts, by host.sh in each
# delivery and once a minute. No container reaches the instance's own: they would have to come a hop further than AWS lets them.
#
# A role that is assumed by another one lasts an hour. They are renewed after a quarter of it, and the SDK in a container
# reads the file again when a quarter is left: so renewing may fail for half an hour before anybody notices, and what was
# written last stays until it runs out. Ends with 1 when a role has none that last.
set -eu

folder=${AIDRUG_STATE:-/var/lib/aidrug}/aws
hour=3600
group=10001 # who the containers run as

say() { printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*"; }

ask() { timeout 60 aws sts "$@" --region "$AWS_REGION" --output text 2>"$reason"; }

# seconds_left WHO: of what is written; nought when there is none, half of one, or one that no clock of ours explains.
seconds_left() {
    until=$(sed -n 's/.*"Expiration": *"\([^"]*\)"}$/\1/p' "$folder/$1/credentials.json" 2>/dev/null) || until=
    at=$(date -d "${until:-@0}" +%s 2>/dev/null) || at=0
    left=$((at - $(date +%s)))
    [ "$left" -le $((hour + 300)) ] && [ "$left" -gt 0 ] || left=0
}

# write WHO KEY SECRET TOKEN EXPIRATION: whole or not at all. printf is the shell's own: no argument of a process holds a secret.
write() {
    place=$folder/$1
    at=
    case ${5:-} in
    *+00:00 | *Z) at=$(date -d "$5" +%s 2>/dev/null) || true ;; # whole to its end
    esac
    [ -n "$at" ] && [ $# = 5 ] || {
        echo "AWS's answer was cut short" >"$reason"
        return 1
    }
    left=$((at - $(date +%s)))
    if [ "$left" -le $((hour / 4)) ] || [ "$left" -gt $((hour + 300)) ]; then
        echo "Signature of another hour: what AWS gave ends $5" >"$reason"
        return 1
    fi
    if ! {
        printf '[default]\ncredential_process = cat /run/aws/credentials.json\n' >"$place/config.new" &&
            printf '{"Version": 1, "AccessKeyId": "%s", "SecretAccessKey": "%s", "SessionToken": "%s", "Expiration": "%s"}\n' \
                "$2" "$3" "$4" "$5" >"$place/credentials.new"
    } 2>"$reason"; then
        echo "$place could not be written: $(tail -n 1 "$reason")" >"$reason"
        return 1
    fi
    chgrp "$group" "$place" "$place/config.new" "$place/credentials.new" 2>/dev/null || true
    { mv "$place/config.new" "$place/config" && mv "$place/credentials.new" "$place/credentials.json"; } 2>"$reason"
}

# This host's role is NAME-host, and those of its containers are NAME-service and NAME-pipeline.
renew() {
    own=$(ask get-caller-identity --query Arn) || return 1
    role=$(printf '%s' "$own" | sed -n 's|^\(arn:[a-z-]*\):sts::\([0-9]*\):assumed-role/\(.*\)-host/.*|\1:iam::\2:role/\3|p')
    [ -n "$role" ] || {
        echo "expected this host's own role NAME-host, got $own" >"$reason"
        return 1
    }
    answer=$(ask assume-role --role-arn "$role-$1" --role-session-name "$1" --duration-seconds "$hour" \
        --query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken,Expiration]') || return 1
    # shellcheck disable=SC2086 # four words
    write "$1" $answer
}

explain() {
    case $(cat "$reason" 2>/dev/null) in
    *AccessDenied*) echo "this host may not assume the role. Its rights come from infra/terraform/modules/host/rights.tf: apply Terraform." ;;
    *"ignature"* | *RequestExpired*) echo "the clock of this host is wrong, it says $(date -u +%Y-%m-%dT%H:%M:%SZ). On the host: chronyc makestep" ;;
    *"Unable to locate credentials"* | *ExpiredToken*) echo "this host has no valid credentials of its own. Is its instance profile attached? aws ec2 describe-iam-instance-profile-associations" ;;
    "") echo "AWS did not answer within a minute. Does the host reach the internet?" ;;
    *) tail -n 1 "$reason" ;;
    esac
}

main() {
    [ -d "$folder" ] || return 0
    [ -n "${AWS_REGION:-}" ] || AWS_REGION=$(sed -n 's/^AWS_REGION=//p' "${AIDRUG_BOOT_ENV:-/etc/aidrug/boot.env}")
    umask 027
    set -f
    reason=$(mktemp)
    exec 8<"$folder"
    flock -w 120 8 || return 1
    code=0
    for who in service pipeline; do
        [ -d "$folder/$who" ] || continue
        seconds_left "$who"
        [ "$left" -le $((hour * 3 / 4)) ] || continue
        ! renew "$who" 8>&- || continue
        why=$(explain)
        seconds_left "$who"
        if [ "$left" -gt $((hour / 2)) ]; then
            say "the credentials of $who could not be renewed, tried again in a minute: $why"
        else
            say "FAILED credentials of $who, which last $((left / 60)) minutes more: $why"
            [ "$left" -gt 0 ] || code=1
        fi
    done
    rm -f "$reason"
    return "$code"
}

main
