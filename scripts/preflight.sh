# shellcheck shell=sh
# Whether one host can become what the stack wants, before anything is changed on any host. Everything that is wrong
# with it is said at once, one line each; only then is anything fetched, into its cache.
# Does not own the servers that it asks (preflight-sources.sh), what nodes of an adopted cluster had of their own
# (preflight-adopted.sh), nor limits and tables: they come ahead of this text, as variables, from render/preparation.py.
# So does lib.sh: no file of ours need be on the host.
#
#   ROLES ADDRESS               this host in the stack's settings
#   MIN_CORES MIN_MEMORY_MB     what the host must have
#   MIN_DISK_MB MIN_PROGRAMS_MB what must be free in /var/lib and /usr/local before it is prepared the first time
#   MACHINES                    what the release is locked for, in the words of uname -m
#   KUBERNETES FAIL_SWAP_ON     the kubelet's version, and what it refuses to start with
#   FAIL_CGROUP_V1
#   KEPT                        SETTING FILE KEY VALUE a line: what no running cluster may change, and where it stands
#   FOLLOWS                     PROGRAM VERSION MINOR... a line: the minor versions that may run before this one comes
#   RESOLV_CONF                 the file of name servers that the kubelet gives to the cluster's DNS
#   RUNS_PODS                   yes on masters and workers
#   POD_MODULES                 the kernel modules that the pod network asks for when it begins
#   NAMES OWN_NAMES             what must resolve, and what should
#   VIP_INTERFACE               the interface that carries the load balancer's address, if it moves between hosts
#   PORTS                       PORT PROGRAM a line: what will listen
#   ENTRANCES                   what others must reach here, in words
#   CLUSTER_CA                  the fingerprint of an adopted cluster's authority, whose nodes run something already
#   GENERATIONS                 SETTING FILE GENERATION... a line: those that are trusted here, the one that issues first
#   COMMANDS                    COMMAND DEBIAN_PACKAGE REDHAT_PACKAGE a line: what the host's distribution must bring
#   LOCK_REMEDY                 what to do when the release is not locked for this machine

STEADY_DISK_MB=512

problems=0

# problem CAUSE REMEDY
problem() {
    printf 'evenkeel: %s: preflight: %s; %s\n' "$EVENKEEL_HOST" "$1" "$2" >&2 || :
    problems=$((problems + 1))
}

warning() {
    say "preflight: warning: $1; $2"
}

has() {
    command -v "$1" >/dev/null 2>&1
}

prepared_before() {
    [ -d "$EVENKEEL_STATE" ]
}

check_privileges() {
    [ "$(id -u)" = 0 ] || fail preflight "the script runs as user $(id -un), not as root" "set evenkeel:ssh.user to root or to a user with sudo"
}

check_systemd() {
    [ -d "$EVENKEEL_ROOT/run/systemd/system" ] ||
        problem "its init is $(cat "$EVENKEEL_ROOT/proc/1/comm"), not systemd" "use a distribution that boots with systemd"
}

check_architecture() {
    case " $MACHINES " in
    *" $(uname -m) "*) ;;
    *) problem "its architecture is $(uname -m), and the release is locked for $MACHINES" "$LOCK_REMEDY, or use another host" ;;
    esac
}

# A node of the cluster that the stack adopts.
adopted() {
    [ -n "$CLUSTER_CA" ] && [ "$(openssl x509 -in "$EVENKEEL_ROOT/etc/kubernetes/pki/ca.crt" -noout -fingerprint -sha256 2>/dev/null | cut -d = -f 2)" = "$CLUSTER_CA" ]
}

check_capacity() {
    cores=$(nproc)
    [ "$cores" -ge "$MIN_CORES" ] || problem "it has $cores cores, and a host with roles $ROLES needs $MIN_CORES" "give it more cores"
    memory=$(awk '$1 == "MemTotal:" { print int($2 / 1024) }' "$EVENKEEL_ROOT/proc/meminfo")
    [ "$memory" -ge "$MIN_MEMORY_MB" ] || problem "it has $memory MB of memory, and a host with roles $ROLES needs $MIN_MEMORY_MB MB" "give it more memory"
    check_disk /var/lib "$MIN_DISK_MB"
    check_disk /usr/local "$MIN_PROGRAMS_MB"
}

# check_disk FOLDER MEGABYTES
check_disk() {
    disk_wanted=$2
    ! prepared_before || [ "$disk_wanted" -le "$STEADY_DISK_MB" ] || disk_wanted=$STEADY_DISK_MB
    disk_free=$(df -Pk "$1" | awk 'NR == 2 { print int($4 / 1024) }')
    [ "$disk_free" -ge "$disk_wanted" ] || problem "$1 has $disk_free MB free, and $disk_wanted MB are needed" "free some space there, or mount a bigger disk"
}

check_swap() {
    swaps=$(awk 'NR > 1 { print $1 }' "$EVENKEEL_ROOT/proc/swaps" 2>/dev/null | paste -sd ' ' -)
    if [ "$FAIL_SWAP_ON" = true ] && [ -n "$swaps" ]; then
        problem "swap is on ($swaps), and the kubelet does not start with it" "turn it off ('swapoff -a', and take it out of /etc/fstab), or set evenkeel:cluster.kubelet.config.failSwapOn to false"
    fi
}

cgroup_version() {
    case $(stat -fc %T "$EVENKEEL_ROOT/sys/fs/cgroup" 2>/dev/null) in
    cgroup2fs) echo v2 ;;
    *) echo v1 ;;
    esac
}

check_cgroups() {
    if [ "$(cgroup_version)" = v2 ]; then
        controllers=$(cat "$EVENKEEL_ROOT/sys/fs/cgroup/cgroup.controllers")
    else
        controllers=$(awk '$4 == 1 { print $1 }' "$EVENKEEL_ROOT/proc/cgroups" | paste -sd ' ' -)
        [ "$FAIL_CGROUP_V1" = false ] || problem "it has cgroup v1, and the kubelet $KUBERNETES does not start with it" "boot with systemd.unified_cgroup_hierarchy=1, or set evenkeel:cluster.kubelet.config.failCgroupV1 to false"
    fi
    for controller in cpu memory pids; do
        case " $controllers " in
        *" $controller "*) ;;
        *) problem "the kernel offers no cgroup controller $controller" "take cgroup_disable=$controller off the kernel's command line (or add cgroup_enable=$controller) and boot again" ;;
        esac
    done
}

# In whatever way the release came into the stack: a minor version that is left out leaves data that nobody reads.
check_versions() {
    while read -r program version minors; do
        runs=$(running_minor "$program")
        case " $minors " in
        *" ${runs:-${minors%% *}} "*) ;;
        *) problem "its $program is $runs, and only one of $(printf '%s' "$minors" | sed 's/ /, /g') can become $version" "go by a release of each minor version between (docs/promote.md); to an older one only with a backup from before it (docs/recover.md)" ;;
        esac
    done <<FOLLOWS
$FOLLOWS
FOLLOWS
}

# Services and pods have addresses and names of what was there when they came, and certificates and tokens name them too.
check_kept() {
    while read -r setting file key value; do
        stands=$(sed -n "s|.*$key *\"\{0,1\}\([^\" ]*\).*|\1|p" "$EVENKEEL_ROOT$file" 2>/dev/null | head -n 1)
        [ "${stands:-$value}" = "$value" ] ||
            problem "$setting: $value: the cluster was made with $stands, and does not survive another one" "set it back to $stands, or take everything off all nodes (docs/hosts.md) and make a new cluster"
    done <<KEPT
$KEPT
KEPT
}

# Whoever is missing one step of a renewal meets certificates that it can't verify (docs/rotate.md).
check_generations() {
    while read -r setting file issues also; do
        [ ! -f "$EVENKEEL_ROOT$file" ] || check_generation "$setting" "$issues" "$also" "$(trusted_generations "$file")"
    done <<GENERATIONS
$GENERATIONS
GENERATIONS
}

# trusted_generations FILE: the one that issues first.
trusted_generations() {
    trusted=$(sed -n 's/^# generation //p' "$EVENKEEL_ROOT$1" | paste -sd ' ' -)
    printf '%s' "${trusted:-1}"
}

# What a turn does last: until then a program may run here that has read the file as it was before.
turn_is_over() {
    case "$RUNS_PODS $ROLES " in
    "yes "*) set -- kubelet kubelet kubelet.artifacts kubelet.secret ca ;;
    *" hub "*) set -- hub harbor harbor.secret ;;
    *) set -- nginx lb lb.ca ;;
    esac
    turn_unit=$1
    shift
    [ -f "$EVENKEEL_STATE/applied/$turn_unit" ] && [ "$(cat "$EVENKEEL_STATE/applied/$turn_unit")" = "$(revision_of "$@")" ]
}

# check_generation SETTING ISSUES ALSO TRUSTED
check_generation() {
    issued=${4%% *} wanted="$2${3:+ $3}"
    [ "$wanted" != "$4" ] || return 0
    turn_is_over || problem "$1: the up that brought [$(printf '%s' "$4" | sed 's/ /, /g')] has not come to its end here" "run up with that first"
    case " $4 " in
    *" $2 "*) ;;
    *)
        problem "$1: generation $2 shall issue, and this host trusts only $4" "set it to [$issued, $2] and run up first (docs/rotate.md)"
        return 0
        ;;
    esac
    case " $wanted " in
    *" $issued "*) ;;
    *) problem "$1: generation $issued still issues here, and shall no longer be trusted" "set it to [$2, $issued] and run up first (docs/rotate.md)" ;;
    esac
}

# running_minor PROGRAM: such as 1.36; nothing where it doesn't run.
running_minor() {
    if [ "$1" = kubelet ]; then
        running_pid=$(systemctl show --property MainPID --value kubelet 2>/dev/null) || :
        "$EVENKEEL_ROOT/proc/$running_pid/exe" --version 2>/dev/null
    else
        cat "$EVENKEEL_ROOT/etc/kubernetes/manifests/$1.yaml" 2>/dev/null
    fi | sed -n 's/^\(Kubernetes \| *image: .*:\)v\{0,1\}\([0-9]*\.[0-9]*\)\..*/\2/p' | head -n 1
}

check_modules() {
    grep -qw overlay "$EVENKEEL_ROOT/proc/filesystems" || loadable overlay
    [ -d "$EVENKEEL_ROOT/proc/sys/net/bridge" ] || loadable br_netfilter
    for module in $POD_MODULES; do
        [ -d "$EVENKEEL_ROOT/sys/module/$module" ] || loadable "$module"
    done
}

loadable() {
    modprobe -n -q "$1" 2>/dev/null ||
        problem "the kernel module $1 is neither loaded nor can be" "install the module package of the running kernel ($(uname -r)); on a container's host, load it there ('modprobe $1')"
}

check_names() {
    for name in $NAMES; do
        resolves "$name" || problem "the name $name does not resolve" "add it to the DNS that this host asks, or to its /etc/hosts"
    done
    for name in $OWN_NAMES; do
        resolves "$name" || warning "the name $name does not resolve here" "add it to /etc/hosts if programs on this host shall use it"
    done
}

# Without a name server that answers, a name takes its time to fail; one that takes this long is of no use either.
resolves() {
    timeout 3 getent ahostsv4 "$1" >/dev/null
}

# CoreDNS asks the name servers that the kubelet gives it: on a loopback address it would be asking itself.
check_resolver() {
    resolver_servers=$(awk '$1 == "nameserver" { print $2 }' "$EVENKEEL_ROOT$RESOLV_CONF" 2>/dev/null | paste -sd ' ' -)
    resolver_remedy="set evenkeel:cluster.kubelet.config.resolvConf to a file that names real servers (with systemd-resolved: /run/systemd/resolve/resolv.conf)"
    case " $resolver_servers" in
    *" 127."* | *" ::1"*) problem "$RESOLV_CONF names a loopback address ($resolver_servers), which the cluster's DNS would take for itself" "$resolver_remedy" ;;
    " ") problem "$RESOLV_CONF names no name server, so the cluster's DNS would not start" "$resolver_remedy" ;;
    esac
}

check_address() {
    addresses=$(ip -o address show | awk '{ sub(/\/.*/, "", $4); print $4, $2 }')
    interface=$(printf '%s\n' "$addresses" | awk -v address="$ADDRESS" '$1 == address { print $2; exit }')
    [ -n "$interface" ] ||
        problem "its address $ADDRESS is on none of its interfaces ($(printf '%s\n' "$addresses" | cut -d ' ' -f 1 | paste -sd ' ' -))" "set evenkeel:hosts.$EVENKEEL_HOST.address to one of these; an address that is translated on the way (NAT) cannot be listened on"
    [ -z "$VIP_INTERFACE" ] || check_vip_interface
}

# keepalived speaks through the interface that carries the address, from and to the hosts' own addresses.
check_vip_interface() {
    if [ ! -e "$EVENKEEL_ROOT/sys/class/net/$VIP_INTERFACE" ]; then
        problem "it has no interface $VIP_INTERFACE for the load balancer's address" "set evenkeel:loadBalancer.vip.interface to the name that 'ip link' shows"
    elif [ "${interface:-$VIP_INTERFACE}" != "$VIP_INTERFACE" ]; then
        warning "its address $ADDRESS is on $interface, and keepalived speaks through $VIP_INTERFACE" "see that load balancers reach each other's addresses there, or each of them takes the virtual address"
    fi
}

# Prints PORT PROGRAM PID of what listens; the kernel knows programs by the first 15 characters of their names.
listeners() {
    ss -Hltnp | awk '{
        port = $4; sub(/.*:/, "", port)
        program = "-"; pid = "-"
        if (match($0, /\(\("[^"]*",pid=[0-9]+/)) {
            holder = substr($0, RSTART + 3, RLENGTH - 3)
            program = holder; sub(/".*/, "", program); gsub(/ /, "_", program)
            pid = holder; sub(/.*pid=/, "", pid)
        }
        print port, program, pid
    }' | sort -u
}

check_ports() {
    listening=$(listeners)
    while read -r port program; do
        [ -n "$port" ] || continue
        while read -r taken holder pid; do
            if [ "$taken" = "$port" ]; then check_holder "$port" "$program" "$holder" "$pid"; fi
        done <<LISTENING
$listening
LISTENING
    done <<PORTS
$PORTS
PORTS
}

# check_holder PORT PROGRAM HOLDER PID
check_holder() {
    if [ "$3" != "$(printf '%.15s' "$2")" ]; then
        problem "port $1, which $2 needs, is held by $3 (pid $4)" "stop that program ('systemctl status $4' names its unit), or give it another port"
    elif ! prepared_before && ! adopted; then
        problem "port $1 is held by a $3 (pid $4) that this stack did not start" "remove what runs there (kubeadm reset, if kubeadm made it), or use another host"
    fi
}

# Only whoever wrote the rules knows whether they let it in. A member that nobody reaches never becomes healthy.
check_firewall() {
    firewall=
    ! systemctl is-active --quiet firewalld 2>/dev/null || firewall=firewalld
    ! grep -qi '^ENABLED=yes' "$EVENKEEL_ROOT/etc/ufw/ufw.conf" 2>/dev/null || firewall=ufw
    [ -z "$firewall" ] || warning "$firewall runs here" "see that it lets in $ENTRANCES"
}

# Nothing here was ever run under it. kubeadm's own instructions have it only report, too.
check_selinux() {
    [ "$(cat "$EVENKEEL_ROOT/sys/fs/selinux/enforce" 2>/dev/null)" != 1 ] ||
        warning "SELinux enforces its rules here" "let it only report what they forbid ('setenforce 0', and SELINUX=permissive in /etc/selinux/config), or allow nginx, the kubelet and pods what its log says ('ausearch -m avc')"
}

check_commands() {
    missing='' debian='' redhat=''
    while read -r command debian_package redhat_package; do
        if [ -n "$command" ] && ! has "$command"; then
            missing="$missing $command"
            debian=$(add_word "$debian" "$debian_package")
            redhat=$(add_word "$redhat" "$redhat_package")
        fi
    done <<COMMANDS
$COMMANDS
COMMANDS
    [ -z "$missing" ] || problem "it lacks the commands$missing" "install them (Debian: apt-get install $debian; Red Hat: dnf install $redhat)"
}

add_word() {
    case " $1 " in
    *" $2 "*) printf '%s' "$1" ;;
    *) printf '%s' "$1${1:+ }$2" ;;
    esac
}

check_stream_module() {
    has nginx || return 0
    flags=$(nginx -V 2>&1 | tr ' ' '\n')
    case $flags in
    *--with-stream=dynamic*) module=$(printf '%s\n' "$flags" | sed -n 's/^--modules-path=//p')/ngx_stream_module.so ;;
    *--with-stream*) return 0 ;;
    *) module=/not-built ;;
    esac
    [ -e "$EVENKEEL_ROOT$module" ] ||
        problem "its nginx has no stream module" "install it (Debian: apt-get install libnginx-mod-stream; Red Hat: dnf install nginx-mod-stream)"
}

# The load balancer's check asks all upstreams at once. An older curl asks nobody, and everybody would count as ready.
check_parallel() {
    ! has curl || curl -q --parallel-immediate --version >/dev/null 2>&1 ||
        problem "its curl cannot ask several upstreams at once, as 7.68 and newer can" "install a newer one, or use a host with a newer distribution"
}

check_host() {
    check_commands
    check_systemd
    check_architecture
    check_capacity
    check_names
    ! has ip || check_address
    ! has ss || check_ports
    check_firewall
    check_selinux
    check_generations
    case " $ROLES " in
    *" lb "*)
        check_stream_module
        check_parallel
        ;;
    esac
    if [ "$RUNS_PODS" = yes ]; then
        ! adopted || check_former_node
        check_swap
        check_cgroups
        check_modules
        check_resolver
        check_versions
        check_kept
    fi
    if has curl; then
        check_clock
        check_images
    fi
    [ "$problems" = 0 ] || exit 1
}

# What the host is: the same words at every run, for the program's own comparisons.
describe() {
    printf 'architecture %s\n' "$(uname -m)"
    # shellcheck source=/dev/null
    printf 'distribution %s\n' "$(. "$EVENKEEL_ROOT/etc/os-release" && echo "$ID ${VERSION_ID:-rolling}")"
    printf 'cgroup %s\n' "$(cgroup_version)"
    printf 'machine %s\n' "$(sha256sum <"$EVENKEEL_ROOT/etc/machine-id" | cut -c 1-16)"
}

check_privileges
check_host
fetch_all
describe
