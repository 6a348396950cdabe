#!/bin/bash
#SBATCH --job-name=tmgg-experiment
#SBATCH --nodes=3
#SBATCH --tasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-task=1
#SBATCH --mem-per-cpu=4GB
#SBATCH --time=08:00:00
#SBATCH --partition=gpu
#SBATCH --output=slurm_outputs/run-1.out
#SBATCH --error=slurm_outputs/run-1.err
#SBATCH --open-mode=append
#SBATCH --signal=B:USR2@120

# TMGG: this run's files, its phases and its exit record
export TMGG_SUBMISSION=TOKEN
tmgg_intent=/home/alice/project/slurm_outputs/run-1/1/intent.json
tmgg_dir=/home/alice/project/slurm_outputs/run-1/1
tmgg_ended=/home/alice/project/slurm_outputs/.ended/run-1.1.json
tmgg_script=$tmgg_dir/job.sh
tmgg_job=$SLURM_JOB_ID
tmgg_enter() { :; }
# Credentials of the login node: some releases of sbatch pass them on to the job.
unset SLURM_JWT SLURM_SACK_JWKS SLURM_SACK_KEY SLURM_SACK_SOCKET
export TMGG_JOB_ID=$tmgg_job TMGG_RESTART=${SLURM_RESTART_COUNT:-0}
tmgg_stage=claim
tmgg_signal=
tmgg_asked=
tmgg_interrupted=
tmgg_releaser=
tmgg_ended_once=
tmgg_at_exit=
tmgg_mark=
tmgg_path=$PATH
tmgg_options=$(env -i "$BASH" -c 'set +o; shopt -p') # the options of a shell without start-up files

tmgg_now() { # bash before 5.0 has no EPOCHREALTIME; some locales write it with a comma
    local now=${EPOCHREALTIME:-$(date +%s.%N)}
    printf '%s' "${now/,/.}"
}

# If a node loses contact with Slurm, its job may go on while Slurm starts the job again elsewhere.
# The folder then belongs to the later start, and this start writes nothing more into it.
tmgg_is_superseded() {
    local last
    read -r last 2> /dev/null < "$tmgg_dir/restart"
    [ "${last:-0}" -gt "$TMGG_RESTART" ] 2> /dev/null
}

tmgg_phase() {
    if tmgg_is_superseded; then return; fi
    printf '%s %s %s\n' "$1" "$(tmgg_now)" "$HOSTNAME" >> "$tmgg_dir/phases"
}

# The last line of an earlier start's log may have no newline: progress bars write such lines.
tmgg_end_line() { # number of an open file
    if [ -f "/proc/$$/fd/$1" ] && [ -n "$(tail -c 1 "/proc/$$/fd/$1" 2> /dev/null)" ]; then echo >&"$1"; fi
}

# All starts append to the same logs, so each begins with a line of its own.
tmgg_begin_log() {
    if [ -n "$tmgg_mark" ]; then return; fi
    tmgg_mark="tmgg: submission ${tmgg_dir##*/}, restart $TMGG_RESTART, job $tmgg_job on $HOSTNAME"
    tmgg_end_line 1
    echo "$tmgg_mark"
    tmgg_end_line 2
    echo "$tmgg_mark" >&2
}

tmgg_fail() { # message, exit code
    tmgg_begin_log
    echo "tmgg: $1" >&2
    exit "$2"
}

tmgg_write() { # line, file
    local why
    if ! why=$({ printf '%s\n' "$1" > "$2"; } 2>&1); then
        tmgg_fail "cannot write to ${2%/*} (${why##*: })" 74
    fi
}

# The first job that links its id owns the folder. If sbatch's answer was lost, there may be a second
# job of this submission; it ends here, unused.
tmgg_own() { # folder, job
    local mine=$1/.owner.$SLURM_JOB_ID owner
    if [ ! -e "$1/owner" ]; then
        tmgg_write "$2" "$mine"
        ln "$mine" "$1/owner" 2> /dev/null
        rm -f "$mine"
    fi
    read -r owner < "$1/owner" || tmgg_fail "cannot write to $1" 74
    if [ "$owner" != "$2" ]; then
        # The owner is "nobody" if TMGG gave the submission up before a job began it.
        echo "tmgg: job $2 is not needed, this submission belongs to $owner"
        exit 0
    fi
}

# After a run was removed, another run may have its name. The folder then has another token.
tmgg_is_anothers() {
    local code
    if [ -z "$TMGG_SUBMISSION" ]; then return 1; fi
    grep -qsF "$TMGG_SUBMISSION" "$tmgg_intent"
    code=$?
    [ "$code" -eq 1 ] # 2 means that grep could not read the file, which proves nothing
}

tmgg_claim() {
    if tmgg_is_anothers; then
        echo "tmgg: job $tmgg_job is not needed: its run was removed, and another has its name"
        exit 0
    fi
    tmgg_enter
    tmgg_own "$tmgg_dir" "$tmgg_job"
    if [ -e "$tmgg_dir/cancel.json" ]; then
        echo "tmgg: cancelled before it began; nothing to do"
        tmgg_stage=cancelled
        exit 0
    fi
    # Slurm may start a job again after it ended by itself (a node died, a person requeued it).
    if [ -s "$tmgg_dir/entrypoint_exit_code" ] && grep -qs '"signal": ""' "$tmgg_ended"; then
        echo "tmgg: this run has ended; tmgg-jobs retry runs a failed one again"
        exit "$(cat "$tmgg_dir/entrypoint_exit_code")"
    fi
    # TMGG has reported the end of this run, so a retry may have begun already.
    if [ -e "$tmgg_dir/verdict.json" ]; then
        echo "tmgg: the end of this run was reported before; tmgg-jobs retry runs a failed one again"
        exit 0
    fi
}

# Renames the files of an earlier start, so that they do not count as files of this start.
tmgg_set_aside() {
    local name
    # This comes first: an earlier start that still runs reads the file and then writes nothing.
    tmgg_write "$TMGG_RESTART" "$tmgg_dir/.restart.tmp"
    mv -f "$tmgg_dir/.restart.tmp" "$tmgg_dir/restart" || tmgg_fail "cannot write to $tmgg_dir" 74
    for name in phases result.json entrypoint_exit_code; do
        if [ -e "$tmgg_dir/$name" ]; then
            mv -f "$tmgg_dir/$name" "$tmgg_dir/$name.before-restart-$TMGG_RESTART"
        fi
    done
    rm -f "$tmgg_ended" "$tmgg_dir/stop" "$tmgg_dir/missing.json"
    if [ -n "$tmgg_asked" ]; then tmgg_tell; fi # the signal came before this point
    tmgg_begin_log
}

# A setup command has failed if its own exit code is not 0; a failure inside a file that it sources
# does not count. The message does not quote the command, because it may hold a secret.
tmgg_check_setup() { # exit code, line of this script, depth of sourcing
    local number=0 last=$tmgg_setup_line lines line=$2
    if [ "$3" -gt 1 ]; then
        case $- in *e*) line=${BASH_LINENO[$3 - 1]} ;; *) return ;; esac # by `set -e` it ends the script
    fi
    tmgg_take_over
    for lines in ; do
        number=$((number + 1)) last=$((last + lines))
        if [ "$line" -le "$last" ]; then break; fi
    done
    tmgg_fail "setup command failed with exit code $1: number $number of slurm_setup_commands, line $line of $tmgg_script" 71
}

# Gives the team access to the files if the folder is shared with a team.
tmgg_share() { # folder that shows whether it is shared, mode, files
    case $(stat -c %A "$1" 2> /dev/null) in d???r-s---*) chmod "$2" "${@:3}" ;; esac
}

tmgg_record() { # exit code
    local entrypoint=null temporary=$tmgg_ended.$SLURM_JOB_ID.tmp
    if tmgg_is_anothers || tmgg_is_superseded; then return; fi
    # Before its files are set aside, the exit code is that of an earlier start.
    if [ "$tmgg_stage" != begin ] && [ -s "$tmgg_dir/entrypoint_exit_code" ]; then read -r entrypoint < "$tmgg_dir/entrypoint_exit_code"; fi
    umask 077 # TMGG does not trust a record that other users can write
    printf '{"version": 1, "token": "%s", "job_id": "%s", "restart": %s, "stage": "%s", "signal": "%s", "exit_code": %s, "entrypoint_exit_code": %s, "ended_at": %s}\n' \
        "$TMGG_SUBMISSION" "$tmgg_job" "$TMGG_RESTART" "$tmgg_stage" "$tmgg_signal" "$1" "$entrypoint" "$(tmgg_now)" > "$temporary" &&
        tmgg_share "$tmgg_dir" 640 "$temporary" &&
        sync "$temporary" && mv -f "$temporary" "$tmgg_ended"
}

tmgg_exit() {
    local code=$?
    # A child that gets a signal right after its fork still has this shell's traps.
    if [ "$BASHPID" != $$ ] || [ -n "$tmgg_ended_once" ]; then return; fi
    tmgg_ended_once=1
    trap - EXIT
    trap '' TERM USR2 HUP INT QUIT USR1 XCPU # no signal may interrupt the writing of the record
    tmgg_plain_shell
    PATH=$PATH:$tmgg_path # a setup command may have removed the usual folders
    tmgg_end_release
    if [ "$tmgg_stage" = claim ]; then return; fi
    if [ "$tmgg_stage" != begin ]; then tmgg_phase batch_end; fi
    tmgg_record "$code"
    (exit "$code") # the user's EXIT trap finds this code in $?
    eval "$tmgg_at_exit"
}

# Setup commands may have changed how bash works. With `set -e`, for example, a signal that interrupts
# a `wait` would end this script while the experiment still runs.
tmgg_plain_shell() {
    IFS=$' \t\n'
    eval "$tmgg_options" 2> /dev/null
    # shellcheck disable=SC2046
    unset -f $(compgen -b) # `cd`, `wait`, `read`
    # A site may start jobs without variables; srun would start its tasks so, too. And the job runs on
    # this cluster.
    unset SLURM_EXPORT_ENV SLURM_CLUSTERS
}

# Sets this script's traps. An EXIT trap of the setup commands runs after the record is written.
tmgg_take_over() {
    tmgg_plain_shell
    eval "set -- $(trap -p EXIT)"
    if [ "${3-}" != tmgg_exit ]; then tmgg_at_exit=${3-}; fi
    trap tmgg_exit EXIT
    trap 'tmgg_signal=TERM; exit 143' TERM
    # Other signals that end a batch script: scancel with a signal, or a site's warning before the end.
    trap 'tmgg_signal=HUP; exit 129' HUP
    trap 'tmgg_signal=INT; exit 130' INT
    trap 'tmgg_signal=QUIT; exit 131' QUIT
    trap 'tmgg_signal=USR1; exit 138' USR1
    trap 'tmgg_signal=XCPU; exit 152' XCPU
    trap tmgg_ask USR2
    # A trap for another signal would interrupt a `wait`.
    trap - ALRM CHLD CONT IO PIPE PROF TSTP TTIN TTOU URG VTALRM WINCH
}

tmgg_scontrol() { # seconds, arguments; a setup command may have set another SLURM_TIME_FORMAT
    SLURM_TIME_FORMAT=standard timeout "$1" scontrol "${@:2}"
}

# The question names $tmgg_job: in one element of an array SLURM_JOB_ID is the id of the whole array,
# for which scontrol shows all elements.
tmgg_preempted() {
    case " $(tmgg_scontrol 20 --oneliner show job "$tmgg_job" 2> /dev/null) " in
        *' PreemptTime=None '* | *' PreemptTime=N/A '* | *' PreemptTime=Unknown '*) return 1 ;;
        *' PreemptTime='*) return 0 ;;
    esac
    return 1
}

# Whether the experiment itself has requeued the job; Lightning does that.
tmgg_is_requeued() {
    case " $(tmgg_scontrol 20 --oneliner show job "$tmgg_job" 2> /dev/null) " in
        *" Restarts=$TMGG_RESTART "*) return 1 ;;
        *' Restarts='*) return 0 ;;
    esac
    return 1
}

# Before the claim the folder may belong to another job; tmgg_set_aside calls this again later.
tmgg_tell() {
    if [ "$tmgg_stage" = claim ] || tmgg_is_superseded; then return; fi
    printf '%s\n' "$tmgg_asked" >| "$tmgg_dir/stop"
}

# Slurm sends this signal before the time limit, and at some sites before a preemption.
tmgg_ask() {
    tmgg_interrupted=1
    tmgg_asked=time_limit
    tmgg_tell
    if tmgg_preempted; then
        tmgg_asked=preemption
        tmgg_tell
    fi
    echo "tmgg: the experiment is asked to save its state and end ($tmgg_asked)" >&2
}

# Since Slurm 26.05 srun ends only after the controller knows that its step has ended. While the
# controller is down, srun is killed if the experiment has left its exit code and no process of a step
# runs on this node.
tmgg_release() { # process id of srun
    local processes
    until [ -s "$tmgg_dir/entrypoint_exit_code" ]; do
        sleep 5 2> /dev/null
        kill -0 $$ 2> /dev/null || return # the script was killed
    done
    while sleep 5 2> /dev/null; do
        kill -0 $$ 2> /dev/null || return
        processes=$(tmgg_scontrol 20 listpids "$SLURM_JOB_ID" 2> /dev/null)
        case $processes in
            *" $SLURM_JOB_ID "*batch*) [[ $processes =~ " $SLURM_JOB_ID "+[0-9] ]] || break ;;
        esac
    done
    echo "tmgg: the experiment has ended; its srun, which waits for the controller, is killed" >&2
    kill -KILL "$1"
}

tmgg_end_release() {
    if [ -n "$tmgg_releaser" ]; then kill -KILL "$tmgg_releaser" 2> /dev/null; fi
    tmgg_releaser=
}

# The size and path of the log to which srun will append. TMGG's supervisors look there for tasks that
# have ended before they could connect.
tmgg_step_log() {
    printf '%s:%s' "$(stat -L -c %s "/proc/$$/fd/2")" "$(readlink "/proc/$$/fd/2")"
}

tmgg_wait() { # process id, nodes; the signal above only interrupts the waiting
    local code
    if [ "$2" = 1 ]; then # this node does not know the processes of other nodes
        tmgg_release "$1" > /dev/null &
        tmgg_releaser=$!
        disown "$tmgg_releaser"
    fi
    wait "$1"
    tmgg_srun_code=$?
    while [ -n "$tmgg_interrupted" ] && [ "$tmgg_srun_code" -gt 128 ]; do
        tmgg_interrupted=
        wait "$1"
        code=$?
        if [ "$code" -eq 127 ]; then break; fi # srun had ended before, by a signal
        tmgg_srun_code=$code
    done
    tmgg_end_release
}

# The experiment was asked to save its state, and did. The job goes back into the queue. If Slurm does
# not allow that, the process that waits for the run submits it again.
tmgg_go_on() {
    if tmgg_is_superseded; then return; fi
    if [ -z "$tmgg_asked" ] && tmgg_preempted; then tmgg_asked=preemption; fi
    if [ -z "$tmgg_asked" ]; then return; fi # a person stopped it
    if [ "$TMGG_RESTART" -ge 100 ]; then
        echo "tmgg: this run has no restart left (slurm_max_restarts, slurm_requeue)" >&2
        return
    fi
    tmgg_signal=USR2 # the record then says that the run goes on in the next start of this job
    tmgg_record 85
    if tmgg_is_requeued || tmgg_scontrol 60 requeue "$tmgg_job"; then
        sleep 60 &> /dev/null &
        wait $! # until Slurm ends this start by SIGTERM
    fi
}
tmgg_take_over
tmgg_claim
tmgg_stage=begin
tmgg_set_aside
tmgg_stage=restart
if [ "$TMGG_RESTART" -gt 100 ]; then
    tmgg_fail "restarted $TMGG_RESTART times, which is more than slurm_max_restarts allows" 76
fi
tmgg_stage=setup
tmgg_phase batch_start
export PATH=/home/alice/venv/bin:"$PATH"

# A setup command may set an EXIT trap and then end the script; the end is noted also then.
# shellcheck disable=SC2317,SC2329
exit() {
    local code=${1-$?}
    if [ "$BASHPID" = $$ ]; then tmgg_take_over; fi # a subshell ends only itself
    builtin exit "$code"
}
# Environment setup (from slurm_setup_commands)
tmgg_setup_line=$((LINENO + 1))
trap 'tmgg_check_setup "$?" "$LINENO" "${#BASH_SOURCE[@]}"' ERR

tmgg_take_over
trap - ERR DEBUG RETURN # a function cannot reset these traps of its caller
tmgg_stage=preflight
python -m tmgg.experiment_utils.ray_cluster.preflight --no-ray || exit
tmgg_phase environment_ready

# TMGG's own supervisor starts Ray on every node, runs the experiment on the head, and clears up
tmgg_stage=ray
tmgg_phase ray_start
: > "$tmgg_dir/ray_head"
srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 \
    --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=0 --wait=0 --no-kill \
    python -u -m tmgg.experiment_utils.ray_cluster "$tmgg_dir" \
    --gpus="1" --step-log="$(tmgg_step_log)" --ports=20000-31999 --ray-port=6380 --interface=ib0 --object-store-mb=500 --scratch=/local --start-timeout=300 &
tmgg_wait $! "$SLURM_JOB_NUM_NODES"
if [ "$tmgg_srun_code" -ge 128 ]; then
    if [ -e "$tmgg_dir/ray_head" ]; then echo "tmgg: the supervisor of the head was killed" >&2; fi
    env -u SLURM_MEM_PER_CPU -u SLURM_MEM_PER_GPU -u SLURM_MEM_PER_NODE \
        timeout 15 srun --overlap --mem=0 --quiet --no-kill --ntasks-per-node=1 --cpus-per-task=1 \
        --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" \
        python -m tmgg.experiment_utils.ray_cluster.clear_node "$tmgg_dir" /local
fi
if grep -q '^entrypoint_start ' "$tmgg_dir/phases"; then tmgg_stage=entrypoint; fi
tmgg_phase ray_end

# Only the experiment's own exit code counts: symmetric-run exits with 0 even if Ray never started, and
# srun does not exit with 0 if a worker is slow to end.
if [ -s "$tmgg_dir/entrypoint_exit_code" ]; then
    read -r tmgg_code < "$tmgg_dir/entrypoint_exit_code"
    if [ "$tmgg_code" = 85 ]; then tmgg_go_on; fi
    exit "$tmgg_code"
fi
tmgg_fail "the experiment left no exit code; srun ended with $tmgg_srun_code" "$((tmgg_srun_code ? tmgg_srun_code : 97))"
