#!/bin/bash
#SBATCH --job-name=tmgg-experiment
#SBATCH --nodes=2
#SBATCH --exclusive
#SBATCH --tasks-per-node=4
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
# What the login node proved itself with; not every sbatch leaves it there.
unset SLURM_JWT SLURM_SACK_JWKS SLURM_SACK_KEY SLURM_SACK_SOCKET
export TMGG_JOB_ID=$tmgg_job TMGG_RESTART=${SLURM_RESTART_COUNT:-0}
tmgg_stage=claim
tmgg_signal=
tmgg_asked=
tmgg_interrupted=
tmgg_releaser=
tmgg_ended_once=
tmgg_at_exit=
tmgg_path=$PATH
tmgg_options=$(env -i "$BASH" -c 'set +o; shopt -p') # of a shell that has read no file

tmgg_now() { # bash before 5.0 has no EPOCHREALTIME; some locales write it with a comma
    local now=${EPOCHREALTIME:-$(date +%s.%N)}
    printf '%s' "${now/,/.}"
}

# A node that lost touch with Slurm may go on while a later start of this job runs elsewhere. Then
# this start says nothing more in the folder, which is the later one's.
tmgg_is_superseded() {
    local last
    read -r last 2> /dev/null < "$tmgg_dir/restart"
    [ "${last:-0}" -gt "$TMGG_RESTART" ] 2> /dev/null
}

tmgg_phase() {
    if tmgg_is_superseded; then return; fi
    printf '%s %s %s\n' "$1" "$(tmgg_now)" "$HOSTNAME" >> "$tmgg_dir/phases"
}

tmgg_fail() { # message, exit code
    echo "tmgg: $1" >&2
    exit "$2"
}

# The first job to link its id owns a folder; a duplicate left by a lost answer ends here, unused.
tmgg_own() { # folder, job
    local mine=$1/.owner.$SLURM_JOB_ID owner
    printf '%s\n' "$2" > "$mine" || tmgg_fail "cannot write to $1" 74
    ln "$mine" "$1/owner" 2> /dev/null
    rm -f "$mine"
    read -r owner < "$1/owner" || tmgg_fail "cannot write to $1" 74
    if [ "$owner" != "$2" ]; then
        # "nobody" owns what was given up before a job began it.
        echo "tmgg: job $2 is not needed, this submission belongs to $owner"
        exit 0
    fi
}

# A run that was removed may have left its name to another: then the folder has another token.
tmgg_is_anothers() {
    local code
    if [ -z "$TMGG_SUBMISSION" ]; then return 1; fi
    grep -qsF "$TMGG_SUBMISSION" "$tmgg_intent"
    code=$?
    [ "$code" -eq 1 ] # 2: it cannot be read, which says nothing
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
    # A job that ended by itself is not run again because a node died, or somebody requeued it, then.
    if [ -s "$tmgg_dir/entrypoint_exit_code" ] && grep -qs '"signal": ""' "$tmgg_ended"; then
        echo "tmgg: this run has ended; tmgg-jobs retry runs a failed one again"
        exit "$(cat "$tmgg_dir/entrypoint_exit_code")"
    fi
    # Nor one whose end was told: a retry may have begun meanwhile.
    if [ -e "$tmgg_dir/verdict.json" ]; then
        echo "tmgg: the end of this run was told; tmgg-jobs retry runs a failed one again"
        exit 0
    fi
}

# An earlier start may have left the last line of its log open, as progress bars do.
tmgg_end_line() { # number of an open file
    if [ -f "/proc/$$/fd/$1" ] && [ -n "$(tail -c 1 "/proc/$$/fd/$1" 2> /dev/null)" ]; then echo >&"$1"; fi
}

# What an earlier start of this job left must not be taken for this one's.
tmgg_set_aside() {
    local name
    # First of all: what an earlier start writes after this is known to be too late.
    if ! { printf '%s\n' "$TMGG_RESTART" > "$tmgg_dir/.restart.tmp" && mv -f "$tmgg_dir/.restart.tmp" "$tmgg_dir/restart"; }; then
        tmgg_fail "cannot write to $tmgg_dir" 74
    fi
    for name in phases result.json entrypoint_exit_code; do
        if [ -e "$tmgg_dir/$name" ]; then
            mv -f "$tmgg_dir/$name" "$tmgg_dir/$name.before-restart-$TMGG_RESTART"
        fi
    done
    rm -f "$tmgg_ended" "$tmgg_dir/stop" "$tmgg_dir/missing.json"
    if [ -n "$tmgg_asked" ]; then tmgg_tell; fi # this start has been signalled already
    # All starts of all submissions append to the same logs.
    tmgg_mark="tmgg: submission ${tmgg_dir##*/}, restart $TMGG_RESTART, job $tmgg_job on $HOSTNAME"
    tmgg_end_line 1
    echo "$tmgg_mark"
    tmgg_end_line 2
    echo "$tmgg_mark" >&2
}

# A setup command fails by its own exit code, not by what fails inside a file that it sources.
# Its words stay in this script, which only its owner can read: they may hold a secret.
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

# Open to the team where the run's folder is.
tmgg_share() { # folder that says it, mode, files
    case $(stat -c %A "$1" 2> /dev/null) in d???r-s---*) chmod "$2" "${@:3}" ;; esac
}

tmgg_record() { # exit code
    local entrypoint=null temporary=$tmgg_ended.$SLURM_JOB_ID.tmp
    if tmgg_is_anothers || tmgg_is_superseded; then return; fi
    if [ -s "$tmgg_dir/entrypoint_exit_code" ]; then read -r entrypoint < "$tmgg_dir/entrypoint_exit_code"; fi
    umask 077 # whatever the site's: a record that others can write is not trusted
    printf '{"version": 1, "token": "%s", "job_id": "%s", "restart": %s, "stage": "%s", "signal": "%s", "exit_code": %s, "entrypoint_exit_code": %s, "ended_at": %s}\n' \
        "$TMGG_SUBMISSION" "$tmgg_job" "$TMGG_RESTART" "$tmgg_stage" "$tmgg_signal" "$1" "$entrypoint" "$(tmgg_now)" > "$temporary" &&
        tmgg_share "$tmgg_dir" 640 "$temporary" &&
        sync "$temporary" && mv -f "$temporary" "$tmgg_ended"
}

tmgg_exit() {
    local code=$?
    # A child of this shell that is signalled right after its fork still has the traps.
    if [ "$BASHPID" != $$ ] || [ -n "$tmgg_ended_once" ]; then return; fi
    tmgg_ended_once=1
    trap - EXIT
    trap '' TERM USR2 HUP INT QUIT USR1 XCPU # the record must still be written
    tmgg_plain_shell
    PATH=$PATH:$tmgg_path # a setup command may have put nothing useful there
    tmgg_end_release
    if [ "$tmgg_stage" = claim ]; then return; fi
    tmgg_phase batch_end
    tmgg_record "$code"
    (exit "$code") # as the commands of an EXIT trap find it
    eval "$tmgg_at_exit"
}

# Setup commands, and what they source, may change how bash works: with `set -e` the script would end at
# a `wait` that a signal interrupts, though the experiment goes on.
tmgg_plain_shell() {
    IFS=$' \t\n'
    eval "$tmgg_options" 2> /dev/null
    # shellcheck disable=SC2046
    unset -f $(compgen -b) # `cd`, `wait`, `read`
    # Where a site gives jobs no variables, srun would give its tasks none; the job is of this cluster.
    unset SLURM_EXPORT_ENV SLURM_CLUSTERS
}

# The traps are the script's own. What a setup command wants done at the end is done after the record.
tmgg_take_over() {
    tmgg_plain_shell
    eval "set -- $(trap -p EXIT)"
    if [ "${3-}" != tmgg_exit ]; then tmgg_at_exit=${3-}; fi
    trap tmgg_exit EXIT
    trap 'tmgg_signal=TERM; exit 143' TERM
    # What else ends a batch script: a person's scancel with a signal, a site's signal ahead of the end.
    trap 'tmgg_signal=HUP; exit 129' HUP
    trap 'tmgg_signal=INT; exit 130' INT
    trap 'tmgg_signal=QUIT; exit 131' QUIT
    trap 'tmgg_signal=USR1; exit 138' USR1
    trap 'tmgg_signal=XCPU; exit 152' XCPU
    trap tmgg_ask USR2
    # Any other would interrupt a `wait`.
    trap - ALRM CHLD CONT IO PIPE PROF TSTP TTIN TTOU URG VTALRM WINCH
}

tmgg_scontrol() { # seconds, arguments; times are written as a setup command may have them
    SLURM_TIME_FORMAT=standard timeout "$1" scontrol "${@:2}"
}

# Asked by tmgg_job: one element of an array has the array's own id as its SLURM_JOB_ID, which to
# scontrol means all elements.
tmgg_preempted() {
    case " $(tmgg_scontrol 20 --oneliner show job "$tmgg_job" 2> /dev/null) " in
        *' PreemptTime=None '* | *' PreemptTime=N/A '* | *' PreemptTime=Unknown '*) return 1 ;;
        *' PreemptTime='*) return 0 ;;
    esac
    return 1
}

# By the experiment itself: Lightning does that.
tmgg_is_requeued() {
    case " $(tmgg_scontrol 20 --oneliner show job "$tmgg_job" 2> /dev/null) " in
        *" Restarts=$TMGG_RESTART "*) return 1 ;;
        *' Restarts='*) return 0 ;;
    esac
    return 1
}

# Not before the claim: the folder may be another job's. tmgg_set_aside makes up for it.
tmgg_tell() {
    if [ "$tmgg_stage" = claim ] || tmgg_is_superseded; then return; fi
    printf '%s\n' "$tmgg_asked" >| "$tmgg_dir/stop"
}

# Slurm's signal ahead of the time limit; at some sites also ahead of preemption.
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

# From Slurm 26.05 on srun ends only when the controller has heard of its step's end. While that is down
# it is enough that the experiment has left its exit code, and nothing of a step runs on this node.
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

tmgg_wait() { # process id, nodes; the signal above only interrupts the waiting
    local code
    if [ "$2" = 1 ]; then # of others, this node does not tell
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
        if [ "$code" -eq 127 ]; then break; fi # it had ended, of a signal of its own
        tmgg_srun_code=$code
    done
    tmgg_end_release
}

# The experiment saved its state because it was asked to: the job goes back into the queue. Where it
# cannot do so by itself, whoever waits for the run submits it again.
tmgg_go_on() {
    if tmgg_is_superseded; then return; fi
    if [ -z "$tmgg_asked" ] && tmgg_preempted; then tmgg_asked=preemption; fi
    if [ -z "$tmgg_asked" ]; then return; fi # somebody stopped it by hand
    if [ "$TMGG_RESTART" -ge 100 ]; then
        echo "tmgg: this run has no restart left (slurm_max_restarts, slurm_requeue)" >&2
        return
    fi
    tmgg_signal=USR2 # not an end by itself: the next start of this job must run
    tmgg_record 85
    if tmgg_is_requeued || tmgg_scontrol 60 requeue "$tmgg_job"; then
        sleep 60 &> /dev/null &
        wait $! # for the TERM by which Slurm ends this start
    fi
}
tmgg_take_over
tmgg_claim
tmgg_stage=restart
tmgg_set_aside
if [ "$TMGG_RESTART" -gt 100 ]; then
    tmgg_fail "restarted $TMGG_RESTART times, which is more than slurm_max_restarts allows" 76
fi
tmgg_stage=setup
tmgg_phase batch_start
export PATH=/home/alice/venv/bin:"$PATH"

# A setup command that ends the script may have set an EXIT trap before: the end is noted all the same
# shellcheck disable=SC2317,SC2329
exit() {
    local code=${1-$?}
    if [ "$BASHPID" = $$ ]; then tmgg_take_over; fi # not of a subshell
    builtin exit "$code"
}
# Environment setup (from slurm_setup_commands)
tmgg_setup_line=$((LINENO + 1))
trap 'tmgg_check_setup "$?" "$LINENO" "${#BASH_SOURCE[@]}"' ERR

tmgg_take_over
trap - ERR DEBUG RETURN # a function cannot
tmgg_stage=preflight
python -m tmgg.experiment_utils.ray_cluster.preflight --no-ray || exit
tmgg_phase environment_ready

# Ranks: the experiment runs in every task. Each has a supervisor, and rank 0's leaves the result
tmgg_stage=entrypoint
: > "$tmgg_dir/rank_hub"
env -u SLURM_GPUS_PER_TASK -u SLURM_GPUS_PER_NODE -u SLURM_TRES_PER_TASK -u SLURM_TRES_BIND -u SLURM_GPU_BIND srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks=8 --ntasks-per-node=4 \
    --cpus-per-task="$SLURM_CPUS_PER_TASK" --distribution=block --gres=gpu:4 --kill-on-bad-exit=0 --wait=0 \
    python -u -m tmgg.experiment_utils.ranks "$tmgg_dir" --tasks-per-node=4 --gpus=1 --ports=20000-31999 --interface=ib0 --start-timeout=300 --max-restarts=100 &
tmgg_wait $! "$SLURM_JOB_NUM_NODES"

# Only the experiment itself knows how it ended: symmetric-run exits 0 when Ray never started, and
# srun ends otherwise than 0 when a worker lingers.
if [ -s "$tmgg_dir/entrypoint_exit_code" ]; then
    read -r tmgg_code < "$tmgg_dir/entrypoint_exit_code"
    if [ "$tmgg_code" = 85 ]; then tmgg_go_on; fi
    exit "$tmgg_code"
fi
tmgg_fail "the experiment left no exit code; srun ended with $tmgg_srun_code" "$((tmgg_srun_code ? tmgg_srun_code : 97))"
