#!/bin/sh
# Runs at every boot of a host, as root: mounts the data disk, makes swap, installs and starts what the host needs.
# Belongs here: what must hold before the first delivery. Does not belong here: anything about images (see host.sh).
#
# A disk that holds a file system is never formatted, whatever else is wrong with it. Values: /etc/aidrug/boot.env.
#
# DATA_VOLUME_ID          the EBS volume with all state
# AGENT_CONFIG_PARAMETER  parameter with the CloudWatch agent's configuration
# SWAP_GIB                size of the swap file
set -eu

mount_point=${AIDRUG_STATE:-/var/lib/aidrug}
by_id=${AIDRUG_BY_ID:-/dev/disk/by-id}
fstab=${AIDRUG_FSTAB:-/etc/fstab}
wait_seconds=${AIDRUG_WAIT_SECONDS:-300}

say() { printf '%s boot: %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*"; }
die() {
    say "FAILED boot: $*"
    exit 1
}

# The device names given at attachment (/dev/sdf) are not those the kernel uses; the volume's number is the same in both.
find_disk() {
    disk=$by_id/nvme-Amazon_Elastic_Block_Store_$(printf '%s' "$DATA_VOLUME_ID" | tr -d -)
    waited=0
    while [ ! -e "$disk" ]; do
        [ "$waited" -lt "$wait_seconds" ] || die "the data disk $DATA_VOLUME_ID did not appear within $wait_seconds s." \
            "Is it attached? aws ec2 describe-volumes --volume-ids $DATA_VOLUME_ID"
        sleep 2
        waited=$((waited + 2))
    done
}

mount_data() {
    find_disk
    # blkid: 0 something is there, 2 nothing was recognised, anything else: unknown, so hands off.
    found=0
    kind=$(blkid -p -o value -s TYPE "$disk") || found=$?
    case $found in
    0)
        case $kind in
        xfs | ext4) say "the data disk holds $kind; it is mounted as it is" ;;
        *) die "the data disk $DATA_VOLUME_ID holds '${kind:-a partition table}', expected xfs, ext4 or an empty disk." \
            "It was left alone. Attach the right volume, or empty this one yourself." ;;
        esac
        ;;
    2)
        # Nothing recognised is not yet nothing there: an image of zeros is what a new EBS volume is.
        [ "$(head -c 1048576 "$disk" | tr -d '\0' | wc -c)" -eq 0 ] ||
            die "the data disk $DATA_VOLUME_ID is not empty, but holds no file system that is known here. It was left alone."
        say "the data disk is empty; making a file system"
        mkfs.xfs -q -L aidrug "$disk"
        kind=xfs
        ;;
    *) die "blkid could not read the data disk $DATA_VOLUME_ID (exit $found). It was left alone." ;;
    esac
    mkdir -p "$mount_point"
    if ! mountpoint -q "$mount_point"; then
        grep -q " $mount_point " "$fstab" || printf '%s %s %s defaults,nofail,noatime 0 2\n' "$disk" "$mount_point" "$kind" >>"$fstab"
        mount "$mount_point" || die "the data disk could not be mounted at $mount_point; see dmesg."
    fi
    # A volume that grew has a file system of its old size.
    case $kind in
    xfs) xfs_growfs "$mount_point" >/dev/null ;;
    ext4) resize2fs "$disk" >/dev/null 2>&1 ;;
    esac
    say "data disk at $mount_point"
}

make_swap() {
    [ "${SWAP_GIB:-0}" -gt 0 ] || return 0
    if [ ! -e /swapfile ]; then
        dd if=/dev/zero of=/swapfile bs=1M count="$((SWAP_GIB * 1024))" status=none
        chmod 0600 /swapfile
        mkswap /swapfile >/dev/null
    fi
    swapon --show=NAME --noheadings | grep -qx /swapfile || swapon /swapfile
}

# Every package is signed: Amazon's own, and Compose from Docker's repository, which Amazon Linux does not carry.
install_packages() {
    command -v docker >/dev/null && docker compose version >/dev/null 2>&1 && return 0
    cat >/etc/yum.repos.d/docker.repo <<'REPO'
[docker]
name=Docker, for the Compose plugin only
baseurl=https://download.docker.com/linux/centos/9/$basearch/stable
enabled=1
gpgcheck=1
gpgkey=https://download.docker.com/linux/centos/gpg
includepkgs=docker-compose-plugin
REPO
    tries=0
    until dnf install -y -q docker docker-compose-plugin amazon-cloudwatch-agent xfsprogs; do
        tries=$((tries + 1))
        [ "$tries" -lt 5 ] || die "the packages could not be installed; does the host reach the internet?"
        sleep 15
    done
}

start_docker() {
    mkdir -p /etc/docker
    printf '{"live-restore": true}\n' >/etc/docker/daemon.json # compose.yaml limits each container's log
    # Not before the data disk: a container that starts without it would write beside it.
    mkdir -p /etc/systemd/system/docker.service.d
    printf '[Unit]\nRequiresMountsFor=%s\nAfter=aidrug-boot.service\n' "$mount_point" \
        >/etc/systemd/system/docker.service.d/aidrug.conf
    systemctl daemon-reload
    systemctl enable docker
    systemctl start --no-block docker # it waits for this unit to end
}

start_agent() {
    /opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl \
        -a fetch-config -m ec2 -s -c "ssm:$AGENT_CONFIG_PARAMETER" >/dev/null ||
        say "the CloudWatch agent did not start: no logs and no disk alarms until it does"
}

# The scripts come with a delivery (host.sh): what is deployed is kept up, then asked whether it answers.
install_minute() {
    cat >/etc/systemd/system/aidrug-minute.service <<'UNIT'
[Unit]
Description=Keeps up what is deployed of aidrug, and asks whether it answers
ConditionPathExists=/opt/aidrug/host.sh
[Service]
Type=oneshot
Environment=AIDRUG_KEEP=yes
# A Docker that hangs must not keep the credentials from being renewed.
TimeoutStartSec=900
ExecStart=-/bin/sh /opt/aidrug/host.sh
ExecStart=-/bin/sh /opt/aidrug/probe.sh
UNIT
    cat >/etc/systemd/system/aidrug-minute.timer <<'UNIT'
[Timer]
OnBootSec=60
OnUnitActiveSec=60
AccuracySec=5
[Install]
WantedBy=timers.target
UNIT
    printf '/var/log/aidrug/*.log {\n  weekly\n  rotate 4\n  compress\n  copytruncate\n  missingok\n}\n' >/etc/logrotate.d/aidrug
    systemctl daemon-reload
    systemctl enable --now aidrug-minute.timer
}

main() {
    mkdir -p /var/log/aidrug
    exec >>/var/log/aidrug/boot.log 2>&1
    install_packages # xfsprogs among them
    mount_data
    make_swap
    # The credentials from before the boot have expired, and Docker restarts what ran.
    [ ! -e /opt/aidrug/host.sh ] || AIDRUG_KEEP=credentials sh /opt/aidrug/host.sh || true
    start_docker
    start_agent
    install_minute
    say "the host is ready for a delivery"
}

# A test takes single functions from this file.
[ "${AIDRUG_SOURCED:-}" = yes ] || main
