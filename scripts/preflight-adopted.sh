# shellcheck shell=sh
# What a node of an adopted cluster has of its own that nothing reads any more once it had its turn: flags of its kubelet
# and settings of its containerd. `python -m ops adopt` looks at one master alone; here each node says it for itself.
# Does not own which settings of a kubelet's file a node has: the API tells those. Nor who calls this: preflight.sh, whose
# text follows this one, and whose `problem` tells.
#
#   RUNTIMES    the names that the stack's containerd knows its runtimes by, one a word

CERTS_D=/etc/containerd/certs.d

# From its turn on all of this is the stack's own.
check_former_node() {
    [ ! -f "$EVENKEEL_STATE/applied/kubelet" ] || return 0
    check_former_flags
    check_former_arguments
    if has containerd && former=$(containerd config dump 2>/dev/null); then
        check_former_folders
        check_former_runtimes
        check_former_registries
        check_former_network
    fi
}

# Those that kubeadm writes by itself follow from the stack's settings.
check_former_flags() {
    former_file=/var/lib/kubelet/kubeadm-flags.env
    while read -r former_flag; do
        case ${former_flag%%=*} in
        '' | --container-runtime-endpoint | --pod-infra-container-image | --hostname-override | --node-ip) ;;
        --register-with-taints | --node-labels | --config | --kubeconfig | --bootstrap-kubeconfig) ;;
        *) problem "its kubelet has $former_flag in $former_file, which is read no more" "move it into KUBELET_EXTRA_ARGS in /etc/default/kubelet, which is kept" ;;
        esac
    done <<FLAGS
$(sed -n 's/^KUBELET_KUBEADM_ARGS=//p' "$EVENKEEL_ROOT$former_file" 2>/dev/null | tr -d \''"' | tr ' ' '\n')
FLAGS
}

# extra_arguments FILE
extra_arguments() {
    sed -n 's/^KUBELET_EXTRA_ARGS=//p' "$EVENKEEL_ROOT$1" 2>/dev/null | tr -d \''"'
}

# Red Hat's packages of the kubelet read another file than Debian's.
check_former_arguments() {
    former_arguments=$(extra_arguments /etc/sysconfig/kubelet)
    [ -z "$former_arguments" ] || [ "$former_arguments" = "$(extra_arguments /etc/default/kubelet)" ] ||
        problem "its kubelet has $former_arguments in /etc/sysconfig/kubelet, which is read no more" "copy that file to /etc/default/kubelet, which is kept"
}

# A containerd that looks elsewhere knows none of the containers that run, and the kubelet starts every pod once more.
check_former_folders() {
    for former_folder in root=/var/lib/containerd state=/run/containerd; do
        former_key=${former_folder%%=*}
        former_is=$(printf '%s\n' "$former" | sed -n "s/^$former_key = [\"']\(.*\)[\"']\$/\1/p" | head -n 1)
        case ${former_is%/} in
        '' | "${former_folder#*=}") ;;
        *) problem "its containerd has $former_key = $former_is, and a stack's has it at ${former_folder#*=}, where it would know none of the containers that run here" "drain the node, stop kubelet and containerd, move that folder there, take $former_key out of /etc/containerd/config.toml, and start both" ;;
        esac
    done
}

# former_tables PART: the names below it in containerd's configuration, such as [plugins.'...'.PART.NAME].
former_tables() {
    printf '%s\n' "$former" | sed -n "s/^ *\[plugins\..*\.$1\.[\"']\{0,1\}\([^]\"']*\).*/\1/p" | sort -u
}

check_former_runtimes() {
    while read -r former_name; do
        case " $RUNTIMES " in
        *" ${former_name:-runc} "*) ;;
        *) problem "its containerd has the runtime $former_name, and the stack's has none of that name" "write it below evenkeel:cluster.containerd.config.plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes, or take it out of /etc/containerd/config.toml" ;;
        esac
    done <<RUNTIMES_HERE
$(former_tables 'containerd\.runtimes' | sed 's/\..*//' | sort -u)
RUNTIMES_HERE
}

# Mirrors and credentials in containerd's own file are an older form of what lies in a folder for each registry.
check_former_registries() {
    while read -r former_name; do
        former_hosts=$CERTS_D/$former_name/hosts.toml
        [ "$former_name" != '*' ] || former_hosts=$CERTS_D/_default/hosts.toml
        [ -z "$former_name" ] || [ -f "$EVENKEEL_ROOT$former_hosts" ] ||
            problem "its containerd has settings for the registry $former_name in /etc/containerd/config.toml, which is read no more" "write them as $former_hosts, which is kept (github.com/containerd/containerd: docs/hosts.md)"
    done <<REGISTRIES
$({ former_tables 'registry\.mirrors' && former_tables 'registry\.configs'; } | sort -u)
REGISTRIES
}

# former_value KEY: the first that is set under this name, anywhere in containerd's configuration.
former_value() {
    printf '%s\n' "$former" | sed -n "s/^ *$1 = \[\{0,1\}[\"']\([^\"'][^\"']*\)[\"'].*/\1/p" | head -n 1
}

# What the release's cni-plugins bring to every node.
BROUGHT='bandwidth|bridge|dhcp|dummy|firewall|host-device|host-local|ipvlan|loopback|macvlan|portmap|ptp|sbr|static|tap|tuning|vlan|vrf'

# network_plugins FOLDER: those that the pod network's settings name, and that only the pod network brings.
network_plugins() {
    grep -hso '"type" *: *"[a-zA-Z0-9_-]*"' "$EVENKEEL_ROOT$1"/*.conf* | cut -d '"' -f 4 | sort -u | grep -vxE "$BROUGHT"
}

# Debian's own containerd looks for plugins where no pod network puts them unless it is told to.
check_former_network() {
    former_settings=$(former_value conf_dir) former_plugins=$(former_value 'bin_dirs\{0,1\}')
    case ${former_settings%/} in
    '' | /etc/cni/net.d) ;;
    *) problem "its containerd finds the pod network's settings in $former_settings, and a stack's in /etc/cni/net.d alone" "let what brings the pod network put them there too" ;;
    esac
    for former_plugin in $(network_plugins "${former_settings:-/etc/cni/net.d}"); do
        [ ! -e "$EVENKEEL_ROOT$former_plugins/$former_plugin" ] || [ -e "$EVENKEEL_ROOT/opt/cni/bin/$former_plugin" ] ||
            problem "its containerd finds the network plugin $former_plugin in $former_plugins, and a stack's in /opt/cni/bin alone" "let what brings the pod network put it there too"
    done
}
