# SPDX-License-Identifier: MIT
# What a laboratory script can use; sourced before it. README.md is the manual.

LAB_GUESTS=$(tr '\n' ' ' </lab/plan/guests)
export LAB_GUESTS
LAB_LOAD_SECONDS=60

# The domain ID of a guest.
lab_domid() {
    cat "/run/lab/domid/$1"
}

# One "NAME DOMID" line a guest.
lab_guests() {
    for lab_guest in $LAB_GUESTS; do
        echo "$lab_guest $(lab_domid "$lab_guest")"
    done
}

lab_wait() {
    sleep "$1"
}

# Prints a node of a guest's own area. The guest wrote it, so nothing in it is
# trusted: printable characters only, and not many.
lab_read() {
    xenstore-read "/local/domain/$(lab_domid "$1")/data/$2" 2>/dev/null | tr -cd ' -~' | cut -c1-400
}

# The guest's last one-second report.
lab_report() {
    lab_read "$1" report
}

# Gives a guest another load and waits until it runs.
lab_load() {
    xenstore-write "/local/domain/$(lab_domid "$1")/data/load" "$2" || return 1
    lab_end=$(($(date +%s) + LAB_LOAD_SECONDS))
    while [ "$(date +%s)" -lt $lab_end ]; do
        case $(lab_read "$1" state) in
            "running $2") return 0 ;;
            "error $2"*) break ;;
        esac
        sleep 0.2
    done
    echo "lab: guest $1: load \"$2\" does not start: $(lab_read "$1" state)" >&2
    return 1
}

# Sets the loads of a phase of the plan, lets them settle, and sets LAB_PHASE,
# LAB_SECONDS and LAB_PHASE_OUT.
lab_phase() {
    LAB_PHASE=$1
    LAB_SECONDS=$(awk -v name="$1" '$1 == name { print $2 }' /lab/plan/phases)
    LAB_PHASE_OUT=$LAB_OUT/$1
    if [ -z "$LAB_SECONDS" ]; then
        echo "lab: phase $1: not in the plan; its phases are: $(cut -d' ' -f1 /lab/plan/phases | tr '\n' ' ')" >&2
        return 1
    fi
    export LAB_PHASE LAB_SECONDS LAB_PHASE_OUT
    mkdir -p "$LAB_PHASE_OUT"
    for lab_guest in $(ls "/lab/plan/phase/$1"); do
        lab_load "$lab_guest" "$(cat "/lab/plan/phase/$1/$lab_guest")" || return 1
    done
    sleep "$(cat /lab/plan/settle)"
}

# Runs a command in every phase of the plan (without one: waits the phase's seconds)
# and writes what the guests reported during it to <phase>/scores.tsv. Stops at the
# first command that fails, with its status.
lab_phases() {
    [ $# -gt 0 ] || set -- lab_whole_phase
    while read -r lab_name _ <&3; do
        lab_phase "$lab_name" || return 1
        echo "lab: phase $lab_name" >&2
        lab_scores_mark begin
        "$@" 3<&-
        lab_status=$?
        lab_scores_mark end
        lab_scores >"$LAB_PHASE_OUT/scores.tsv"
        [ $lab_status -eq 0 ] || return $lab_status
    done 3</lab/plan/phases
}

lab_whole_phase() {
    sleep "$LAB_SECONDS"
}

# The reports of a stretch are what the guests' console logs grew by meanwhile:
# reading them there keeps xenstore quiet. One process looks at all logs, because
# on a loaded machine a second one might come a second later.
lab_scores_mark() {
    [ -z "$LAB_GUESTS" ] || (cd "$LAB_OUT/lab" && wc -c $(printf 'guest-%s.log ' $LAB_GUESTS)) >"/run/lab/$1"
}

# Prints the reports between the marks "begin" and "end" as tab-separated values.
lab_scores() {
    printf 'phase\tguest\tseq\tload\tthreads\tms\twork\twakes\twake_p50_us\twake_p99_us\twake_max_us\tdeadlines\tmisses\n'
    for lab_guest in $LAB_GUESTS; do
        lab_begin=$(lab_marked begin)
        lab_end=$(lab_marked end)
        tail -c "+$((lab_begin + 1))" "$LAB_OUT/lab/guest-$lab_guest.log" |
            head -c $((lab_end - lab_begin)) | tr -d '\r' |
            awk -v phase="${LAB_PHASE:--}" -v guest="$lab_guest" '
                # The whole line must look right: it comes from the guest.
                /^report seq=[0-9]+ load=[a-z]+( [a-z0-9_]+=[0-9]+)+$/ {
                    # The second that the first report covers began before the stretch.
                    if (!seen++) next
                    delete value
                    for (i = 2; i <= NF; i++) { split($i, pair, "="); value[pair[1]] = pair[2] }
                    line = phase "\t" guest
                    n = split("seq load threads ms work wakes wake_p50_us wake_p99_us wake_max_us deadlines misses", column, " ")
                    for (i = 1; i <= n; i++) line = line "\t" value[column[i]]
                    print line
                }'
    done
}

lab_marked() {
    awk -v log_file="guest-$lab_guest.log" '$2 == log_file { print $1 }' "/run/lab/$1"
}

# Starts the plan's pools and guests and waits until every guest runs its load; on
# failure LAB_FAILED says which and why. Used by init, once.
lab_start_guests() {
    mkdir -p /run/lab/domid
    while read -r lab_name lab_cpus <&3; do
        if ! xl cpupool-cpu-remove Pool-0 "$lab_cpus" ||
            ! xl cpupool-create "name=\"$lab_name\"" 'sched="credit2"' "cpus=\"$lab_cpus\""; then
            LAB_FAILED="pool $lab_name: xl cannot create it"
            return 1
        fi
    done 3</lab/plan/pools
    for lab_guest in $LAB_GUESTS; do
        # -e: no watcher process per guest that waits for its end.
        if ! xl create -e "/lab/plan/guest/$lab_guest.cfg" >"$LAB_OUT/lab/create-$lab_guest.log" 2>&1; then
            LAB_FAILED="$lab_guest: xl create failed, see create-$lab_guest.log"
            return 1
        fi
        xl domid "$lab_guest" >"/run/lab/domid/$lab_guest"
    done
    # Loads start when all guests are up: a load would slow the other guests' boot.
    for lab_guest in $LAB_GUESTS; do
        until [ -n "$(lab_read "$lab_guest" state)" ]; do
            case $(xl list "$lab_guest" | awk 'NR == 2 { print $5 }') in
                *[sc]*)
                    LAB_FAILED="$lab_guest: it crashed or shut down, see guest-$lab_guest.log"
                    return 1
                    ;;
            esac
            sleep 2
        done
    done
    for lab_guest in $LAB_GUESTS; do
        if ! lab_load "$lab_guest" "$(cat "/lab/plan/guest/$lab_guest.load")"; then
            LAB_FAILED="$lab_guest: its load does not start, see guest-$lab_guest.log"
            return 1
        fi
    done
}
