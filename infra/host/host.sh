# What the SSM document runs on a host, as root, under POSIX sh: deploy, mlflow, train, await, abandon, plan, status, rollback,
# restore, certificate; and, from the copy that a delivery leaves in /opt/aidrug, keep (once a minute) and credentials (at boot).
# Belongs here: everything between "this revision" and "it serves", and the way back.
# Does not belong here: how the host is set up (boot.sh), what a container runs (compose.yaml), AWS from outside
# (ai_drug_assets/aws/deploy.py).
#
# The document puts ACTION, IMAGE_TAG, TIMEOUT_SECONDS and the deployment's settings (infra/terraform/main.tf) in front
# of it. Every failure ends in one line "FAILED <action> at <step>: <what>. <remedy>", which the alarms look for, and
# a failure before the swap leaves the host as it was. SSM ends a command with SIGKILL for its whole group, and a reboot asks
# nobody either, so nothing relies on a last word: the next holder of the lock (keep, within a minute; or a delivery) finds
# what was left, puts it right and says so. Docker's templates are written by `field`, since SSM would take
# two braces in a row for a parameter of its own.
set -eu

root=${AIDRUG_ROOT:-/opt/aidrug}
state=${AIDRUG_STATE:-/var/lib/aidrug}
log_file=${AIDRUG_LOG:-/var/log/aidrug/host.log}
ready_address=${AIDRUG_READY:-http://127.0.0.1:8000/health/ready}
pause=${AIDRUG_PAUSE_SECONDS:-5}
patience=${AIDRUG_HEALTH_SECONDS:-300}
system_gib=${AIDRUG_MIN_SYSTEM_GIB:-8}
data_gib=${AIDRUG_MIN_DATA_GIB:-2}
meminfo=${AIDRUG_MEMINFO:-/proc/meminfo}
memory=${AIDRUG_MEMORY:-/dev/shm} # a file system that no disk holds
boot_log=${AIDRUG_BOOT_LOG:-/var/log/aidrug/boot.log}
case ${AIDRUG_KEEP:-} in
"") ;;
credentials) ACTION=credentials IMAGE_TAG=none ;;
*) ACTION=keep IMAGE_TAG=none ;;
esac
user=10001:10001 # who the containers run as
# Compose takes a variable of its environment before one of the file that it is given, and the revision before this one
# would start with the images of this one: the tag is in the files alone.
tag=$IMAGE_TAG
unset IMAGE_TAG
quiet_automation=no
failed=no
training=
end=$(($(date +%s) + ${TIMEOUT_SECONDS:-0})) # when SSM ends this script

# step NAME: where the script is; the next one reads it there when this one is dead.
step() {
    step=$1
    [ -z "$locked" ] || printf '%s at %s' "$ACTION" "$step" >"$root/delivering"
}
locked=
step start

say() { printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*"; }

fail() {
    failed=yes
    say "FAILED $ACTION at $step: $*"
    exit 1
}

# The lock is this script's alone: what outlives it (docker's plugins have process groups of their own) must not hold it.
docker() { command docker "$@" 9>&-; }

field() { printf '{''{%s}''}' "$1"; }

# with SETTINGS COMPOSE_FILE ARGUMENTS...: docker compose with the settings of a revision. The secrets of today lie beside
# the compose file, which names them: so the service gets them with every `docker compose up`.
with() {
    settings=$root/$1
    file=$root/$2
    shift 2
    docker compose --project-name aidrug --env-file "$settings" --file "$file" "$@"
}
compose() { with .env compose.yaml "$@"; }
compose_next() { with .env.next compose.next.yaml "$@"; }

# Everything said here and by every command goes to the log and to SSM.
open_log() {
    work=$root/work.$$ # its name says whose it is: see `bury`
    rm -rf "$work"
    mkdir -p "$root" "$(dirname "$log_file")"
    mkdir -m 0700 "$work"
    mkfifo "$work/log"
    (trap '' TERM INT && exec tee -a "$log_file" <"$work/log") & # what is said about a signal is still written
    tee_process=$!
    exec >"$work/log" 2>&1
}

close() {
    code=$?
    trap - EXIT
    if [ -n "$training" ]; then
        kill "$training" 2>/dev/null || true # timeout passes it on
        wait "$training" || true
        remove_leftovers
    fi
    [ "$code" = 0 ] || [ "$failed" = yes ] || say "FAILED $ACTION at $step: a command ended with $code, see above"
    [ -z "$locked" ] || rm -f "$root/delivering"
    if [ "$quiet_automation" = yes ]; then
        say "the automation of ${current:-nothing} goes on"
        resume || say "what ran before could not be started again: aidrug host status"
    fi
    rm -rf "${docker_config:-}"
    exec >/dev/null 2>&1
    wait "$tee_process" || true
    rm -rf "$work"
    [ "$code" != 194 ] || code=1 # SSM's agent would restart the host, and run this again
    exit "$code"
}

# seconds_but SPARE: until SSM ends this script, less what is spared for putting things back; half of them where there are few.
seconds_but() {
    left=$((end - $(date +%s)))
    if [ "$left" -gt $(($1 * 2)) ]; then left=$((left - $1)); else left=$((left / 2)); fi
    [ "$left" -ge 1 ] || left=1
    printf %s "$left"
}

value_in() { sed -n "s/^$2=//p" "$1" 2>/dev/null || true; }

take_lock() {
    step lock
    mkdir -p "$state"
    exec 9>"$state/delivery.lock"
    if ! flock -n 9; then
        [ "$ACTION" != keep ] || exit 0
        say "another delivery is running; waiting for it to finish"
        limit=$(seconds_but 60)
        flock -w "$limit" 9 || fail "the other delivery did not finish within $limit s. Look: aidrug host logs"
    fi
    locked=yes
    bury
    [ "$ACTION" = keep ] || rm -f "$root/awaits"
    if [ "$ACTION" != keep ] && [ -f "$0" ]; then
        cp "$0" "$root/host.sh.next"
        mv "$root/host.sh.next" "$root/host.sh"
    fi
    current=$(value_in "$root/.env" IMAGE_TAG)
    previous=$(value_in "$root/.env.previous" IMAGE_TAG)
}

# What a delivery that was cut off left behind: a login, a folder with a secret, a training that continues, half a swap.
bury() {
    rm -rf "$memory"/aidrug-docker.*
    for left in "$root"/work.*; do kill -0 "${left##*.}" 2>/dev/null || rm -rf "$left"; done
    [ -e "$root/delivering" ] || return 0
    say "FAILED $(cat "$root/delivering"): it was cut off: cancelled, killed or rebooted. What served before is brought up again;" \
        "deliver again: aidrug deploy"
    remove_leftovers
    # `switch` moves the settings first: without them the compose file of the same revision follows.
    [ -e "$root/.env.next" ] || [ ! -e "$root/compose.next.yaml" ] || mv "$root/compose.next.yaml" "$root/compose.yaml"
    rm -f "$root/delivering"
}

# SSM is there minutes before Docker is, which waits for the data disk.
await_docker() {
    step docker
    waited=0
    until docker info >/dev/null 2>&1; do
        reason=$(grep 'FAILED boot' "$boot_log" 2>/dev/null | tail -n 1)
        [ "$ACTION" != keep ] || exit 0
        [ -z "$reason" ] || fail "Docker does not run, since the host did not come up: ${reason#*FAILED }"
        [ "$waited" -lt "${AIDRUG_DOCKER_SECONDS:-600}" ] || fail "Docker did not start within $waited s. Look: aidrug host logs;" \
            "on the host: systemctl status aidrug-boot docker"
        [ "$waited" -gt 0 ] || say "waiting for Docker"
        sleep "$pause"
        waited=$((waited + pause + 1))
    done
}

# Containers of a delivery, which carry its label, train on when their starter is killed.
remove_leftovers() {
    leftovers=$(docker ps --all --quiet --filter label=aidrug.delivery)
    [ -z "$leftovers" ] || {
        say "removing what a killed delivery left running: $leftovers"
        # shellcheck disable=SC2086 # one argument per container
        docker rm --force $leftovers >/dev/null
    }
}

free_gib() { df -Pk "$1" | awk 'NR == 2 {printf "%d", $4 / 1048576}'; }

require_space() {
    step disk
    docker_root=$(docker info --format "$(field .DockerRootDir)")
    if [ "$(free_gib "$docker_root")" -lt "$system_gib" ]; then
        say "the system disk has $(free_gib "$docker_root") GiB left; removing images that nothing uses"
        remove_old_images
    fi
    free=$(free_gib "$docker_root")
    [ "$free" -ge "$system_gib" ] || fail "the system disk ($docker_root) is nearly full: $free GiB free, $system_gib needed" \
        "for a new image. Raise root_volume_gib in terraform.tfvars, apply, and restart the host; or remove files."
    free=$(free_gib "$state")
    [ "$free" -ge "$data_gib" ] || fail "the data disk ($state) is nearly full: $free GiB free, $data_gib needed." \
        "Raise data_volume_gib in terraform.tfvars, apply, and restart the host."
}

# All but the images of the revision that runs, the one before it, and the one that comes.
remove_old_images() {
    docker image prune --force >/dev/null || true
    docker image ls --format "$(field .Repository):$(field .Tag)" | grep "^$IMAGE_REPO/" |
        grep -v -e ":${current:-none}\$" -e ":${previous:-none}\$" -e ":$tag\$" |
        while read -r old; do docker image rm "$old" >/dev/null 2>&1 || true; done
}

# why FILE WHAT: what an error of AWS means, where we know more of it than it says.
why() {
    case $(cat "$1" 2>/dev/null) in
    *AccessDenied*) echo "this host may not $2. Its rights come from infra/terraform/modules/host/rights.tf: apply Terraform." ;;
    *ignature* | *RequestExpired*) echo "the clock of this host is wrong, it says $(date -u +%Y-%m-%dT%H:%M:%SZ). On the host: chronyc makestep" ;;
    *"Unable to locate credentials"* | *ExpiredToken*) echo "this host has no valid credentials of its own. Is its instance profile attached? aws ec2 describe-iam-instance-profile-associations" ;;
    esac
}

# parameter NAME: print a secret. Its errors say which parameter and what to do.
parameter() {
    tries=0
    until value=$(aws ssm get-parameter --region "$AWS_REGION" --name "$1" --with-decryption \
        --query Parameter.Value --output text 2>"$work/aws.err") && [ "$value" != unset ]; do
        reason=$(why "$work/aws.err" "read the parameter $1")
        ! grep -q ParameterNotFound "$work/aws.err" ||
            reason="the parameter $1 does not exist in $AWS_REGION. Apply Terraform there, then put the value (terraform output next_steps)."
        [ "$value" != unset ] || reason="the parameter $1 still holds Terraform's placeholder. Put the value: terraform output next_steps"
        tries=$((tries + 1))
        if [ -n "$reason" ] || [ "$tries" -ge 3 ]; then
            printf '%s' "${reason:-the parameter $1 could not be read: $(tail -n 1 "$work/aws.err")}" >"$work/reason"
            return 1
        fi
        sleep "$pause"
    done
    printf '%s' "$value"
}

# Credentials of the containers: a role of its own for each folder in $state/aws, which compose.yaml mounts into those that take
# it (service: reads the bundles; pipeline: the buckets). Before Docker starts at a boot, in each delivery, and once a minute.
# No container reaches the instance's own: they would have to come a hop further than AWS lets them.
#
# A role that is assumed by another one lasts an hour. They are renewed after a quarter of it, and the SDK in a container
# reads the file again when a quarter is left: so renewing may fail for half an hour before anybody notices, and what was
# written last stays until it runs out. Ends with 1 when a role has none that last. In a shell of its own, for its umask and lock.
hour=3600
renew_credentials() (
    exec 9>&-
    [ -d "$state/aws" ] || exit 0
    umask 027
    set -f
    exec 8<"$state/aws"
    flock -w 120 8 || exit 1
    code=0
    for who in service pipeline; do
        [ -d "$state/aws/$who" ] || continue
        seconds_left "$who"
        [ "$left" -le $((hour * 3 / 4)) ] || continue
        ! renew "$who" 8>&- || continue
        reason=$(why "$work/sts" "assume the role")
        reason=${reason:-$(tail -n 1 "$work/sts")}
        reason=${reason:-AWS did not answer within a minute. Does the host reach the internet?}
        seconds_left "$who"
        if [ "$left" -gt $((hour / 2)) ]; then
            say "the credentials of $who could not be renewed, tried again in a minute: $reason"
        else
            say "FAILED credentials of $who, which last $((left / 60)) minutes more: $reason"
            [ "$left" -gt 0 ] || code=1
        fi
    done
    exit "$code"
)

# seconds_left WHO: of what is written; nought when there is none, half of one, or one that no clock of ours explains.
seconds_left() {
    until=$(sed -n 's/.*"Expiration": *"\([^"]*\)"}$/\1/p' "$state/aws/$1/credentials.json" 2>/dev/null) || until=
    at=$(date -d "${until:-@0}" +%s 2>/dev/null) || at=0
    left=$((at - $(date +%s)))
    [ "$left" -le $((hour + 300)) ] && [ "$left" -gt 0 ] || left=0
}

ask() { timeout 60 aws sts "$@" --region "$AWS_REGION" --output text 2>"$work/sts"; }

# This host's role is NAME-host, and those of its containers are NAME-service and NAME-pipeline.
renew() {
    own=$(ask get-caller-identity --query Arn) || return 1
    role=$(printf '%s' "$own" | sed -n 's|^\(arn:[a-z-]*\):sts::\([0-9]*\):assumed-role/\(.*\)-host/.*|\1:iam::\2:role/\3|p')
    [ -n "$role" ] || {
        echo "expected this host's own role NAME-host, got $own" >"$work/sts"
        return 1
    }
    answer=$(ask assume-role --role-arn "$role-$1" --role-session-name "$1" --duration-seconds "$hour" \
        --query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken,Expiration]') || return 1
    # shellcheck disable=SC2086 # four words
    write "$1" $answer
}

# write WHO KEY SECRET TOKEN EXPIRATION: whole or not at all. printf is the shell's own: no argument of a process holds a secret.
write() {
    place=$state/aws/$1
    at=
    case ${5:-} in
    *+00:00 | *Z) at=$(date -d "$5" +%s 2>/dev/null) || true ;; # whole to its end
    esac
    [ -n "$at" ] && [ $# = 5 ] || {
        echo "AWS's answer was cut short" >"$work/sts"
        return 1
    }
    left=$((at - $(date +%s)))
    if [ "$left" -le $((hour / 4)) ] || [ "$left" -gt $((hour + 300)) ]; then
        echo "Signature of another hour: what AWS gave ends $5" >"$work/sts"
        return 1
    fi
    if ! {
        printf '[default]\ncredential_process = cat /run/aws/credentials.json\n' >"$place/config.new" &&
            printf '{"Version": 1, "AccessKeyId": "%s", "SecretAccessKey": "%s", "SessionToken": "%s", "Expiration": "%s"}\n' \
                "$2" "$3" "$4" "$5" >"$place/credentials.new"
    } 2>"$work/sts"; then
        echo "$place could not be written: $(tail -n 1 "$work/sts")" >"$work/sts"
        return 1
    fi
    chgrp "${user#*:}" "$place" "$place/config.new" "$place/credentials.new" 2>/dev/null || true
    { mv "$place/config.new" "$place/config" && mv "$place/credentials.new" "$place/credentials.json"; } 2>"$work/sts"
}

# The token goes from the parameter to docker's standard input: never to a disk, an argument or a log. docker writes it
# down itself, so it is given a folder in memory that goes with this script.
log_in() {
    step registry
    token=$(parameter "$REGISTRY_TOKEN_PARAMETER") || fail "$(cat "$work/reason")"
    [ -d "$memory" ] || memory=/run
    docker_config=$(mktemp -d "$memory/aidrug-docker.XXXXXX")
    export DOCKER_CONFIG="$docker_config"
    printf '%s' "$token" | docker login "${IMAGE_REPO%%/*}" --username "$REGISTRY_USER" --password-stdin 2>&1 |
        grep -v -i -e warning -e configure -e docs.docker.com -e '^$' >"$work/login" || true
    token=
    grep -q "Login Succeeded" "$work/login" || fail "the registry ${IMAGE_REPO%%/*} refused the token in" \
        "$REGISTRY_TOKEN_PARAMETER: $(head -n 1 "$work/login"). Has it expired? GHCR wants the scope read:packages."
}

pull_image() {
    image=$1
    other="Build it for $(uname -m), or change architecture and instance_type in terraform.tfvars."
    tries=0
    until docker pull --quiet "$image" >"$work/pull" 2>&1; do
        case $(cat "$work/pull") in
        *"no matching manifest"*) fail "$image was not built for this host's processor. $other" ;;
        *denied* | *unauthorized*) fail "the registry refuses $image: $(tail -n 1 "$work/pull")." \
            "Does the token in $REGISTRY_TOKEN_PARAMETER belong to somebody who may read it (scope read:packages)?" ;;
        *"not found"* | *"manifest unknown"*) fail "$image is not in the registry. Did the build of this revision succeed?" ;;
        *"no space left"*) fail "the system disk is full. Raise root_volume_gib in terraform.tfvars, apply, and restart the host." ;;
        esac
        tries=$((tries + 1))
        [ "$tries" -lt 3 ] || fail "$image could not be pulled, three times: $(tail -n 1 "$work/pull"). Does the host reach the registry?"
        say "pulling $image failed, trying again: $(tail -n 1 "$work/pull")"
        sleep "$pause"
    done
    built_for=$(docker image inspect --format "$(field .Architecture)" "$image")
    case $(uname -m)/$built_for in
    x86_64/amd64 | aarch64/arm64) ;;
    *) fail "$image was built for $built_for, and this host's processor is $(uname -m). $other" ;;
    esac
}

# The secrets of today, for the service alone.
fetch_secrets() {
    install -m 0600 /dev/null "$work/secrets"
    if [ "$ACTION" != train ]; then
        secret=$(parameter "$ADMIN_TOKEN_PARAMETER") || fail "$(cat "$work/reason")"
        printf "AIDRUG_ADMIN_TOKEN='%s'\n" "$secret" >"$work/secrets"
        secret=
    fi
}

# All processors, and the machine's memory less what runs beside a training: 1 GiB; on a host that serves 3, and what the
# service may take above 1500 MiB. As many assets side by side as `aidrug` itself would make (ai_drug_assets/settings.py).
what_training_may_take() {
    gib=$(awk '/^MemTotal:/ {printf "%d", $2 / 1048576 + 0.5}' "$meminfo")
    service=${SERVICE_MEMORY:-1500m}
    if [ "$ACTION" = train ]; then gib=$((gib - 1)); else gib=$((gib - 3 - (${service%m} - 1500 + 1023) / 1024)); fi
    [ "$gib" -ge 3 ] || gib=3
    processors=$(nproc)
    workers=$((processors / 4))
    [ "$workers" -ge 2 ] || workers=2
    for most in "$processors" $((gib * 1074 / 3000)); do [ "$workers" -le "$most" ] || workers=$most; done
    printf 'TRAIN_MEMORY=%sg\nCODE_MEMORY=%sg\nTRAIN_WORKERS=%s\nOMP_NUM_THREADS=%s\n' "$gib" "$gib" "$workers" "$processors"
}

# The settings of the containers, in a file of their own.
write_settings() {
    install -m 0600 /dev/null "$1"
    {
        for name in IMAGE_REPO AWS_REGION ARTIFACTS_BUCKET DATA_BUCKET BUNDLES_BUCKET LOGS_BUCKET BACKUPS_BUCKET \
            DOMAIN_NAME ADDRESS CERTIFICATES CADDY_IMAGE UI_BIND MLFLOW_HOSTS AIDRUG_TIMEOUT_MINUTES SERVICE_WORKERS SERVICE_MEMORY \
            RATE_PER_MINUTE; do
            eval "printf '%s=%s\n' $name \"\${$name:-}\""
        done
        printf 'IMAGE_TAG=%s\nAIDRUG_DATA=%s\n' "$tag" "$state"
        what_training_may_take
    } >"$1"
}

# Compose file, boot.sh and probe.sh come out of the image: whatever revision runs, they are of the same one.
unpack() {
    step unpack
    rm -f "$root/compose.next.yaml"
    write_settings "$root/.env.next"
    fetch_secrets
    mv "$work/secrets" "$root/secrets.env"
    holder=$(docker create "$1")
    docker cp "$holder:/app/infra/compose.yaml" "$root/compose.next.yaml" >/dev/null ||
        fail "$1 holds no /app/infra/compose.yaml. Is it an image of this project?"
    for script in boot probe; do
        docker cp "$holder:/app/infra/host/$script.sh" "$work/$script.sh" >/dev/null && mv "$work/$script.sh" "$root/$script.sh"
    done
    # This script comes out of the SSM document, which Terraform makes; an older revision is delivered with a newer one.
    docker cp "$holder:/app/infra/host/host.sh" "$work/host.sh" >/dev/null
    [ "$(tail -n "$(wc -l <"$work/host.sh")" "$root/host.sh")" = "$(cat "$work/host.sh")" ] ||
        say "the host script that runs here is not that of $tag. If $tag is the newer one, apply Terraform from its checkout"
    docker rm "$holder" >/dev/null
    mkdir -p "$state/home" "$state/mlflow" "$state/aws/pipeline"
    [ "$ACTION" = train ] || mkdir -p "$state/aws/service"
    renew_credentials >"$work/credentials" ||
        fail "the containers have no credentials of AWS: $(sed -n 's/.* minutes more: //p' "$work/credentials" | tail -n 1)"
    cat "$work/credentials"
    chown "$user" "$state/home" "$state/mlflow" 2>/dev/null || true
    compose_next config --quiet || fail "the compose file of $tag does not fit the settings in $root/.env.next, see above"
}

fetch() {
    remove_leftovers
    require_space
    log_in
    step pull
    say "pulling $tag"
    pull_image "$IMAGE_REPO/pipeline:$tag"
    [ "$ACTION" = train ] || pull_image "$IMAGE_REPO/serving:$tag"
    unpack "$IMAGE_REPO/pipeline:$tag"
    [ "$ACTION" = train ] || compose_next pull --quiet || fail "an image that compose.yaml names could not be pulled, see above"
}

# train MORE...: one container that trains what is stale and goes. Its signatures make a second one find nothing to do.
train() {
    step data
    compose_next run --label aidrug.delivery=yes --rm -T "$@" train data pull || fail "DVC could not bring the measurements, see above." \
        "Is the remote in .dvc/config s3://$DATA_BUCKET/..., and was \`dvc push\` run?"
    step training
    say "training what is stale"
    code=0
    # Ended before SSM ends this script, so that there is time to put things back.
    limit=${AIDRUG_TRAINING_SECONDS:-$(seconds_but 300)}
    began=$(date +%s)
    # In the background, so that a signal to this script is answered at once and not when the training ends.
    # In this group, which SSM ends as a whole, and without the lock.
    timeout --foreground --kill-after 60 "$limit" docker compose --project-name aidrug --env-file "$root/.env.next" \
        --file "$root/compose.next.yaml" run --label aidrug.delivery=yes --rm -T "$@" train </dev/null 9>&- &
    training=$!
    wait "$training" || code=$?
    training=
    took=$(($(date +%s) - began))
    # 137 also says that somebody else killed it. A limit may have a fraction, in tests.
    [ "$code" != 137 ] || [ "$took" -lt "${limit%.*}" ] || code=124
    case $code in
    0) say "training done" ;;
    124) fail "training took longer than $limit s and was ended, since the whole command may take $TIMEOUT_SECONDS s." \
        "Raise training_timeout_minutes, or take a larger host." ;;
    137) fail "training was killed after $took s: it needed more memory than TRAIN_MEMORY," \
        "$(value_in "$root/.env.next" TRAIN_MEMORY), or somebody killed it. Take a larger host, or deliver again." ;;
    *) fail "training ended with $code: the models named above failed. What served before still serves." ;;
    esac
}

answers() { curl --silent --fail --max-time 5 --output /dev/null "$1"; }

wait_for() {
    waited=0
    until answers "$1"; do
        [ "$waited" -lt "$patience" ] || return 1
        sleep "$pause"
        waited=$((waited + pause + 1))
    done
}

# Make the next revision the current one; what was current is kept as the way back. Settings first: see `bury`.
switch() {
    for name in .env compose.yaml; do
        [ "$current" = "$tag" ] || [ ! -e "$root/$name" ] || cp -p "$root/$name" "$root/$name.previous"
    done
    take_over
}

take_over() {
    mv "$root/.env.next" "$root/.env"
    mv "$root/compose.next.yaml" "$root/compose.yaml"
}

# start_all TAG: everything of the revision that is the current one now; which one is healthy is noted.
start_all() {
    rm -f "$root/healthy"
    compose up --detach --remove-orphans && wait_for "$ready_address" && printf '%s\n' "$1" >"$root/healthy"
}

# migrate compose|compose_next: databases of an older schema are backed up, upgraded and checked; others are left alone.
migrate() {
    step migrate
    "$1" run --label aidrug.delivery=yes --rm -T --no-deps backup migrate </dev/null ||
        fail "the databases do not fit $tag, see above. What was there before is there still, or was put back."
}

# What is deployed continues. Had the revision that does not come after all upgraded the databases, that is taken back first.
resume() {
    next=$(value_in "$root/.env.next" IMAGE_TAG)
    if [ -n "$next" ] && [ "$next" != "$current" ] && grep -q -s "$next" "$state/home/schema_upgrade.json"; then
        say "the databases go back to the backup before $next"
        compose_next stop mlflow >/dev/null || true
        compose_next run --label aidrug.delivery=yes --rm -T --no-deps backup migrate --undo </dev/null ||
            say "the databases could not be put back, see above"
    fi
    compose up --detach
}

# go_back TAG: with the files of the revision that is left, which alone knows what it changed.
go_back() {
    compose stop daemon code webserver mlflow >/dev/null || true
    compose run --label aidrug.delivery=yes --rm -T --no-deps backup migrate --undo </dev/null ||
        say "the databases could not be put back to the backup before the upgrade, see above"
    cp -p "$root/.env.previous" "$root/.env.next"
    cp -p "$root/compose.yaml.previous" "$root/compose.next.yaml"
    take_over
    start_all "$1"
}

# The daemon would answer new records in the ledger with trainings of the revision that goes.
quieten() {
    [ -n "$current" ] || return 0
    quiet_automation=yes
    compose stop daemon code webserver mlflow >/dev/null || fail "the automation of $current did not stop, see above"
}

deploy() {
    if [ "$current" = "$tag" ] && [ "$(cat "$root/healthy" 2>/dev/null)" = "$tag" ] && answers "$ready_address"; then
        step secrets
        fetch_secrets
        write_settings "$work/settings"
        changed=
        cmp -s "$work/secrets" "$root/secrets.env" || changed="the admin token is another one"
        cmp -s "$work/settings" "$root/.env" || changed="${changed:+$changed, and }its settings changed"
        if [ -z "$changed" ]; then
            say "$tag is deployed and healthy: nothing to do"
            return 0
        fi
        say "$tag is deployed; $changed: the containers concerned start again"
        mv "$work/secrets" "$root/secrets.env"
        mv "$work/settings" "$root/.env"
        start_all "$tag" || fail "the service is not healthy with the new admin token or settings. Look: aidrug host logs --group containers"
        return 0
    fi
    prepare
    train
    step swap
    say "swapping ${current:-nothing} for $tag"
    quiet_automation=no
    [ "$current" = "$tag" ] || previous=$current
    switch
    if start_all "$tag"; then
        current=$tag
        remove_old_images
        say "$tag serves"
        return 0
    fi
    say "$tag did not become healthy within $patience s; what it said last:"
    compose logs --tail 20 service || true
    [ -n "$previous" ] && [ -e "$root/compose.yaml.previous" ] ||
        fail "the service is not healthy, and there is no earlier revision to go back to. Look: aidrug host logs --group containers"
    if go_back "$previous"; then
        fail "ROLLED BACK to $previous, which serves again: $tag did not become healthy. Look: aidrug host logs --group containers"
    fi
    fail "$tag is not healthy, and neither is $previous after going back. Look: aidrug host logs --group containers"
}

# The next revision is here, the databases fit it, and its MLflow runs; nothing else of the pipeline does.
prepare() {
    fetch
    quieten
    migrate compose_next
    step mlflow
    compose_next up --detach --wait mlflow || fail "MLflow did not become healthy, see above: aidrug host logs --group containers"
}

# For a host that only trains, which reports to MLflow here: before a first delivery, or on a new host, none would run.
mlflow_only() {
    prepare
    quiet_automation=no
    expect_training
}

# The automation stays quiet for half an hour more. The driver asks for it every few minutes (`await`) while the training
# host is at work: when the driver is cancelled or lost, `keep` brings back what is deployed.
expect_training() {
    echo "$(($(date +%s) + ${AIDRUG_AWAIT_SECONDS:-1800}))" >"$root/awaits.$$"
    mv "$root/awaits.$$" "$root/awaits"
}

# Without the lock, which it would wait for. Another delivery, or `keep`, may have ended the wait.
await_training() {
    if [ -e "$root/awaits" ]; then expect_training; else say "nothing waits for a training host here any more"; fi
}

# The training elsewhere failed.
abandon() {
    step abandon
    [ ! -e "$root/paused" ] || { # `keep` does it when that is gone
        say "left as it is: $(paused)"
        return 0
    }
    [ -z "$current" ] || resume || fail "what is deployed could not be started again. Look: aidrug host logs --group containers"
}

train_only() {
    fetch
    step mlflow
    wait_for "http://$MLFLOW_HOST:5000/health" ||
        fail "MLflow on the host that serves ($MLFLOW_HOST:5000) does not answer. Look there: aidrug host status"
    # It publishes nothing: the host that serves judges, keeps the ledger, and is what the bucket holds backups of.
    train --no-deps -e "MLFLOW_TRACKING_URI=http://$MLFLOW_HOST:5000" -e AIDRUG_TRAIN_ONLY=1 \
        -e AIDRUG_LEDGER= -e AIDRUG_BACKUP= -e "AIDRUG_STORE=$state/home/store"
    printf '%s\n' "$tag" >"$root/trained"
}

roll_back() {
    require_deployed
    before=$(value_in "$root/.env.previous" IMAGE_TAG)
    [ -n "$before" ] || fail "there is no earlier revision on this host to go back to"
    [ "$before" != "$current" ] || fail "the revision before is the same one, $current. Deploy an older one: aidrug deploy --sha SHA"
    say "going back from $current to $before"
    cp -p "$root/.env" "$root/compose.yaml" "$work"
    go_back "$before" || fail "$before did not become healthy either. Look: aidrug host logs --group containers"
    for name in .env compose.yaml; do cp -p "$work/$name" "$root/$name.previous"; done
    say "ROLLED BACK from $current to $before, which serves"
}

# Once a minute: unless somebody is at work, what is deployed runs. A file `paused` in /opt/aidrug says that it should not.
keep() {
    [ -n "$current" ] && [ ! -e "$root/paused" ] || return 0
    [ "$(cat "$root/awaits" 2>/dev/null || echo 0)" -lt "$(date +%s)" ] || return 0 # the training host is at work
    rm -f "$root/awaits"
    compose ps --services --status running | sort >"$work/running"
    compose config --services | grep -v -x prepare | sort >"$work/wanted"
    missing=$(comm -13 "$work/running" "$work/wanted" | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    say "brought up: $missing"
    resume || say "not everything of $current could be brought up, see above"
}

# A new or emptied data disk: the state of the newest backup, and then what is deployed.
restore() {
    step restore
    tag=${current:-$tag}
    [ "$tag" != none ] || fail "which revision? Nothing is deployed here, and ImageTag is missing."
    [ -n "$current" ] || { fetch && switch; }
    quiet_automation=yes
    current=$tag
    compose stop >/dev/null
    compose run --label aidrug.delivery=yes --rm -T backup restore --replace </dev/null ||
        fail "the state could not be restored, see above; what was there is there still"
    migrate compose # the backup may be older than the schema
    quiet_automation=no
    start_all "$current" || fail "the state is restored, but the service is not ready. Look: aidrug host logs --group containers"
    say "restored; the service is ready"
}

paused() { printf '%s is there since %s, so somebody works here by hand' "$root/paused" "$(date -u -r "$root/paused" +%Y-%m-%dT%H:%M:%SZ)"; }

# A push does not overtake what an operator does by hand.
require_unpaused() {
    step paused
    [ ! -e "$root/paused" ] || fail "$(paused). Deliver again when that is done. If it was forgotten," \
        "in a shell on the host: rm $root/paused"
}

require_deployed() {
    step "$ACTION"
    [ -n "$current" ] || fail "nothing is deployed on this host yet. Deploy first: aidrug deploy"
}

tell_plan() {
    require_deployed
    code=0
    compose run --rm -T --no-deps train plan </dev/null || code=$?
    [ "$code" = 0 ] || [ "$code" = 2 ] || fail "the plan ended with $code, see above"
}

tell_status() {
    if [ -z "$current" ] && [ -e "$root/trained" ]; then
        say "this host only trains; the last training that ended well was of $(cat "$root/trained")"
        df -Ph / "$state"
        return 0
    fi
    say "revision ${current:-none}, before it $(value_in "$root/.env.previous" IMAGE_TAG)"
    if answers "$ready_address"; then say "the service is ready"; else say "the service is NOT ready"; fi
    [ ! -e "$root/paused" ] || say "PAUSED: $(paused). Nothing is delivered or repaired until: rm $root/paused"
    df -Ph / "$state"
    [ -z "$current" ] || compose ps --all
}

main() {
    open_log
    trap close EXIT
    trap 'exit 143' TERM
    trap 'exit 130' INT
    renewed=0
    renew_credentials || renewed=1 # with or without others at work, and whether Docker is there or not
    [ "$ACTION" != credentials ] || {
        failed=yes # it said so itself
        exit "$renewed"
    }
    await_docker
    current=$(value_in "$root/.env" IMAGE_TAG)
    case $ACTION in
    deploy | mlflow | train)
        [ "$tag" != none ] || fail "which revision? ImageTag is missing."
        say "$ACTION $tag"
        ;;
    esac
    case $ACTION in
    plan | status | certificate | await) ;;
    *) take_lock ;;
    esac
    case $ACTION in
    deploy | mlflow | train) require_unpaused ;;
    esac
    case $ACTION in
    deploy) deploy ;;
    mlflow) mlflow_only ;;
    train) train_only ;;
    await) await_training ;;
    abandon) abandon ;;
    keep) keep ;;
    rollback) roll_back ;;
    restore) restore ;;
    certificate) cat "$state/proxy/caddy/pki/authorities/local/root.crt" || fail "there is none yet. Deploy first: aidrug deploy" ;;
    plan) tell_plan ;;
    status) tell_status ;;
    *) fail "expected deploy, mlflow, train, await, abandon, plan, status, rollback, restore or certificate" ;;
    esac
    [ "$ACTION" = keep ] || say "done: $ACTION"
}

main
