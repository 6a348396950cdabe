"""Answers of real clusters of three releases, recorded on one of three nodes with two GPUs each."""

RELEASES = ("22.05.8", "24.11.5", "26.05.5")

STARTS = {
    "22.05.8": "sbatch: Job 14 to start at 2026-11-29T04:42:25 using 12 processors on nodes "
    "node[1-3] in partition gpu",
    "24.11.5": "sbatch: Job 14 to start at 2026-11-29T04:42:25 using 12 processors on nodes "
    "node[1-3] in partition gpu",
    "26.05.5": "sbatch: Job 14 to start at 2026-11-29T04:42:25 a using 12 processors on nodes "
    "node[1-3] in partition gpu",
}

REFUSALS = {
    "sbatch: error: invalid partition specified: nope\n"
    "allocation failure: Invalid partition name specified": "invalid partition specified: nope; "
    "Invalid partition name specified",
    "allocation failure: Requested node configuration is not available": "Requested node "
    "configuration is not available",
    "sbatch: error: QOSMaxCpuPerJobLimit\n"
    "allocation failure: Job violates accounting/QOS policy (job submit limit, user's size and/or "
    "time limits)": "QOSMaxCpuPerJobLimit; Job violates accounting/QOS policy (job submit limit, "
    "user's size and/or time limits)",
    "sbatch: error: You must name an account: --account=NAME\n"
    "allocation failure: Unspecified error": "You must name an account: --account=NAME",
    "sbatch: error: Ask for GPUs with --gres=gpu:N\n"
    "allocation failure: Invalid generic resource (gres) specification": "Ask for GPUs with "
    "--gres=gpu:N; Invalid generic resource (gres) specification",
}

# What `sbatch --test-only` said of jobs that the real sbatch refused, too.
DEFINITE = (
    "allocation failure: Invalid account or account/partition combination specified",
    "allocation failure: Invalid qos specification",
    "allocation failure: Invalid feature specification",
    "allocation failure: Requested reservation is invalid",
    "allocation failure: Invalid node name specified",
    "allocation failure: Invalid license specification",
    "allocation failure: More processors requested than permitted",
    "allocation failure: Requested time limit is invalid (missing or exceeds some limit)",
    "sbatch: error: invalid partition specified: nope\n"
    "allocation failure: Invalid partition name specified",
    "sbatch: error: Invalid generic resource (gres) specification",
    "sbatch: error: You must name an account: --account=NAME\n"
    "allocation failure: Unspecified error",
    "sbatch: error: Ask for GPUs with --gres=gpu:N\n"
    "allocation failure: Invalid generic resource (gres) specification",
    "sbatch: error: Invalid --mail-type specification",
    "sbatch: unrecognized option '--bogus'",
)

# What may pass by itself, or is not known.
MAY_PASS = (
    "allocation failure: Requested node configuration is not available",
    "allocation failure: Required partition not available (inactive or drain)",
    "allocation failure: Job dependency problem",
    "allocation failure: Unspecified error",
    "allocation failure: Words of a release that is not known",
    "sbatch: error: QOSMaxCpuPerJobLimit\n"
    "allocation failure: Job violates accounting/QOS policy (job submit limit, user's size and/or "
    "time limits)",
    "sbatch: error: You have reached your 10 jobs\nallocation failure: Unspecified error",
    "sbatch: error: Maintenance until 18:00, try again later\n"
    "allocation failure: Invalid partition name specified",
    "allocation failure: Unable to contact slurm controller (connect failure)",
    "sbatch: error: Invalid qos specification\nsbatch: error: Socket timed out on send/recv",
    "quota: Invalid qos specification",
    "",
)

# The same in all three.
SHARES = """\
Account|User|RawShares|NormShares|RawUsage|EffectvUsage|FairShare
research|alice|1|0.500000|0|0.000000|1.000000
 students|alice|1|0.500000|12|0.250000|0.333333
research||1|0.500000|0|0.000000|
"""
